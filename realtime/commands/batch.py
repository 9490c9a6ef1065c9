"""Entry point of `mmer-batch`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmer.models.command import run_command
from mmer.realtime.own_process import one_thread_each


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: 0, or 1 where a recording could not be read; 2 for a mistake; 130 by Ctrl-C."""

    def command() -> None:
        one_thread_each()
        from mmer.realtime.commands.batch_command import run

        sys.exit(run(argv))

    run_command("mmer-batch", command, stopped="stopped; the same command goes on from here")
