"""The fusion of a run of ``mmer-train``, as ``mmer-export`` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, card_path, load_card, open_model
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.fusion import OUTPUTS, Opinion
from mmer.models.labels import MODALITIES

USES: Final[Mapping[str, tuple[str, ...]]] = {
    "logits": ("logits",),
    "embedding": ("embedding",),
    "tokens": ("tokens", "mask"),
}
"""What a fusion looks at of a modality, and the inputs MODALITY_NAME that it has for it.

float32 (B, 7), (B, E), (B, T, E) and (B, T); the last input is ``present`` (B, modalities).
"""


class RunFusion:
    """Immutable, safe to call from several threads.

    It was trained on whole clips, and knows neither quality nor age: what is too poor or too old
    must not come to it.

    Args:
        card: whose preprocessing names ``modalities``, in the order of the network's, and what it
            ``uses``.
        engine: the network.
        temperatures: of the modalities' own models, by which their logits were divided.

    Raises:
        MmerError: the card is not understood.
    """

    def __init__(self, card: Card, engine: Engine, temperatures: Mapping[str, float]) -> None:
        self.card = card
        self.provider = engine.provider
        self.abstain_below = card.abstain_below
        self.modalities = fused_modalities(card)
        self.uses = str(card.setting("uses"))
        self._engine = engine
        self._temperatures = temperatures

    @classmethod
    def load(cls, folder: Path | None, provider: str = "cpu") -> RunFusion:
        """Open fusion.json and its network in ``folder``, beside the models of its modalities.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        path = card_path(folder, "fusion")
        card = load_card(path)
        uses = card.setting("uses")
        if uses not in USES:
            raise MmerError(f"card {card.name}: uses is {uses!r}, use {', '.join(USES)}")
        modalities = fused_modalities(card)
        inputs = (*(f"{m}_{part}" for m in modalities for part in USES[uses]), "present")
        card, engine = open_model(folder, "fusion", provider, inputs, OUTPUTS)
        cards = {m: load_card(path.with_name(f"{m}.json")) for m in modalities}
        return cls(card, engine, {m: c.temperature for m, c in cards.items()})

    def fuse(self, opinions: Mapping[str, Opinion]) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Fused log-probabilities (7,) and each opinion's share in them, sum 1.

        Raises:
            ValueError: no opinion, one of a modality that is not of the run, or one without the
                embedding or steps that this fusion looks at.
        """
        if not opinions or not set(opinions) <= set(self.modalities):
            raise ValueError(
                f"expected opinions of some of {self.modalities}, got {sorted(opinions)}"
            )
        looked = {m: self._looked(m, opinion) for m, opinion in opinions.items()}
        like = next(iter(looked.values()))
        # of an absent modality (one step of) nothing; ``present`` says that it is not there
        nothing = np.zeros_like(like[:1] if self.uses == "tokens" else like)
        inputs = {}
        for m in self.modalities:
            seen = looked.get(m, nothing)
            inputs[f"{m}_{USES[self.uses][0]}"] = seen[None]
            if self.uses == "tokens":
                inputs[f"{m}_mask"] = np.full((1, len(seen)), m in looked, np.float32)
        inputs["present"] = np.array([[m in looked for m in self.modalities]], np.float32)
        out = self._engine.run(inputs)
        logits = out["logits"][0].astype(np.float64) / self.card.temperature
        logits -= logits.max()
        shares = {
            m: float(share) for m, share in zip(self.modalities, out["shares"][0], strict=True)
        }
        return logits - np.log(np.exp(logits).sum()), {m: shares[m] for m in opinions}

    def _looked(self, modality: str, opinion: Opinion) -> NDArray[np.float32]:
        if self.uses == "logits":
            return np.asarray(opinion.log_probs * self._temperatures[modality], np.float32)
        seen = opinion.embedding
        if seen is None or seen.ndim != (2 if self.uses == "tokens" else 1):
            shape = None if seen is None else seen.shape
            raise ValueError(f"the fusion looks at the {self.uses} of {modality}, got {shape}")
        return seen.astype(np.float32)


def fused_modalities(card: Card) -> tuple[str, ...]:
    """Which modalities a run's fusion was trained on, in its order.

    Raises:
        MmerError: the card does not say so.
    """
    named = card.setting("modalities")
    if not isinstance(named, list) or not named or not set(map(str, named)) <= set(MODALITIES):
        raise MmerError(f"card {card.name}: modalities is {named!r}, expected {list(MODALITIES)}")
    return tuple(named)
