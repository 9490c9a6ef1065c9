"""Speech task: acted and natural speech of five corpora, from Whisper's encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.speech import SpeechNetwork
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.whisper_mel import WhisperMel, WhisperSegment
from mmer.training.augment.recording import RecordingChanges
from mmer.training.augment.spectrogram import SpeechChanges, change_speech, mask_speech
from mmer.training.datasets.corpora import CORPORA
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks import whisper
from mmer.training.tasks.speech_data import SpeechData, conditions, degraded
from mmer.training.tasks.speech_statistics import statistics_of
from mmer.training.tasks.task import Arrays, Task

MIN_S = 0.5
MAX_S = 4.0


@dataclass(frozen=True)
class SpeechOptions:
    """Options of the speech recipe.

    A training example is drawn by corpus (``shares``, relative), then class, then clip, so that
    large corpora and common classes do not drown the others.
    """

    shares: Mapping[str, float]
    leave_out: str = ""
    """A corpus of ``shares`` that is left out, for evaluation out of domain."""
    copies: Mapping[str, int] = field(default_factory=dict)
    """Number of augmented copies of each clip of a corpus: another voice, room and codec."""
    clean: float = 0.4
    """Probability of the clip itself where there are copies."""
    noise: str = "esc10"
    """Corpus of background sounds; empty for synthetic noise alone."""
    not_speech: float = 0.04
    """Share of examples that are noise and tones, whose target is uniform."""
    mixup: float = 0.0
    """Alpha of mixup (Zhang et al. 2018); 0 for none."""
    own_classes: bool = True
    """Restrict the softmax of a clip to the classes of its corpus."""
    draws: int = 6000
    """Training examples an epoch."""
    shortest_s: float = 0.5
    longest_s: float = 4.0
    blocks: int = 3
    """Whisper's blocks that are used."""
    tuned: int = 0
    """The last of them, whose weights are trained."""
    examples: int = 8000
    """Augmented examples of each corpus, whose statistics are computed once: the heads' training
    data where no block is tuned, and what standardises them."""
    tuned_rate: float = 0.1
    """Their learning rate, as a share of the heads'."""
    heads: int = 4
    embedding: int = 48
    dropout: float = 0.3
    changes: Mapping[str, Any] = field(default_factory=dict)
    recording: Mapping[str, Any] = field(default_factory=dict)


