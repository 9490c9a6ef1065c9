"""Parts of a model card: training data, and figures of several kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingData:
    """One corpus that the weights were fitted to."""

    corpus: str
    split: str
    items: int
    licence: str
    source: str


@dataclass(frozen=True)
class Development:
    """Figures on data that the weights were not fitted to (0..1), with what they were measured on.

    ``floor_accuracy`` is what always answering the commonest class reaches; ``recall`` is the
    share found of each emotion that occurs.
    """

    data: str
    n: int
    floor_accuracy: float
    accuracy: float
    weighted_f1: float
    macro_f1: float
    unweighted_recall: float
    ece: float
    note: str = ""
    recall: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Coverage:
    """With no answer below ``threshold``: the share of items answered, and how often rightly.

    ``withheld_accuracy`` is how often the answers left out would have been right, None where
    nothing is left out; ``accuracy`` is None where everything is.
    """

    threshold: float
    coverage: float
    accuracy: float | None
    withheld_accuracy: float | None


@dataclass(frozen=True)
class Parity:
    """Torch against ONNX Runtime on ``items`` development items.

    Largest absolute differences of a probability and of a logit, and the share of items with the
    same label: of the float32 network, and of the one that is shipped.
    """

    items: int
    float32_probability: float
    float32_logit: float
    float32_agreement: float
    shipped_probability: float
    shipped_logit: float
    shipped_agreement: float


@dataclass(frozen=True)
class Measured:
    """Figures on a data set beside a card's own development data, with the command for them.

    ``interval``: low and high (95 %) of each figure that has one. ``kind`` is "development",
    "in domain" or "out of domain" (see ``page.KINDS``); "" on cards that do not say.
    """

    dataset: str
    condition: str
    n: int
    floor_accuracy: float
    accuracy: float
    weighted_f1: float
    macro_f1: float
    unweighted_recall: float
    ece: float
    interval: Mapping[str, Sequence[float]]
    command: str
    kind: str = ""
