"""Lines of a server as the messages that they were made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.exports.run import Share, estimate_of
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Health,
    Notice,
    SessionEnd,
    Transcript,
)
from mmer.realtime.policy import DEFAULT_POLICY
from mmer.realtime.sinks.sink import SessionInfo


@dataclass(frozen=True)
class JudgedText:
    """Answer to a typed text; None where it has no word."""

    text: str
    label: str | None
    confidence: float | None
    probs: Mapping[str, float] | None


Event: TypeAlias = (
    SessionInfo | EmotionEstimate | Transcript | Notice | Health | SessionEnd | JudgedText
)


def event_of(line: Mapping[str, Any]) -> Event | None:
    """The message of a line; None for a type that this version does not know.

    Fields that a line does not carry are empty: a contribution's ``probs`` are NaN, a transcript
    has no words, and partial ones have the time of their line.

    Raises:
        MmerError: a key is missing.
    """
    kind = line.get("type")
    make = _MAKERS.get(kind) if isinstance(kind, str) else None
    if make is None:
        return None
    try:
        return make(line)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MmerError(f"the server sent a damaged {kind} line ({error})") from error


def _session(line: Mapping[str, Any]) -> SessionInfo:
    source = line["source"]
    return SessionInfo(
        utc=None if line["utc"] is None else datetime.fromisoformat(line["utc"]),
        source=source,
        models=line["models"],
        provider=line["provider"],
        config=line["config"],
        streams=frozenset(source.get("streams", ())),
        duration_s=source.get("duration_s"),
        policy=line.get("policy", DEFAULT_POLICY),
    )


def _emotion(line: Mapping[str, Any]) -> EmotionEstimate:
    found = estimate_of(line)
    return EmotionEstimate(
        t=found.t,
        window=(found.t0, found.t1),
        label=found.label,
        probs=None if found.probs is None else np.array(found.probs, np.float32),
        confidence=found.confidence,
        modalities={m: _contribution(share, found.t) for m, share in found.modalities.items()},
        why=line["why"],
        final=found.final,
        utterance=found.utterance,
        person=line.get("person"),
        provisional=found.provisional,
        revised=found.revised,
    )


def _contribution(share: Share | None, t: float) -> Contribution | None:
    if share is None:
        return None
    unknown = np.full(len(EMOTIONS), np.nan, np.float32)
    return Contribution(share.label, share.weight, t - share.age_s, share.age_s, unknown)


def _partial(line: Mapping[str, Any]) -> Transcript:
    t = float(line["t"])
    return Transcript(line["id"], t, t, line["text"], True, "")


def _utterance(line: Mapping[str, Any]) -> Transcript:
    return Transcript(
        line["id"],
        float(line["t0"]),
        float(line["t1"]),
        line["text"],
        False,
        line["asr"],
        confidence=line["confidence"],
    )


def _notice(line: Mapping[str, Any]) -> Notice:
    return Notice(float(line["t"]), line["level"], line["about"], line["text"])


def _health(line: Mapping[str, Any]) -> Health:
    counts = (line["drops"], line["queue"], line["gap_s"], line["latency_ms"])
    return Health(float(line["t"]), *counts, line.get("baseline", {}))


def _end(line: Mapping[str, Any]) -> SessionEnd:
    return SessionEnd(float(line["t"]), line["utterances"], line["emotions"], line["drops"])


def _text(line: Mapping[str, Any]) -> JudgedText:
    return JudgedText(line["text"], line["label"], line["confidence"], line["probs"])


def _warning(line: Mapping[str, Any]) -> Notice:
    return Notice(0.0, "warning", "server", line["text"])


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Event]]] = {
    "session": _session,
    "emotion": _emotion,
    "partial": _partial,
    "utterance": _utterance,
    "notice": _notice,
    "health": _health,
    "end": _end,
    "text": _text,
    "warning": _warning,
}
