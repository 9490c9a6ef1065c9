"""Entry point of `mmer-engine`: light to import, which the package ``engine`` is not."""

from __future__ import annotations

from mmer.models.command import run_module


def main() -> None:
    """`mmer-engine`."""
    run_module("mmer-engine", "mmer.models.engine.cli")
