"""Error handling shared by all commands: one line on standard error and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mmer.models.errors import MmerError


def run_command(name: str, command: Callable[[], None], stopped: str = "stopped") -> None:
    """Run ``command``: status 2 after a user's mistake (MmerError), 130 after Ctrl-C.

    ``stopped`` says what an interrupted command leaves behind ("stopped; nothing was written").
    """
    try:
        command()
    except MmerError as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print(f"{name}: {stopped}", file=sys.stderr)
        raise SystemExit(130) from None
