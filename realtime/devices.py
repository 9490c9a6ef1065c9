"""Lists of microphones and cameras (``mmer-live --list-devices``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mmer.models.errors import MmerError

PORTAUDIO_REMEDY: Final = "sudo apt-get install -y libportaudio2"


@dataclass(frozen=True)
class Found:
    """The devices of one kind, a line each, or why they cannot be listed."""

    lines: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""


def microphones() -> Found:
    """The microphones, as ``--audio`` names them."""

    def lines() -> Sequence[str]:
        from mmer.realtime.sources.microphone import input_devices

        return [
            f"{d.index}: {d.name} ({d.host}, {d.channels} ch, {d.rate:g} Hz)"
            + (", the default" if d.default else "")
            for d in input_devices()
        ]

    return _found(lines, PORTAUDIO_REMEDY)


def cameras() -> Found:
    """The cameras, as ``--video`` names them."""

    def lines() -> Sequence[str]:
        from mmer.realtime.sources.camera import cameras as found

        return [f"{d.device}: {d.name}" for d in found()]

    return _found(lines, "")


def list_devices() -> str:
    """All microphones and cameras as text."""
    return "\n".join(
        [
            *_section("Microphones (--audio INDEX or part of the NAME)", microphones()),
            *_section("Cameras (--video INDEX or PATH)", cameras()),
        ]
    )


def _found(lines: Callable[[], Sequence[str]], remedy: str) -> Found:
    try:
        return Found(lines=tuple(lines()))
    except MmerError as error:  # its message has the remedy
        return Found(problem=str(error))
    except (OSError, ImportError) as error:  # a library is missing
        return Found(problem=str(error), remedy=remedy)


def _section(title: str, found: Found) -> list[str]:
    if found.problem:
        body = [f"cannot be listed: {found.problem}"]
        body += [f"get it with: {found.remedy}"] if found.remedy else []
    else:
        body = list(found.lines) or ["none found"]
    return [title, *(f"  {line}" for line in body)]
