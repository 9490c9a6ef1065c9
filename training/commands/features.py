"""``mmer-features RECIPE``: outputs of frozen encoders on every item, computed into a cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.batch.workers import over_workers
from mmer.realtime.commands.command_line import parse
from mmer.training.datasets.data_folder import data_dir
from mmer.training.datasets.item import Item
from mmer.training.multimodal.options import read_options
from mmer.training.recipes.recipe import Recipe, load_recipe, need_torch

if TYPE_CHECKING:
    from mmer.training.multimodal.sources import Source

_CHUNK = 16


@dataclass(frozen=True)
class Arguments:
    """Compute the outputs of a recipe's frozen encoders on its corpus: training then takes seconds.

    Cached outputs are not repeated: an interrupted run goes on where it stopped. Give
    mmer-train and mmer-ablate the same --cache.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """A bundled recipe or the path of a .toml file; for its encoders with frozen = true."""
    cache: Path
    """Folder of the cache."""
    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    workers: int = 1
    """Processes that share the work, each with its own copy of the encoder on one CPU thread; with
    one, a GPU is used where there is one."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    """Ray cluster whose actors are the workers; "local" starts one on this machine. The data must
    lie under the same paths on every machine."""


def precompute(
    recipe: Recipe, data: Path, cache: Path, workers: int, ray: str | None = None
) -> int:
    """Fill the cache; returns the number of items computed.

    Raises:
        MmerError: the recipe has no frozen encoder, or an item cannot be read.
    """
    need_torch()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from mmer.training.multimodal.feature_cache import item_key
    from mmer.training.multimodal.items import read_parts

    options = read_options(recipe)
    frozen = [m for m in options.modalities if options.encoders[m].frozen]
    if not frozen:
        raise MmerError(
            f"recipe {recipe.name}: no encoder is frozen, nothing to cache: set frozen = true"
        )
    console = Console(stderr=True)
    console.print(f"[bold]{recipe.name}[/]: reading the data")
    # with folds every item is in one of the three parts of any fold
    parts = read_parts(replace(options, drop_twins=False), data, recipe.seed)
    items = {i.id: i for part in (parts.train, parts.development, parts.evaluated) for i in part}
    done = 0
    unread: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        for modality in frozen:
            source = _source(recipe, modality, cache)
            assert source.cache is not None
            cached = source.cache
            left = []
            for item in items.values():
                try:
                    if item_key(item, options.words) not in cached:
                        left.append(item)
                except MmerError as error:
                    unread[item.id] = str(error)
            there, total = len(items) - len(left), len(items)
            bar = progress.add_task(
                f"{modality}: {options.encoders[modality].kind}", total=total, completed=there
            )
            alone = workers == 1 and ray is None
            make = partial(_encoding, recipe, modality, cache, alone)
            chunks = [left[k : k + _CHUNK] for k in range(0, len(left), _CHUNK)]
            for failed, n in over_workers(make, chunks, workers, ray):
                unread |= failed
                progress.advance(bar, n)
                done += n - len(failed)
                there += n
                # a log has a line every tenth in place of the bar
                if not console.is_terminal and there * 10 // total > (there - n) * 10 // total:
                    console.print(f"{modality}: {there} of {total} items")
    if unread:
        why = next(iter(unread.values()))
        print(
            f"mmer-features: {len(unread)} items cannot be read ({why}): training masks them",
            file=sys.stderr,
        )
    return done


def _source(recipe: Recipe, modality: str, cache: Path) -> Source:
    from mmer.training.multimodal.build import sources_of

    return sources_of(recipe, cache)[modality]


def _encoding(
    recipe: Recipe, modality: str, cache: Path, alone: bool
) -> Callable[[Sequence[Item]], tuple[dict[str, str], int]]:
    """Caches the outputs of a chunk of items; gives those unread, and how many they are."""
    import torch

    torch.set_num_threads(recipe.threads)
    source = _source(recipe, modality, cache)
    if alone and torch.cuda.is_available():
        source.encoder.to("cuda")

    def encode(items: Sequence[Item]) -> tuple[dict[str, str], int]:
        failed = {}
        for item in items:
            try:
                source.row(item)
            except MmerError as error:
                failed[item.id] = str(error)
        return failed, len(items)

    return encode


def main() -> None:
    """The command."""
    run_command("mmer-features", _run, "stopped; run it again to go on")


def _run() -> None:
    arguments = parse(Arguments, "mmer-features", sys.argv[1:])
    recipe = load_recipe(arguments.recipe)
    done = precompute(
        recipe, data_dir(arguments.data), arguments.cache, arguments.workers, arguments.ray
    )
    print(f"{done} computed, the rest was cached; --cache {arguments.cache}")


if __name__ == "__main__":
    main()
