"""The text task: utterances of four corpora, word pieces, a small convolutional network."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mmer.models.card import TrainingData
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.networks.text import PAD, TextNetwork
from mmer.training.augment import TextChanges, change_text
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.dialogues import bare, read_development, read_training
from mmer.training.recipe import Recipe, from_table
from mmer.training.tasks.task import Arrays, Task
from mmer.training.tokenizer import UNKNOWN, train_tokenizer

TOKENIZER = "text-tokenizer.json"
MAX_TOKENS = 96
BARE = "lower case without punctuation, as speech recognizers write"
_SORTED_TOGETHER = 20
"""So many batches are drawn at once and sorted by length, which saves padding."""


@dataclass(frozen=True)
class TextOptions:
    """The text recipe's own settings.

    A training example is drawn by corpus (``shares``, relative), then at random. The first corpus
    is the one whose understanding of the labels the exported network follows.
    """

    shares: Mapping[str, float]
    draws: int = 40_000
    """Training examples an epoch."""
    vocabulary: int = 8000
    width: int = 64
    channels: int = 64
    kernels: Sequence[int] = (1, 3, 5)
    embedding: int = 128
    dropout: float = 0.4
    changes: Mapping[str, float] = field(default_factory=dict)


def _pad(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Texts of different lengths as one array, int64 (B, T)."""
    out = np.full((len(rows), max(len(r) for r in rows)), PAD, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out


class TextTask(Task):
    """See ``Task``."""

    modality = "text"
    development_data = (
        "MELD development split (its own split, by dialogue), as written; training is without "
        "every text that occurs in it"
    )
    conditions: tuple[str, ...] = (BARE,)

    def __init__(self, recipe: Recipe, data: Path) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(TextOptions, recipe.options, where)
        self._changes = from_table(TextChanges, options.changes, f"{where}.changes")
        self._held = read_development(data)
        self._train = read_training(data, list(options.shares), self._held)
        texts = [u.text for u in self._train]
        self._tokenizer = train_tokenizer(texts, options.vocabulary)
        self._tokens = self._encode(texts)
        self._bare_tokens = self._encode([bare(t) for t in texts])
        self._groups = [
            np.array([i for i, u in enumerate(self._train) if u.corpus == c])
            for c in options.shares
        ]
        if not all(len(group) for group in self._groups):
            raise MmerError(f"{where}: a corpus has no utterance left to train on")
        shares = np.array(list(options.shares.values()), float)
        self._shares = shares / shares.sum()
        labels = np.array([u.label for u in self._train])
        self.class_shares = np.zeros(len(EMOTIONS))
        for share, group in zip(self._shares, self._groups, strict=True):
            counts = np.bincount(labels[group], minlength=len(EMOTIONS))
            self.class_shares += share * counts / len(group)
        self.batches_per_epoch = options.draws // recipe.batch

    def _encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        encodings = self._tokenizer.encode_batch(list(texts))
        return [np.array(e.ids[-MAX_TOKENS:], np.int64) for e in encodings]

    def network(self) -> nn.Module:
        """A fresh ``TextNetwork``."""
        o = self._options
        return TextNetwork(
            self._tokenizer.get_vocab_size(),
            o.width,
            o.channels,
            tuple(o.kernels),
            o.embedding,
            o.dropout,
            heads=len(o.shares),
        )

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Texts of similar length, half of them bare, some of their words unknown."""
        left = self.batches_per_epoch
        while left:
            now = min(left, _SORTED_TOGETHER)
            left -= now
            draws = [self._draw(rng) for _ in range(now * self._recipe.batch)]
            draws.sort(key=lambda draw: len(draw[0]))
            for k in rng.permutation(now):
                batch = draws[k * self._recipe.batch : (k + 1) * self._recipe.batch]
                inputs = {
                    "tokens": _pad([tokens for tokens, _, _ in batch]),
                    "corpus": np.array([corpus for _, corpus, _ in batch]),
                }
                labels = [label for _, _, label in batch]
                yield inputs, np.eye(len(EMOTIONS), dtype=np.float32)[labels]

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
        """Tokens, number of the corpus, label."""
        corpus = int(rng.choice(len(self._groups), p=self._shares))
        row = int(self._groups[corpus][rng.integers(len(self._groups[corpus]))])
        tokens = change_text(self._tokens[row], self._bare_tokens[row], UNKNOWN, rng, self._changes)
        return tokens, corpus, self._train[row].label

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """MELD's utterances as they are, or bare."""
        texts = [bare(u.text) if condition == BARE else u.text for u in self._held]
        tokens = self._encode(texts)
        for k in range(0, len(texts), 256):
            labels = [u.label for u in self._held[k : k + 256]]
            yield {"tokens": _pad(tokens[k : k + 256])}, np.array(labels)

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """The batch and the tokens."""
        return {"tokens": {0: "batch", 1: "tokens"}}

    def preprocessing(self) -> dict[str, Any]:
        """The tokenizer's file and how much text the wrapper takes."""
        text = self._tokenizer.to_str().encode()
        return {
            "tokenizer": TOKENIZER,
            "tokenizer_sha256": hashlib.sha256(text).hexdigest(),
            "max_tokens": MAX_TOKENS,
        }

    def training_data(self) -> tuple[TrainingData, ...]:
        """Utterances by corpus."""
        count = Counter(u.corpus for u in self._train)
        split = "train, without texts and scenes that the development data has"
        return tuple(training_data(c, split, n) for c, n in count.items())

    def notes(self) -> tuple[str, ...]:
        """How to read the figures."""
        first = next(iter(self._options.shares))
        return (
            "One utterance at a time, without what was said before: much of the feeling of short "
            "replies lies there.",
            f"Each corpus had a head of its own in training; the exported one is {first}'s.",
            "Series dialogue and written comments: scripted, English. Disgust and fear are rare "
            "(below 3 %) and weak.",
            "The recipe was chosen by its figures on the development data, so they are a little "
            "better than new data will show.",
        )

    def save_extras(self, folder: Path) -> None:
        """The tokenizer."""
        (folder / TOKENIZER).write_bytes(self._tokenizer.to_str().encode())
