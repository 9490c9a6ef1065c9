"""Face encoder block: an aligned face crop, or a clip of images, to evidence of emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.quality import MIN_FACE_QUALITY
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.coarse_image import CoarseImage
from mmer.realtime.messages import Clip, Evidence, FaceObservation, Message, Missing

if TYPE_CHECKING:
    from mmer.models.encoder import FaceModel
    from mmer.models.prediction import Prediction


@dataclass(frozen=True)
class FaceEncoderConfig:
    """When an image of a face is good enough to be evaluated, and when it has to be."""

    min_quality: float = MIN_FACE_QUALITY  # 0..1; below it the image is called poor
    usable_below: float | None = None  # 0..1; below it the crop is called no face; None: the card's
    least_change: float = 0.06  # of a crop since the one evaluated (``CoarseImage.change``)
    stands_s: float = 0.25  # so long a prediction stands for crops that have changed less

    def __post_init__(self) -> None:
        for name in ("min_quality", "usable_below"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise MmerError(f"{name} must be 0..1, got {value}")
        for name in ("least_change", "stands_s"):
            if not getattr(self, name) >= 0.0:
                raise MmerError(f"{name} must be at least 0, got {getattr(self, name)}")


class FaceEncoder(Block):
    """FaceObservation or Clip -> Evidence("face") or Missing("face"), one for one.

    The evidence's quality is that of the input, times the network's belief that it is usable. A
    face that has hardly changed (``least_change``) is not evaluated anew before ``stands_s``: the
    last prediction of its track is taken over. Frame by frame the network differs by more.
    """

    def __init__(self, model: FaceModel, config: FaceEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or FaceEncoderConfig()
        limit = self._config.usable_below
        self._usable_below = model.usable_below if limit is None else limit
        # by track: when a crop was evaluated, the crop, and what was predicted of it
        self._evaluated: dict[int | None, tuple[float, CoarseImage, Prediction]] = {}

    def reset(self) -> None:
        self._evaluated.clear()

    def push(self, message: Message) -> Sequence[Message]:
        """Evaluate a FaceObservation or a Clip; ignores other messages."""
        if isinstance(message, Clip):
            prediction, t0, t1 = self._model.predict(message.pictures), message.t0, message.t1
            partial, utterance, unusable = message.partial, message.utterance, "no usable picture"
        elif isinstance(message, FaceObservation):
            t0 = t1 = message.t
            if message.passed_over:
                return ()
            if why := fault(message, self._config.min_quality):
                return (Missing("face", t0, t1, why, partial=True, track=message.track),)
            assert message.crop is not None
            prediction = self._of_crop(message.crop, message.track, message.t)
            partial, utterance, unusable = True, None, "no usable face"
        else:
            return ()
        if prediction.usable <= 0.0 or prediction.usable < self._usable_below:
            return (Missing("face", t0, t1, unusable, partial, track=message.track),)
        return (
            Evidence(
                "face",
                t0=t0,
                t1=t1,
                log_probs=prediction.log_probs,
                quality=message.quality * prediction.usable,
                partial=partial,
                utterance=utterance,
                embedding=prediction.embedding,
                track=message.track,
            ),
        )

    def _of_crop(self, crop: NDArray[np.uint8], track: int | None, t: float) -> Prediction:
        """Prediction of a crop, or the one that still stands for its track."""
        stands_s = self._config.stands_s - 0.002  # containers round timestamps to the millisecond
        standing = {k: e for k, e in self._evaluated.items() if 0 <= t - e[0] < stands_s}
        self._evaluated = standing
        coarse = CoarseImage(crop)
        if track in standing:
            _, before, prediction = standing[track]
            if coarse.change(before) < self._config.least_change:
                return prediction
        prediction = self._model.predict(crop)
        standing[track] = (t, coarse, prediction)
        return prediction


def fault(observed: FaceObservation, min_quality: float) -> str:
    """Why a face is not to be evaluated; "" where it is."""
    if observed.crop is None:
        return observed.why or "no face"
    if observed.quality <= 0.0 or observed.quality < min_quality:
        return f"poor picture: {observed.why or 'low quality'}"
    return ""