class SpeechTask(Task):
    """The task of ``SpeechNetwork``; targets are (B, 14): distribution, allowed classes."""

    modality = "speech"
    usual: tuple[str, ...]
    float_products = 1  # what enters the first block is uneven: a quarter of the error was there
    narrow_in_float = False  # here 8 bits hold that as well, in a quarter less time
    starting_point = whisper.NAME
    development_data = (
        "RAVDESS actors 17-20 (2 women, 2 men; no speaker of the training data), acted English, "
        "whole clips without the silence at their ends, 'calm' left out"
    )

    known_failures = (
        "Half a second of speech says little, and in noise as loud as the voice a good part of "
        "the answers is wrong: see the conditions.",
        "Quiet sadness is taken for fear, joy or neutral, joy for fear: where the voice is equally "
        "aroused, the spectrum hardly tells pleasant from unpleasant.",
        "Speakers differ as much as classes do; the development fold has two women and two men, "
        "all of them actors from North America. Children and the elderly are not in the data.",
        "A language or a kind of sentence that is not in the training data (see measured); there "
        "it is also surer than it is right: left out of training, Polish is found in two clips of "
        "five, about as surely as English in three.",
        "Sounds that are no speech get little confidence if they are noise or tones; an animal's "
        "or a baby's cry can get much of it: leave it to the voice detector to keep them out.",
    )

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None, weights: Path | None = None
    ) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(SpeechOptions, recipe.options, where)
        self._changes = from_table(SpeechChanges, options.changes, f"{where}.changes")
        self._recording = recording = from_table(
            RecordingChanges, options.recording, f"{where}.recording"
        )
        if options.noise:
            CORPORA[options.noise]  # unknown ones have no licence for the card
        shares = dict(options.shares)
        if options.leave_out and shares.pop(options.leave_out, None) is None:
            raise MmerError(f"{where}: leave_out is {options.leave_out!r}, which is not in shares")
        self._cache = cache
        self.mel = WhisperMel()
        self.data = SpeechData(
            data, cache, self.mel, list(shares), options.noise, options.copies, recording
        )
        total = sum(shares.values())
        self._corpora = [(c, s / total) for c, s in shares.items() if c in self.data.groups]
        if not self._corpora:
            raise MmerError(f"recipe {recipe.name}: no clips to train on")
        self.class_shares = np.zeros(len(EMOTIONS))
        for corpus, share in self._corpora:
            for label in self.data.groups[corpus]:
                self.class_shares[label] += share / len(self.data.groups[corpus])
        self.batches_per_epoch = options.draws // recipe.batch
        self.conditions = conditions(bool(self.data.held_out_noises))
        # in the worst noise the live path weights speech by its quality
        self.usual = tuple(c for c in self.conditions if c.endswith(("20 dB", "10 dB", "2 s")))
        if options.leave_out:  # such a network is for the corpus left out, not for use
            self.conditions = self.usual

    def network(self) -> nn.Module:
        network = self._untrained()
        if not self._recipe.start:  # else that run's weights hold them
            speech = [statistics for name, (statistics, _) in self._pools.items() if name]
            network.standardise(torch.from_numpy(np.concatenate(speech)).float())
        return network

    def _untrained(self) -> SpeechNetwork:
        """The network with Whisper's weights and heads at random."""
        o = self._options
        network = SpeechNetwork(o.blocks, o.tuned, o.heads, o.embedding, o.dropout)
        whisper.fill(network.encoder, whisper.model_file())
        return network

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        assert isinstance(network, SpeechNetwork)
        tuned = [p for p in network.encoder.parameters() if p.requires_grad]
        heads = {"params": list(network.heads.parameters())}
        return [heads, {"params": tuned, "scale": self._options.tuned_rate}] if tuned else [heads]

    def _draw(self, corpus: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Raw log-mel of one example of ``corpus`` ("" is no speech), and its targets (14,)."""
        target = np.zeros(2 * len(EMOTIONS), np.float32)
        if not corpus:
            target[:] = 1 / len(EMOTIONS)
            target[len(EMOTIONS) :] = 1
            return self.data.noises[int(rng.integers(len(self.data.noises)))], target
        classes = self.data.groups[corpus]
        label = list(classes)[int(rng.integers(len(classes)))]
        clips = classes[label]
        target[label] = 1
        for c in classes if self._options.own_classes else range(len(EMOTIONS)):
            target[len(EMOTIONS) + c] = 1
        row = clips[int(rng.integers(len(clips)))]
        versions = self.data.versions[row]
        if len(versions) == 1 or rng.random() < self._options.clean:
            return versions[0], target
        return versions[int(rng.integers(1, len(versions)))], target

    def _pieces(
        self, corpora: Sequence[str], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augmented features (B, T, 80) and targets (B, 14), one example of each of ``corpora``.

        Clips cut to one random length, in another voice, room, codec and noise.
        """
        o = self._options
        frames = self.mel.frames(int(rng.uniform(o.shortest_s, o.longest_s) * SAMPLE_RATE))
        features = np.empty((len(corpora), frames, self.mel.bins), np.float32)
        targets = np.empty((len(corpora), 2 * len(EMOTIONS)), np.float32)
        for i, corpus in enumerate(corpora):
            raw, targets[i] = self._draw(corpus, rng)
            raw = change_speech(raw, frames, self.data.noises, rng, self._changes)
            features[i] = mask_speech(self.mel.normalise(raw), rng, self._changes)
        return features, targets

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Augmented features, or where no block is tuned the statistics of such; and targets."""
        o = self._options
        names, shares = zip(*self._corpora, strict=True)
        names, shares = (*names, ""), (*(s * (1 - o.not_speech) for s in shares), o.not_speech)
        for _ in range(self.batches_per_epoch):
            corpora = [names[k] for k in rng.choice(len(names), self._recipe.batch, p=shares)]
            if o.tuned:
                inputs, targets = self._pieces(corpora, rng)
            else:
                pools = [self._pools[corpus] for corpus in corpora]
                rows = [int(rng.integers(len(statistics))) for statistics, _ in pools]
                inputs = np.stack([p[0][k] for p, k in zip(pools, rows, strict=True)])
                inputs = inputs.astype(np.float32)
                targets = np.stack([p[1][k] for p, k in zip(pools, rows, strict=True)])
            if o.mixup:
                part = np.float32(rng.beta(o.mixup, o.mixup))
                inputs = part * inputs + (1 - part) * np.roll(inputs, 1, axis=0)
                other = np.roll(targets, 1, axis=0)
                allowed = np.maximum(targets, other)[:, len(EMOTIONS) :]
                targets = part * targets + (1 - part) * other
                targets[:, len(EMOTIONS) :] = allowed
            yield {"features": inputs}, targets

    @cached_property
    def _pools(self) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """``pool`` of each corpus, and of what is no speech ("")."""
        return {name: self.pool(name) for name in (*(corpus for corpus, _ in self._corpora), "")}

    def pool(self, corpus: str) -> tuple[np.ndarray, np.ndarray]:
        """Statistics and targets of augmented examples of a corpus ("" is no speech).

        They are the same whatever other corpora are trained on: the cache serves all such runs.
        """
        o = self._options
        count = o.examples if corpus else max(1, round(o.examples * o.not_speech * 4))
        clips = sorted(
            (c.key, c.label, c.start_s or 0.0, c.end_s or -1.0, c.path.name, c.path.stat().st_size)
            for c in self.data.train
            if c.corpus == corpus and c.path
        )
        half = self._recipe.mixed_precision == "bf16"
        about = (
            whisper.SHA256, corpus, self.mel, self._changes, self._recording, o.clean,
            o.own_classes, o.blocks, o.shortest_s, o.longest_s, o.copies.get(corpus, 0), o.noise,
            clips, self._recipe.seed, *(["bf16"] if half else []),
        )  # fmt: skip
        network = self._untrained()

        def draw(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
            return self._pieces([corpus] * batch, rng)

        return statistics_of(network, draw, count, repr(about), half, self._cache)

    def loss(
        self,
        outputs: tuple[torch.Tensor, ...],
        targets: torch.Tensor,
        weights: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """Mean of the heads' cross-entropies, each over the allowed classes."""
        logits = outputs[2].float()  # (heads, B, 7)
        wanted, allowed = targets[:, : len(EMOTIONS)], targets[:, len(EMOTIONS) :]
        smooth = wanted * (1 - smoothing) + smoothing * allowed / allowed.sum(1, keepdim=True)
        log_probs = logits.masked_fill(allowed == 0, -1e4).log_softmax(dim=2)
        return -(weights * smooth * log_probs).sum(dim=2).mean()

    def settle(self, network: nn.Module) -> None:
        """Even out what enters the products of int8, by pieces of the training clips."""
        assert isinstance(network, SpeechNetwork)
        rng = np.random.default_rng(self._recipe.seed)
        corpora = [corpus for corpus, _ in self._corpora]
        features, _ = self._pieces(corpora * (256 // len(corpora)), rng)
        network.encoder.even_out(torch.from_numpy(features))

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """One clip at a time, at its own length, cut to the last ``MAX_S`` as live.

        Conditions are ``conditions``: noise mixed into the waveform, or the first seconds alone.
        """
        longest = self.mel.frames(round(MAX_S * SAMPLE_RATE))
        for index, (clip, raw) in enumerate(
            zip(self.data.development, self.data.development_features, strict=True)
        ):
            if condition:
                raw = self.mel.raw(degraded(condition, self.data, index))
            yield {"features": self.mel.normalise(raw[-longest:])[None]}, np.array([clip.label])

    def development_groups(self) -> list[str]:
        return [c.speaker_group for c in self.data.development]

    def seen(self) -> Seen:
        return self.data.seen()

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        return {"features": {0: "batch", 1: "frames"}}

    def preprocessing(self) -> dict[str, Any]:
        segment = WhisperSegment(**asdict(self.mel), least_s=MIN_S, longest_s=MAX_S)
        return {"input": segment.settings(), "min_s": MIN_S}

    def training_data(self) -> tuple[TrainingData, ...]:
        return self.data.training_data()

    def notes(self) -> tuple[str, ...]:
        return (
            "Acted speech shows emotion more strongly than conversation: expect less in the wild.",
            "English in training is RAVDESS alone (two sentences, 15 actors); the rest is German, "
            "Polish, Urdu and wordless bursts, against which the network leans on prosody.",
            "Four development speakers are few: read the figures as plus or minus 10 points.",
            "Disgust is in RAVDESS, EmoDB and EmoGator alone; surprise is not in EmoDB or URDU.",
        )
