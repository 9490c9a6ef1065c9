"""Summary of a session, printed at its end."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, Message, Notice, SessionEnd, Transcript
from mmer.realtime.sinks.output import print_line
from mmer.realtime.sinks.panel import COLOURS
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.text import clock_text, one_line, shortened

SHOWN_FINALS: Final = 20
"""Utterances listed; of more, the last ones."""
NO_LABEL: Final = "no label"


class Summary(Sink):
    """Seconds, utterances, share of time by label, finals, latency, drops and notices.

    Printed by rich on a terminal, as plain lines elsewhere; nothing after an error, whose message
    must stand last. ``console`` None is standard error, so that piped results stay clean.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True, highlight=False) if console is None else console
        self._reset()

    def _reset(self) -> None:
        self._ticks: Counter[str] = Counter()
        self._latency_ms = array("f")
        self._texts: dict[int, str] = {}
        self._finals: deque[EmotionEstimate] = deque(maxlen=SHOWN_FINALS)
        self._final_count = 0
        self._notices: Counter[str] = Counter()

    def open(self, info: SessionInfo) -> None:
        self._reset()

    def write(self, event: Message, now: float | None) -> None:
        if isinstance(event, EmotionEstimate):
            if event.final:
                self._finals.append(event)
                self._final_count += 1
            elif not event.provisional:
                self._ticks[event.label or NO_LABEL] += 1
            if now is not None and event.newest is not None:
                self._latency_ms.append((now - event.newest) * 1000)
        elif isinstance(event, Transcript) and not event.partial:
            self._texts[event.utterance] = one_line(event.text)
            while len(self._texts) > 2 * SHOWN_FINALS:
                del self._texts[next(iter(self._texts))]
        elif isinstance(event, Notice):
            self._notices[event.level] += 1

    def close(self, end: SessionEnd | None) -> None:
        if end is None:
            return
        if self._console.is_terminal:
            self._print_table(end)
        else:
            for line in self._lines(end):
                print_line(self._console.file, line)

    def _facts(self, end: SessionEnd) -> list[str]:
        drops = ", ".join(f"{name} {count}" for name, count in end.drops.items() if count)
        facts = [
            f"{clock_text(end.t)} ({end.t:.1f} s), {_counted(end.utterances, 'utterance')}, "
            f"{_counted(end.emotions, 'estimate')}"
        ]
        if self._latency_ms:
            p50, p95 = np.percentile(np.frombuffer(self._latency_ms, np.float32), (50, 95))
            facts.append(f"latency p50 {p50:.0f} ms, p95 {p95:.0f} ms")
        facts.append(f"dropped: {drops or 'nothing'}")
        if self._notices:
            counts = ", ".join(f"{level} {n}" for level, n in sorted(self._notices.items()))
            facts.append(f"notices: {counts}")
        return facts

    def _shares(self) -> list[tuple[str, float]]:
        """Share of the ticks by label, of those that came up, the most frequent first."""
        total = sum(self._ticks.values())
        order = sorted((*EMOTIONS, NO_LABEL), key=lambda name: -self._ticks[name])
        return [(name, self._ticks[name] / total) for name in order if self._ticks[name]]

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Time, label, confidence and text of the last finals."""
        rows = []
        for final in self._finals:
            t0, t1 = final.window
            text = "" if final.utterance is None else self._texts.get(final.utterance, "")
            sure = "" if final.confidence is None else f"{final.confidence:.2f}"
            rows.append((f"{t0:.2f}-{t1:.2f}", final.label or "-", sure, text))
        return rows

    def _left_out(self) -> str:
        left_out = self._final_count - len(self._finals)
        return f"({_counted(left_out, 'earlier utterance')} not listed)" if left_out else ""

    def _lines(self, end: SessionEnd) -> list[str]:
        lines = [*self._facts(end)]
        if self._ticks:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self._shares())
            lines.append(f"share of time: {shares}")
        if self._left_out():
            lines.append(self._left_out())
        for span, label, sure, text in self._rows():
            lines.append(f"{span:>15}  {label:<8} {sure:>4}  {text}".rstrip())
        return lines

    def _print_table(self, end: SessionEnd) -> None:
        out = self._console
        for fact in self._facts(end):
            out.print(Text(fact))
        if self._ticks:
            shares = Table.grid(padding=(0, 1))
            size = max(min(out.width - 24, 40), 4)
            for name, share in self._shares():
                bar = ("#" if out.options.ascii_only else "█") * max(round(share * size), 1)
                shares.add_row(name, Text(f"{share:4.0%}"), Text(bar, COLOURS.get(name, "dim")))
            out.print(shares)
        rows = self._rows()
        if self._left_out():
            out.print(Text(self._left_out(), style="dim"))
        if rows:
            table = Table("time", "label", "", "text", box=None, header_style="dim")
            for span, label, sure, text in rows:
                colour = COLOURS.get(label, "dim")
                table.add_row(Text(span), Text(label, colour), sure, Text(shortened(text, 200)))
            out.print(table)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
