"""Training batches of the text task: windows of dialogue in random styles, and soft labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mmer.models.networks.shipped.text import TextNetwork
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.augment.text import TextChanges, change_texts
from mmer.training.tasks.task import Arrays
from mmer.training.tasks.text_data import Conversation, Window, cut, overlapping
from mmer.training.tasks.text_encoding import DialogueEncoder, EncodedWindow, batch_of

_SORTED_TOGETHER = 20
"""Batches that are drawn at once and sorted by length, which saves padding."""


@dataclass(frozen=True)
class WindowSampler:
    """Draws batches from the conversations of each corpus."""

    by_corpus: Sequence[list[Conversation]]
    batches: Sequence[int]
    """Number of batches an epoch, of each corpus."""
    batch: int
    """Learned utterances in a batch, about."""
    window: int
    """Utterances in a window, at most."""
    encoder: DialogueEncoder
    errors: ErrorModel
    changes: TextChanges
    spoken: Mapping[str, str]
    """Transcripts by written text."""
    soft_share: float
    """Share of the windows with soft labels that are trained on these, but for the first corpus."""
    taught: float
    """Share of the soft label in the first corpus' targets."""

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Windows of one corpus and similar length, some as a recognizer would write them."""
        order = np.repeat(np.arange(len(self.batches)), self.batches)
        streams = [self._corpus_batches(k, n, rng) for k, n in enumerate(self.batches)]
        for k in rng.permutation(order):
            yield next(streams[int(k)])

    def _corpus_batches(
        self, corpus: int, number: int, rng: np.random.Generator
    ) -> Iterator[tuple[Arrays, np.ndarray]]:
        windows = self._windows(corpus, rng)
        while number:
            now = min(number, _SORTED_TOGETHER)
            number -= now
            rows: list[EncodedWindow] = []
            wanted = now * self.batch
            while wanted > 0:
                rows.append(self._encode(next(windows), corpus, rng))
                wanted -= len(rows[-1].learned_turns)
            rows.sort(key=lambda row: len(row.tokens))
            counts = np.array([len(row.learned_turns) for row in rows])
            ends = np.cumsum(counts) * now / counts.sum()
            for k in rng.permutation(now):
                some = [r for r, end in zip(rows, ends, strict=True) if k < end <= k + 1]
                if not some:
                    some = [rows[-1]]
                yield batch_of(some), np.concatenate([row.targets for row in some])

    def _windows(self, corpus: int, rng: np.random.Generator) -> Iterator[Window]:
        """Endless passes over the corpus, cut anew each time."""
        while True:
            windows = [
                window
                for conversation in self.by_corpus[corpus]
                for window in cut(conversation, self.window, rng)
            ]
            for k in rng.permutation(len(windows)):
                yield windows[k]

    def _encode(self, window: Window, corpus: int, rng: np.random.Generator) -> EncodedWindow:
        """A window in a random style, with one-hot or soft targets."""
        texts, style = change_texts(window.texts, self.errors, rng, self.changes, self.spoken)
        row = self.encoder.encode_window(window, texts, style, corpus)
        if not window.soft.keys() >= set(row.places):
            return row
        soft = np.array([window.soft[place] for place in row.places], np.float32)
        if corpus == 0:
            return replace(row, targets=(1 - self.taught) * row.targets + self.taught * soft)
        if rng.random() < self.soft_share:
            return replace(row, targets=soft, corpus=0)
        return row

    def label_softly(self, teacher: TextNetwork) -> None:
        """Set the soft labels: the teacher's probabilities, by the first corpus' head.

        The first corpus has some where it is ``taught``, the others where ``soft_share`` is not 0.
        """
        first = 0 if self.taught else 1
        for group in self.by_corpus[first : None if self.soft_share else 1]:
            found = [(c, *w) for c, one in enumerate(group) for w in overlapping(one, self.window)]
            found.sort(key=lambda place: sum(map(len, place[2].texts)))
            soft: list[dict[int, np.ndarray]] = [{} for _ in group]
            for k in range(0, len(found), self.batch):
                part = found[k : k + self.batch]
                rows = [self.encoder.encode_window(w, w.texts, "written") for _, _, w in part]
                probs = iter(_probabilities(teacher, batch_of(rows)))
                for (c, start, _), row in zip(part, rows, strict=True):
                    soft[c] |= {start + place: next(probs) for place in row.places}
            group[:] = [replace(one, soft=s) for one, s in zip(group, soft, strict=True)]


@torch.no_grad()
def _probabilities(network: TextNetwork, inputs: Arrays) -> np.ndarray:
    """Of the learned utterances, float32 (M, 7), without dropout."""
    training = network.training
    network.eval()
    device = next(network.parameters()).device
    logits, _ = network(*(torch.from_numpy(a).to(device) for a in inputs.values()))
    network.train(training)
    return logits.softmax(dim=1).float().cpu().numpy()  # type: ignore[no-any-return]
