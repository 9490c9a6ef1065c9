"""Registry of the outputs: what ``--output`` may name, each a class that takes its address."""

from __future__ import annotations

from typing import Final

from mmer.models.registry import Entry, Registry
from mmer.realtime.sinks.sink import Sink

DEFAULT: Final = "jsonl"
OUTPUTS: Final = Registry(
    "output",
    {DEFAULT: Entry("mmer.realtime.sinks.jsonl:JsonLines", "JSON lines in a file or on stdout")},
)
OUTPUT_METAVAR: Final = "|".join(["FILE", "-", *(f"{n}:ADDRESS" for n in OUTPUTS if n != DEFAULT)])
"""Values of ``--output``, for the help of a command."""


def parse_output(target: str) -> tuple[str, str]:
    """Name and address of "NAME:ADDRESS"; anything else is a file of JSON lines or "-"."""
    name, colon, address = target.partition(":")
    return (name, address) if colon and name in OUTPUTS else (DEFAULT, target)


def make_output(name: str, address: str) -> Sink:
    """The output, not yet open; raises MmerError where it cannot be."""
    made: Sink = OUTPUTS.load(name)(address)
    return made
