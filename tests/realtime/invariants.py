"""Invariants of a session's events, whatever happened in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmer.realtime.messages import (
    EmotionEstimate,
    Message,
    SpeechState,
    SpeechUpdate,
    Transcript,
)


def check_events(
    events: Sequence[Message], complete: bool = True, transcribed: bool = True
) -> None:
    """Estimates in order, labels by evidence alone, each utterance ended and answered once.

    Where the session was cut off, not ``complete``, an utterance may lack its final. Without voice
    activity detection and recognizer, not ``transcribed``, it may lack end and transcript.
    """
    estimates = [e for e in events if isinstance(e, EmotionEstimate)]
    times = [e.t for e in estimates]
    assert times == sorted(times)
    for e in estimates:
        assert np.isfinite([e.t, *e.window]).all()
        assert (e.label is None) == (e.probs is None) == (e.confidence is None)
        if e.probs is None:
            assert e.why["label"]
        else:
            assert np.isclose(e.probs.sum(), 1.0, atol=1e-3)
            shares = [c.weight for c in e.modalities.values() if c is not None]
            assert shares
            assert np.isclose(sum(shares), 1.0, atol=1e-3)
        assert all(c is not None or e.why[m] for m, c in e.modalities.items())
    check_provisional(estimates)
    updates = [u for u in events if isinstance(u, SpeechUpdate)]
    announced = Counter(dict.fromkeys((u.utterance for u in updates), 1))
    ended = Counter(u.utterance for u in updates if u.state is SpeechState.ENDED)
    finals = Counter(e.utterance for e in estimates if e.final)
    texts = Counter(t.utterance for t in events if isinstance(t, Transcript) and not t.partial)
    for once in (ended, finals, texts):
        assert not once - announced, f"more than once: {once - announced}"
    if complete:
        assert not announced - finals, f"no final: {announced - finals}"
    if complete and transcribed:
        assert not announced - ended, f"no end: {announced - ended}"
        assert not announced - texts, f"no final transcript: {announced - texts}"


def check_provisional(estimates: Sequence[EmotionEstimate]) -> None:
    """Provisional estimates come before their utterance's final, which is revised for a reason."""
    answered: set[int | None] = set()
    early: dict[int | None, EmotionEstimate] = {}
    for e in estimates:
        assert not (e.final and e.provisional)
        assert e.utterance is not None or not e.of_utterance
        if e.provisional:
            assert e.utterance not in answered
            early[e.utterance] = e
        elif e.final:
            answered.add(e.utterance)
            assert not e.revised or early[e.utterance].label != e.label
