"""What a recipe of the text task may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TextOptions:
    """The text recipe's own settings.

    A training example is drawn by corpus (``shares``, relative), then at random. The first corpus
    is the one whose understanding of the labels the exported network follows.
    """

    shares: Mapping[str, float]
    draws: int = 20_000
    """Utterances an epoch; the recipe's batch is in utterances, too."""
    layers: int = 5
    """Of the starting point's layers, so many from below."""
    piece_count: int = 8
    """Word pieces that the training texts hold less often are left out."""
    word_count: int = 3
    """Words that the training texts hold less often are never heard for others."""
    past_utterances: int = 4
    """How many earlier utterances the exported network is given."""
    window: int = 6
    """How many utterances one training example holds at most."""
    max_tokens: int = 128
    embedding: int = 128
    dropout: float = 0.1
    layer_decay: float = 0.9
    """Learning rate of each layer, relative to the one above."""
    head_rate: float = 10.0
    """Learning rate of what is not pretrained, relative to the topmost layer's."""
    self_training: float = 0.0
    """Share of the other corpora's windows that are learned as the first corpus sees them: targets
    are the probabilities that the run's first network gives, by the first corpus' head, from the
    written text. What punctuation tells it is then learned of texts without (privileged
    information, Lopez-Paz et al. 2016)."""
    spoken_texts: bool = False
    """Needs the transcripts of ``training.spoken_texts`` in the cache, for ``changes`` to use."""
    changes: Mapping[str, Any] = field(default_factory=dict)
