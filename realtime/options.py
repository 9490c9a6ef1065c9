"""Options of a recognizer, validated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Final

from mmer.models.engine.providers import PROVIDERS
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.asr.registry import asr_names
from mmer.realtime.choose import detector_names
from mmer.realtime.sources.source import Source

PROVIDER_NAMES: Final = ("auto", *PROVIDERS)
PACES: Final = ("real", "max")
BASELINES: Final = ("session", "none")
"""Values of ``--baseline`` beside a file."""


_TEXT: Final = ((str,), "text")
_DEVICE: Final = ((str, type(None)), "a device's number or name")
_NUMBER: Final = ((Real,), "a number")
_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "audio": _DEVICE,
    "video": _DEVICE,
    "modalities": ((tuple, list), "a sequence of names"),
    "asr": _TEXT,
    "detector": _TEXT,
    "provider": _TEXT,
    "weights": ((Path, type(None)), "a folder"),
    "offline": ((bool,), "True or False"),
    "pace": _TEXT,
    "video_fps": _NUMBER,
    "window_s": _NUMBER,
    "hop_s": _NUMBER,
    "hangover_s": ((Real, type(None)), "a number"),
    "baseline": ((str, Path), "session, none or a file"),
}


@dataclass(frozen=True)
class Options:
    """Everything that shapes a recognizer; times in seconds. Raises MmerError for a wrong value.

    ``audio`` and ``video`` name devices (None: the default one if there is one; "none": without);
    with a ``source`` (media file, URL or object) they can only be "none".
    """

    source: str | Source | None = None
    audio: str | None = None
    video: str | None = None
    modalities: tuple[str, ...] = MODALITIES
    asr: str = "auto"
    detector: str = "auto"
    provider: str = "auto"
    weights: Path | None = None
    offline: bool = False
    pace: str = "real"
    video_fps: float = 20.0  # frames analysed a second, at most
    window_s: float = 4.0
    hop_s: float = 0.25
    hangover_s: float | None = None  # None: it follows the speaker and the noise (``Patience``)
    reconnect: bool = True  # devices: wait for one that is lost
    baseline: str | Path = "none"  # "session", "none" or a file of ``--calibrate``

    def __post_init__(self) -> None:
        for name, (kinds, expected) in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise MmerError(f"{name} is {value!r}, expected {expected}")
        live = self.source is None
        if not (self.source is None or isinstance(self.source, str)):
            if not callable(getattr(self.source, "messages", None)):
                kind = type(self.source).__name__
                raise MmerError(f"the source is a path, a URL or a Source object, not {kind}")
            live = self.source.live
        _one_of("--asr", self.asr, asr_names())
        _one_of("--detector", self.detector, detector_names())
        _one_of("--provider", self.provider, PROVIDER_NAMES)
        _one_of("--pace", self.pace, PACES)
        if not self.modalities:
            raise MmerError(f"--modalities is empty: name one or more of {', '.join(MODALITIES)}")
        for name in self.modalities:
            _one_of("--modalities", name, MODALITIES)
        if self.modalities == ("text",) and self.asr == "none":
            raise MmerError("--modalities text with --asr none leaves nothing to recognize")
        for option, value, low, high in (
            ("--video-fps", self.video_fps, 1.0, 120.0),
            ("--window-s", self.window_s, 0.5, 60.0),
            ("--hop-s", self.hop_s, 0.05, 5.0),
            ("--hangover-s", self.hangover_s, 0.1, 2.0),
        ):
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise MmerError(f"{option} is {value:g}: it must lie between {low:g} and {high:g}")
        if self.source is not None:
            name = self.source if isinstance(self.source, str) else self.source.name
            for option, device in (("--audio", self.audio), ("--video", self.video)):
                if device not in (None, "none"):
                    raise MmerError(
                        f"{option} {device} names a device, but the source is {name}: "
                        f"leave one out ({option} none ignores that part of the file)"
                    )
        if live and self.pace == "max":
            raise MmerError("--pace max is for files: a device cannot run faster than the world")
        if self.audio == "none" and self.video == "none":
            raise MmerError("--audio none with --video none leaves nothing to recognize")

    def for_json(self) -> dict[str, Any]:
        """The configuration as the session line shows it."""
        config = {name: value for name, value in vars(self).items() if name != "source"}
        if self.source is not None:  # it is about devices alone
            del config["reconnect"]
        config["weights"] = None if self.weights is None else str(self.weights)
        config["modalities"] = list(self.modalities)
        config["baseline"] = str(self.baseline)
        return config


def parse_modalities(text: str) -> tuple[str, ...]:
    """``"speech,face"`` to a tuple in the canonical order; unknown names raise MmerError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        _one_of("--modalities", name, MODALITIES)
    return tuple(name for name in MODALITIES if name in names)


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise MmerError(f"{option} {value!r} is unknown: use {', '.join(allowed)}")
