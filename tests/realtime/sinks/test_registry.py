"""Registry of the outputs: one entry makes another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.commands import live
from mmer.realtime.sinks.asked import asked
from mmer.realtime.sinks.registry import OUTPUTS, Output, parse_output
from mmer.realtime.sinks.sink import SessionInfo


class Tape:
    """A throw-away output that writes what happened to a file."""

    def __init__(self, address: str) -> None:
        self._path = Path(address)
        self._lines: list[str] = []

    def open(self, info: SessionInfo) -> None:
        self._lines.append(f"open {info.source['kind']}")

    def write(self, event: mmer.Message, now: float | None) -> None:
        if isinstance(event, mmer.EmotionEstimate):
            self._lines.append(f"{event.t:.2f} {event.label}")

    def close(self, end: mmer.SessionEnd | None) -> None:
        assert end is not None
        self._path.write_text("\n".join([*self._lines, f"end {end.emotions}"]))


@pytest.fixture
def with_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUTPUTS, "_entries", dict(OUTPUTS.items()))  # taken back afterwards
    OUTPUTS.add("tape", Output(f"{__name__}:Tape", "a tape"))


def test_an_entry_more_makes_an_output_that_can_be_chosen(
    with_tape: None, brief_clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "session.tape"
    options = "--modalities face --pace max --offline --quiet"
    with pytest.raises(SystemExit) as stopped:
        live.main([str(brief_clip), *options.split(), "--output", f"tape:{path}"])
    assert stopped.value.code == 0
    first, *estimates, last = path.read_text().splitlines()
    assert first == "open file"
    assert last == f"end {len(estimates)}"
    assert len(estimates) > 4


def test_what_is_no_entry_is_a_file_of_json_lines(with_tape: None) -> None:
    assert parse_output("tape:x:y") == ("tape", "x:y")
    files = ("-", "", "out.jsonl", "out", "C:/out.jsonl", "C:out", "./tape:x", "a/tap:x", "10:30")
    for target in files:
        assert parse_output(target) == ("jsonl", target)
    assert parse_output("jsonl:out") == ("jsonl", "out")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("osk:127.0.0.1:9000", "no output 'osk': do you mean osc? A file of that name: ./osk:..."),
        ("OSC:h:1", "no output 'OSC': do you mean osc?"),
        ("mqtts://user:secret@h", "no output 'mqtts': do you mean mqtt? A file of that name"),
        ("foo:bar", "no output 'foo': there are jsonl, export, "),
        ("udp_events:h:1", "do you mean udp-events?"),
        ("lsl2:x", "do you mean lsl?"),
        ("osc", "the output osc needs an address: osc:HOST:PORT (a file of that name: ./osc)"),
        ("jsonl", "the output jsonl needs an address: jsonl:FILE"),
    ],
)
def test_a_mistyped_output_is_no_file(target: str, says: str) -> None:
    with pytest.raises(MmerError) as wrong:
        parse_output(target)
    assert says in str(wrong.value)
    assert "secret" not in str(wrong.value)
    with pytest.raises(MmerError, match=re.escape(says)):
        asked([target])


def test_a_name_alone_has_the_default_address() -> None:
    assert parse_output("lsl") == ("lsl", "mmer")
    assert parse_output("transcript") == ("transcript", "-")
