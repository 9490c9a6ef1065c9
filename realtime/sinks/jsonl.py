"""JSON lines sink, version 1: one object a line, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Gap,
    Health,
    Message,
    Notice,
    SessionEnd,
    Transcript,
)
from mmer.realtime.sinks.output import LineFile, check_output_path, refuse_input
from mmer.realtime.sinks.sink import SessionInfo, Sink, inputs_of

VERSION: Final = 1
"""``v`` of every line; it changes when a key changes its meaning or goes."""


def line_for(event: Message, now: float | None) -> dict[str, Any] | None:
    """The JSON object for one event, or None for an event that has no line.

    ``now`` is the session's clock at writing, None in replay. Times are in seconds with 3
    decimals, probabilities, weights and confidences have 4 decimals, latencies are in milliseconds
    with 1 decimal. Types, beside ``session`` (first) and ``end`` (last unless an error ended it):

    ``partial``    id, t, text: the transcript of utterance ``id`` so far, where it has changed.
    ``utterance``  id, t0, t1, text, asr, confidence (null where the engine gives none): final.
    ``emotion``    t, window [t0, t1], label, confidence, probs (by label), final, provisional,
                   revised, utterance (id or null), modalities (speech, text, face: label, weight,
                   age_s), why, latency_ms. All keys are always there. A ``provisional`` one is of
                   an utterance that may just have ended; the ``final`` follows, ``revised`` where
                   its label differs, unless speech goes on. An absent modality is null, its reason
                   in ``why``; with no label, ``label``, ``confidence`` and ``probs`` are null and
                   ``why`` has a reason under "label". ``latency_ms`` is the time of writing minus
                   the capture time of the newest evidence; null in replay. ``valence`` and
                   ``arousal`` (-1 to 1, null without a label) are ``derived`` (always true) from
                   ``probs`` by published norms.
                   With several people ``person`` follows: the number of the face, 0 for a voice to
                   which none moves.
    ``notice``     t, level (info, warning, error), about, text. A Gap is one.
    ``health``     t, drops and queue (by mailbox; ages in seconds, null in replay), gap_s (sound
                   lost so far), latency_ms (by modality, null in replay); where there is a
                   baseline also baseline: utterances (speech), seconds (face) behind it.

    ``t`` is the time of decision. Raises ValueError if a number is not finite: that is a fault of
    the program, and NaN is not JSON.
    """
    if isinstance(event, EmotionEstimate):
        return _emotion(event, now)
    if isinstance(event, Transcript):
        if event.unchanged:
            return None
        if event.partial:
            decided = event.t1 if event.decided is None else event.decided
            t = decided if now is None else now
            return _line("partial", id=event.utterance, t=_seconds(t), text=event.text)
        return _line(
            "utterance",
            id=event.utterance,
            t0=_seconds(event.t0),
            t1=_seconds(event.t1),
            text=event.text,
            asr=event.asr,
            confidence=None if event.confidence is None else _share(event.confidence),
        )
    if isinstance(event, Notice):
        return _notice(event.t, event.level, event.about, event.text)
    if isinstance(event, Gap):
        if math.isinf(event.t1):
            return _notice(event.t0, "info", event.stream, event.cause)
        lost = f"lost {event.t1 - event.t0:.3f} s from {event.t0:.3f} s: {event.cause}"
        return _notice(event.t1 if now is None else now, "warning", event.stream, lost)
    if isinstance(event, Health):
        queue = {k: None if now is None else _finite(age, 3) for k, age in event.queue.items()}
        late = {m: None if now is None else event.latency_ms.get(m) for m in MODALITIES}
        return _line(
            "health",
            t=_seconds(event.t),
            drops=dict(event.drops),
            queue=queue,
            gap_s=_seconds(event.gap_s),
            latency_ms={m: _finite(ms, 1) for m, ms in late.items()},
            **({"baseline": dict(event.baseline)} if event.baseline else {}),
        )
    return None


def session_line(info: SessionInfo) -> dict[str, Any]:
    """The first line: source, models, configuration, policy. ``utc`` is null in replay."""
    return _line(
        "session",
        utc=None if info.utc is None else info.utc.isoformat(timespec="milliseconds"),
        source=_plain(info.source),
        models=_plain(info.models),
        provider=_plain(info.provider),
        config=_plain(info.config),
        policy=info.policy,
        **({} if info.recording is None else {"recording": _plain(info.recording)}),
    )


def end_line(end: SessionEnd) -> dict[str, Any]:
    """The last line: its presence says that the session ended in order."""
    return _line(
        "end",
        t=_seconds(end.t),
        utterances=end.utterances,
        emotions=end.emotions,
        drops=dict(end.drops),
    )


def encoded(line: Mapping[str, Any]) -> bytes:
    """One line of ASCII with its newline: no character of the text can split it."""
    return json.dumps(line, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


class LineWriter:
    """Lines of one session in their order: ``first`` once, then one for each event that has one.

    ``t`` never decreases: an event decided earlier but written later takes the last ``t``, and its
    evidence is so much older (``age_s``). File and server write by this class, so that both give
    the same bytes. Of a session that goes on in another process, ``t0`` seconds and ``utterances``
    utterances were before this part: the lines' times and ids follow those.
    """

    def __init__(self, t0: float = 0.0, utterances: int = 0) -> None:
        self.t = -math.inf  # of the last line
        self._t0, self._utterances = t0, utterances

    def first(self, info: SessionInfo) -> bytes:
        """The session line."""
        self.t = -math.inf
        return encoded(session_line(info))

    def event(self, event: Message, now: float | None) -> bytes | None:
        """The line of an event, the session's end included; None where it has none.

        ``now`` is the session's clock at writing, None in replay.
        """
        if self._t0 and isinstance(event, Gap):  # whose times are in its text
            moved = replace(event, t0=event.t0 + self._t0, t1=event.t1 + self._t0)
            line = line_for(moved, None if now is None else now + self._t0)
        else:
            line = end_line(event) if isinstance(event, SessionEnd) else line_for(event, now)
            if self._t0 and line is not None:
                self._move(line)
        if line is None:
            return None
        if "t" in line:
            if line["t"] < self.t:
                _raise(line, self.t)
            self.t = line["t"]
        return encoded(line)

    def _move(self, line: dict[str, Any]) -> None:
        for key in ("t", "t0", "t1"):
            if key in line:
                line[key] = _seconds(line[key] + self._t0)
        if "window" in line:
            line["window"] = [_seconds(t + self._t0) for t in line["window"]]
        for key in ("id", "utterance"):
            if line.get(key) is not None:
                line[key] += self._utterances


class JsonLines(Sink):
    """Write JSON lines to a file, or to standard output for "-".

    Each line is one write to the file's descriptor: a reader sees whole lines, also after the
    program was killed. An existing file is replaced when the session opens, not before. If another
    program moves, removes or truncates the file (log rotation), the session goes on under its
    name, with the session line again and a notice of what is missing there.

    Raises MmerError (constructor and ``open``) for a path that cannot be written, and from
    ``write`` and ``close`` when the disk is full; ReaderGone when the pipe's reader has left.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: LineFile | None = None
        self._lines = LineWriter()
        self._first = b""
        self.changed = ""  # what another program did to the file, last
        if path != "-":
            check_output_path(Path(path))

    def open(self, info: SessionInfo) -> None:
        if self._path != "-":
            check_output_path(Path(self._path))
            refuse_input(Path(self._path), *inputs_of(info))
        file = LineFile(self._path)
        self._first = self._lines.first(info)
        try:
            file.write(self._first)
        except BaseException:
            file.close()
            raise
        self._file = file

    def write(self, event: Message, now: float | None) -> None:
        if self._file is not None:
            self._write(self._file, event, now)

    def close(self, end: SessionEnd | None) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if end is not None and not file.broken:
                self._write(file, end, None)
        finally:
            file.close()

    def _write(self, file: LineFile, event: Message, now: float | None) -> None:
        before = max(self._lines.t, 0.0)
        line = self._lines.event(event, now)
        if line is None:
            return
        if text := file.changed():
            self.changed = text
            file.write(self._first)
            file.write(encoded(_notice(before, "warning", "output", text)))
        file.write(line)


