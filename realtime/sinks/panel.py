"""Live terminal panel, redrawn a few times a second."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.palette import PALETTE
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.state import TITLES, OverlayState
from mmer.realtime.sinks.text import ascii_text, clock_text, one_line, shortened

COLOURS: Final = PALETTE
"""By label; rich takes the nearest one that the terminal has."""
WIDE: Final = 96
"""Columns from which bars and details stand side by side."""
WIDEST: Final = 120
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


class LivePanel(Sink):
    """Show a session on a terminal, at most ``refresh_hz`` times a second.

    ``console`` is where (None: a terminal on standard error). It is meant for a terminal;
    PlainLines is for anything else. The panel vanishes at the end; Summary prints what remains.
    """

    def __init__(self, console: Console | None = None, refresh_hz: float = 8.0) -> None:
        self._console = Console(stderr=True, highlight=False) if console is None else console
        self._every_s = 1.0 / refresh_hz
        self._drawn = 0.0  # time.monotonic of the last drawing: a matter of the screen alone
        self._state = OverlayState()
        self._live: Live | None = None

    def open(self, info: SessionInfo) -> None:
        self._state = OverlayState()
        self._state.open(info)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,  # JSON lines may be going there
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)
        self._drawn = time.monotonic()

    def write(self, event: Message, now: float | None) -> None:
        self._state.update(event, now)
        present = time.monotonic()
        if self._live is not None and present - self._drawn >= self._every_s:
            self._drawn = present
            self._live.refresh()

    def close(self, end: SessionEnd | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self) -> RenderableType:
        plain = not self._console.encoding.lower().startswith("utf")
        return render(self._state, self._console.width, self._console.height, plain)


def render(state: OverlayState, width: int, height: int, ascii_only: bool) -> RenderableType:
    """The panel for a terminal of ``width`` columns and ``height`` rows; pure."""
    wide = width >= WIDE
    total = min(width, WIDEST) - 1
    left_width = total * 2 // 5 if wide else total
    right_width = total - left_width - 3 if wide else total
    left = [_headline(state, left_width), *_bars(state, left_width, ascii_only)]
    right = [*_modalities(state, right_width), *_transcript(state, right_width)]
    top = [_header(state, total), _status(state, total)]
    lines = list(top)
    if wide:
        for row in range(max(len(left), len(right))):
            line = left[row].copy() if row < len(left) else Text()
            line.pad_right(max(left_width + 3 - line.cell_len, 0))
            if row < len(right):
                line.append_text(right[row])
            lines.append(line)
    else:
        lines += left + right
    lines += _notices(state, total)
    lines = lines[: max(height - 1, 1)]
    if ascii_only:
        for line in lines:
            line.plain = "".join(c if c.isascii() else _ascii_cell(c) for c in line.plain)
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _header(state: OverlayState, width: int) -> Text:
    clock = clock_text(state.t)
    if state.duration_s:
        clock += f" / {clock_text(state.duration_s)}"
        done = min(max(state.t / state.duration_s, 0.0), 1.0)
        size = max(min(width - len(clock) - 36, 24), 0)
        filled = round(done * size)
        clock += "  " + "━" * filled + "╌" * (size - filled) if size else ""
    name = shortened(one_line(state.source), max(width - len(clock) - 8, 8))
    return Text.assemble(("mmer", "bold"), "  ", name, "  ", (clock, "dim"))


def _status(state: OverlayState, width: int) -> Text:
    parts = []
    if state.latency_ms is not None:
        parts.append(f"latency {state.latency_ms:.0f} ms")
    if state.queue_s is not None:
        parts.append(f"queue {state.queue_s:.2f} s")
    parts.append(f"drops {sum(state.drops.values())}")
    if state.gap_s > 0:
        parts.append(f"sound lost {state.gap_s:.1f} s")
    return Text(shortened("   ".join(parts), width), style="dim")


def _headline(state: OverlayState, width: int) -> Text:
    estimate = state.estimate
    if estimate is None or estimate.label is None or estimate.confidence is None:
        why = "starting" if estimate is None else estimate.why.get("label", "no evidence")
        return Text(shortened(f"no label: {one_line(why)}", width), style="bold dim")
    colour = COLOURS.get(estimate.label, "white")
    return Text.assemble(
        (f" {estimate.label.upper()} ", f"bold reverse {colour}"),
        (f"  {estimate.confidence:.2f}", f"bold {colour}"),
    )


def _bars(state: OverlayState, width: int, ascii_only: bool) -> list[Text]:
    size = max(width - 16, 4)
    values = {} if state.estimate is None else state.estimate.probabilities
    best = None if state.estimate is None else state.estimate.label
    lines = []
    for name in EMOTIONS:
        p = values.get(name)
        strong = name == best
        bar = "" if p is None else _bar(p, size, ascii_only)
        lines.append(
            Text.assemble(
                (f"{name:<9}", "bold" if strong else ""),
                (f"{bar:<{size}}", COLOURS[name]),
                ("      -" if p is None else f"{p:7.2f}", "bold" if strong else "dim"),
            )
        )
    return lines


def _bar(p: float, size: int, ascii_only: bool) -> str:
    eighths = round(min(max(p, 0.0), 1.0) * size * 8)
    if ascii_only:
        return "#" * round(eighths / 8)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def _modalities(state: OverlayState, width: int) -> list[Text]:
    lines = []
    for modality in MODALITIES:
        gave = state.contribution(modality)
        room = width - 7 - 28
        now = shortened(one_line(state.modality_state(modality)), max(room, 16))
        lines.append(
            Text.assemble(
                (f"{TITLES[modality]:<7}", "bold"),
                f"{now:<{max(room, 16)}}",
                ("  " + shortened(gave, 26), "dim" if gave == "-" else ""),
            )
        )
    return lines


def _transcript(state: OverlayState, width: int) -> list[Text]:
    lines = []
    for final in state.finals:
        label = state.labels.get(final.utterance, "")
        text = shortened(one_line(final.text), width - len(label) - 5)
        lines.append(Text.assemble(f"“{text}”", ("  " + label, COLOURS.get(label, "") or "dim")))
    partial = state.partial
    text = "" if partial is None else one_line(partial.text)
    label = state.provisional or ""
    newest = shortened(text, width - len(label) - 5, keep_end=True)
    said = f"“{newest}”" if newest else ""
    lines.append(Text(f"{said}  {label}".strip(), style="dim italic"))
    return lines


def _notices(state: OverlayState, width: int) -> list[Text]:
    styles = {"info": "dim", "warning": "yellow", "error": "bold red"}
    return [
        Text(
            shortened(f"{n.level}: {one_line(n.about)}: {one_line(n.text)}", width),
            style=styles[n.level],
        )
        for n in list(state.notices)[-2:]
    ]


def _ascii_cell(character: str) -> str:
    """One column for one column, so that what is aligned stays so."""
    return {"━": "=", "╌": "-", "“": '"', "”": '"', "…": "~"}.get(
        character, (ascii_text(character) or "?")[0]
    )
