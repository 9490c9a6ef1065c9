"""`mmer-engine`: TensorRT's plans, and whether engines answer alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

import tyro

from mmer.models.engine.build_command import Build
from mmer.models.engine.command import Command
from mmer.models.engine.list_command import List
from mmer.models.engine.verify_command import Verify
from mmer.models.errors import MmerError

COMMANDS: Final[dict[str, Callable[..., Command]]] = {
    "build": Build,
    "list": List,
    "verify": Verify,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: the command's status (0 when all is well), 2 with one message for a mistake."""
    chosen = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="mmer-engine",
        description="Build, list and verify what runs the networks.",
        args=argv,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )
    try:
        status = chosen.run()
    except MmerError as problem:
        print(f"mmer-engine: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mmer-engine: interrupted", file=sys.stderr)
        sys.exit(130)
    if status:
        sys.exit(status)
