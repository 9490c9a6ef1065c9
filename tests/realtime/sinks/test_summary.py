from __future__ import annotations

import io
from types import SimpleNamespace

from rich.console import Console

from mmer.realtime.messages import Notice
from mmer.realtime.sinks.summary import SHOWN_FINALS, Summary


def summed_up(make: SimpleNamespace, terminal: bool = False, live: bool = False) -> str:
    out = io.StringIO()
    summary = Summary(Console(file=out, force_terminal=terminal, width=80, color_system=None))
    summary.open(make.info())
    for event in make.session():
        summary.write(event, event_now(event) if live else None)
    summary.close(make.end)
    return out.getvalue()


def event_now(event: object) -> float:
    return getattr(event, "t", 1.0) + 0.1


def test_plain(make: SimpleNamespace) -> None:
    assert summed_up(make).splitlines() == [
        "0:03.0 (3.0 s), 1 utterance, 4 estimates",
        "dropped: video 2",
        "notices: warning 1",
        "share of time: joy 33%, surprise 33%, no label 33%",
        "      0.50-1.90  joy      0.70  what a wonderful day",
    ]


def test_latency_is_summed_up_when_live(make: SimpleNamespace) -> None:
    assert "latency p50 200 ms, p95 200 ms" in summed_up(make, live=True)


def test_on_a_terminal(make: SimpleNamespace) -> None:
    text = summed_up(make, terminal=True)
    for part in ("1 utterance", "joy", "33%", "██", "0.50-1.90", "what a wonderful day"):
        assert part in text


def test_only_the_last_utterances_are_listed(make: SimpleNamespace) -> None:
    out = io.StringIO()
    summary = Summary(Console(file=out, width=80))
    summary.open(make.info())
    for n in range(SHOWN_FINALS + 5):
        t = float(n)
        summary.write(make.transcript(n, t, t + 0.5, f"words {n}"), None)
        summary.write(make.estimate(t, window=(t, t + 0.5), final=True, utterance=n), None)
    summary.close(make.end)
    lines = out.getvalue().splitlines()
    assert "(5 earlier utterances not listed)" in lines
    assert sum("words" in line for line in lines) == SHOWN_FINALS
    assert lines[-1].endswith(f"words {SHOWN_FINALS + 4}")


def test_after_an_error_nothing_is_printed(make: SimpleNamespace) -> None:
    out = io.StringIO()
    summary = Summary(Console(file=out))
    summary.open(make.info())
    summary.write(Notice(1.0, "error", "x", "y"), None)
    summary.close(None)
    assert out.getvalue() == ""


def test_an_empty_session(make: SimpleNamespace) -> None:
    out = io.StringIO()
    summary = Summary(Console(file=out, width=80))
    summary.open(make.info())
    summary.close(make.end)
    assert "share of time" not in out.getvalue()
    assert "dropped: video 2" in out.getvalue()
