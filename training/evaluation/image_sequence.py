"""Pictures and videos, judged as one sequence by a network that takes several at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import frames_of
from mmer.training.evaluation.answers import Answer, Change
from mmer.training.evaluation.images import centre_square, shrunk


class PicturesAnswerer:
    """The pictures of an item as in training (see ``frames_of``): a still one is a sequence of one.

    Of a network that looks at faces, crops of the face; where none is found, the middle of the
    first picture is judged, and counted as ``no_face``.
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
        """See ``Answerer``."""
        model = self._model
        shown = frames_of(item, model.count, model.sees, model.size, cropped=self._cropped)
        if shown is None:
            first = frames_of(item, 1, "frames", model.size)
            if first is None:
                raise MmerError(f"{item.path or item.key} has no picture")
            self._faceless += 1
            shown = shrunk(centre_square(first[0]), model.size)[None]
        if self._change is not None:
            shown = np.stack([self._change(picture) for picture in shown])
        return Answer.of(model.predict(shown))

    def about(self) -> dict[str, Any]:
        """What was looked at, and how many items showed no face."""
        return {"sees": self._model.sees, "no_face": self._faceless}
