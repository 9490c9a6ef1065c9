"""``mmer-evaluate MODALITY --dataset NAME --root DIR``: figures of any weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmer.models.cards.card_files import model_files
from mmer.models.command import run_command
from mmer.models.engine.providers import Provider
from mmer.models.errors import MmerError
from mmer.realtime.asr.registry import ASR_METAVAR
from mmer.realtime.commands.command_line import Flag, parse
from mmer.realtime.options import parse_modalities
from mmer.realtime.sinks.output import (
    ReaderGone,
    check_output_path,
    print_line,
    refuse_input,
    refuse_twice,
)
from mmer.training.datasets.registry import default_split
from mmer.training.evaluation.result import Evaluation
from mmer.training.evaluation.settings import Settings
from mmer.training.storage import write_json


@dataclass(frozen=True)
class Arguments:
    """Evaluate a model on labelled data that it was not trained on.

    Figures are of the likeliest answer to every item: none is left out for being unsure, quiet or
    poor. A corpus of which a speaker, a dialogue or a file was trained on is refused.
    """

    modality: Annotated[Literal["speech", "face", "text", "clip"], tyro.conf.Positional]
    """What to evaluate; clip is the whole recognizer on audio-visual clips."""
    dataset: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """The corpus, or manifest: a CSV file (path, label; speaker, text, start, end, split)."""
    root: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the corpus in its official layout; the CSV file of a manifest."""
    split: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Split of the corpus, or all; training/datasets/README.md lists them, the default first."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """NAME.onnx, its card NAME.json or their folder; by default the shipped models."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here as JSON."""
    plots: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Write confusion.png and reliability.png into this folder."""
    predictions: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the prediction of each item here (.npz): mmer-compare reads it."""
    allow_leak: Flag = False
    """Evaluate even on what was trained on."""
    drop_leaks: Flag = False
    """Leave out what was trained on, and go on with the rest."""
    drop_twins: Flag = False
    """Leave out look-alikes of training data: equal texts, images that look the same."""
    style: Literal["written", "asr", "bare"] = "written"
    """Text: as it is; as a recognizer that punctuates writes ("?!" is "?", "!" and "..." are ".");
    or bare, lower case without punctuation."""
    asr_style: Flag = False
    """The same as --style bare."""
    word_error_rate: Annotated[float, tyro.conf.arg(metavar="RATE")] = 0.0
    """Text: simulated recognition errors, 0 to 1 (0.25: a word in four)."""
    context: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Text: how many earlier utterances are used; by default as many as the model reads."""
    cropped: Flag = False
    """Face: the images are face crops already; no face is looked for."""
    modalities: Annotated[str, tyro.conf.arg(metavar="NAMES")] = "speech,text,face"
    """Clip: what the recognizer may use, with commas."""
    asr: Annotated[str, tyro.conf.arg(metavar=ASR_METAVAR)] = "auto"
    """Clip: the speech recognizer."""
    gold_words: Flag = False
    """Clip: the corpus' own words instead of recognized ones."""
    provider: Provider = "auto"
    """What the networks run on."""
    offline: Flag = False
    """Clip and face: download nothing."""
    adapt: Flag = False
    """Speech, face and clip: with the person's baseline, learned without labels from the items
    before, each person's in a random order (--seed)."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Clip: processes that share the clips, each with its own networks."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS")] = None
    """Clip: Ray cluster whose actors are the workers; "local" starts one on this machine. Clips
    and weights must lie under the same paths on every machine."""
    resamples: Annotated[int, tyro.conf.arg(metavar="N")] = 2000
    """Draws of the bootstrap."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Of the draws, of simulated errors and of the order of --adapt."""

    def settings(self) -> Settings:
        """The options of the evaluation.

        Raises:
            MmerError: two of them contradict each other.
        """
        if self.asr_style and self.style == "asr":
            raise MmerError("--asr-style means --style bare: leave one of the two out")
        values = {f.name: getattr(self, f.name) for f in fields(Settings)}
        values["modalities"] = parse_modalities(self.modalities)
        if self.asr_style:
            values["style"] = "bare"
        return Settings(**values)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    given = sys.argv[1:] if argv is None else argv
    run_command("mmer-evaluate", lambda: _run(parse(Arguments, "mmer-evaluate", given)))


def _run(arguments: Arguments) -> None:
    from mmer.training.evaluation.evaluate import evaluate
    from mmer.training.evaluation.report import render

    default_split(arguments.dataset)  # an unknown dataset is reported first
    _check_outputs(arguments)
    with _Bar() as bar:
        found = evaluate(
            arguments.modality,
            arguments.dataset,
            arguments.root,
            split=arguments.split,
            weights=arguments.weights,
            settings=arguments.settings(),
            progress=bar.show,
            workers=arguments.workers,
            ray=arguments.ray,
        )
    _write(found, arguments)
    for warning in found.warnings:
        print(f"mmer-evaluate: warning: {warning}", file=sys.stderr)
    with suppress(ReaderGone):
        print_line(sys.stdout, render(found))


def _check_outputs(arguments: Arguments) -> None:
    """Report before the work what could not be written after it, or would overwrite an input."""
    files = [file for file in (arguments.json, arguments.predictions) if file is not None]
    for file in files:
        check_output_path(file)
    if arguments.plots is not None:
        from mmer.training.evaluation.plots import PLOTS
        from mmer.training.plotting import need_matplotlib

        need_matplotlib()
        folder = arguments.plots
        if folder.exists() and not folder.is_dir():
            raise MmerError(f"--plots {folder} is a file; name a folder")
        for name in PLOTS:
            check_output_path(folder / name if folder.exists() else folder)
        files += [folder / name for name in PLOTS]
    refuse_twice(files)
    root = arguments.root
    for file in files:
        refuse_input(file, root, *model_files(arguments.weights))
        if root.is_dir() and file.exists() and root.resolve() in file.resolve().parents:
            raise MmerError(f"cannot write {file}: it is a file of --root {root}; name another")


def _write(found: Evaluation, arguments: Arguments) -> None:
    if arguments.json is not None:
        write_json(arguments.json, found.for_json(), ensure_ascii=False)
    if arguments.predictions is not None:
        found.predictions().save(arguments.predictions)
    if (path := arguments.plots) is not None:
        from mmer.training.evaluation.plots import draw

        try:
            path.mkdir(exist_ok=True)
            draw(found, path)
        except OSError as error:
            raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


class _Bar:
    """Progress bar on stderr, where that is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("items", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if not self._progress.disable:  # before 14.3, Rich ends a line that it never began
            self._progress.stop()

    def show(self, done: int, total: int) -> None:
        """Show so many items of so many as done."""
        self._progress.update(self._task, completed=done, total=total)


if __name__ == "__main__":
    main()
