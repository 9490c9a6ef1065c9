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


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: status 0 when measured, 2 with one message for a user's mistake."""
    arguments: Any = tyro.extras.subcommand_cli_from_dict(
        {"live": Live},
        prog="mmer-bench",
        description="Measure mmer on this machine.",
        args=argv,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )
    given = sys.argv[1:] if argv is None else argv
    try:
        _live(arguments, shlex.join(["mmer-bench", *given]))
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
