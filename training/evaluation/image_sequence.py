"""Evaluation of a face model that takes several frames at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.training.datasets.images import centre_square, resized
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import frames_of
from mmer.training.evaluation.answers import Answer, Change


class SequenceAnswerer:
    """The frames of an item as in training (see ``frames_of``): an image is a sequence of one.

    For a network of faces, crops of the face; where none is found, the middle of the first frame is
    used, and counted as ``no_face``.
    """

    def __init__(
        self, model: FaceModel, change: Change | None = None, *, cropped: bool = False
    ) -> None:
        self.notices: list[str] = []
        self._model = model
        self._change = change
        self._cropped = cropped
        self._faceless = 0

    def answer(self, item: Item) -> Answer:
        model = self._model
        frames = frames_of(item, model.count, model.sees, model.size, cropped=self._cropped)
        if frames is None:
            first = frames_of(item, 1, "frames", model.size)
            if first is None:
                raise MmerError(f"{item.path or item.key} has no image")
            self._faceless += 1
            frames = resized(centre_square(first[0]), model.size)[None]
        if self._change is not None:
            frames = np.stack([self._change(frame) for frame in frames])
        return Answer.of(model.predict(frames))

    def about(self) -> dict[str, Any]:
        return {"sees": self._model.sees, "no_face": self._faceless}
