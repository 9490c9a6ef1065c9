"""Export sink: a file of another program (ELAN, captions, tables), written at the session's end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmer.models.errors import MmerError
from mmer.realtime.exports.registry import check_export, export, files_while_live
from mmer.realtime.exports.run import Run
from mmer.realtime.exports.tables import ArrowStreams
from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.sinks.jsonl import JsonLines, line_for, session_line
from mmer.realtime.sinks.output import check_output_path, refuse_input
from mmer.realtime.sinks.sink import SessionInfo, Sink, inputs_of


class Export(Sink):
    """Writes a file in the format of its name when the session ends, also after an error.

    Until then the session's lines lie beside it in ``FILE.PID.part.jsonl``, which is what
    ``mmer-live export`` reads where the program is killed; memory does not grow. A Parquet file's
    tables grow as Arrow streams meanwhile. Raises MmerError (constructor, ``open``) for a path or
    format that cannot be written, and leaves no file behind then; from ``write`` and ``close``
    when the disk is full.
    """

    def __init__(self, address: str) -> None:
        self._path = Path(address)
        check_export(self._path)  # an empty path has no name to change
        self._part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part.jsonl")
        self._lines: JsonLines | None = None
        self._streams: ArrowStreams | None = None
        self._reports: list[str] = []

    def open(self, info: SessionInfo) -> None:
        check_export(self._path)
        for path in files_while_live(self._path):
            check_output_path(path)
            refuse_input(path, *inputs_of(info))
        lines = JsonLines(str(self._part))
        try:
            lines.open(info)
            if self._path.suffix.lower() == ".parquet":
                self._streams = ArrowStreams(self._path, session_line(info))
        except BaseException as error:
            lines.close(None)
            self._part.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            why = error.strerror or error
            raise MmerError(f"cannot export to {self._path}: {why}") from error
        self._lines = lines

    def write(self, event: Message, now: float | None) -> None:
        if self._lines is None:
            return
        self._lines.write(event, now)
        self._note_change(self._lines)
        if self._streams is not None and (line := line_for(event, now)) is not None:
            with self._writing():
                self._streams.add(line)

    def close(self, end: SessionEnd | None) -> None:
        lines, self._lines = self._lines, None
        if lines is None:
            return
        with self._writing():
            lines.close(end)
            self._note_change(lines)
            if self._streams is not None:
                self._streams.close()
            export(Run(self._part), self._path)
        self._part.unlink(missing_ok=True)
        if self._streams is not None:
            self._streams.remove()

    def reports(self) -> list[str]:
        """That the lines were moved, removed or truncated, since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def _note_change(self, lines: JsonLines) -> None:
        if lines.changed:
            self._reports.append(f"{lines.changed}, nor will they be in {self._path}")
            lines.changed = ""

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk is a user's error; the message names the file that has everything so far."""
        try:
            yield
        except (OSError, MmerError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise MmerError(
                f"cannot export to {self._path}: {why}; try again later: "
                f"mmer-live export {self._part} {self._path}"
            ) from error
