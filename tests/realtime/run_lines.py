"""Hand-made JSON lines of a run, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer.models.labels import EMOTIONS, MODALITIES

PROVISIONAL = {"final": False, "provisional": True}
TEXTS = ("I am so happy", 'he said "stop" & <left> --> now', "")
"""Transcripts of the utterances; the second has what markup and captions must escape."""


def session_line(live: bool = False) -> dict[str, Any]:
    source = {"kind": "devices", "name": ["USB Audio"]}
    if not live:
        source = {"kind": "file", "name": "/media/a talk.mp4", "duration_s": 10.0}
    return {
        "v": 1, "type": "session", "utc": "2026-11-21T12:00:00.250+00:00" if live else None,
        "source": source, "models": {}, "provider": {}, "config": {"hop_s": 0.25},
    }  # fmt: skip


def emotion_line(
    t: float,
    label: str | None,
    window: tuple[float, float] | None = None,
    utterance: int | None = None,
    **modalities: str,
) -> dict[str, Any]:
    """An estimate with probability 0.7 of ``label``; final where it has an utterance."""
    probs = None if label is None else {e: 0.7 if e == label else 0.05 for e in EMOTIONS}
    shares: Mapping[str, Any] = {
        m: {"label": modalities[m], "weight": 1 / len(modalities), "age_s": 0.1}
        if m in modalities
        else None
        for m in MODALITIES
    }
    return {
        "v": 1, "type": "emotion", "t": t, "window": list(window or (max(t - 4, 0.0), t)),
        "label": label, "confidence": None if label is None else 0.7, "probs": probs,
        "final": utterance is not None, "utterance": utterance, "modalities": shares,
        "why": {}, "latency_ms": 84.5,
    }  # fmt: skip


def utterance_line(number: int, t0: float, t1: float, text: str) -> dict[str, Any]:
    return {
        "v": 1, "type": "utterance", "id": number, "t0": t0, "t1": t1, "text": text,
        "asr": "vosk", "confidence": 0.93,
    }  # fmt: skip


def run_lines(live: bool = False) -> list[dict[str, Any]]:
    """Three utterances: the second begins in the first, the third has no words and no label."""
    health = {"v": 1, "type": "health", "t": 1.0, "drops": {}, "queue": {}, "gap_s": 0.0}
    return [
        session_line(live),
        emotion_line(0.25, None),
        emotion_line(0.5, "joy", face="joy"),
        emotion_line(0.75, "joy", face="joy", speech="neutral"),
        health,
        emotion_line(1.0, "sadness", speech="sadness"),
        utterance_line(1, 0.5, 2.0, TEXTS[0]),
        {**emotion_line(2.05, "fear", (0.5, 2.0), 1, text="fear"), **PROVISIONAL},
        emotion_line(2.1, "joy", (0.5, 2.0), 1, speech="joy", text="joy"),
        emotion_line(2.25, "joy", text="joy"),
        emotion_line(4.2, "fear", (1.9, 4.0), 2, text="fear"),
        utterance_line(2, 1.9, 4.0, TEXTS[1]),  # the words come late
        emotion_line(6.0, None, (5.0, 5.5), 3),
        {"v": 1, "type": "end", "t": 6.0, "utterances": 3, "emotions": 9, "drops": {}},
    ]


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
