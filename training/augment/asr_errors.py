"""Simulated recognition errors: substitutions by similar words, deletions and insertions.

Words are similar in sound or spelling. Of the errors, 58 %
are substitutions, 30 % deletions and 12 % insertions: an estimate
for recognizers of conversation, not a measurement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import jellyfish
import numpy as np

from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import TextStyle
from mmer.training.datasets.texts import RESTYLE, bare

SUBSTITUTED: Final = 0.58
DELETED: Final = 0.30
INSERTED: Final = 0.12
_ALIKE: Final = 8
"""Number of the most similar words that may replace a word."""
_MARKS: Final = ".,?!;:"
"""Punctuation that ends a word."""
_SHORT: Final = 4
"""Longest word, in letters, that is inserted: recognizers insert short words in noise."""


class ErrorModel:
    """Confusions among the words of one vocabulary, found as they are needed."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """``vocabulary``: the words that errors consist of, in any order.

        Raises:
            MmerError: fewer than two words.
        """
        self._words = sorted({w for entry in vocabulary for w in bare(entry).split()})
        if len(self._words) < 2:
            raise MmerError("simulated recognition errors need a vocabulary of two words or more")
        self._short = [w for w in self._words if len(w) <= _SHORT] or self._words
        self._by_sound: dict[str, list[str]] = defaultdict(list)
        for word in self._words:
            for sound in _near_sounds(word):
                self._by_sound[sound].append(word)
        self._similar: dict[str, tuple[list[str], np.ndarray]] = {}

    def misrecognize(
        self, text: str, rate: float, rng: np.random.Generator, style: TextStyle = "bare"
    ) -> str:
        """The text in ``style`` with about ``rate`` word errors a word; never without a word.

        Punctuation of a deleted word goes to the word before it.

        Raises:
            MmerError: the rate is not between 0 and 1.
        """
        if not 0 <= rate <= 1:
            raise MmerError(f"a word error rate must be 0..1, got {rate}")
        words = _words_and_marks(RESTYLE[style](text))
        out: list[str] = []
        draws = rng.random((len(words), 2))
        for k, ((word, marks), (draw, extra)) in enumerate(zip(words, draws, strict=True)):
            must_stay = k == len(words) - 1 and not out
            if draw < rate * DELETED and not must_stay:
                if out and marks:
                    out[-1] = out[-1].rstrip(_MARKS) + marks
                continue  # no insertion here: a deletion and an insertion would count as one error
            if draw < rate * (DELETED + SUBSTITUTED):
                word = self._sounding_like(word, rng)
            out.append(word + marks)
            if extra < rate * INSERTED / (1 - rate * DELETED):
                out.append(self._short[int(rng.integers(len(self._short)))])
        return " ".join(out)

    def _sounding_like(self, word: str, rng: np.random.Generator) -> str:
        word = word.lower()
        if word not in self._similar:
            self._similar[word] = self._find_similar(word)
        words, shares = self._similar[word]
        return words[int(rng.choice(len(words), p=shares))]

    def _find_similar(self, word: str) -> tuple[list[str], np.ndarray]:
        """The most similar other words and the probability of each."""
        near = {w for sound in _near_sounds(word) for w in self._by_sound.get(sound, ())} - {word}
        candidates = sorted(near) or [w for w in self._words if w != word]
        sound = jellyfish.metaphone(word)
        likeness = np.array(
            [
                jellyfish.jaro_winkler_similarity(word, w)
                + jellyfish.jaro_winkler_similarity(sound, jellyfish.metaphone(w))
                for w in candidates
            ]
        )
        best = np.argsort(-likeness, kind="stable")[:_ALIKE]
        weights = likeness[best] ** 2 + 1e-6
        return [candidates[k] for k in best], weights / weights.sum()


def _words_and_marks(text: str) -> list[tuple[str, str]]:
    """Words, each with the punctuation that ends it; punctuation before a word is dropped."""
    return re.findall(rf"([\w']*\w[\w']*)([{_MARKS}]*)", text.replace("’", "'"))


def _near_sounds(word: str) -> set[str]:
    """The phonetic key (Metaphone, Philips 1990) and it with any one sound left out.

    Two words share one of these when their keys differ by at most one sound.
    """
    sound = jellyfish.metaphone(word) or word
    return {sound, *(sound[:k] + sound[k + 1 :] for k in range(len(sound)))} - {""} or {sound}


def misrecognize(
    texts: Sequence[str],
    rate: float,
    vocabulary: Sequence[str],
    seed: int,
    style: TextStyle = "bare",
) -> list[str]:
    """Each text in ``style`` with about ``rate`` word errors a word; the same for the same seed.

    Raises:
        MmerError: the rate is not between 0 and 1, or the vocabulary has fewer than two words.
    """
    model = ErrorModel(vocabulary)
    rng = np.random.default_rng(seed)
    return [model.misrecognize(text, rate, rng, style) for text in texts]
