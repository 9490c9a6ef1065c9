"""``mmer-train RECIPE``: train a network, export it, write its card."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag, parse
from mmer.training.datasets.data_folder import data_dir
from mmer.training.recipes.recipe import Recipe, load_recipe, need_torch
from mmer.training.storage import CHECKPOINT, new_folder

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Arguments:
    """Train one of mmer's networks by a recipe."""

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")] = ""
    """A bundled recipe (see --list) or the path of a .toml file."""
    list: Flag = False
    """Print every recipe, encoder, head and fusion, one line each, and stop."""
    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    output: Path | None = None
    """Folder for the checkpoint, curves, network and card; by default ./runs/NAME (and
    -without-CORPUS where one is left out)."""
    cache: Path | None = None
    """Folder for decoded features, reused by later runs; by default none."""
    weights: Path | None = None
    """Folder with the encoders for fusion, or the face network for face-baseline; by default the
    shipped ones."""
    folds: Flag = False
    """Train once for each fold of the recipe, into OUTPUT/fold-0 and so on, and evaluate every
    item by the run that held it out."""
    leave_out: str | None = None
    """A corpus of the recipe not to train on (speech), so as to evaluate on another domain."""
    resume: bool = False
    """Resume the run in the output folder after its last finished epoch; a finished run is
    exported again."""


def train(
    recipe: Recipe,
    data: Path,
    output: Path,
    cache: Path | None,
    resume: bool,
    weights: Path | None = None,
) -> None:
    """Train, and write into ``output`` a network with its card, or a multimodal run.

    Raises:
        MmerError: the recipe is invalid, data is missing, or the folder cannot be written.
    """
    # before CUDA starts: without it, its matrix products are not repeatable
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    need_torch()
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from mmer.training.export.encoder import export
    from mmer.training.loop.trainer import Trainer
    from mmer.training.tasks.registry import open_task

    torch.set_num_threads(recipe.threads)
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
    console = Console(stderr=True)
    with new_folder(output):
        console.print(f"[bold]{recipe.name}[/]: reading the data")
        task = open_task(recipe, data, cache, weights)
        for corpus in task.training_data():
            console.print(f"  {corpus.corpus}: {corpus.items} items of {corpus.split}")
        for reason, count in task.dropped.items():
            console.print(f"  left out: {count} of {reason}")
        trainer = Trainer(recipe, task, output)
        if resume:
            trainer.resume()
            console.print(f"resumed after epoch {trainer.epoch} of {recipe.last_epoch}")
    console.print(f"training on {trainer.device}")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        steps = recipe.last_epoch * task.batches_per_epoch
        bar = progress.add_task(
            "training", total=steps, completed=trainer.epoch * task.batches_per_epoch
        )
        for report in trainer.run(lambda loss: progress.advance(bar)):
            f = report.figures
            progress.console.print(
                f"epoch {report.epoch:3d}  loss {report.train_loss:.3f}  development: "
                f"loss {report.development_loss:.3f}  accuracy {f.accuracy:.3f} "
                f"(floor {f.floor_accuracy:.3f})  macro F1 {f.macro_f1:.3f}  "
                f"recall {f.unweighted_recall:.3f}  {report.seconds:.0f} s"
            )
    if not trainer.processes.is_main_process:
        return
    if recipe.task == "multimodal":
        from mmer.training.multimodal.run import write_results

        _print_figures(console, write_results(trainer, output))
        console.print(f"mmer-export {output} makes it ready for mmer-live")
    else:
        console.print("exporting, and measuring what was exported")
        card = export(trainer.average, recipe, task, output)
        d = card.development
        console.print(
            f"wrote {output / card.file} ({card.precision}) and its card: accuracy "
            f"{d.accuracy:.3f}, macro F1 {d.macro_f1:.3f}, recall {d.unweighted_recall:.3f}, "
            f"ece {d.ece:.3f}; {card.latency_ms} ms an item"
        )
    console.print(f"peak memory: {peak_memory_gb():.1f} GB")


def train_folds(recipe: Recipe, data: Path, output: Path, cache: Path | None, resume: bool) -> None:
    """Train every fold of a recipe; with ``resume`` finished folds are not trained again.

    Raises:
        MmerError: the recipe has no folds; else as ``train``.
    """
    need_torch()
    from rich.console import Console

    from mmer.training.metrics.predictions import FILE
    from mmer.training.multimodal.run import join_folds, run_recipe, write_summary

    if recipe.task != "multimodal" or not recipe.options.get("folds"):
        raise MmerError(f"recipe {recipe.name} has no folds: set options.folds")
    folders = []
    for fold in range(int(recipe.options["folds"])):
        folder = output / f"fold-{fold}"
        folders.append(folder)
        one = replace(recipe, options={**recipe.options, "fold": fold})
        if resume and (folder / FILE).is_file():
            if run_recipe(folder).fingerprint() != one.fingerprint():
                raise MmerError(f"{folder} is of another recipe: choose another --output")
            continue
        train(one, data, folder, cache, resume and (folder / "checkpoint.pt").is_file())
    whole = join_folds(folders)
    whole.save(output / FILE)
    _print_figures(Console(stderr=True), write_summary(whole, output))


def _print_figures(console: Console, found: dict[str, Any]) -> None:
    """Figures of the evaluated items, with their intervals."""
    console.print(
        f"{found['what']}, evaluated on {found['n']} items (floor {found['floor_accuracy']:.3f}; "
        f"intervals by {found['resampled_by']}):"
    )
    for name, (low, high) in found["interval"].items():
        console.print(f"  {name.replace('_', ' '):18} {found[name]:.3f}  ({low:.3f}-{high:.3f})")


def peak_memory_gb() -> float:
    """Peak memory of this process, in 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9  # bytes, KiB


def main() -> None:
    """The command."""
    run_command("mmer-train", _run, "stopped; --resume takes up after a finished epoch")


def _run() -> None:
    arguments = parse(Arguments, "mmer-train", sys.argv[1:])
    if arguments.list:
        from mmer.training.commands.listing import listing

        with suppress(BrokenPipeError):  # as by head
            print(listing(), flush=True)
        return
    if not arguments.recipe:
        raise MmerError("name a recipe; --list shows them all")
    recipe, folder = load_recipe(arguments.recipe), ""
    if corpus := arguments.leave_out:
        # to be evaluated, not shipped: answers to strangers are too close for a check of int8
        options = {**recipe.options, "leave_out": corpus}
        folder = f"-without-{corpus}"
        start = [f"{run}{folder}" for run in recipe.start]
        recipe = replace(recipe, options=options, precision="float32", start=start)
    data = data_dir(arguments.data)
    output = arguments.output or Path("runs") / f"{recipe.name}{folder}"
    begun = [f for f in (output, *output.glob("fold-*")) if (f / CHECKPOINT).is_file()]
    if begun and not arguments.resume:
        raise MmerError(
            f"{begun[0]} holds a run: --resume goes on with it; to train anew, choose another "
            "--output or remove it"
        )
    if arguments.folds:
        train_folds(recipe, data, output, arguments.cache, arguments.resume)
    else:
        train(recipe, data, output, arguments.cache, arguments.resume, arguments.weights)


if __name__ == "__main__":
    main()
