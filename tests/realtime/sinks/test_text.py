import pytest

from mmer.realtime.sinks.text import ascii_text, clock_text, one_line, shortened


def test_one_line_drops_what_a_terminal_would_obey() -> None:
    assert one_line("a\x1b[31m red\r\n\tb\u200b  c") == "a[31m red b c"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("I can’t — “really”…", 'I can\'t - "really"...'),
        ("café Straße æther", "cafe Strasse aether"),
        ("¼ × 3 日本", "1/4 x 3 ??"),
    ],
)
def test_ascii_text(text: str, plain: str) -> None:
    assert ascii_text(text) == plain
    assert ascii_text(text).isascii()


@pytest.mark.parametrize(
    ("t", "shown"),
    [(0, "0:00.0"), (-1, "0:00.0"), (4.14, "0:04.1"), (59.97, "1:00.0"), (3723.4, "1:02:03.4")],
)
def test_clock_text(t: float, shown: str) -> None:
    assert clock_text(t) == shown


def test_shortened() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcdef", 4, keep_end=True) == "…def"
    assert shortened("abcdef", 0) == ""
