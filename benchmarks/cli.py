"""`mmer-bench`: the benchmarks' command line; a dataclass a subcommand, its fields the options.

Light to import, so that Ctrl-C is understood early.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmer.models.command import run_command
from mmer.models.registry import Entry, Registry

if TYPE_CHECKING:
    from mmer.benchmarks.harness.command import Command

OUTPUTS: Final = ("--json", "--markdown", "--plot", "--cache")
PLACES: Final = ("--data", "--measured", "--runs", "--stored-voices")

COMMANDS: Final = Registry(
    "subcommand",
    {
        name: Entry(f"mmer.benchmarks.{place}", summary)
        for name, place, summary in (
            ("live", "live.command:Live", "delays, cost and memory of a session"),
            ("soak", "soak.command:Soak", "growth, drift and losses over hours"),
            ("load", "load.command:Load", "delays beside busy processes"),
            ("hangover", "hangover:Hangover", "delay saved and sentences cut by the hangover"),
            ("starts", "starts:Starts", "sessions that start with a part missing"),
            ("reopen", "reopen:Reopen", "memory while recognizers are opened and closed"),
            ("asr", "asr.command:SpeechRecognition", "word error rate and cost"),
            ("accuracy", "accuracy.command:Accuracy", "every accuracy figure"),
            ("curve", "accuracy.curve:Curve", "anytime accuracy"),
            ("baseline", "personal.command:PersonalBaseline", "the person's baseline"),
            ("fusion", "fusion:Fusion", "the fused answer against the best modality alone"),
            ("against", "baselines.command:Against", "baseline loops on the same clip"),
            ("people", "people.command:People", "several people: identity, speakers, cost"),
            ("encoders", "encoders.command:Encoders", "cost of one call of each network"),
            ("throughput", "throughput.command:Throughput", "streams at once"),
            ("batch", "batch:Batch", "corpora by workers, and after kills"),
            ("serve", "serve.command:Serve", "the server: sessions, abuse, memory, page"),
            ("fleet", "fleet.command:FleetCommand", "many sessions, simulated"),
            ("compare", "compare:Compare", "two results of one benchmark"),
        )
    },
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: the command's status (0 when measured), 2 with one message for a mistake."""
    given = sys.argv[1:] if argv is None else argv
    run_command("mmer-bench", lambda: run(given), stopped="interrupted")


def run(given: Sequence[str]) -> None:
    """Run the subcommand that ``given`` names; the others are only imported to list them all."""
    import tyro

    names = given[:1] if given and given[0] in COMMANDS else COMMANDS
    chosen: Command = tyro.extras.subcommand_cli_from_dict(
        {name: COMMANDS.load(name) for name in names},
        prog="mmer-bench",
        description="Measure mmer on this machine.",
        args=given,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )
    if status := chosen.measure(repeatable(given)):
        sys.exit(status)


def repeatable(given: Sequence[str]) -> str:
    """The command as its report shows it: repeatable, without this machine's paths.

    A path that is relative stays, but for those of ``PLACES``.
    """
    arguments = ["mmer-bench"]
    waiting = iter(given)
    last = "--file"
    for argument in waiting:
        name, has_value, value = argument.partition("=")
        if name.startswith("--"):
            last = name = name.replace("_", "-")
        if name in (*OUTPUTS, *PLACES) and not has_value:
            next(waiting, None)
        if name in PLACES:
            arguments += [name, _placeholder(name)]
        elif name in OUTPUTS:
            continue
        elif has_value and Path(value).is_absolute():
            arguments.append(f"{name}={_placeholder(name)}")
        elif Path(argument).is_absolute():
            arguments.append(_placeholder(last))
        else:
            arguments.append(f"{name}={value}" if has_value else name)
    return shlex.join(arguments)


def _placeholder(option: str) -> str:
    return option.strip("-").upper()
