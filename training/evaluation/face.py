"""Evaluation of the face model on images and videos."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.store.store import Store
from mmer.realtime.blocks.face_tracker import FaceTracker
from mmer.realtime.choose import find_detector, load_detector
from mmer.realtime.messages import FaceObservation, VideoFrame
from mmer.training.datasets.images import centre_square, is_video, read_image, resized, video_frames
from mmer.training.datasets.item import Item
from mmer.training.evaluation.answers import Answer, Change, pooled


class FaceAnswerer:
    """The most prominent face, found and aligned as live; every item has an answer.

    An image that is a face crop (``cropped``, and every image without a file) is resized to the
    network's input. Where no face is found the middle of the image is used, and counted as
    ``no_face``. The answer to a video is the mean over its frames with a face, weighted by quality.
    """

    def __init__(
        self,
        model: FaceModel,
        change: Change | None = None,
        *,
        cropped: bool = False,
        offline: bool = False,
    ) -> None:
        self.notices: list[str] = []
        self._faceless = 0
        self._detector: str | None = None
        self._model = model
        self._side = model.geometry.size
        self._change = change
        self._cropped = cropped
        self._offline = offline

    @cached_property
    def _tracker(self) -> FaceTracker:
        found = find_detector("auto", Store(offline=self._offline or None))
        choice = load_detector(found)
        self._detector = choice.name
        self.notices += [notice.text for notice in choice.notices]
        return FaceTracker(choice.made, self._model.geometry)

    def answer(self, item: Item) -> Answer:
        if is_video(item):
            return self._answer_video(item)
        image = self._changed(read_image(item))
        if self._cropped or item.pixels is not None:
            return Answer.of(self._model.predict(resized(image, self._side)))
        self._tracker.reset()
        found = self._find(image, 0.0)
        return Answer.of(self._anyway(image) if found.crop is None else self._look(found)[0])

    def about(self) -> dict[str, Any]:
        return {"detector": self._detector, "no_face": self._faceless}

    def _answer_video(self, item: Item) -> Answer:
        if not self._cropped:
            self._tracker.reset()
        found: list[Prediction] = []
        weights: list[float] = []
        first: NDArray[np.uint8] | None = None
        for t, raw in video_frames(item):
            image = self._changed(raw)
            first = image if first is None else first
            if self._cropped:
                found.append(self._model.predict(resized(image, self._side)))
                weights.append(found[-1].usable)
            elif (face := self._find(image, t)).crop is not None:
                prediction, quality = self._look(face)
                found.append(prediction)
                weights.append(quality)
        if first is None:
            raise MmerError(f"{item.path} has no frame")
        if not found:
            return Answer.of(self._anyway(first))
        return Answer(pooled([p.log_probs for p in found], weights))

    def _changed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image if self._change is None else self._change(image)

    def _find(self, image: NDArray[np.uint8], t: float) -> FaceObservation:
        observed = self._tracker.push(VideoFrame(t, np.ascontiguousarray(image)))[0]
        assert isinstance(observed, FaceObservation)
        return observed

    def _look(self, found: FaceObservation) -> tuple[Prediction, float]:
        assert found.crop is not None
        prediction = self._model.predict(found.crop)
        return prediction, found.quality * prediction.usable

    def _anyway(self, image: NDArray[np.uint8]) -> Prediction:
        self._faceless += 1
        return self._model.predict(resized(centre_square(image), self._side))
