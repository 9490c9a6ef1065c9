"""Evaluation of audio-visual clips by the whole recognizer: speech, text and face, fused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmer.models.encoder import TextModel
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.store.store import Store
from mmer.realtime.assemble import assemble
from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.blocks.text_encoder import TextEncoder
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import (
    AudioBlock,
    EmotionEstimate,
    Evidence,
    Gap,
    Message,
    Notice,
    VideoFrame,
)
from mmer.realtime.options import Options
from mmer.realtime.pacing import captured_at
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.sources.media import MediaFile
from mmer.training.datasets.item import Item
from mmer.training.evaluation.adapt import person_of
from mmer.training.evaluation.answers import Answer
from mmer.training.evaluation.settings import Settings
from mmer.training.evaluation.weights import folder_of
from mmer.training.evaluation.whole_clip import GoldWords, WholeClip

_UNIFORM = np.full(len(EMOTIONS), -np.log(len(EMOTIONS)))


class ClipAnswerer:
    """The pipeline of replay with one change: a clip is one utterance, whose final is the answer.

    With ``settings.adapt`` a person's baseline goes on from clip to clip, as long as clips of the
    same one follow each other. Every clip has an answer, with or without speech; without any
    evidence it is uniform, and counted as ``unanswered``.
    """

    def __init__(self, weights: Path | None, settings: Settings) -> None:
        self._damaged = 0
        self._person = ""  # of the last clip
        self._options = Options(
            source="clip",
            modalities=tuple(m for m in MODALITIES if m in settings.modalities),
            asr=settings.asr,
            provider=settings.provider,
            weights=weights,
            offline=settings.offline,
            pace="max",
            baseline="session" if settings.adapt else "none",
        )
        store = Store(offline=settings.offline or None)
        made = assemble(self._options, frozenset({"audio", "video"}), store, abstain=False)
        self._models = made.models
        self.notices = [notice.text for notice in made.notices]
        blocks: dict[str, Any] = {stage.name: stage.block for stage in made.pipeline.stages}
        self._gold: GoldWords | None = None
        if settings.gold_words and "asr" in blocks:
            self._gold = blocks["asr"] = GoldWords()
            blocks["text"] = TextEncoder(
                TextModel.load(folder_of(weights, "text"), settings.provider)
            )
            self._models["words"] = "gold"
        blocks["vad"] = WholeClip()
        self._pipeline = Pipeline(blocks.pop("fusion"), **blocks)

    def evidence(
        self, item: Item, change: Callable[[Message], Message] | None = None
    ) -> list[Evidence]:
        """All evidence of a clip in the order in which it came; raises MmerError as ``answer``.

        ``change`` is done to each block of sound and frame first.
        """
        found: list[Evidence] = []
        self._final(item, found, change)
        return found

    def answer(self, item: Item) -> Answer:
        final = self._final(item, [])
        parts = {m: np.log(c.probs) for m, c in final.modalities.items() if c is not None}
        if final.probs is None:
            return Answer(_UNIFORM, usable=False, parts=parts)
        probs = np.maximum(final.probs, np.finfo(np.float32).tiny)  # a fusion may give 0
        return Answer(np.log(probs), parts=parts)

    def about(self) -> dict[str, Any]:
        return {"models": self._models, "damaged": self._damaged}

    def _begin(self, item: Item) -> None:
        if self._gold is not None:
            self._gold.text = item.text or ""
        for stage in self._pipeline.stages:
            if isinstance(stage.block, Baselined):
                stage.block.next_stream()
                if person_of(item) != self._person:
                    stage.block.forget()
            else:
                stage.block.reset()
        self._person = person_of(item)

    def _final(
        self,
        item: Item,
        evidence: list[Evidence],
        change: Callable[[Message], Message] | None = None,
    ) -> EmotionEstimate:
        """The answer to a clip; its evidence is added to ``evidence``."""
        if item.path is None:
            raise MmerError(f"{item.key} has no recording")
        self._begin(item)
        source = MediaFile(str(item.path), video_fps=self._options.video_fps)
        until = 0.0
        try:
            source.open(ManualClock())
            for message in source.messages():
                if isinstance(message, Notice):
                    self._damaged += 1
                elif isinstance(message, Gap) or _within(message, item):
                    given = message if change is None else change(message)
                    made = self._pipeline.push(given)
                    evidence += [m for m in made if isinstance(m, Evidence)]
                    until = max(until, captured_at(message))
                elif item.end_s is not None and captured_at(message) > item.end_s + 1.0:
                    break
        finally:
            source.close()
        # the end of a clip without sound
        self._pipeline.push(Gap("audio", until, until, "the clip has ended"))
        made = self._pipeline.flush()
        evidence += [m for m in made if isinstance(m, Evidence)]
        finals = [e for e in made if isinstance(e, EmotionEstimate) and e.final]
        if not finals:
            raise MmerError(f"{item.path} has neither sound nor video there")
        return finals[-1]


def _within(message: AudioBlock | VideoFrame, item: Item) -> bool:
    t = captured_at(message)
    return t >= (item.start_s or 0.0) and (item.end_s is None or t <= item.end_s)
