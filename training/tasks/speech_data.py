"""Data of the speech task: clips and their augmented copies, noises, development clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys, file_digest
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.whisper_mel import WhisperMel
from mmer.training.augment.recording import RecordingChanges, in_noise
from mmer.training.augment.spectrogram import synthetic_sounds
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode, sound_files, trim
from mmer.training.datasets.registry import read, splits_of
from mmer.training.tasks.speech_features import clip_features

SNR_DB: Final = (20, 10, 5, 0)
SECONDS: Final = (0.5, 1.0, 2.0)
WHITE, SOUNDS, FIRST = "white noise at", "ESC-10 sounds at", "its first"
HELD_NOISE: Final = "5-"
"""ESC-10's fifth fold is held out for evaluation: one sound of each of its ten classes."""
TRAIN: Final = "train"
SPLITS: Final = {"ravdess": "actors 02-16", "emogator": "wordless bursts of all contributors"}
"""Training clips of a corpus, for the card, where neither its train split nor all speakers."""


def conditions(sounds: bool) -> tuple[str, ...]:
    """Conditions of the development data with figures in the card."""
    kinds = (WHITE, SOUNDS) if sounds else (WHITE,)
    noisy = [f"{kind} {snr} dB" for kind in kinds for snr in SNR_DB]
    return (*noisy, *(f"{FIRST} {seconds:g} s" for seconds in SECONDS))


def read_corpus(root: Path, corpus: str, split: str) -> list[Item]:
    """The clips of a split of a corpus in ``root``/audio; "all" is the training data.

    That is the train split where there is one, also of a manifest. It leaves RAVDESS' actors 17-20
    to development and 21-24 to tests, and actor 01, of whom the audio-visual clips are, out.
    """
    if split == "all" and TRAIN in splits_of(corpus):
        split = TRAIN
    items = read(corpus, root / "audio" / corpus, "speech", split).items
    own = [item for item in items if item.split == TRAIN] if split == "all" else []
    return own or items


def paths_of(items: Sequence[Item]) -> list[Path]:
    """The recordings of the items."""
    return [item.path for item in items if item.path is not None]


class SpeechData:
    """Training clips of ``corpora``, each in all its versions, and the development clips.

    Raises:
        MmerError: a corpus is not in ``root``, or a recording cannot be read.
    """

    def __init__(
        self,
        root: Path,
        cache: Path | None,
        mel: WhisperMel,
        corpora: Sequence[str],
        noise: str,
        copies: Mapping[str, int],
        recording: RecordingChanges,
    ) -> None:
        self.train: list[Item] = []
        self.versions: list[list[np.ndarray]] = []
        """Raw log-mel (T, bins) of each training clip: as it is, then its augmented copies."""
        for corpus in corpora:
            clips = read_corpus(root, corpus, "all")
            paths = paths_of(clips)
            spans = [(clip.start_s, clip.end_s) for clip in clips if clip.path is not None]
            features = [clip_features(paths, mel, cache, spans=spans)]
            for version in range(1, 1 + copies.get(corpus, 0)):
                features.append(
                    clip_features(
                        paths,
                        mel,
                        cache,
                        spans=spans,
                        corpus=corpus,
                        version=version,
                        changes=recording,
                    )
                )
            self.train += clips
            self.versions += [list(rows) for rows in zip(*features, strict=True)]
        self.groups: dict[str, dict[int, list[int]]] = {}
        """Rows of ``train`` by corpus and class."""
        for row, clip in enumerate(self.train):
            self.groups.setdefault(clip.corpus, {}).setdefault(clip.label, []).append(row)
        self.development = read_corpus(root, "ravdess", "dev")
        self.development_features = clip_features(paths_of(self.development), mel, cache)
        self._development_samples: dict[int, np.ndarray] = {}
        self.noise = noise
        sounds = sound_files(root / "audio" / noise, noise) if noise else []
        self.noise_files = [f for f in sounds if not f.name.startswith(HELD_NOISE)]
        self.held_out_noises = [decode(f) for f in sounds if f.name.startswith(HELD_NOISE)]
        self.noises = clip_features(self.noise_files, mel, cache)
        # as often synthetic as recorded
        self.noises += synthetic_sounds(
            mel, np.random.default_rng(0), max(4, len(self.noises) // 2)
        )

    def development_samples(self, index: int) -> np.ndarray:
        """A development clip without the silence at its ends, int16 (n,)."""
        if index not in self._development_samples:
            self._development_samples[index] = trim(decode(paths_of(self.development)[index]))
        return self._development_samples[index]

    def seen(self) -> Seen:
        """Speakers, dialogues and files of the training clips, and the files of the noises."""
        groups = {g for c in self.train for g in (c.speaker_group, c.dialogue_group) if g}
        files = dict.fromkeys((*paths_of(self.train), *self.noise_files))
        return Seen(frozenset(groups), as_keys(file_digest(f) for f in files))

    def training_data(self) -> tuple[TrainingData, ...]:
        """Clips by corpus, and the noise mixed in."""
        count = Counter(c.corpus for c in self.train)
        out = []
        for corpus, n in count.items():
            whole = TRAIN if TRAIN in splits_of(corpus) else "all speakers"
            out.append(training_data(corpus, SPLITS.get(corpus, whole), n))
        if self.noise_files:
            split = "folds 1-4, background noise, no labels"
            out.append(training_data(self.noise, split, len(self.noise_files)))
        return tuple(out)


def degraded(condition: str, data: SpeechData, index: int) -> np.ndarray:
    """Development clip ``index`` in one of ``conditions``, the same at each call: float (n,)."""
    speech = data.development_samples(index).astype(np.float64)
    number = float(condition.split()[-2])
    if condition.startswith(FIRST):
        return speech[: round(number * SAMPLE_RATE)]
    rng = np.random.default_rng([index, 1])
    if condition.startswith(WHITE):
        return in_noise(speech, rng.standard_normal(len(speech)), number)
    noise = data.held_out_noises[index % len(data.held_out_noises)]
    return in_noise(speech, np.roll(noise, -int(rng.integers(len(noise)))), number)
