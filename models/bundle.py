"""Bundle: a folder of model cards, and which of its models go together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmer.models.cards.card import KINDS, Card, load_card, weights_dir
from mmer.models.encoder import load_encoder
from mmer.models.errors import MmerError
from mmer.models.files import check_name
from mmer.models.fusion import OPINIONS, FusionModel, fused
from mmer.models.labels import MODALITIES

_RUN_TASKS: Final = ("combined", "multimodal")
"""Tasks of recipes whose models were trained together."""


class Bundle:
    """Models one by one, each in the place of the shipped one, or a run of ``mmer-export``.

    The models of a run belong together: what it has not is not there, and no shipped model takes
    the place. ``fused`` names the modalities of its fusion; empty where there is none, or one of
    opinions, which any model has. Without a ``path`` it is the shipped models.

    Raises:
        MmerError: it is not a folder, holds no card, or one that is not valid; the fusion is of
            modalities whose models are missing.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = weights_dir() if path is None else path
        check_name("--weights", path)
        if not self.path.is_dir():
            raise MmerError(
                f"--weights {path} is not a folder: name one with NAME.onnx and NAME.json"
            )
        self.cards: dict[str, Card] = {
            kind: load_card(card)
            for kind in KINDS
            if os.path.lexists(card := self.path / f"{kind}.json")
        }
        if not self.cards:
            names = ", ".join(f"{kind}.json" for kind in KINDS)
            raise MmerError(f"--weights {self.path} holds no model card: expected one of {names}")
        uses, modalities = fused(self.cards["fusion"]) if "fusion" in self.cards else (OPINIONS, ())
        self.fused: tuple[str, ...] = () if uses == OPINIONS else modalities
        self.is_run = bool(self.fused) or any(map(_of_a_run, self.cards.values()))
        if missing := [f"{m}.json" for m in self.fused if m not in self.cards]:
            raise MmerError(
                f"--weights {self.path}: fusion.json fuses {', '.join(self.fused)}, but "
                f"{', '.join(missing)} is not there: export the run again"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those with a model here."""
        return tuple(m for m in MODALITIES if m in self.cards)

    @property
    def answering(self) -> Card | None:
        """Card of the model that an estimate rests on: the fusion, or the only model of a run."""
        if "fusion" not in self.cards and self.is_run and len(self.modalities) == 1:
            return self.cards[self.modalities[0]]
        return self.cards.get("fusion")

    def why_not(self, modality: str) -> str:
        """Why a modality cannot be evaluated with this folder; "" where it can."""
        if not self.is_run or modality in (self.fused or self.modalities):
            return ""
        if modality in self.cards:
            return f"{modality} is not in the fusion of {self.path}"
        return f"no {modality} model in {self.path}"

    @property
    def needs_faces(self) -> bool:
        """Whether faces must be detected for the face model: not where it inputs whole frames."""
        card = self.cards.get("face")
        return card is None or card.input_kind != "frames"

    def place(self, kind: str) -> Path | None:
        """Where the model of ``kind`` is: here, or None for the shipped one."""
        return self.path if kind in self.cards else None

    def load_encoder(self, modality: str, provider: str) -> Any:
        """The model of a modality: see ``EncoderModel.load``."""
        return load_encoder(modality, self.place(modality), provider)

    def load_fusion(self) -> FusionModel:
        """The fusion of this folder: see ``FusionModel.load``."""
        return FusionModel.load(self.path)


def check_fusion(fusion: FusionModel, encoders: Mapping[str, Any]) -> None:
    """See that the encoders output what the fusion uses.

    Raises:
        MmerError: one does not.
    """
    for name in fusion.modalities:
        gives = getattr(encoders.get(name), "gives", fusion.uses)
        if fusion.uses not in (OPINIONS, "logits", gives):
            raise MmerError(
                f"{fusion.card.file} uses the {fusion.uses} of {name}, but "
                f"{encoders[name].card.file} outputs its {gives}: export the run again"
            )


def _of_a_run(card: Card) -> bool:
    return isinstance(card.recipe, Mapping) and card.recipe.get("task") in _RUN_TASKS
