"""`mmer-engine`: TensorRT plans, and verification of engines against ONNX Runtime on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro

from mmer.models.command import run_command
from mmer.models.engine.plan_commands import Build, List
from mmer.models.engine.verify_command import Verify


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: the command's status (0 when all is well), 2 with one message for a mistake."""
    chosen: Build | List | Verify = tyro.extras.subcommand_cli_from_dict(
        {"build": Build, "list": List, "verify": Verify},
        prog="mmer-engine",
        description="Build, list and verify what runs the networks.",
        args=argv,
        config=(tyro.conf.HelptextFromCommentsOff,),
    )

    def run() -> None:
        if status := chosen.run():
            sys.exit(status)

    run_command("mmer-engine", run, "interrupted")
