"""Error handling shared by all commands: one line on standard error and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from mmer.models.errors import MmerError


def run_command(name: str, command: Callable[[], None], stopped: str = "stopped") -> None:
    """Run ``command``: status 2 after a user's mistake (MmerError), 130 after Ctrl-C.

    ``stopped`` says what an interrupted command leaves behind ("stopped; nothing was written").
    """
    _open_standard_streams()
    try:
        command()
    except MmerError as error:
        _print_error(f"{name}: {error}")
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        _print_error(f"{name}: {stopped}")
        raise SystemExit(130) from None


def run_module(name: str, module: str) -> None:
    """Import ``module`` and call its ``main``, for entry modules that are light to import.

    Ctrl-C during the import is one line; later ``main`` says itself what it left behind.
    """
    run_command(name, lambda: import_module(module).main(), stopped="interrupted")


def _print_error(line: str) -> None:
    with suppress(OSError):  # standard error is a terminal that has closed, or a full disk
        print(line, file=sys.stderr)


def _open_standard_streams() -> None:
    """Point standard streams that were closed before the start (``>&-``, some daemons) at nothing.

    Otherwise the next files to be opened get their descriptors, and what a library logs ends up
    in the results.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free one, which is ``descriptor``
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
