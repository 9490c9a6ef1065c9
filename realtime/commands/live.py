"""Entry point of `mmer-live`: light to import, so that Ctrl-C is understood from the start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmer.models.command import run_command
from mmer.realtime.memory import few_heaps
from mmer.realtime.own_process import one_thread_each


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: 0 for a session that ended well, 2 with one message for a user's mistake."""

    def command() -> None:
        one_thread_each()
        if argv is None:  # the process is this command's alone, and no program's that calls it
            few_heaps()
        from mmer.realtime.commands.live_command import run

        sys.exit(run(argv))

    try:
        # interrupted before the session, or by a second Ctrl-C
        run_command("mmer-live", command, stopped="interrupted")
    except BrokenPipeError:  # mmer-live --help | head
        _mute_stdout()
        sys.exit(0)
    except OSError as problem:  # standard output is full or closed
        _mute_stdout()
        print(f"mmer-live: {problem}", file=sys.stderr)
        sys.exit(2)


def _mute_stdout() -> None:
    from mmer.realtime.sinks.output import mute_stdout

    mute_stdout()
