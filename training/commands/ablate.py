"""``mmer-ablate RECIPE``: every subset of the recipe's modalities, and fusions, in one table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import tyro

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.models.networks.fusions import FUSIONS
from mmer.realtime.commands.command_line import Flag, parse
from mmer.training.commands.ray_runs import TrainingRun, train_on_ray
from mmer.training.commands.train import train, train_folds
from mmer.training.datasets.data_folder import data_dir
from mmer.training.multimodal.items import modality_to_read
from mmer.training.multimodal.options import read_options
from mmer.training.recipes.recipe import Recipe, load_recipe, need_torch
from mmer.training.storage import CHECKPOINT, write_json

SHOWN = ("weighted_f1", "macro_f1", "accuracy", "unweighted_recall")


@dataclass(frozen=True)
class Arguments:
    """Train and evaluate a recipe with each modality alone, each pair, and all, in one table.

    Finished runs are not repeated: an interrupted ablation goes on where it stopped.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """A bundled multimodal recipe or the path of a .toml file."""
    output: Path
    """Folder of the runs, of ablation.md and ablation.json."""
    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    cache: Path | None = None
    """Folder of frozen encoders' outputs: see mmer-features."""
    fusions: str = ""
    """Fusions to compare, with commas; by default the recipe's own."""
    folds: Flag = False
    """Cross-validate every row over the recipe's folds."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS|local")] = None
    """Train the runs and folds side by side on a Ray cluster, whose machines see all paths; local:
    one of this machine."""


def variants(recipe: Recipe, fusions: Sequence[str]) -> dict[str, Recipe]:
    """The recipe of each row by its name: "speech", "speech+text concat".

    Raises:
        MmerError: an unknown fusion, or the recipe is not multimodal.
    """
    if recipe.task != "multimodal":
        raise MmerError(
            f"recipe {recipe.name} is of the task {recipe.task}; ablate takes multimodal"
        )
    options = read_options(recipe)
    if unknown := [name for name in fusions if name not in FUSIONS]:
        raise MmerError(f"no fusion {', '.join(unknown)}; known are {', '.join(FUSIONS)}")
    read_as = modality_to_read(options)  # so that all rows are of the same items
    table = {}
    for size in range(1, len(options.modalities) + 1):
        for some in combinations(options.modalities, size):
            encoders = {m: recipe.options["encoders"][m] for m in some}
            for fusion in (fusions or [options.fusion]) if size > 1 else [""]:
                name = "+".join(some) + (f" {fusion}" if fusion else "")
                changed = {**recipe.options, "encoders": encoders, "read_as": read_as}
                if fusion:
                    changed["fusion"] = fusion
                table[name] = replace(
                    recipe, name=f"{recipe.name}-{name.replace(' ', '-')}", options=changed
                )
    return table


def ablate(
    recipe: Recipe,
    data: Path,
    output: Path,
    cache: Path | None,
    fusions: Sequence[str],
    folds: bool,
    ray: str | None = None,
) -> dict[str, Any]:
    """Train the missing runs and write the table; returns each row's figures.

    ``ray`` is the address of a cluster on which they are trained side by side.

    Raises:
        MmerError: a recipe is invalid, data is missing, or the folder is of another recipe.
    """
    need_torch()
    if folds and not recipe.options.get("folds"):
        raise MmerError(
            f"recipe {recipe.name} has no folds: set options.folds, or leave out --folds"
        )
    from mmer.training.metrics.predictions import FILE
    from mmer.training.multimodal.run import run_recipe
    from mmer.training.report.run import FIGURES

    table_of = variants(recipe, fusions)
    missing = []
    for name, one in table_of.items():
        folder = output / name.replace(" ", "-")
        count = int(one.options.get("folds", 0)) if folds else 0
        parts = {
            folder / f"fold-{k}": replace(one, options={**one.options, "fold": k})
            for k in range(count)
        }
        for place, wanted in (parts or {folder: one}).items():
            begun = (place / CHECKPOINT).is_file()
            if begun and run_recipe(place).fingerprint() != wanted.fingerprint():
                raise MmerError(f"{place} is of another recipe: choose another --output")
            if not (place / FILE).is_file():
                missing.append(TrainingRun(wanted, data, place, cache, begun))
    if ray is not None:
        train_on_ray(ray, missing)
    rows = {}
    for name, one in table_of.items():  # what was trained above is only read
        folder = output / name.replace(" ", "-")
        if folds:
            train_folds(one, data, folder, cache, resume=True)
        elif not (folder / FILE).is_file():
            train(one, data, folder, cache, resume=(folder / CHECKPOINT).is_file())
        rows[name] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    table = render(recipe.name, rows)
    (output / "ablation.md").write_text(table + "\n", encoding="utf-8")
    write_json(output / "ablation.json", rows)
    return rows


def render(title: str, rows: dict[str, Any]) -> str:
    """The table as Markdown: figures in percent, with their 95 % intervals."""
    first = next(iter(rows.values()))
    floor = f"{100 * first['floor_accuracy']:.1f}"
    lines = [
        f"# {title}",
        "",
        f"{first['n']} items; always the commonest class: accuracy {floor} %. In brackets 95 % "
        f"intervals, resampled by {first['resampled_by']}.",
        "",
        "| modalities, fusion | " + " | ".join(k.replace("_", " ") for k in SHOWN) + " |",
        "| --- |" + " ---: |" * len(SHOWN),
    ]
    for name, row in rows.items():
        cells = []
        for key in SHOWN:
            low, high = row["interval"][key]
            cells.append(f"{100 * row[key]:.1f} ({100 * low:.1f}-{100 * high:.1f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    run_command("mmer-ablate", _run, "stopped; run it again to go on")


def _run() -> None:
    arguments = parse(Arguments, "mmer-ablate", sys.argv[1:])
    recipe = load_recipe(arguments.recipe)
    fusions = [name.strip() for name in arguments.fusions.split(",") if name.strip()]
    data = data_dir(arguments.data)
    rows = ablate(
        recipe, data, arguments.output, arguments.cache, fusions, arguments.folds, arguments.ray
    )
    print(render(recipe.name, rows))


if __name__ == "__main__":
    main()
