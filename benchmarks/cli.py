"""`mmer-bench`: the benchmarks' command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from mmer.models.errors import MmerError

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Live:
    """Speed, delays and memory of the live recognizer on an annotated clip, against targets.

    The clip is 60 s of 640x480 video with the bundled demo's face and 16 kHz sound, half of it
    sentences between silences; their begins and ends are known to the sample. Measured are:
    replay at --pace max, with words and without (seconds of clip a second, from process start to
    exit); a run at the world's pace (from capture of the newest video frame used to the written
    estimate; from the annotated end of a sentence to its written final label, hangover included:
    a sentence missed, split, merged or cut counts as never answered); from the command's start to
    its first label; growth of queue ages and delays; memory of the whole process. Every run is a
    fresh process that never uses the network. Ends with status 0 also where a target is missed.
    """

    asr: Literal["auto", "vosk", "pocketsphinx", "none"] = "pocketsphinx"
    """Recognizer of words, as in mmer-live; the targets are for pocketsphinx."""
    detector: Literal["auto", "blazeface", "mediapipe", "haar"] = "auto"
    """Face detector, as in mmer-live."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """What runs the networks, as in mmer-live."""
    minutes: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Length of the run at the world's pace: the clip over and over; left out: once. Queues are
    judged from 10 on, steadiness of memory from 2 on."""
    seconds: int = 60
    """Length of the clip; replay is judged from 60 on."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with audio/ravdess: take the sentences from there instead of the demo."""
    noise_db: float = -60.0
    """White noise under the sound, in dB of full scale."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File for the results as JSON."""
    markdown: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File for the results as a Markdown table."""


@dataclass(frozen=True)
class Curve:
    """How right the label is after 0.5, 1 and 2 s of speech and at the end, with a picture.

    Measured are the voice (RAVDESS actors 17-20, cut short), voice, words and face through the
    replay pipeline (RAVDESS Actor_01; words that are known beside recognized ones), and words alone
    (MELD dev at a simulated rate of speech, with and without simulated errors). What is not on disk
    is left out, with the reason. Writes curve.png, curve.json and curve.md.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the corpora: audio/ravdess, video/ravdess_actor01_frames, text/meld."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results; it must be there."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with the networks; left out: the shipped ones."""
    asr: Literal["auto", "vosk", "pocketsphinx"] = "pocketsphinx"
    """What recognizes the words of the clips."""


@dataclass(frozen=True)
class Accuracy:
    """Every accuracy figure of the README, from the data on disk: accuracy.json and ACCURACY.md.

    One Markdown table with the floor, 95 % intervals and what others published, with notes on why
    that is not the same measurement. What is not on disk is left out, with the reason; a row that
    fails does not stop the others, and ends the command with status 1.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the corpora: audio/ravdess, face/fer2013, text/meld, video, features ..."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results; it must be there."""
    only: Annotated[str | None, tyro.conf.arg(metavar="GROUPS")] = None
    """Some of the groups speech, face, text, fused, with commas between."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with the networks; left out: the shipped ones."""
    asr: Literal["auto", "vosk", "pocketsphinx"] = "pocketsphinx"
    """What recognizes the words of the clips."""
    runs: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Folder of trainings with one corpus left out (mmer-train speech-short --leave-out CORPUS)."""
    write_cards: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of model cards to store the figures in, as what was measured."""
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """README to write the table into, between <!-- accuracy --> and <!-- /accuracy -->."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: status 0 when measured, 2 with one message for a user's mistake."""
    arguments: Any = tyro.extras.subcommand_cli_from_dict(
        {"live": Live, "accuracy": Accuracy, "curve": Curve},
        prog="mmer-bench",
        description="Measure mmer on this machine.",
        args=argv,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )
    given = sys.argv[1:] if argv is None else argv
    try:
        if isinstance(arguments, Live):
            _live(arguments, shlex.join(["mmer-bench", *given]))
        elif isinstance(arguments, Accuracy):
            _accuracy(arguments)
        else:
            _curve(arguments)
    except MmerError as problem:
        print(f"mmer-bench: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mmer-bench: interrupted", file=sys.stderr)
        sys.exit(130)


def _live(arguments: Live, command: str) -> None:
    from rich.console import Console

    from mmer.benchmarks.live import LiveSettings, run
    from mmer.benchmarks.report import check_writable

    for path in (arguments.json, arguments.markdown):
        check_writable(path)
    settings = LiveSettings(
        asr=arguments.asr,
        detector=arguments.detector,
        provider=arguments.provider,
        seconds=20 if arguments.quick else arguments.seconds,
        minutes=arguments.minutes,
        data=arguments.data,
        noise_db=arguments.noise_db,
    )
    with Console(stderr=True).status("starting") as status:
        report = run(settings, command, status.update)
    report.show(Console())
    if arguments.json is not None:
        arguments.json.write_text(report.to_json(), encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(report.to_markdown(), encoding="utf-8")


def _curve(arguments: Curve) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from mmer.benchmarks.curve.run import CurveSettings, run
    from mmer.benchmarks.report import check_folder

    check_folder("--data", arguments.data)
    check_folder("--output", arguments.output)
    settings = CurveSettings(arguments.data, arguments.output, arguments.weights, arguments.asr)
    with Console(stderr=True).status("starting") as status:
        curves = run(settings, status.update)
    Console().print(Markdown(curves.to_markdown("curve.png")))


def _accuracy(arguments: Accuracy) -> None:
    from rich.console import Console

    from mmer.benchmarks.accuracy.cards import write_cards
    from mmer.benchmarks.accuracy.render import check_readme, readme_part, replace_part
    from mmer.benchmarks.accuracy.row import Setting
    from mmer.benchmarks.accuracy.run import choose, measure, report, write
    from mmer.benchmarks.machine import describe_machine
    from mmer.benchmarks.report import check_folder

    for option, folder in (
        ("--data", arguments.data),
        ("--output", arguments.output),
        ("--write-cards", arguments.write_cards),
    ):
        check_folder(option, folder)
    check_readme(arguments.readme)
    rows = choose(arguments.only)
    machine = describe_machine()  # first: the load before our own
    setting = Setting(arguments.data, arguments.weights, arguments.asr, arguments.runs)
    console = Console(stderr=True, highlight=False, markup=False)
    with console.status("starting") as status:
        outcomes = measure(rows, setting, status.update, console.print)
    found = report(outcomes, arguments.weights, machine)
    write(found, arguments.output)
    if arguments.write_cards is not None:
        write_cards(found, arguments.write_cards)
    if arguments.readme is not None:
        written = replace_part(arguments.readme.read_text(encoding="utf-8"), readme_part(found))
        arguments.readme.write_text(written, encoding="utf-8")
    failed = sum(bool(outcome.failed) for outcome in outcomes)
    skipped = sum(bool(outcome.skipped) for outcome in outcomes)
    print(
        f"{len(outcomes) - failed - skipped} measured, {skipped} skipped, {failed} failed: "
        f"{arguments.output / 'ACCURACY.md'}"
    )
    if failed:
        sys.exit(1)
