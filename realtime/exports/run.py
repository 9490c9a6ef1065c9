"""Run of `mmer-live` read back from its JSON lines: session, estimates, utterances."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from mmer.models.errors import MmerError, brief
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.policy import DEFAULT_POLICY, POLICY_NAMES
from mmer.realtime.recordings import lines_of

_LONGEST_LINE: Final = 1 << 20
"""Bytes; more is no line of ours."""
_MOST: Final = 1e10
"""Seconds and ids are below it, 300 years: no format holds any number whatever."""


@dataclass(frozen=True)
class Share:
    """One modality's own label, its weight (0..1) in the estimate, and its age in seconds."""

    label: str
    weight: float
    age_s: float


@dataclass(frozen=True)
class Estimate:
    """One ``emotion`` line; times in seconds, ``probs`` in the order of EMOTIONS."""

    t: float
    t0: float  # of the window
    t1: float
    label: str | None
    confidence: float | None
    probs: tuple[float, ...] | None
    final: bool
    utterance: int | None
    modalities: Mapping[str, Share | None]
    latency_ms: float | None
    provisional: bool = False
    revised: bool = False

    @property
    def running(self) -> bool:
        """Whether it is of the window up to now, not of an utterance."""
        return not (self.final or self.provisional)


@dataclass(frozen=True)
class Utterance:
    """Transcript and final estimate of one utterance; either may be absent.

    ``text`` is empty without a transcript; ``label``, ``confidence`` and ``probs`` are None
    without evidence.
    """

    id: int
    t0: float
    t1: float
    text: str = ""
    asr: str = ""
    asr_confidence: float | None = None
    label: str | None = None
    confidence: float | None = None
    probs: tuple[float, ...] | None = None