def _line(kind: str, **keys: Any) -> dict[str, Any]:
    return {"v": VERSION, "type": kind, **keys}


def _raise(line: dict[str, Any], t: float) -> None:
    """Give a line the later time ``t``; the capture times of its evidence stay."""
    for contribution in line.get("modalities", {}).values():
        if contribution is not None:
            contribution["age_s"] = _seconds(contribution["age_s"] + t - line["t"])
    line["t"] = t


def _notice(t: float, level: str, about: str, text: str) -> dict[str, Any]:
    return _line("notice", t=_seconds(t), level=level, about=about, text=text)


def _emotion(estimate: EmotionEstimate, now: float | None) -> dict[str, Any]:
    order = dict.fromkeys(("label", *MODALITIES, *sorted(estimate.why)))
    why = {key: estimate.why[key] for key in order if key in estimate.why}
    modalities: dict[str, Any] = {}
    for modality in MODALITIES:
        contribution = estimate.modalities.get(modality)
        modalities[modality] = None if contribution is None else _contribution(contribution)
        if contribution is None:
            why.setdefault(modality, "no evidence")
    probs = None
    if estimate.label is None or estimate.probs is None:
        why.setdefault("label", "no evidence")
    else:
        probs = {name: _share(p) for name, p in zip(EMOTIONS, estimate.probs, strict=True)}
    newest = estimate.newest
    late = None if now is None or newest is None else round((now - newest) * 1000, 1)
    return _line(
        "emotion",
        t=_seconds(estimate.t),
        window=[_seconds(t) for t in estimate.window],
        label=None if probs is None else estimate.label,
        confidence=None
        if probs is None or estimate.confidence is None
        else _share(estimate.confidence),
        probs=probs,
        final=estimate.final,
        provisional=estimate.provisional,
        revised=estimate.revised,
        utterance=estimate.utterance,
        modalities=modalities,
        why=why,
        latency_ms=late,
        **({} if estimate.person is None else {"person": estimate.person}),
        valence=None if probs is None else _finite(estimate.valence, 4),
        arousal=None if probs is None else _finite(estimate.arousal, 4),
        derived=True,
    )


def _contribution(contribution: Contribution) -> dict[str, Any]:
    return {
        "label": contribution.label,
        "weight": _share(contribution.weight),
        "age_s": _seconds(contribution.age_s),
    }


def _seconds(t: float) -> float:
    return round(float(t), 3) + 0.0  # plus 0.0: -0.0 becomes 0.0


def _share(p: float) -> float:
    return round(float(p), 4) + 0.0


def _finite(value: float | None, decimals: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), decimals)


def _plain(value: Any) -> Any:
    """Settings as JSON: paths and enums as text, tuples as lists, "no limit" (infinity) as null.

    Numbers of NumPy are numbers.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)
    return str(value)
