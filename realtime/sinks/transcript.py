"""Transcript sink: "[joy] I am so happy", one line an utterance, as voice agents read them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmer.realtime.messages import EmotionEstimate, Message, SessionEnd, Transcript
from mmer.realtime.sinks.output import LineFile, check_output_path, refuse_input
from mmer.realtime.sinks.sink import SessionInfo, Sink, inputs_of
from mmer.realtime.sinks.text import one_line

_KEPT: Final = 16
"""Utterances whose words or label are kept for the other one, which comes later."""


class TranscriptLines(Sink):
    """Lines in a file or, for "-", on standard output; utterances without words have none.

    A line is written when an utterance has both its final label and its words, whichever comes
    first. Without evidence for a label there is no bracket. A file that another program moves,
    removes or truncates goes on under its name; that is a report, since lines of text have no place
    for a notice. Raises MmerError and ReaderGone as `LineFile` does.
    """

    def __init__(self, address: str) -> None:
        self._path = address
        self._file: LineFile | None = None
        self._texts: dict[int, str] = {}
        self._finals: dict[int, str] = {}
        self._reports: list[str] = []
        if address != "-":
            check_output_path(Path(address))

    def open(self, info: SessionInfo) -> None:
        if self._path != "-":
            check_output_path(Path(self._path))
            refuse_input(Path(self._path), *inputs_of(info))
        self._file = LineFile(self._path)
        self._texts.clear()
        self._finals.clear()

    def write(self, event: Message, now: float | None) -> None:
        if isinstance(event, Transcript) and not event.partial:
            self._add(self._texts, event.utterance, one_line(event.text))
        elif isinstance(event, EmotionEstimate) and event.final and event.utterance is not None:
            self._add(self._finals, event.utterance, f"[{event.label}] " if event.label else "")

    def _add(self, known: dict[int, str], utterance: int, text: str) -> None:
        known[utterance] = text
        while len(known) > _KEPT:
            del known[next(iter(known))]
        if utterance in self._texts and utterance in self._finals:
            label, words = self._finals.pop(utterance), self._texts.pop(utterance)
            if words and self._file is not None:
                if changed := self._file.changed():
                    self._reports.append(changed)
                self._file.write(f"{label}{words}\n".encode())

    def reports(self) -> list[str]:
        """That the file was moved, removed or truncated, since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def close(self, end: SessionEnd | None) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
