"""The speech task: acted and natural speech of five corpora, log-mel, a small residual network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mmer.models.card import TrainingData
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.logmel import SAMPLE_RATE, LogMel
from mmer.models.networks.speech import SpeechNetwork
from mmer.training.augment import SpeechChanges, change_speech, mask_speech
from mmer.training.datasets.clips import (
    Clip,
    development_clips,
    read_clips,
    training_clips,
)
from mmer.training.datasets.corpora import training_data
from mmer.training.features import clip_features
from mmer.training.recipe import Recipe, from_table
from mmer.training.tasks.task import Arrays, Task

MIN_S = 0.5
MAX_S = 6.0


@dataclass(frozen=True)
class SpeechOptions:
    """The speech recipe's own settings.

    A training example is drawn by corpus (``shares``, relative), then class, then clip, so that
    large corpora and common classes do not drown the others.
    """

    shares: Mapping[str, float]
    noise: str = "esc10"
    """Corpus of background sounds; empty for white noise alone."""
    draws: int = 6000
    """Training examples an epoch."""
    shortest_s: float = 0.5
    longest_s: float = 4.0
    widths: tuple[int, int, int] = (16, 32, 64)
    embedding: int = 128
    dropout: float = 0.3
    changes: Mapping[str, Any] = field(default_factory=dict)


class SpeechTask(Task):
    """See ``Task``."""

    modality = "speech"
    development_data = (
        "RAVDESS actors 17-20 (2 women, 2 men; no speaker of the training data), acted English, "
        "whole clips without the silence at their ends, 'calm' left out"
    )

    conditions: tuple[str, ...] = ()

    def __init__(self, recipe: Recipe, data: Path, cache: Path | None) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(SpeechOptions, recipe.options, where)
        self._changes = from_table(SpeechChanges, options.changes, f"{where}.changes")
        self.mel = LogMel()
        clips = read_clips(data, list(options.shares))
        self._train, self._held = training_clips(clips), development_clips(clips)
        if not self._held:
            raise MmerError(f"recipe {recipe.name}: no clips of the development speakers")
        self._features = clip_features(self._train, self.mel, cache)
        self._held_features = clip_features(self._held, self.mel, cache)
        self._noise_clips = read_clips(data, [options.noise]) if options.noise else []
        white = np.random.default_rng(recipe.seed).standard_normal(SAMPLE_RATE * 20)
        self._noises = clip_features(self._noise_clips, self.mel, cache)
        # as often white as anything else
        self._noises += [self.mel.raw(white).astype(np.float16)] * max(1, len(self._noises) // 2)
        self._groups = self._grouped(self._train)
        total = sum(options.shares.values())
        self._corpora = [(c, s / total) for c, s in options.shares.items() if c in self._groups]
        self.class_shares = np.zeros(len(EMOTIONS))
        for corpus, share in self._corpora:
            for label in self._groups[corpus]:
                self.class_shares[label] += share / len(self._groups[corpus])
        self.batches_per_epoch = options.draws // recipe.batch

    @staticmethod
    def _grouped(clips: list[Clip]) -> dict[str, dict[int, list[int]]]:
        groups: dict[str, dict[int, list[int]]] = {}
        for index, clip in enumerate(clips):
            groups.setdefault(clip.corpus, {}).setdefault(clip.label, []).append(index)
        return groups

    def network(self) -> nn.Module:
        """A fresh ``SpeechNetwork``."""
        o = self._options
        a, b, c = o.widths
        return SpeechNetwork(self.mel.bins, (a, b, c), o.embedding, o.dropout)

    def _draw(self, rng: np.random.Generator) -> int:
        corpus = rng.choice(len(self._corpora), p=[share for _, share in self._corpora])
        classes = list(self._groups[self._corpora[corpus][0]].values())
        clips = classes[int(rng.integers(len(classes)))]
        return clips[int(rng.integers(len(clips)))]

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Pieces of one random length a batch, in another voice, room and noise."""
        o = self._options
        for _ in range(self.batches_per_epoch):
            frames = self.mel.frames(int(rng.uniform(o.shortest_s, o.longest_s) * SAMPLE_RATE))
            rows = [self._draw(rng) for _ in range(self._recipe.batch)]
            features = []
            for row in rows:
                raw = change_speech(self._features[row], frames, self._noises, rng, self._changes)
                features.append(mask_speech(self.mel.normalise(raw), rng, self._changes))
            labels = [self._train[row].label for row in rows]
            yield {"features": np.stack(features)}, np.eye(len(EMOTIONS), dtype=np.float32)[labels]

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """One clip at a time, at its own length, cut to the last seconds as the wrapper does."""
        longest = self.mel.frames(round(MAX_S * SAMPLE_RATE))
        for clip, raw in zip(self._held, self._held_features, strict=True):
            features = self.mel.normalise(raw[-longest:])[None]
            yield {"features": features}, np.array([clip.label])

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """The batch and the frames."""
        return {"features": {0: "batch", 1: "frames"}}

    def preprocessing(self) -> dict[str, Any]:
        """The filter bank and how much sound the wrapper takes."""
        return {
            "sample_rate_hz": SAMPLE_RATE,
            "logmel": asdict(self.mel),
            "min_s": MIN_S,
            "max_s": MAX_S,
        }

    def training_data(self) -> tuple[TrainingData, ...]:
        """Clips by corpus, and the noise mixed in."""
        count = Counter(c.corpus for c in self._train)
        split = {"ravdess": "actors 02-16", "emogator": "wordless bursts of all contributors"}
        out = [training_data(c, split.get(c, "all speakers"), n) for c, n in count.items()]
        if self._noise_clips:
            noise = self._options.noise
            out.append(training_data(noise, "background noise, no labels", len(self._noise_clips)))
        return tuple(out)

    def notes(self) -> tuple[str, ...]:
        """How to read the figures."""
        return (
            "Acted speech shows emotion more strongly than conversation: expect less in the wild.",
            "English in training is RAVDESS alone (two sentences, 15 actors); the rest is German, "
            "Polish, Urdu and wordless bursts, against which the network leans on prosody.",
            "Four development speakers are few: read the figures as plus or minus 10 points.",
            "Disgust is in RAVDESS, EmoDB and EmoGator alone; surprise is not in EmoDB or URDU.",
        )

    def save_extras(self, folder: Path) -> None:
        """Nothing."""
