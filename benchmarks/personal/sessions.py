"""Sessions of one person: mixes of emotions, and what a baseline changes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS

LENGTH: Final = 30
"""Utterances in a session."""
SHARE: Final = 0.8
"""Of the session's main emotion in a skewed one."""
MINUTE_S: Final = 60.0
LEAST_ITEMS: Final = 8
LEAST_EMOTIONS: Final = 3
"""Of a speaker, to be in the table."""
BALANCED: Final = "balanced"
MINUTE: Final = "first minute"
"""The begin of each balanced session."""
MIXES: Final = (BALANCED, *EMOTIONS)
RESAMPLES: Final = 2000

Answers = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""Rows of one person in the order of a session to log-probabilities (n, 7)."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled items of people, with answers without and with the baseline.

    ``resampled`` is "speaker", or "item" where there is only one.
    """

    name: str
    modality: str  # "speech", "face" or "fused"
    labels: NDArray[np.int64]  # shape (N,)
    speakers: NDArray[np.str_]  # shape (N,)
    seconds: NDArray[np.float64]  # shape (N,)
    plain: Answers
    adapted: Answers
    resampled: str = "speaker"

    def people(self) -> list[str]:
        """The speakers with enough items and emotions, sorted."""
        found = []
        for speaker in np.unique(self.speakers):
            own = self.labels[self.speakers == speaker]
            if len(own) >= LEAST_ITEMS and len(np.unique(own)) >= LEAST_EMOTIONS:
                found.append(str(speaker))
        return found


@dataclass(frozen=True)
class Change:
    """A figure without and with the baseline, in percent, and the interval of the difference."""

    plain: float
    adapted: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """Percentage points that the baseline adds."""
        return self.adapted - self.plain


def session(
    rows: Mapping[int, NDArray[np.int64]], mix: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """``LENGTH`` rows of one person in random order.

    Args:
        rows: the person's, by emotion.
        mix: ``BALANCED``, or the emotion of ``SHARE`` of them; the others are equally frequent.
        rng: draws them. An emotion's items come again once all of them were there.
    """
    emotions = sorted(rows)
    shares = {c: 1 / len(emotions) for c in emotions}
    if mix != BALANCED:
        main = EMOTIONS.index(mix)
        shares = {c: SHARE if c == main else (1 - SHARE) / (len(emotions) - 1) for c in emotions}
    ends = np.round(np.cumsum([shares[c] for c in emotions]) * LENGTH).astype(int)
    counts = np.diff([0, *ends])
    chosen: list[NDArray[np.int64]] = []
    for emotion, count in zip(emotions, counts, strict=True):
        left = int(count)
        while left > 0:
            chosen.append(rng.permutation(rows[emotion])[:left])
            left -= len(chosen[-1])
    return np.asarray(rng.permutation(np.concatenate(chosen)))


def sessions(corpus: Corpus, mix: str, orders: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Speaker and rows of ``orders`` sessions of everybody who can show the mix."""
    for number, speaker in enumerate(corpus.people()):
        own = np.flatnonzero(corpus.speakers == speaker)
        by_emotion = {int(c): own[corpus.labels[own] == c] for c in np.unique(corpus.labels[own])}
        if mix != BALANCED and EMOTIONS.index(mix) not in by_emotion:
            continue
        for order in range(orders):
            yield speaker, session(by_emotion, mix, np.random.default_rng([order, number]))


def changes(corpus: Corpus, orders: int) -> dict[str, Change]:
    """By mix, what the baseline changes: recall where balanced, else accuracy.

    Mean over all sessions; 95 % intervals by drawing speakers (or items) 2,000 times.
    """
    found = {}
    for mix in MIXES:
        parts: dict[str, list[tuple[NDArray[np.int64], ...]]] = {mix: []}
        for _, rows in sessions(corpus, mix, orders):
            answers = [f(rows).argmax(axis=1) for f in (corpus.plain, corpus.adapted)]
            parts[mix].append((rows, *answers))
            if mix == BALANCED:
                begin = np.cumsum(corpus.seconds[rows]) <= MINUTE_S
                begin[0] = True
                some = (rows[begin], *(a[begin] for a in answers))
                parts.setdefault(MINUTE, []).append(some)
        for name, each in parts.items():
            if each:
                joined = [np.concatenate([part[k] for part in each]) for k in range(3)]
                found[name] = _change(corpus, joined, recall=mix == BALANCED)
    return found


def once_each(corpus: Corpus, orders: int) -> NDArray[np.float64]:
    """Recall in percent with the baseline of ``orders`` sessions (orders,).

    Each has all items of one person once, in random order.

    Raises:
        ValueError: the corpus is of several people.
    """
    if len(np.unique(corpus.speakers)) != 1:
        raise ValueError(f"{corpus.name} is not of one person")
    found = []
    for order in range(orders):
        rows = np.random.default_rng(order).permutation(len(corpus.labels))
        hits = corpus.adapted(rows).argmax(axis=1) == corpus.labels[rows]
        labels = corpus.labels[rows]
        found.append(100 * np.mean([hits[labels == c].mean() for c in np.unique(labels)]))
    return np.array(found)


def _change(corpus: Corpus, joined: Sequence[NDArray[np.int64]], recall: bool) -> Change:
    rows, plain, adapted = joined
    labels = corpus.labels[rows]
    names = corpus.speakers[rows] if corpus.resampled == "speaker" else rows
    _, groups = np.unique(names, return_inverse=True)
    # by group and emotion: items, hits without, hits with the baseline
    counts = np.zeros((int(groups.max()) + 1, len(EMOTIONS), 3))
    hits = np.stack([np.ones(len(rows)), plain == labels, adapted == labels], axis=1)
    np.add.at(counts, (groups, labels), hits)
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    drawn = np.einsum("rg,gck->rck", times, counts)
    values = _shares(np.concatenate([counts.sum(axis=0)[None], drawn]), recall)
    low, high = np.percentile(values[1:, 1] - values[1:, 0], [2.5, 97.5])
    return Change(float(values[0, 0]), float(values[0, 1]), float(low), float(high))


def _shares(counts: NDArray[np.float64], recall: bool) -> NDArray[np.float64]:
    """Percent right without and with the baseline (R, 2), of counts (R, 7, 3)."""
    if not recall:
        total = counts.sum(axis=1)
        return np.asarray(100 * total[:, 1:] / total[:, :1])
    occurs = counts[:, :, 0] > 0
    each = counts[:, :, 1:] / np.maximum(counts[:, :, :1], 1)
    return np.asarray(100 * each.sum(axis=1) / occurs.sum(axis=1)[:, None])
