"""Terminal: what a person sees when lines, notices and a progress bar share it."""

from __future__ import annotations

import io
import os
import re
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from mmer.realtime.commands.show import Views, make_sinks
from mmer.realtime.messages import Notice
from mmer.realtime.options import Options
from mmer.realtime.sinks.panel import LivePanel
from mmer.realtime.sinks.plain import PlainLines
from mmer.realtime.sinks.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """Rows that a terminal shows: carriage return, line feed, erase line, cursor up, colours."""
    rows, x, y = [""], 0, 0
    for control, final, text in re.findall(
        r"\x1b\[([?\d;]*)([A-Za-z])|(\r|\n|[^\x1b\r\n]+)", written
    ):
        if final == "A":
            y = max(0, y - int(control or 1))
        elif final == "K":
            rows[y] = ""
        elif text == "\n":
            x, y = 0, y + 1
            rows += [""] * (y + 1 - len(rows))
        elif text == "\r":
            x = 0
        elif text:
            rows[y] = rows[y][:x].ljust(x) + text + rows[y][x + len(text) :]
            x += len(text)
    return rows


def shown(make: SimpleNamespace, term: str) -> list[str]:
    out = Terminal()
    console = Console(file=out, force_terminal=True, width=60, _environ={"TERM": term})
    progress = Progress(console)
    plain = PlainLines(out, changes=False, aside=progress.aside)
    sinks = (progress, plain)
    for sink in sinks:
        sink.open(make.info(source={"kind": "file", "name": "/a/long/way/to/clip.mp4"}))
    for event in make.session():
        progress._drawn = 0.0  # every event is drawn
        for sink in sinks:
            sink.write(event, None)
    before = screen(out.getvalue())
    assert any("clip.mp4" in row and "/a/long" not in row for row in before) == (term != "dumb")
    for sink in sinks:
        sink.close(make.end)
    return [row.rstrip() for row in screen(out.getvalue()) if row.strip()]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_no_rest_of_a_bar_is_left_between_the_lines(make: SimpleNamespace, term: str) -> None:
    assert shown(make, term) == [
        '  0.50-1.90  joy 0.70  (speech joy 0.50, words joy 0.50, face -)  "what a wonderful day"',
        "       2.30  warning: microphone: lost 0.120 s",
    ]


def test_without_stepping_aside_there_would_be(make: SimpleNamespace) -> None:
    """The screen above can show a fault."""
    assert screen("clip 50 %\rjoy\n") == ["joyp 50 %", ""]


def test_a_long_notice_is_wrapped_between_words_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = "the microphone was lost, and is waited for as long as it takes: plug it in again"
    for out, rows in ((Terminal(), 3), (io.StringIO(), 1)):
        PlainLines(out).write(Notice(1.0, "warning", "microphone", text), None)
        lines = out.getvalue().splitlines()
        assert len(lines) == rows
        assert " ".join(" ".join(lines).split()) == f"1.00 warning: microphone: {text}"
        if rows > 1:
            assert max(map(len, lines)) <= 50
            assert all(line.startswith(" " * 13) for line in lines[1:])


def test_a_dumb_terminal_gets_lines_and_no_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", Terminal())
    for term, panel in (("dumb", False), ("xterm", True)):
        monkeypatch.setitem(os.environ, "TERM", term)
        _, views = make_sinks(Options(source="talk.mp4"), Views())
        assert any(isinstance(view, LivePanel) for view in views) == panel
