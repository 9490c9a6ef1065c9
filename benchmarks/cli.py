"""`mmer-bench`: the benchmarks' command line; a dataclass a subcommand, each in its own folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Final

import tyro

from mmer.benchmarks.accuracy.command import Accuracy
from mmer.benchmarks.asr.command import SpeechRecognition
from mmer.benchmarks.baselines.command import Against
from mmer.benchmarks.compare.command import Compare
from mmer.benchmarks.curve.command import Curve
from mmer.benchmarks.encoders.command import Encoders
from mmer.benchmarks.hangover.command import Hangover
from mmer.benchmarks.harness.command import Command
from mmer.benchmarks.live.command import Live
from mmer.benchmarks.soak.command import Soak
from mmer.benchmarks.starts import Starts
from mmer.benchmarks.throughput.command import Throughput
from mmer.models.errors import MmerError

OUTPUTS: Final = ("--json", "--markdown", "--plot")
PLACES: Final = ("--data",)

COMMANDS: Final[dict[str, Callable[..., Command]]] = {
    "live": Live,
    "soak": Soak,
    "hangover": Hangover,
    "starts": Starts,
    "asr": SpeechRecognition,
    "accuracy": Accuracy,
    "curve": Curve,
    "against": Against,
    "encoders": Encoders,
    "throughput": Throughput,
    "compare": Compare,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: the command's status (0 when measured), 2 with one message for a mistake."""
    given = sys.argv[1:] if argv is None else argv
    chosen = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="mmer-bench",
        description="Measure mmer on this machine.",
        args=argv,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )
    try:
        status = chosen.measure(told(given))
    except MmerError as problem:
        print(f"mmer-bench: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mmer-bench: interrupted", file=sys.stderr)
        sys.exit(130)
    if status:
        sys.exit(status)


def told(given: Sequence[str]) -> str:
    """The command as its report tells it: what anybody can repeat, without this machine's paths."""
    kept = ["mmer-bench"]
    waiting = iter(given)
    for argument in waiting:
        name, has_value, _ = argument.partition("=")
        if name in (*OUTPUTS, *PLACES) and not has_value:
            next(waiting, None)
        if name in PLACES:
            kept += [name, "DATA"]
        elif name not in OUTPUTS:
            kept.append(argument)
    return shlex.join(kept)
