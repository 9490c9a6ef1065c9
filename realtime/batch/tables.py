"""Tables of a batch: estimates and utterances of all recordings, and what became of each.

``estimates.parquet`` and ``utterances.parquet`` have the columns of ``mmer-live --export`` behind
the column ``file``; ``files.parquet`` has a row for every recording, with the reason where it could
not be recognized. They are made from the JSON lines, in the order of the names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from mmer.realtime.batch.inputs import Item
from mmer.realtime.exports.run import Run
from mmer.realtime.exports.tables import (
    ESTIMATES,
    UTTERANCES,
    Row,
    batch,
    estimate_row,
    schema,
    utterance_row,
)
from mmer.realtime.whole_file import whole_file

FILES: Final[Mapping[str, str]] = {
    "file": "string",
    "error": "string",  # null where it was recognized
    "duration_s": "float64",
    "estimates": "int64",
    "utterances": "int64",
}
"""Columns of the recordings."""
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "files": FILES,
    "estimates": {"file": "string", **ESTIMATES},
    "utterances": {"file": "string", **UTTERANCES},
}
_ROWS: Final = 16_384  # of a row group


def write_tables(
    folder: Path, items: Iterable[Item], errors: Mapping[str, str], facts: str
) -> None:
    """Write the three tables of ``items`` into ``folder``, whose JSON lines are read.

    ``errors`` are the reasons, by name, of those that have no lines; ``facts`` is the metadata.
    Raises MmerError.
    """
    with ExitStack() as leaving:
        tables = {
            name: leaving.enter_context(_Table(folder / f"{name}.parquet", columns, facts))
            for name, columns in TABLES.items()
        }
        for item in items:
            row: Row = dict.fromkeys(FILES)
            row |= {"file": item.name, "error": errors.get(item.name)}
            if item.name not in errors:
                run = Run(item.lines_below(folder))
                row["duration_s"] = None if math.isinf(run.duration_s) else run.duration_s
                made = (estimate_row(estimate) for estimate in run.estimates())
                row["estimates"] = tables["estimates"].add(item.name, made)
                made = (utterance_row(utterance) for utterance in run.utterances())
                row["utterances"] = tables["utterances"].add(item.name, made)
            tables["files"].add(item.name, [row])


class _Table:
    """A Parquet file that grows by rows; a context manager that leaves it whole or not at all."""

    def __init__(self, path: Path, columns: Mapping[str, str], facts: str) -> None:
        self._path = path
        self._schema = schema(columns, json.loads(facts))
        self._rows: list[Row] = []
        self._leaving = ExitStack()

    def __enter__(self) -> _Table:
        import pyarrow.parquet as pq

        part = self._leaving.enter_context(whole_file(self._path))
        self._writer = self._leaving.enter_context(pq.ParquetWriter(str(part), self._schema))
        return self

    def add(self, name: str, rows: Iterable[Row]) -> int:
        """Append the rows of one recording; their number."""
        count = 0
        for row in rows:
            self._rows.append({**row, "file": name})
            count += 1
            if len(self._rows) >= _ROWS:
                self._flush()
        return count

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(batch(self._rows, self._schema), row_group_size=_ROWS)
            self._rows = []

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._flush()
        self._leaving.__exit__(*error)