class Run:
    """JSON lines of one session, read anew by each method: memory does not grow with the run.

    A last line that was cut (the program was killed) is passed over; so is a damaged one, which
    ``damaged`` counts. ``path`` may be a recording's folder. Raises MmerError where it cannot be
    read or is no run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = lines_of(Path(path))
        self.damaged = 0
        try:
            with self.path.open("rb") as file:
                first = _parsed(file.readline(_LONGEST_LINE))
        except OSError as error:
            raise MmerError(f"cannot read {path}: {error.strerror or error}") from error
        if first is None or first["type"] != "session" or not isinstance(first.get("source"), dict):
            raise MmerError(f"{path} is no run: its first line is not mmer-live's session line")
        self.info: Mapping[str, Any] = first

    @property
    def media(self) -> Path | None:
        """The media file that was recognized; None for devices and addresses."""
        name = self.info["source"].get("name")
        is_file = self.info["source"].get("kind") == "file" and isinstance(name, str)
        return Path(name) if is_file and "://" not in name else None

    @property
    def policy(self) -> str:
        """Policy of the session; runs of before it was written down were open.

        Raises MmerError for one that there is not.
        """
        name = self.info.get("policy", DEFAULT_POLICY)
        if name not in POLICY_NAMES:
            known = ", ".join(POLICY_NAMES)
            raise MmerError(f"{self.path} has the policy {brief(repr(name))}; there are {known}")
        return str(name)

    @property
    def mixes_people(self) -> bool:
        """Whether it has estimates of several people at a time (``--people all``)."""
        config = self.info.get("config")
        if not isinstance(config, dict) or config.get("people") != "all":
            return False
        found = (line.get("person") for line in self.lines() if line["type"] == "emotion")
        first = next(found, None)
        return any(person != first for person in found)

    @property
    def utc(self) -> datetime | None:
        """UTC of second 0; None in replay."""
        try:
            return datetime.fromisoformat(self.info["utc"])
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def hop_s(self) -> float:
        """Seconds from one estimate to the next."""
        try:
            return _number(self.info["config"]["hop_s"])
        except (KeyError, TypeError, ValueError):
            return 0.25

    @property
    def duration_s(self) -> float:
        """Length of the media; infinity where it is unknown."""
        try:
            return _number(self.info["source"]["duration_s"])
        except (KeyError, TypeError, ValueError):
            return math.inf

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line after the first, as JSON objects with a ``type``."""
        self.damaged = 0
        try:
            with self.path.open("rb") as file:
                file.readline(_LONGEST_LINE)
                yield from self._whole(file)
        except OSError as error:
            raise MmerError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _whole(self, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        while raw := file.readline(_LONGEST_LINE):
            line = _parsed(raw)
            if line is not None and line["type"] != "session":
                yield line
            elif line is not None:
                if line != self.info:  # the same one again: log rotation has moved the file
                    raise MmerError(f"{self.path} holds several runs: export each by itself")
            elif raw.endswith(b"\n") or len(raw) == _LONGEST_LINE:
                self.damaged += 1

    def estimates(self) -> Iterator[Estimate]:
        """Every estimate in the order of writing, the final ones among them."""
        for line in self.lines():
            if line["type"] == "emotion":
                try:
                    made = estimate_of(line)
                except (KeyError, TypeError, ValueError, AttributeError):
                    self.damaged += 1
                    continue
                yield made

    def utterances(self) -> list[Utterance]:
        """Every utterance, by time; of one with several finals, the last."""
        found: dict[int, Utterance] = {}
        for line in self.lines():
            try:
                add_utterance(found, line)
            except (KeyError, TypeError, ValueError, AttributeError):
                self.damaged += 1
        return sorted(found.values(), key=lambda u: (u.t0, u.id))


def estimate_of(line: Mapping[str, Any]) -> Estimate:
    """Estimate of an ``emotion`` line; raises KeyError, TypeError or ValueError if damaged."""
    probs = line["probs"]
    t0, t1 = line["window"]
    shares: dict[str, Share | None] = {}
    for name in MODALITIES:
        given = line["modalities"][name]
        shares[name] = (
            None
            if given is None
            else Share(_label(given["label"]), _number(given["weight"]), _number(given["age_s"]))
        )
    return Estimate(
        t=_number(line["t"]),
        t0=_number(t0),
        t1=_number(t1),
        label=None if line["label"] is None else _label(line["label"]),
        confidence=_or_none(line["confidence"]),
        probs=None if probs is None else tuple(_number(probs[name]) for name in EMOTIONS),
        final=bool(line["final"]),
        utterance=None if line["utterance"] is None else _id(line["utterance"]),
        modalities=shares,
        latency_ms=_or_none(line.get("latency_ms")),
        provisional=bool(line.get("provisional", False)),
        revised=bool(line.get("revised", False)),
    )


def add_utterance(found: dict[int, Utterance], line: Mapping[str, Any]) -> int | None:
    """Add a transcript or final estimate to ``found``; the utterance's id where there was one.

    Raises KeyError, TypeError or ValueError for a damaged line.
    """
    if line["type"] == "utterance":
        number = _id(line["id"])
        t0, t1 = _number(line["t0"]), _number(line["t1"])
        given = found.get(number, Utterance(number, t0, t1))
        found[number] = replace(
            given,
            text=str(line["text"]),
            asr=str(line["asr"]),
            asr_confidence=_or_none(line["confidence"]),
        )
        return number
    if line["type"] == "emotion" and line["final"] and line["utterance"] is not None:
        final = estimate_of(line)
        number = _id(line["utterance"])
        given = found.get(number, Utterance(number, final.t0, final.t1))
        found[number] = replace(
            given,
            t0=final.t0,
            t1=final.t1,
            label=final.label,
            confidence=final.confidence,
            probs=final.probs,
        )
        return number
    return None


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """The JSON object of one line; None where it is none or was cut."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("type"), str) else None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _MOST:
        raise ValueError(f"{value!r} is no number of a run")
    return float(value)


def _id(value: Any) -> int:
    number = _number(value)
    if number < 0 or not number.is_integer():
        raise ValueError(f"{value!r} is no utterance")
    return int(number)


def _label(value: Any) -> str:
    if value not in EMOTIONS:
        raise ValueError(f"{value!r} is no label")
    return str(value)


def _or_none(value: Any) -> float | None:
    return None if value is None else _number(value)
