"""Word error rate: normalisation of transcripts, alignment, interval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from mmer.benchmarks.report.statistics import RESAMPLES
from mmer.training.datasets.texts import bare

DIGITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip


@dataclass(frozen=True)
class WordErrors:
    """Counts of a minimal alignment of a hypothesis with its reference; they add up."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        sums = (a + b for a, b in zip(astuple(self), astuple(other), strict=True))
        return WordErrors(*sums)

    @property
    def words(self) -> int:
        """Words of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wrong(self) -> int:
        """Words of the hypothesis that are not in the reference."""
        return self.substitutions + self.insertions

    @property
    def rate(self) -> float:
        """Word error rate; NaN without a reference."""
        return self.errors / self.words if self.words else float("nan")


def normalised(text: str) -> list[str]:
    """Words as they are compared: lower case, no punctuation, each digit spelt out.

    Letters and digits are parted, "P2" is "p two". Nothing else is made equal: a letter that is
    written as a word ("be" for "b") is an error.
    """
    return re.sub(r"\d", lambda digit: f" {DIGITS[int(digit[0])]} ", bare(text)).split()


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of a transcript after normalisation, by Levenshtein's distance of words."""
    wanted, found = normalised(reference), normalised(hypothesis)
    # above[j]: (errors, counts) of the reference so far and the hypothesis' first j words
    above = [(j, WordErrors(insertions=j)) for j in range(len(found) + 1)]
    for i, word in enumerate(wanted):
        row = [(i + 1, WordErrors(deletions=i + 1))]
        for j, other in enumerate(found):
            same = word == other
            step = WordErrors(hits=1) if same else WordErrors(substitutions=1)
            choices = (
                (above[j][0] + (not same), above[j][1] + step),
                (above[j + 1][0] + 1, above[j + 1][1] + WordErrors(deletions=1)),
                (row[j][0] + 1, row[j][1] + WordErrors(insertions=1)),
            )
            row.append(min(choices, key=lambda choice: choice[0]))
        above = row
    return above[-1][1]


def rate_interval(clips: Sequence[WordErrors]) -> tuple[float, float]:
    """95 % interval of the pooled rate: whole clips drawn with replacement, seeded."""
    errors = np.array([clip.errors for clip in clips])
    words = np.array([clip.words for clip in clips])
    drawn = np.random.default_rng(0).integers(0, len(clips), (RESAMPLES, len(clips)))
    low, high = np.percentile(errors[drawn].sum(axis=1) / words[drawn].sum(axis=1), (2.5, 97.5))
    return float(low), float(high)
