"""A batch from its inputs to its tables; what an earlier, interrupted one has done is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.batch.inputs import Item, find_items
from mmer.realtime.batch.pool import Done, run_pool
from mmer.realtime.batch.progress import BatchProgress
from mmer.realtime.batch.recognition import BatchOptions
from mmer.realtime.batch.tables import write_tables
from mmer.realtime.batch.writing import FACTS, check_options, locked, remove_parts
from mmer.realtime.sinks.extras import load_package

Engine = Callable[[Sequence[Item], BatchOptions, Path, Done], None]
"""Recognizes items into the JSON lines below a folder, as ``run_pool`` does."""
MOST_WORKERS: Final = 1024


@dataclass(frozen=True)
class Outcome:
    """A finished batch: how many recordings, and the reason, by name, of each without lines."""

    count: int
    errors: dict[str, str]


def run_batch(
    inputs: Sequence[str], folder: Path, options: BatchOptions, engine: Engine
) -> Outcome:
    """Recognize what ``inputs`` name into ``folder``; what is there already is not done again.

    A recording is done when its JSON lines are there, which happens at once. Those that could not
    be read are tried again. The tables are written last, from the lines.

    Raises:
        MmerError: an input, the folder or an option is wrong; models are missing; the disk is full.
    """
    load_package("pyarrow.parquet", "export", "mmer-batch")
    items = find_items(inputs)
    _make(folder)
    with locked(folder):
        check_options(folder, asdict(options))
        todo = [item for item in items if not item.lines_below(folder).is_file()]
        # the largest first: a long one that comes last would keep all others waiting
        todo.sort(key=lambda item: (-item.size, item.name))
        errors: dict[str, str] = {}
        with BatchProgress(todo, len(items) - len(todo)) as progress:

            def done(item: Item, reason: str | None) -> None:
                if reason is not None:
                    errors[item.name] = reason
                progress.done(item, reason)

            try:
                if todo:
                    engine(todo, options, folder, done)
            finally:  # of those that were killed, by now or in an earlier run
                remove_parts(folder)
        write_tables(folder, items, errors, _facts(folder))
    return Outcome(len(items), errors)


def local(workers: int) -> Engine:
    """Engine of ``workers`` processes on this machine."""
    check_workers(workers)
    return lambda items, options, folder, done: run_pool(
        items, options, folder, min(workers, len(items)), done
    )


def on_ray(address: str, workers: int) -> Engine:
    """Engine of at most ``workers`` actors on the Ray cluster at ``address``, or "local"."""
    from mmer.realtime.batch.ray_data import run_ray

    load_package("ray.data", "ray", "--ray")
    check_workers(workers)
    return lambda items, options, folder, done: run_ray(
        items, options, folder, done, address=address, workers=workers
    )


def check_workers(workers: int) -> None:
    """Raise MmerError for a number of workers that cannot be."""
    if not 1 <= workers <= MOST_WORKERS:
        raise MmerError(f"--workers is {workers}: it must lie between 1 and {MOST_WORKERS}")


def _make(folder: Path) -> None:
    """The output folder; its parent must be there: a mistyped path must not become folders."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise MmerError(
            f"cannot write into {folder}: there is no folder {folder.parent}; create it"
        ) from None
    except OSError as error:
        raise MmerError(f"cannot write into {folder}: {error.strerror or error}") from error


def _facts(folder: Path) -> str:
    try:
        return (folder / FACTS).read_text(encoding="utf-8")
    except OSError as error:
        raise MmerError(f"cannot read {folder / FACTS}: {error.strerror or error}") from error
