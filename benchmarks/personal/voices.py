"""Voices of corpora that the speech network was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.accuracy.speech import LEFT_OUT, training_without
from mmer.benchmarks.harness.command import Say
from mmer.benchmarks.personal.sessions import Corpus
from mmer.models.cards.card import load_card, weights_dir
from mmer.models.cards.seen import digest64
from mmer.models.labels import EMOTIONS
from mmer.realtime.blocks.baseline import READING, SESSION, BaselineConfig, KnownOffset, Offset
from mmer.training.datasets.registry import read
from mmer.training.evaluation.adapt import WEIGHT
from mmer.training.storage import cached_arrays

PER_SPEAKER: Final = 120
"""Most items of a speaker."""
READ: Final = 12
"""Most neutral items that stand for a minute of reading; half of a person's at most."""
LEAST_READ: Final = 3
DEVELOPMENT: Final = "RAVDESS 17-20"


@dataclass(frozen=True, eq=False)
class Voices:
    """A network's answers to a corpus' recordings."""

    name: str
    log_probs: NDArray[np.float64]  # shape (N, 7)
    labels: NDArray[np.int64]  # shape (N,)
    speakers: NDArray[np.str_]  # shape (N,)
    seconds: NDArray[np.float64]  # shape (N,)

    def corpus(self, config: BaselineConfig = SESSION["speech"]) -> Corpus:
        """With a baseline that is learned in each session."""

        def learning(rows: NDArray[np.int64]) -> NDArray[np.floating]:
            person = Offset(config)
            out = []
            for x in self.log_probs[rows]:
                out.append(person.corrected(x, WEIGHT["speech"]))
                person.add(x, WEIGHT["speech"])
            return np.array(out)

        facts = (self.name, "speech", self.labels, self.speakers, self.seconds)
        return Corpus(*facts, lambda rows: self.log_probs[rows], learning)

    def read_aloud(self) -> Corpus | None:
        """With a baseline from a file, made of neutral items that are in no session.

        None where nobody has enough neutral items.
        """
        rng = np.random.default_rng(0)
        kept = np.zeros(len(self.labels), np.bool_)
        known: dict[str, KnownOffset] = {}
        for speaker in np.unique(self.speakers):
            own = np.flatnonzero(self.speakers == speaker)
            neutral = rng.permutation(own[self.labels[own] == EMOTIONS.index("neutral")])
            some = neutral[: min(READ, len(neutral) // 2)]
            if len(some) < LEAST_READ:
                continue
            offset = Offset(READING["speech"], neutral=True)
            for x in self.log_probs[some]:
                offset.add(x)
            known[str(speaker)] = KnownOffset(offset.value, offset.seen)
            kept[np.setdiff1d(own, some)] = True
        if not known:
            return None
        log_probs, speakers = self.log_probs[kept], self.speakers[kept]

        def adapted(rows: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.array([known[str(speakers[r])].corrected(log_probs[r]) for r in rows])

        facts = (self.name, "speech", self.labels[kept], speakers, self.seconds[kept])
        return Corpus(*facts, lambda rows: log_probs[rows], adapted)


def voices(data: Path, runs: Path, cache: Path | None, say: Say) -> tuple[list[Voices], list[str]]:
    """Of every corpus here, and why others are not: only networks that never saw the speakers."""
    places = [(DEVELOPMENT, "ravdess", "dev", weights_dir())]
    places += [(o.name, c, o.split, runs / f"speech-without-{c}") for c, o in LEFT_OUT.items()]
    found, missing = [], []
    for name, corpus, split, weights in places:
        place = data / LEFT_OUT[corpus].place
        if not place.is_dir():
            missing.append(f"{name}: DATA/{LEFT_OUT[corpus].place} is not there")
        elif not (weights / "speech.json").is_file():
            missing.append(f"{name}: train it first, {training_without(corpus)}")
        else:
            say(name)
            found.append(_voices(name, corpus, place, split, weights, cache))
    return found, missing


def _voices(
    name: str, corpus: str, place: Path, split: str, weights: Path, cache: Path | None
) -> Voices:
    from mmer.training.datasets.media import decode, trim
    from mmer.training.evaluation.speech import SpeechAnswerer

    def compute() -> Mapping[str, Any]:
        items = read(corpus, place, "speech", split).items
        order = np.random.default_rng(0).permutation(len(items))
        seen: dict[str, int] = {}
        rows = []
        for k in order:
            seen[items[k].speaker] = seen.get(items[k].speaker, 0) + 1
            if seen[items[k].speaker] <= PER_SPEAKER:
                rows.append(int(k))
        answerer = SpeechAnswerer(weights)
        answers, kept = [], []
        for k in sorted(rows):
            answer = answerer.answer(items[k])
            if answer.usable:
                answers.append(answer.log_probs)
                kept.append(items[k])
        seconds = [len(trim(decode(i.path))) / 16_000 for i in kept if i.path is not None]
        return {
            "log_probs": np.array(answers, np.float64),
            "labels": np.array([i.label for i in kept], np.int64),
            "speakers": np.array([i.speaker for i in kept], np.str_),
            "seconds": np.array(seconds, np.float64),
        }

    sha256 = load_card(weights / "speech.json").sha256
    key = digest64(f"{corpus} {split} {PER_SPEAKER} {sha256}".encode())
    path = None if cache is None else cache / f"voices-{corpus}-{split}-{key:016x}.npz"
    arrays = cached_arrays(path, compute)
    names = ("log_probs", "labels", "speakers", "seconds")
    return Voices(name, *(arrays[n] for n in names))
