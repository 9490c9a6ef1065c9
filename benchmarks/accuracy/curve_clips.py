"""Anytime accuracy of the fused recognizer: audio-visual clips through replay, in seven ways.

A clip goes twice through the recognizer, which is the expensive part: without the person's
baseline, and with the one learned from the clips before, in a random order. The messages of its
blocks are fused again, with another transcript or fewer modalities, by the live fusion block.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.benchmarks.accuracy.moments import MOMENTS, Answers, Line, Panel, studio_span
from mmer.benchmarks.harness.command import Say
from mmer.benchmarks.harness.media import read_sound
from mmer.models.encoder import TextModel
from mmer.models.labels import MODALITIES
from mmer.models.store.store import Store
from mmer.realtime.assemble import assemble
from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.blocks.text_encoder import TextEncoder
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import (
    SAMPLE_RATE,
    EmotionEstimate,
    Evidence,
    Health,
    Message,
    Missing,
    Notice,
    Stream,
    Tick,
    Transcript,
)
from mmer.realtime.options import Options
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.replay import Replay
from mmer.realtime.sources.media import MediaFile
from mmer.training.datasets.registry import read
from mmer.training.evaluation.adapt import in_random_order
from mmer.training.evaluation.weights import folder_of
from mmer.training.evaluation.whole_clip import GoldWords, timed

HOP_S: Final = 0.05
"""An answer is at most so much older than the moment it is asked for."""


def clips_panel(data: Path, weights: Path | None, asr: str, say: Say) -> Panel:
    """RAVDESS Actor_01, on whom nothing was trained.

    Raises:
        MmerError: the clips are not there; the recognizer cannot be put together.
    """
    items = read("ravdess", data / "video", "clip", "all").items
    rows = {item.id: row for row, item in enumerate(items)}
    answers = Answers(items)
    plain, personal = Recorder(weights, asr), Recorder(weights, asr, baseline="session")
    recorded = [(plain, item) for item in items]
    recorded += [(personal, item) for item in in_random_order(items, seed=0)]
    for k, (recorder, item) in enumerate(recorded, 1):
        say(f"clips: {k} of {len(recorded)}")
        assert item.path is not None  # what is read for clip has a video
        span = studio_span(read_sound(item.path))
        begin, end = (sample / SAMPLE_RATE for sample in span)
        events = recorder.record(item.path).events
        ways: dict[str, list[EmotionEstimate]] = {
            "fused_recognized": recorder.fuse(events, MODALITIES),
            "voice": recorder.fuse(events, ("speech",)),
            "face": recorder.fuse(events, ("face",)),
        }
        if recorder is plain:
            gold = GoldWords(timed(item.text or "", begin, end))
            ways["fused_gold"] = recorder.fuse(events, MODALITIES, gold)
        for way, estimates in ways.items():
            key = way if recorder is plain else f"{way}_baseline"
            for t in MOMENTS:
                found = at_end(estimates) if t is None else at(estimates, begin + t)
                log_probs = None if found is None or found.probs is None else np.log(found.probs)
                answers.put(key, rows[item.id], t, log_probs, t is not None and begin + t < end)
    names = {
        "fused_gold": "fused, gold words",
        "fused_recognized": f"fused, words by {plain.words}",
        "voice": "voice alone",
        "face": "face alone",
        "fused_recognized_baseline": "fused, with the baseline",
        "voice_baseline": "voice alone, with the baseline",
        "face_baseline": "face alone, with the baseline",
    }
    lines = [Line(key, name, answers.points(key)) for key, name in names.items()]
    return Panel(
        key="clips",
        title="voice, words and face",
        data=f"RAVDESS Actor_01, {len(items)} audio-visual clips; time since the speech began",
        lines=tuple(lines),
        notes=(
            "one speaker: intervals are over his clips and say nothing about other people; all but "
            "four of the videos are rebuilt from 20 pictures each",
            "the two sentences are the same in every emotion, so the words can only mislead",
            "the baseline is of the clips before, in one random order",
            "gold words are spread over the speech by their letters, each there when it has ended",
        ),
    )


def at(estimates: Sequence[EmotionEstimate], t: float) -> EmotionEstimate | None:
    """The newest answer that was out at ``t``; None before the first."""
    out = [e for e in estimates if not e.of_utterance and e.t <= t + 1e-6]
    return out[-1] if out else None


def at_end(estimates: Sequence[EmotionEstimate]) -> EmotionEstimate | None:
    """The final of the longest utterance; of no utterance the last answer that has a label."""
    finals = [e for e in estimates if e.final]
    if finals:
        return max(finals, key=lambda e: e.window[1] - e.window[0])
    named = [e for e in estimates if e.label is not None]
    return named[-1] if named else None


@dataclass(frozen=True)
class Replayed:
    """Messages of a clip's blocks with the ticks (``events``), and the estimates (``live``)."""

    events: list[Message]
    live: list[EmotionEstimate]


class Recorder:
    """One recognizer, loaded once, that clips go through.

    With the ``baseline`` "session" all are of one person, and each is corrected by those before.
    """

    def __init__(
        self, weights: Path | None, asr: str, hop_s: float = HOP_S, baseline: str = "none"
    ) -> None:
        self._hop_s = hop_s
        self._options = Options(
            source="clip", asr=asr, weights=weights, offline=True, pace="max", baseline=baseline
        )
        streams: frozenset[Stream] = frozenset(("audio", "video"))
        made = assemble(self._options, streams, Store(offline=True), abstain=False)
        self._pipeline = made.pipeline
        self._text = TextModel.load(folder_of(weights, "text"))
        self.words = (made.models.get("words") or "no recognizer").split()[0]

    def record(self, path: Path) -> Replayed:
        """Send a clip through all blocks."""
        for stage in self._pipeline.stages:
            if isinstance(stage.block, Baselined):
                stage.block.next_stream()
            else:
                stage.block.reset()
        source = MediaFile(str(path), video_fps=self._options.video_fps)
        source.open(ManualClock())
        try:
            replay = Replay(self._pipeline, source, self._hop_s)
            events = [e for e in replay.events() if not isinstance(e, Notice | Health)]
        finally:
            source.close()
        return Replayed(
            events=[
                Tick(event.t) if isinstance(event, EmotionEstimate) else event
                for event in events
                if not (isinstance(event, EmotionEstimate) and event.of_utterance)
            ],
            live=[event for event in events if isinstance(event, EmotionEstimate)],
        )

    def fuse(
        self, events: Sequence[Message], keep: Collection[str], gold: GoldWords | None = None
    ) -> list[EmotionEstimate]:
        """The estimates from recorded ``events`` where only ``keep`` is there; with ``gold`` the
        words are those, not the recognizer's."""
        fusion: Any = self._pipeline.fusion.block
        fusion.reset()
        pipeline = Pipeline(fusion)
        if gold is not None:
            pipeline = Pipeline(fusion, asr=gold, text=TextEncoder(self._text))
            events = [e for e in events if not _of_words(e)]
        fused: list[Message] = []
        for event in events:
            fused += pipeline.push(_only(event, keep))
        fused += pipeline.flush()
        return [e for e in fused if isinstance(e, EmotionEstimate)]


def _of_words(event: Message) -> bool:
    return isinstance(event, Transcript) or (
        isinstance(event, Evidence | Missing) and event.modality == "text"
    )


def _only(event: Message, keep: Collection[str]) -> Message:
    if isinstance(event, Evidence) and event.modality not in keep:
        e = event
        return Missing(e.modality, e.t0, e.t1, "left out", e.partial, e.utterance)
    return event
