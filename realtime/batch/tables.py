"""Tables of a batch: estimates and utterances of all recordings, and what became of each.

``estimates.parquet`` and ``utterances.parquet`` have the columns of ``mmer-live --export`` behind
the column ``file``; ``files.parquet`` has a row for every recording, with the reason where it could
not be recognized. They are made from the JSON lines, in the order of the names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from mmer.models.whole_file import whole_file
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
            name: leaving.enter_context(_table(folder / f"{name}.parquet", columns, facts))
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


@contextmanager
def _table(path: Path, columns: Mapping[str, str], facts: str) -> Iterator[_Table]:
    """A Parquet file that is left whole or not at all; raises MmerError."""
    import pyarrow.parquet as pq

    of = schema(columns, json.loads(facts))
    with whole_file(path) as part, pq.ParquetWriter(str(part), of) as writer:
        table = _Table(writer, of)
        yield table
        table.flush()


class _Table:
    """Rows of a Parquet file, written in groups."""

    def __init__(self, writer: Any, of: Any) -> None:
        self._writer, self._schema = writer, of
        self._rows: list[Row] = []

    def add(self, name: str, rows: Iterable[Row]) -> int:
        """Append the rows of one recording; their number."""
        count = 0
        for row in rows:
            self._rows.append({**row, "file": name})
            count += 1
            if len(self._rows) >= _ROWS:
                self.flush()
        return count

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._rows:
            self._writer.write_batch(batch(self._rows, self._schema), row_group_size=_ROWS)
            self._rows = []
