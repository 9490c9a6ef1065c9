"""Command line of `mmer-batch`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag, parse
from mmer.realtime.commands.recognizer_arguments import RecognizerArguments
from mmer.realtime.options import parse_modalities
from mmer.realtime.policy import DEFAULT_POLICY


@dataclass(frozen=True)
class Arguments(RecognizerArguments):
    """Recognize a corpus: JSON lines for each recording, Parquet tables of all.

    The lines are those of `mmer-live FILE --pace max`, however many workers. A batch that was
    stopped or killed goes on where the same command is given again. Exit status: 0; 1 where a
    recording could not be read (files.parquet has the reasons); 2 for a mistake; 130 after Ctrl-C.
    """

    inputs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="INPUT...")] = ()
    """Media files, folders, patterns ("talks/**/*.wav"), or manifests: a .csv file with a column
    path, a .txt file with a path a line."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for NAME.jsonl of each recording and files.parquet, estimates.parquet and
    utterances.parquet."""
    workers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Processes, or with --ray actors; left out: one a core of this machine."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS|local")] = None
    """Ray cluster to work on, such as auto or ray://HOST:10001, whose machines must see the inputs
    under the same paths; local: one of this machine, for this batch."""
    version: Flag = False
    """Show mmer's version."""


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the batch; the exit status. Raises MmerError."""
    arguments = parse(Arguments, "mmer-batch", sys.argv[1:] if argv is None else argv)
    if arguments.version:
        from mmer import __version__

        print(f"mmer-batch {__version__}")
        return 0
    from mmer.realtime.batch.recognition import BatchOptions
    from mmer.realtime.batch.run import local, on_ray, run_batch

    if arguments.output is None:
        raise MmerError("where to? name a folder with --output DIR")
    asked = os.environ.get("MMER_POLICY") or DEFAULT_POLICY
    if asked != DEFAULT_POLICY:
        raise MmerError(
            f"MMER_POLICY is {asked!r}, and mmer-batch follows no policy: restrict --modalities, "
            "and unset the variable"
        )
    given = {f.name: getattr(arguments, f.name) for f in fields(BatchOptions)}
    given["modalities"] = parse_modalities(arguments.modalities)
    if arguments.weights is not None:
        given["weights"] = str(arguments.weights.absolute())
    options = BatchOptions(**given)
    workers = _cores() if arguments.workers is None else arguments.workers
    engine = local(workers) if arguments.ray is None else on_ray(arguments.ray, workers)
    outcome = run_batch(arguments.inputs, arguments.output, options, engine)
    failed = len(outcome.errors)
    print(
        f"{outcome.count - failed} of {outcome.count} recordings recognized: {arguments.output}"
        + (f"; {failed} could not be read: files.parquet has the reasons" if failed else "")
    )
    return 1 if failed else 0


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
