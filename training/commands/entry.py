"""Entry points of the training commands: light to import, so that Ctrl-C is understood early."""

from __future__ import annotations

from typing import Final

from mmer.models.command import run_module

_COMMANDS: Final = "mmer.training.commands"


def train() -> None:
    """`mmer-train`."""
    run_module("mmer-train", f"{_COMMANDS}.train")


def features() -> None:
    """`mmer-features`."""
    run_module("mmer-features", f"{_COMMANDS}.features")


def ablate() -> None:
    """`mmer-ablate`."""
    run_module("mmer-ablate", f"{_COMMANDS}.ablate")


def export() -> None:
    """`mmer-export`."""
    run_module("mmer-export", "mmer.training.export.run")


def evaluate() -> None:
    """`mmer-evaluate`."""
    run_module("mmer-evaluate", f"{_COMMANDS}.evaluate")


def compare() -> None:
    """`mmer-compare`."""
    run_module("mmer-compare", f"{_COMMANDS}.compare")


def report() -> None:
    """`mmer-report`."""
    run_module("mmer-report", f"{_COMMANDS}.report")
