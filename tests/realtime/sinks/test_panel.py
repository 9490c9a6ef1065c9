from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import Health, Notice, SpeechState
from mmer.realtime.sinks.panel import LivePanel, render
from mmer.realtime.sinks.progress import Progress
from mmer.realtime.sinks.state import OverlayState


def full_state(make: SimpleNamespace) -> OverlayState:
    state = OverlayState()
    state.open(make.info())
    for event in (
        make.transcript(1, 0.5, 1.9, "I can’t believe it"),
        make.estimate(2.1, "surprise", window=(0.5, 1.9), final=True, utterance=1),
        make.speech(2, 3.0, 4.2, SpeechState.ONGOING),
        make.transcript(2, 3.0, 4.2, "what a wonderful day " * 6 + "today", partial=True),
        make.face(4.2),
        Notice(4.2, "warning", "microphone", "[bold]lost[/bold] " + "0.120 s " * 20),
        Health(4.2, {"video": 3, "face": 1}, {"audio": 0.02}, 0.12),
        make.estimate(4.25),
    ):
        state.update(event, 4.3)
    return state


def shown(state: OverlayState, width: int, height: int = 40, ascii_only: bool = False) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(render(state, width, height, ascii_only))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_panel_says_everything(make: SimpleNamespace, width: int) -> None:
    lines = shown(full_state(make), width)
    assert all(cell_len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "clip.mp4  0:04.3 / 0:20.0" in text
    assert "latency 150 ms" in text
    assert "drops 4" in text
    assert "sound lost 0.1 s" in text
    assert re.search(r"JOY +0\.70", text)
    for name in EMOTIONS:
        assert re.search(rf"^{name} .*0\.(70|05)", text, re.MULTILINE)
    assert re.search(r"voice +speaking 1\.2 s +joy 0\.50, 0\.1 s old", text)
    assert re.search(r"words +hearing \(vosk\) +joy 0\.50", text)
    assert re.search(r"face +found, quality 0\.93 +-", text)
    assert "“I can’t believe it”  surprise" in text
    assert re.search(r"“….*day today", text)  # the newest words are kept
    assert "warning: microphone: [bold]lost[/bold]" in text  # no markup from outside


def test_bars_are_as_long_as_they_should(make: SimpleNamespace) -> None:
    bars = {line.split()[0]: line.count("#") for line in shown(full_state(make), 66, 40, True)[3:]}
    assert bars["joy"] == 34  # 0.7 of 49
    assert bars["fear"] == 2


def test_a_terminal_without_unicode(make: SimpleNamespace) -> None:
    lines = shown(full_state(make), 60, ascii_only=True)
    assert all(line.isascii() for line in lines)
    assert any('"I can\'t believe it"  surprise' in line for line in lines)


def test_a_low_terminal_loses_the_end_not_the_beginning(make: SimpleNamespace) -> None:
    lines = shown(full_state(make), 60, height=12)
    assert len(lines) == 11
    assert lines[0].startswith("mmer")


def test_nothing_known_yet(make: SimpleNamespace) -> None:
    state = OverlayState()
    text = "\n".join(shown(state, 60))
    assert "no label: starting" in text
    state.update(make.estimate(1.0, None, present=()), None)
    text = "\n".join(shown(state, 60))
    assert "no label: silence" in text
    assert "latency" not in text  # a replay has none


@pytest.mark.parametrize("width", [60, 100])
def test_the_live_panel_draws_and_gives_the_cursor_back(make: SimpleNamespace, width: int) -> None:
    out = io.StringIO()
    panel = LivePanel(Console(file=out, force_terminal=True, width=width, height=30), 1e9)
    panel.open(make.info())
    for event in make.session():
        panel.write(event, 3.0)
    panel.close(make.end)
    assert "SURPRISE" in out.getvalue()
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") == 1
    panel.close(None)  # again is harmless


def test_the_panel_is_not_drawn_for_every_event(make: SimpleNamespace) -> None:
    out = io.StringIO()
    panel = LivePanel(Console(file=out, force_terminal=True, width=80, height=30), refresh_hz=0.1)
    panel.open(make.info())
    size = len(out.getvalue())
    for _ in range(100):
        panel.write(make.estimate(1.0), 1.1)
    assert len(out.getvalue()) == size
    panel.close(None)


def test_progress_shows_the_event_time_of_a_file(
    make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr("mmer.realtime.sinks.progress.time.monotonic", lambda: float(next(ticks)))
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=True, width=80))
    progress.open(make.info())
    progress.write(make.estimate(12.5), None)
    progress.write(make.transcript(1, 1.0, 2.0, "older"), None)  # the bar never goes back
    progress.close(make.end)
    assert "clip.mp4" in out.getvalue()
    assert "12.5 s" in out.getvalue()
    assert " 2.0 s" not in out.getvalue()


def test_progress_is_silent_where_there_is_no_terminal(make: SimpleNamespace) -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out))
    progress.open(make.info(duration_s=None))
    progress.write(make.estimate(1.0), None)
    progress.close(make.end)
    assert out.getvalue() == ""
