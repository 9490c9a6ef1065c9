"""What an expression says of the emotion: aligned grey crop, small residual network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, open_model
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.preparation.face_crop import CropGeometry

LUMA_BGR: Final = np.array([0.114, 0.587, 0.299], np.float32)
"""Rec. 601: what turned the training pictures grey."""


class FaceModel:
    """The face encoder; immutable, safe to call from several threads.

    ``geometry`` says how a crop must be cut: see ``mmer.models.preparation.face_crop.align``. Below
    ``usable_below`` (0..1) a prediction's ``usable`` calls the crop no face.
    """

    def __init__(self, card: Card, engine: Engine) -> None:
        self.card = card
        self.provider = engine.provider
        self.engine = engine
        try:
            (left_x, left_y), (right_x, right_y) = (
                card.setting("left_eye"),
                card.setting("right_eye"),
            )
            self.geometry = CropGeometry(
                int(card.number("size")), (left_x, left_y), (right_x, right_y)
            )
            # a network without that output has no limit for it
            self.usable_below = float(card.preprocessing.get("usable_below", 0.0))
            if not 0.0 <= self.usable_below <= 1.0:
                raise ValueError(f"usable_below must be 0..1, got {self.usable_below}")
        except (TypeError, ValueError) as error:
            raise MmerError(f"card {card.name}: the crop is not understood: {error}") from error

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "auto") -> FaceModel:
        """Open face.json and its network in ``folder``; the shipped ones by default.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        return cls(*open_model(folder, "face", provider, inputs=("image",)))

    def predict(self, crop: NDArray[np.uint8]) -> Prediction:
        """Judge an aligned crop, uint8 (S, S, 3) BGR or (S, S) grey, S = ``geometry.size``.

        ``usable`` is the network's belief that there is a face in the crop that can be read; 1 of
        a network that does not say.

        Raises:
            ValueError: another shape or type.
        """
        size = self.geometry.size
        if crop.dtype != np.uint8 or crop.shape not in ((size, size, 3), (size, size)):
            raise ValueError(
                f"expected a crop uint8 ({size}, {size}, 3) or ({size}, {size}), "
                f"got {crop.dtype} {crop.shape}"
            )
        grey = crop.astype(np.float32)
        if grey.ndim == 3:
            grey = grey @ LUMA_BGR
        out = self.engine.run({"image": grey[None, None]})
        usable = _sigmoid(float(out["usable"][0])) if "usable" in out else 1.0
        return Prediction.from_logits(
            out["logits"][0], self.card.temperature, out["embedding"][0], usable
        )


def _sigmoid(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))
