"""From a clip of the face, or of whole frames, to what it says of the emotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import Clip, Evidence, Message, Missing

if TYPE_CHECKING:
    from mmer.models.prediction import Prediction


class ClipModel(Protocol):
    """What the block needs of a network that takes several pictures at once."""

    def predict(self, pictures: NDArray[np.uint8]) -> Prediction:
        """Judge pictures in the order of time, uint8 (N, H, W, 3) BGR."""
        ...


class ClipEncoder:
    """Clip -> Evidence("face") or Missing("face"), one for one; without state."""

    def __init__(self, model: ClipModel) -> None:
        self._model = model

    def push(self, message: Message) -> Sequence[Message]:
        """Take a Clip; other messages pass unseen."""
        if not isinstance(message, Clip):
            return ()
        span = (message.t0, message.t1)
        prediction = self._model.predict(message.pictures)
        if prediction.usable <= 0.0:
            return (Missing("face", *span, "no usable picture", message.partial),)
        return (
            Evidence(
                "face",
                *span,
                log_probs=prediction.log_probs,
                quality=message.quality * prediction.usable,
                partial=message.partial,
                utterance=message.utterance,
                embedding=prediction.embedding,
            ),
        )

    def flush(self) -> Sequence[Message]:
        """Nothing is held back."""
        return ()

    def reset(self) -> None:
        """Nothing to forget."""
