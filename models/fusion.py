"""Learned fusion of the modalities: opinions, logits, embeddings or tokens (ONNX)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, find_card, load_card, open_network
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.prediction import log_softmax

OPINIONS: Final = "opinions"
INPUTS: Final = ("log_probs", "quality", "age_s", "present")
"""Of a fusion of opinions: float32 (B, 3, 7) and three times (B, 3), in the order of MODALITIES."""
CONTEXT: Final = ("punctuated", "talking", "baseline")
"""What a fusion of opinions may know besides, by modality: its input ``context``, (B, 3, 3).

Whether a text has punctuation, whether the person of a face talks, how far the person's baseline
has come; 0 to 1, and 0 where it does not apply. A card's preprocessing names them as ``context``.
"""
USES: Final[Mapping[str, tuple[str, ...]]] = {
    "logits": ("logits",),
    "embedding": ("embedding",),
    "tokens": ("tokens", "mask"),
}
"""What another fusion uses of each modality, and its inputs MODALITY_NAME for it.

float32 (B, 7), (B, E), (B, T, E) and (B, T); the last input is ``present`` (B, modalities).
"""
OUTPUTS: Final = ("logits", "shares")
"""float32 (B, 7) and (B, modalities)."""
MIN_INFORMATION: Final = 0.01
"""Information of an opinion is at least this much, so that shares exist where all are flat."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """Pooled evidence of one modality.

    ``embedding`` is that of its newest evidence, (d,) or (T, d) as in ``Prediction``, for a fusion
    of embeddings or tokens.
    """

    log_probs: NDArray[np.float64]  # shape (7,), normalised
    quality: float  # above 0, at most 1
    age_s: float  # of its newest evidence, 0 or more
    embedding: NDArray[np.float32] | None = None
    punctuated: float = 0.0  # of a text, 0 or 1
    talking: float = 0.0  # of a face, 0 or 1
    baseline: float = 0.0  # 0..1, of voice and face


def stacked(
    opinions: Mapping[str, Opinion], context: Sequence[str] = ()
) -> dict[str, NDArray[np.float32]]:
    """Opinions by modality as the inputs of a fusion of opinions, a batch of one.

    A modality without one has a flat opinion whose ``present`` is 0. ``context`` names fields of
    ``Opinion``, as in ``CONTEXT``; without a name there is no such input.
    """
    log_probs = np.full((1, len(MODALITIES), len(EMOTIONS)), -np.log(len(EMOTIONS)), np.float32)
    quality, age_s, present = np.zeros((3, 1, len(MODALITIES)), np.float32)
    for k, modality in enumerate(MODALITIES):
        if modality in opinions:
            opinion = opinions[modality]
            log_probs[0, k] = opinion.log_probs
            quality[0, k], age_s[0, k], present[0, k] = opinion.quality, opinion.age_s, 1
    inputs = {"log_probs": log_probs, "quality": quality, "age_s": age_s, "present": present}
    if context:
        known = np.zeros((1, len(MODALITIES), len(context)), np.float32)
        for k, modality in enumerate(MODALITIES):
            if modality in opinions:
                known[0, k] = [getattr(opinions[modality], name) for name in context]
        inputs["context"] = known
    return inputs


class FusionModel:
    """Learned fusion; immutable, safe to call from several threads.

    ``uses`` is what it inputs of each of its ``modalities``: "opinions" (with quality and age), as
    the shipped one, or a key of ``USES``. Those were trained on whole clips and know neither
    quality nor age: what is too poor or too old must not come to them. ``abstain_below`` is the
    confidence below which the card calls an answer worth none.

    Args:
        card: whose preprocessing names ``modalities``, in the network's order, and ``uses``.
        engine: the network.
        temperatures: of the modalities' own models, by which their logits were divided.
    """

    def __init__(
        self, card: Card, engine: Engine, temperatures: Mapping[str, float] | None = None
    ) -> None:
        self.card = card
        self.provider = engine.provider
        self.abstain_below = card.abstain_below
        self.uses, self.modalities = fused(card)
        self.context = context_of(card) if self.uses == OPINIONS else ()
        self._engine = engine
        self._temperatures = temperatures or {}

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "cpu") -> FusionModel:
        """Open fusion.json and its network in ``folder``; the shipped ones by default.

        On the CPU by default: it is so small that no other provider could be faster.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        card, path = find_card(folder, "fusion")
        uses, modalities = fused(card)
        inputs: tuple[str, ...] = (*INPUTS, "context") if context_of(card) else INPUTS
        heat: dict[str, float] = {}
        if uses != OPINIONS:
            inputs = (*(f"{m}_{part}" for m in modalities for part in USES[uses]), "present")
            heat = {m: load_card(path.with_name(f"{m}.json")).temperature for m in modalities}
        return cls(card, open_network(card, path, provider, inputs, outputs=OUTPUTS), heat)

    def fuse(self, opinions: Mapping[str, Opinion]) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Fused log-probabilities (7,) and each opinion's share in them, sum 1.

        Raises:
            ValueError: no opinion, one of another modality, or one without the embedding or steps
                that this fusion uses.
        """
        out = self._engine.run(self.inputs(opinions))
        shares = dict(zip(self.modalities, out["shares"][0].tolist(), strict=True))
        log_probs = log_softmax(out["logits"][0].astype(np.float64) / self.card.temperature)
        return log_probs, {m: shares[m] for m in opinions}

    def inputs(self, opinions: Mapping[str, Opinion]) -> dict[str, NDArray[np.float32]]:
        """The network's inputs for opinions by modality; raises ValueError as ``fuse`` does."""
        if not opinions or not set(opinions) <= set(self.modalities):
            raise ValueError(
                f"expected opinions of some of {self.modalities}, got {sorted(opinions)}"
            )
        if self.uses == OPINIONS:
            return stacked(opinions, self.context)
        used = {m: self._used(m, opinion) for m, opinion in opinions.items()}
        like = next(iter(used.values()))
        # of an absent modality (one step of) nothing; ``present`` says that it is not there
        nothing = np.zeros_like(like[:1] if self.uses == "tokens" else like)
        inputs = {}
        for m in self.modalities:
            own = used.get(m, nothing)
            inputs[f"{m}_{USES[self.uses][0]}"] = own[None]
            if self.uses == "tokens":
                inputs[f"{m}_mask"] = np.full((1, len(own)), m in used, np.float32)
        return inputs | {"present": np.array([[m in used for m in self.modalities]], np.float32)}

    def _used(self, modality: str, opinion: Opinion) -> NDArray[np.float32]:
        if self.uses == "logits":
            return np.asarray(opinion.log_probs * self._temperatures[modality], np.float32)
        own = opinion.embedding
        if own is None or own.ndim != (2 if self.uses == "tokens" else 1):
            shape = None if own is None else own.shape
            raise ValueError(f"the fusion uses the {self.uses} of {modality}, got {shape}")
        return own.astype(np.float32)


def context_of(card: Card) -> tuple[str, ...]:
    """Names of ``CONTEXT`` that a fusion of opinions inputs; none of a card of before 0.2.

    Raises:
        MmerError: the card is not understood.
    """
    named = card.preprocessing.get("context", [])
    if not isinstance(named, list) or not set(map(str, named)) <= set(CONTEXT):
        raise MmerError(f"card {card.name}: context is {named!r}, use some of {list(CONTEXT)}")
    return tuple(map(str, named))


def fused(card: Card) -> tuple[str, tuple[str, ...]]:
    """What a fusion ``uses``, and of which modalities, in the network's order.

    Raises:
        MmerError: the card is not understood.
    """
    uses = card.preprocessing.get("uses", OPINIONS)
    if uses == OPINIONS:
        return OPINIONS, MODALITIES
    if uses not in USES:
        raise MmerError(f"card {card.name}: uses is {uses!r}, use {', '.join(USES)}")
    named = card.setting("modalities")
    if not isinstance(named, list) or not named or not set(map(str, named)) <= set(MODALITIES):
        raise MmerError(f"card {card.name}: modalities is {named!r}, expected {list(MODALITIES)}")
    return str(uses), tuple(named)
