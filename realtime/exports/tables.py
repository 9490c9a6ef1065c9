"""Tables of a run: estimates and utterances, as CSV and as Apache Parquet.

``FILE.csv`` holds the estimates, ``FILE.utterances.csv`` beside it the utterances; so in Parquet.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mmer.models.affect import valence_arousal
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.exports.run import Estimate, Run, Utterance, add_utterance, estimate_of

Row = dict[str, Any]
_PROBS: Final = dict.fromkeys(EMOTIONS, "float64")
ESTIMATES: Final[Mapping[str, str]] = {
    "t": "float64",
    "t0": "float64",
    "t1": "float64",
    "label": "string",
    "confidence": "float64",
    **_PROBS,
    "final": "bool",
    "provisional": "bool",
    "revised": "bool",
    "utterance": "int64",
    **{
        f"{m}_{what}": kind
        for m in MODALITIES
        for what, kind in (("label", "string"), ("weight", "float64"), ("age_s", "float64"))
    },
    "latency_ms": "float64",
    "valence": "float64",
    "arousal": "float64",
}
"""Columns of the estimates and their Arrow types; times in seconds.

Valence and arousal are derived from the probabilities (``models.affect``).
"""
UTTERANCES: Final[Mapping[str, str]] = {
    "id": "int64",
    "t0": "float64",
    "t1": "float64",
    "text": "string",
    "asr": "string",
    "asr_confidence": "float64",
    "label": "string",
    "confidence": "float64",
    **_PROBS,
}
"""Columns of the utterances."""
_BATCH: Final = 1024
"""Rows of a batch on the way to Parquet."""


def utterances_path(path: Path) -> Path:
    """Path of the second table: "run.csv" has "run.utterances.csv"."""
    return path.with_name(f"{path.stem}.utterances{path.suffix}")


def estimate_row(estimate: Estimate) -> Row:
    """Values of ESTIMATES; what is absent is None."""
    row: Row = {name: getattr(estimate, name) for name in ("t", "t0", "t1", "label", "confidence")}
    row |= _by_label(estimate.probs)
    row |= {name: getattr(estimate, name) for name in ("final", "provisional", "revised")}
    row["utterance"] = estimate.utterance
    for name, share in estimate.modalities.items():
        for what in ("label", "weight", "age_s"):
            row[f"{name}_{what}"] = None if share is None else getattr(share, what)
    row["latency_ms"] = estimate.latency_ms
    derived = (None, None) if estimate.probs is None else valence_arousal(estimate.probs)
    row["valence"], row["arousal"] = (None if v is None else round(v, 4) for v in derived)
    return row


def utterance_row(utterance: Utterance) -> Row:
    """Values of UTTERANCES; what is absent is None."""
    row = {name: getattr(utterance, name) for name in UTTERANCES if name not in EMOTIONS}
    return row | _by_label(utterance.probs)


def _by_label(probs: tuple[float, ...] | None) -> Row:
    return dict(zip(EMOTIONS, probs or (None,) * len(EMOTIONS), strict=True))


def write_csv(run: Run, path: Path) -> None:
    """Two CSV files (RFC 4180, UTF-8), an absent value empty. Raises OSError."""
    _csv(path, ESTIMATES, map(estimate_row, run.estimates()))
    _csv(utterances_path(path), UTTERANCES, map(utterance_row, run.utterances()))


def _csv(path: Path, columns: Iterable[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        table = csv.DictWriter(file, list(columns))
        table.writeheader()
        table.writerows(rows)


def write_parquet(run: Run, path: Path) -> None:
    """Two Parquet files; their metadata ``mmer`` is the session line. Raises OSError."""
    _parquet(path, schema(ESTIMATES, run.info), map(estimate_row, run.estimates()))
    rows = map(utterance_row, run.utterances())
    _parquet(utterances_path(path), schema(UTTERANCES, run.info), rows)


def schema(columns: Mapping[str, str], info: Mapping[str, Any]) -> Any:
    """Arrow schema of a table, with the session line as metadata."""
    import pyarrow as pa

    fields = [(name, pa.type_for_alias(kind)) for name, kind in columns.items()]
    return pa.schema(fields, metadata={"mmer": json.dumps(info)})


def batch(rows: list[Row], of: Any) -> Any:
    """Arrow record batch of rows; text without a UTF-8 form (lone surrogates) gets "?"."""
    import pyarrow as pa

    clean = [{name: _utf8(value) for name, value in row.items()} for row in rows]
    return pa.RecordBatch.from_pylist(clean, schema=of)


def _utf8(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _parquet(path: Path, of: Any, rows: Iterator[Row]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(str(path), of) as writer:
        while some := list(islice(rows, _BATCH)):
            writer.write_batch(batch(some, of))


class ArrowStreams:
    """The same two tables as Arrow IPC streams that grow while the session runs.

    ``run.parquet`` has ``run.arrows`` and ``run.utterances.arrows``: a program can read them any
    time, and they are what is left where the session is killed. An utterance is written at its
    final estimate, and once more where its transcript comes later. Raises OSError.
    """

    ROWS = 4
    """Estimates of one batch: a second's."""

    def __init__(self, path: Path, info: Mapping[str, Any]) -> None:
        import pyarrow as pa

        self._paths = self.paths_of(path)
        self._schemas = [schema(columns, info) for columns in (ESTIMATES, UTTERANCES)]
        self._files: list[Any] = []
        try:
            for name in self._paths:
                self._files.append(pa.OSFile(str(name), "wb"))
            self._streams = [
                pa.ipc.new_stream(file, of)
                for file, of in zip(self._files, self._schemas, strict=True)
            ]
        except BaseException:  # nothing half-written
            for file, name in zip(self._files, self._paths, strict=False):
                file.close()
                name.unlink()
            raise
        self._rows: list[Row] = []
        self._open: dict[int, Utterance] = {}

    @staticmethod
    def paths_of(path: Path) -> tuple[Path, Path]:
        """Where the streams of ``path`` lie."""
        return path.with_suffix(".arrows"), utterances_path(path).with_suffix(".arrows")

    def add(self, line: Mapping[str, Any]) -> None:
        """Append what one JSON line says."""
        number = add_utterance(self._open, line)
        if line["type"] == "emotion":
            self._rows.append(estimate_row(estimate_of(line)))
            if len(self._rows) >= self.ROWS:
                self._flush()
        if number is not None and (line["type"] == "emotion" or self._open[number].probs):
            row = utterance_row(self._open[number])
            self._streams[1].write_batch(batch([row], self._schemas[1]))
            for old in [n for n in self._open if n < number - 8]:
                del self._open[old]

    def _flush(self) -> None:
        if self._rows:
            self._streams[0].write_batch(batch(self._rows, self._schemas[0]))
            self._rows = []

    def close(self) -> None:
        """End both streams."""
        self._flush()
        for stream, file in zip(self._streams, self._files, strict=True):
            stream.close()
            file.close()

    def remove(self) -> None:
        """Delete both files, where another program has not moved them."""
        for path in self._paths:
            path.unlink(missing_ok=True)
