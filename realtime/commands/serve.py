"""Entry point of `mmer-serve`: light to import, so that Ctrl-C is understood from the start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.own_process import one_thread_each

_EXTRA = "pip install 'mmer-live[serve]'"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: 0 after Ctrl-C, every session finished; 2 with a message for a mistake."""

    def command() -> None:
        one_thread_each()
        from mmer.realtime.commands.serve_command import run

        try:
            sys.exit(run(argv))
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("mmer"):
                raise
            raise MmerError(f"mmer-serve needs {missing.name}: {_EXTRA}") from missing

    run_command("mmer-serve", command, stopped="interrupted")
