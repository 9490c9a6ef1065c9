"""Ray Data engine: recordings over the actors of a Ray cluster, lines back to this process.

Recordings and weights must be readable by every machine under the same paths, and mmer installed
there; only this process writes into the output folder.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.realtime.batch.inputs import Item
from mmer.realtime.batch.pool import DIED, Done
from mmer.realtime.batch.recognition import BatchOptions, BatchRecognizer, Unreadable
from mmer.realtime.batch.writing import settle, write_lines
from mmer.realtime.sinks.extras import load_package

LOCAL: Final = "local"
"""Address of a cluster of this machine alone, started for the batch and stopped after it."""
LEAST_CPUS: Final = 4
"""Logical processors of such a cluster: with two, Ray Data waits for ever for room to start."""
_STORE_BYTES: Final = 256 * 1024 * 1024
_MOST_BLOCKS: Final = (
    4096  # each is a task of Ray's; recordings that share one are written together
)
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to Ray's makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@contextmanager
def cluster(address: str, cpus: int) -> Iterator[Any]:
    """The module ``ray``, connected to ``address``; for "local", with ``cpus`` logical processors.

    Raises MmerError where there is no such cluster.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    ray = load_package("ray", "ray", "--ray")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == LOCAL:
        quiet |= {"address": "local", "num_cpus": cpus, "include_dashboard": False,
                  "object_store_memory": _STORE_BYTES}  # fmt: skip
    else:
        quiet["address"] = address
    if ray.is_initialized():  # a program's own: it is not ours to stop
        yield ray
        return
    try:
        ray.init(**quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise MmerError(f"--ray {address}: no cluster answers ({why})") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def run_ray(
    items: Sequence[Item],
    options: BatchOptions,
    folder: Path,
    done: Done,
    *,
    address: str,
    workers: int,
) -> None:
    """Recognize ``items`` on at most ``workers`` actors, into their JSON lines below ``folder``.

    As ``run_pool``: recordings of an actor that died are tried once more, each by itself.
    """
    left = {item.name: item for item in items}

    def take(row: Mapping[str, Any]) -> None:
        item = left.pop(row["name"])
        if row["problem"]:
            raise MmerError(row["problem"])
        settle(folder, row["facts"])
        if row["error"] is None:
            write_lines(item.lines_below(folder), [row["lines"]])
        done(item, row["error"])

    with cluster(address, max(workers + 1, LEAST_CPUS)) as ray:
        for row in _rows(ray, items, options, workers):
            take(row)
        for item in list(left.values()):  # an actor that dies takes what waits for it along
            for row in _rows(ray, [item], options, 1):
                take(row)
        for item in left.values():
            done(item, DIED)


def _rows(
    ray: Any, items: Sequence[Item], options: BatchOptions, workers: int
) -> Iterator[Mapping[str, Any]]:
    """A row for every item but those whose actor died meanwhile."""
    import ray.data as data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a block whose actor died costs itself alone: seen as missing
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    made = data.from_items(
        [asdict(item) for item in items], override_num_blocks=min(len(items), _MOST_BLOCKS)
    )
    warnings.filterwarnings("ignore", message=".*ray_remote_args_fn", category=DeprecationWarning)
    made = made.map_batches(
        _Recognition,
        fn_constructor_args=(options,),
        batch_size=1,
        batch_format="pyarrow",
        compute=data.ActorPoolStrategy(min_size=1, max_size=min(workers, len(items))),
        num_cpus=1,
        # an actor that died is replaced, and what it died on is not tried by all others in turn;
        # there is no other way to say so, and this one goes in Ray 2.64
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": 0},
    )
    yield from made.iter_rows()


class _Recognition:
    """Actor: networks loaded once; whatever happens to a recording becomes its row."""

    def __init__(self, options: BatchOptions) -> None:
        self._options = options
        self._recognizer: BatchRecognizer | None = None

    def __call__(self, batch: Any) -> Any:
        import pyarrow as pa

        rows = [self._row(Item(**row)) for row in batch.to_pylist()]
        columns = {name: pa.string() for name in ("name", "error", "problem", "facts")}
        return pa.Table.from_pylist(rows, pa.schema({**columns, "lines": pa.large_binary()}))

    def _row(self, item: Item) -> Mapping[str, Any]:
        row: dict[str, Any] = {"name": item.name}
        try:
            if self._recognizer is None:
                self._recognizer = BatchRecognizer(self._options)
            row["facts"] = self._recognizer.facts
            row["lines"] = b"".join(self._recognizer.lines(item))
        except Unreadable as problem:
            row["error"] = str(problem)
        except MmerError as problem:
            row["problem"] = str(problem)
        return row
