"""From an aligned face crop to what the expression says of the emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.messages import Evidence, FaceObservation, Message, Missing

if TYPE_CHECKING:
    from mmer.models.prediction import Prediction


class FaceModel(Protocol):
    """What the block needs of a face network."""

    usable_below: float
    """Of a crop whose ``Prediction.usable`` is lower, nothing should be said."""

    def predict(self, crop: NDArray[np.uint8]) -> Prediction:
        """Judge one crop, uint8 (S, S, 3) BGR, aligned by the eyes."""
        ...


@dataclass(frozen=True)
class FaceEncoderConfig:
    """When a picture of a face is good enough to be judged."""

    min_quality: float = 0.1  # 0..1; below it the picture is called poor
    usable_below: float | None = None  # 0..1; below it the crop is called no face; None: the card's

    def __post_init__(self) -> None:
        for name in ("min_quality", "usable_below"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise MmerError(f"{name} must be 0..1, got {value}")


class FaceEncoder:
    """FaceObservation -> Evidence("face") or Missing("face"), one for one; without state.

    The evidence's quality is the picture's, times the network's belief that it is a usable face.
    """

    def __init__(self, model: FaceModel, config: FaceEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or FaceEncoderConfig()
        limit = self._config.usable_below
        self._usable_below = model.usable_below if limit is None else limit

    def push(self, message: Message) -> Sequence[Message]:
        """Take a FaceObservation; other messages pass unseen."""
        if not isinstance(message, FaceObservation):
            return ()
        t = message.t
        if message.crop is None:
            return (Missing("face", t, t, message.why or "no face", partial=True),)
        if message.quality <= 0.0 or message.quality < self._config.min_quality:
            why = f"poor picture: {message.why or 'low quality'}"
            return (Missing("face", t, t, why, partial=True),)
        prediction = self._model.predict(message.crop)
        if prediction.usable < self._usable_below:
            return (Missing("face", t, t, "no usable face", partial=True),)
        return (
            Evidence(
                "face",
                t0=t,
                t1=t,
                log_probs=prediction.log_probs,
                quality=message.quality * prediction.usable,
                partial=True,
                embedding=prediction.embedding,
            ),
        )

    def flush(self) -> Sequence[Message]:
        """Nothing is held back."""
        return ()

    def reset(self) -> None:
        """Nothing to forget."""
