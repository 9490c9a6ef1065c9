"""Registry of the outputs: one entry makes an output, its ``--output`` name and its own option."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry
from mmer.realtime.exports.registry import SUFFIXES, files_while_live
from mmer.realtime.sinks.sink import Sink


@dataclass(frozen=True)
class Output(Entry):
    """An output: its class takes the address, and each setting as a keyword.

    ``--output NAME:ADDRESS`` and ``--NAME ADDRESS`` are the same; ``--NAME-SETTING`` is one of the
    setting's values, the first by default. ``value`` says whether ``--NAME`` has an address
    ("required", and then it may be given several times), may have one, or has none; ``default`` is
    the address where it has none.
    """

    metavar: str = "ADDRESS"
    value: Literal["required", "optional", "none"] = "required"
    default: str = ""
    writes_file: bool = False  # the address is a file, or "-" for standard output
    files: Callable[[Path], list[Path]] | None = None  # where that is not all it writes
    tells_people: bool = False  # what it writes names the person
    receiver_stores: bool = False  # the receiver is asked to keep what it gets
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Target(NamedTuple):
    """An output that was asked for, with its address."""

    name: str
    address: str


Settings = Mapping[str, Mapping[str, str]]
"""Values of the outputs' settings, by name of the output and of the setting."""
_HERE: Final = "mmer.realtime.sinks"
DEFAULT: Final = "jsonl"
STDOUT: Final = "-"
"""Address of standard output."""
OUTPUTS: Final = Registry(
    "output",
    {
        DEFAULT: Output(
            f"{_HERE}.jsonl:JsonLines",
            "JSON lines in a file or on stdout",
            metavar="FILE",
            writes_file=True,
            tells_people=True,
        ),
        "export": Output(
            f"{_HERE}.export:Export",
            "file of another program, written at the end: ELAN, captions, EmotionML, tables, Praat",
            metavar=f"FILE{SUFFIXES}",
            writes_file=True,
            files=files_while_live,
        ),
        "lsl": Output(
            f"{_HERE}.lsl:Lsl",
            "lab Streaming Layer: outlets NAME (estimates) and NAME-markers (default: mmer)",
            metavar="NAME",
            value="optional",
            default="mmer",
        ),
        "osc": Output(
            f"{_HERE}.osc:Osc",
            "open Sound Control: one bundle an estimate",
            metavar="HOST:PORT",
            settings={"format": ("plain", "vmc", "vrchat")},
        ),
        "mqtt": Output(
            f"{_HERE}.mqtt:Mqtt",
            "MQTT broker, with discovery for Home Assistant",
            metavar="mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]",
            receiver_stores=True,  # retained messages
        ),
        "udp-events": Output(
            f"{_HERE}.udp_events:UdpEvents",
            "text events with semicolons over UDP, for laboratory suites such as iMotions",
            metavar="HOST:PORT",
        ),
        "transcript": Output(
            f"{_HERE}.transcript:TranscriptLines",
            'lines "[joy] I am so happy" on standard output; a file: --output transcript:FILE',
            value="none",
            default=STDOUT,
            writes_file=True,
            tells_people=True,  # a line an utterance, which is one person's
        ),
    },
)
OUTPUT_METAVAR: Final = "FILE|-|NAME:ADDRESS"
"""Values of ``--output``, for the help of a command."""
_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]+")
"""What may be meant as an output's name; one letter alone is a drive."""


def parse_output(target: str) -> Target:
    """Name and address of "NAME:ADDRESS"; anything else is a file of JSON lines or "-".

    NAME alone has the output's default address. Raises MmerError where it has none, and for
    "WORD:..." whose word is no output: a mistyped name must not become a file.
    """
    name, colon, address = target.partition(":")
    if name in OUTPUTS:
        entry = OUTPUTS[name]
        if not (colon or entry.default):
            raise MmerError(
                f"the output {name} needs an address: {name}:{entry.metavar} (a file of that "
                f"name: ./{name})"
            )
        return Target(name, address if colon else entry.default)
    if colon and _NAME.fullmatch(name):
        close = difflib.get_close_matches(name.lower(), list(OUTPUTS), 1)
        meant = f"do you mean {close[0]}?" if close else f"there are {', '.join(OUTPUTS)}."
        raise MmerError(f"no output {name!r}: {meant} A file of that name: ./{name}:...")
    return Target(DEFAULT, target)


def option_of(target: Target) -> str:
    """The option that asks for ``target``, for messages: without what may hold a password."""
    name, address = target
    entry = OUTPUTS[name]
    if entry.receiver_stores or (entry.value == "none" and address == entry.default):
        return f"--{name}"
    if entry.value == "none":
        return f"--output {name}:{address}"
    return f"--{'output' if name == DEFAULT else name} {address}"


def writers(targets: Iterable[Target]) -> list[str]:
    """Options of those ``targets`` that store what they get; standard output stores nothing."""
    return [
        option_of(target)
        for target in targets
        if OUTPUTS[target.name].receiver_stores
        or (OUTPUTS[target.name].writes_file and target.address != STDOUT)
    ]


def files_of(target: Target) -> list[Path]:
    """Files that an output writes; ``STDOUT`` for standard output."""
    entry, path = OUTPUTS[target.name], Path(target.address)
    if not entry.writes_file:
        return []
    return [path] if entry.files is None else entry.files(path)


def refuse_mixing(people: str, targets: Iterable[Target]) -> None:
    """Raise MmerError for ``targets`` in which several people could not be told apart."""
    mixing = [f"--{name}" for name, _ in targets if not OUTPUTS[name].tells_people]
    if people == "all" and mixing:
        raise MmerError(
            f"--people all: {', '.join(mixing)} cannot tell people apart; write JSON lines "
            "(--output FILE), or use --people speaking"
        )


def make_output(name: str, address: str, settings: Mapping[str, Any] | None = None) -> Sink:
    """The output, not yet open; raises MmerError where it cannot be."""
    made: Sink = OUTPUTS.load(name)(address, **(settings or {}))
    return made
