"""What lies in the folder that a user names with ``--weights``, and what goes with it."""

from __future__ import annotations

from pathlib import Path

from mmer.models.cards.card import KINDS, load_card
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.run_fusion import fused_modalities


class WeightsFolder:
    """Models one by one, each in the place of the shipped one, or a run of ``mmer-export``.

    The models of a run belong together: what it has not is not there, and no shipped model takes
    the place. ``fused`` names the modalities of its fusion; empty where there is none, or one that
    takes what any model says.

    Raises:
        MmerError: it is no folder, holds no card, or one that is not sound; the fusion is of
            modalities whose models are missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise MmerError(f"--weights {path} is no folder: name one with NAME.onnx and NAME.json")
        self.path = path
        self.cards = {
            kind: load_card(card) for kind in KINDS if (card := path / f"{kind}.json").exists()
        }
        if not self.cards:
            names = ", ".join(f"{kind}.json" for kind in KINDS)
            raise MmerError(f"--weights {path} holds no model card: expected one of {names}")
        settings = [card.preprocessing for card in self.cards.values()]
        self.is_run = any("input" in each or "uses" in each for each in settings)
        fusion = self.cards.get("fusion")
        self.fused: tuple[str, ...] = ()
        if fusion is not None and "uses" in fusion.preprocessing:
            self.fused = fused_modalities(fusion)
        if missing := [f"{m}.json" for m in self.fused if m not in self.cards]:
            raise MmerError(
                f"--weights {path}: fusion.json fuses {', '.join(self.fused)}, but "
                f"{', '.join(missing)} is not there: export the run again"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those with a model here."""
        return tuple(m for m in MODALITIES if m in self.cards)

    def why_not(self, modality: str) -> str:
        """Why a modality cannot be judged with this folder; "" where it can."""
        if not self.is_run or modality in (self.fused or self.modalities):
            return ""
        if modality in self.cards:
            return f"{modality} is not in the fusion of {self.path}"
        return f"no {modality} model in {self.path}"

    @property
    def needs_faces(self) -> bool:
        """Whether faces must be found for the model of the face; not where it sees whole frames."""
        card = self.cards.get("face")
        return card is None or card.preprocessing.get("sees") != "frames"

    def place(self, kind: str) -> Path | None:
        """Where the model of ``kind`` is: here, or None for the shipped one."""
        return self.path if kind in self.cards else None
