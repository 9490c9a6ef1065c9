"""Options of a recognizer, validated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

from mmer.models.engine.providers import PROVIDERS
from mmer.models.errors import MmerError
from mmer.models.files import check_name
from mmer.models.labels import MODALITIES
from mmer.realtime.asr.registry import asr_names
from mmer.realtime.choose import detector_names
from mmer.realtime.policy import DEFAULT_POLICY, POLICIES, POLICY_NAMES
from mmer.realtime.sources.checked import check_source
from mmer.realtime.sources.source import Source

PROVIDER_NAMES: Final = ("auto", *PROVIDERS)
PACES: Final = ("real", "max")
PEOPLE: Final = ("largest", "speaking", "all")
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
    "reconnect": ((bool,), "True or False"),
    "policy": _TEXT,
    "people": _TEXT,
    "record": ((Path, type(None)), "a folder"),
    "consent": ((str, type(None)), "text"),
    "keep_days": ((Real, type(None)), "a number"),
    "baseline": ((str, Path), "session, none or a file"),
}


_ELSEWHERE: Final = ("source", "policy", "record", "consent", "keep_days")
"""Options that the session line has under other keys than ``config``."""


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
    policy: str = DEFAULT_POLICY  # of what is analysed and kept: realtime/policy.py
    people: str = "largest"  # whose estimates: of the largest face, of who speaks, of everybody
    record: Path | None = None  # folder for sound, video and lines
    consent: str | None = None  # of those who are recorded, for the recording's header
    keep_days: float | None = None  # after which a recording may be deleted
    baseline: str | Path = "none"  # "session", "none" or a file of ``--calibrate``

    def __post_init__(self) -> None:
        for name, (kinds, expected) in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise MmerError(f"{name} is {value!r}, expected {expected}")
            if Real in kinds and value is not None:
                object.__setattr__(self, name, _plain_number(name, value))
        for name in ("weights", "record", "baseline"):
            check_name(name, getattr(self, name))
        live = self.source is None
        if self.source == "":
            raise MmerError("the source is empty: name a file, or leave it out for devices")
        if not (self.source is None or isinstance(self.source, str)):
            check_source(self.source)
            live = self.source.live
        one_of("--asr", self.asr, asr_names())
        one_of("--detector", self.detector, detector_names())
        one_of("--provider", self.provider, PROVIDER_NAMES)
        one_of("--pace", self.pace, PACES)
        one_of("--policy", self.policy, POLICY_NAMES)
        one_of("--people", self.people, PEOPLE)
        if not self.modalities:
            raise MmerError(f"--modalities is empty: name one or more of {', '.join(MODALITIES)}")
        for name in self.modalities:
            one_of("--modalities", name, MODALITIES)
        allowed = POLICIES[self.policy]
        named = tuple(dict.fromkeys(self.modalities))  # each once
        object.__setattr__(self, "modalities", allowed.chosen(named))
        if "face" not in allowed.modalities and self.video not in (None, "none"):
            raise MmerError(f"--policy {self.policy} opens no camera: leave --video out")
        if self.record is not None:
            allowed.refuse_writers([f"--record {self.record}"])
        for option, value in (("--consent", self.consent), ("--keep-days", self.keep_days)):
            if value is not None and self.record is None:
                raise MmerError(f"{option} is about a recording: name its folder with --record")
        if self.people != "largest" and ("face" not in self.modalities or self.video == "none"):
            raise MmerError(f"--people {self.people} needs video: without it nobody is told apart")
        if self.people != "largest" and self.baseline not in BASELINES:
            raise MmerError(
                f"--people {self.people} with --baseline {self.baseline}: a file is of one person; "
                "leave one out, or use --baseline session"
            )
        if self.modalities == ("text",) and self.asr == "none":
            raise MmerError("--modalities text with --asr none leaves nothing to recognize")
        for option, value, low, high in (
            ("--video-fps", self.video_fps, 1.0, 120.0),
            ("--window-s", self.window_s, 0.5, 60.0),
            ("--hop-s", self.hop_s, 0.05, 5.0),
            ("--hangover-s", self.hangover_s, 0.1, 2.0),
            ("--keep-days", self.keep_days, 0.0, 36_500.0),
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
        config = {n: v for n, v in vars(self).items() if n not in _ELSEWHERE}
        if self.people == "largest":  # as it was before there was a choice
            del config["people"]
        if self.source is not None:  # it is about devices alone
            del config["reconnect"]
        config["weights"] = None if self.weights is None else str(self.weights)
        config["modalities"] = list(self.modalities)
        config["baseline"] = str(self.baseline)
        return config


def _plain_number(name: str, value: Any) -> int | float:
    """A number of NumPy or of another library as Python's own, which JSON has."""
    try:
        number = float(value)
    except OverflowError as error:
        raise MmerError(f"{name} is a number too large for any use") from error
    return int(value) if isinstance(value, Integral) else number


def parse_modalities(text: str) -> tuple[str, ...]:
    """``"speech,face"`` to a tuple in the canonical order; unknown names raise MmerError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        one_of("--modalities", name, MODALITIES)
    return tuple(name for name in MODALITIES if name in names)


def one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    """Raise MmerError where ``value`` is not ``allowed``."""
    if value not in allowed:
        raise MmerError(f"{option} {value!r} is unknown: use {', '.join(allowed)}")
