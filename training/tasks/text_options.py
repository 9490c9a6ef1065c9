"""Options of text recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmer.models.errors import MmerError

MOST_LAYERS: Final = 6  # of the starting point


@dataclass(frozen=True)
class TextOptions:
    """Options of a text recipe.

    A training example is drawn by corpus (``shares``, relative), then at random. The
    exported network has the head of the first corpus.
    """

    shares: Mapping[str, float]
    draws: int = 20_000
    """Utterances an epoch; the recipe's ``batch`` is in utterances, too."""
    layers: int = 5
    """Number of the starting point's layers, from the bottom."""
    piece_count: int = 8
    """Smallest count of a word piece in the training texts; rarer ones are left out."""
    word_count: int = 3
    """Smallest count of a word that simulated recognition errors insert."""
    past_utterances: int = 4
    """Number of earlier utterances in the input of the exported network."""
    window: int = 6
    """Largest number of utterances in a training example."""
    max_tokens: int = 128
    embedding: int = 128
    dropout: float = 0.1
    layer_decay: float = 0.9
    """Learning rate of each layer, relative to the one above."""
    head_rate: float = 10.0
    """Learning rate of new layers, relative to the topmost layer's."""
    self_training: float = 0.0
    """Share of the other corpora's windows with soft labels: probabilities of the network that the
    run starts from, by the first corpus' head, from the written text. So texts without punctuation
    are trained on labels that used it (privileged information, Lopez-Paz et al. 2016)."""
    taught: float = 0.0
    """Share of the soft label in the target of the first corpus' utterances (distillation, Hinton
    et al. 2015)."""
    spoken_texts: bool = False
    """Use the transcripts of ``training.augment.spoken_texts``, which must be in the cache."""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.shares or not all(share > 0 for share in self.shares.values()):
            raise MmerError(f"shares must name corpora, each with more than 0: {self.shares}")
        if not 1 <= self.layers <= MOST_LAYERS:
            raise MmerError(f"layers must be 1..{MOST_LAYERS}, as MiniLM has, got {self.layers}")
        for name in ("draws", "piece_count", "word_count", "window", "embedding"):
            if getattr(self, name) < 1:
                raise MmerError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("self_training", "taught"):
            if not 0 <= getattr(self, name) <= 1:
                raise MmerError(f"{name} must be 0..1, got {getattr(self, name)}")
