"""Grey face crop: the preparation of the shipped face network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.frames import drawn_face
from mmer.models.preparation.preparation import Frames, Preparation
from mmer.models.preparation.settings import checked

if TYPE_CHECKING:
    from typing_extensions import Self

LUMA_BGR: Final = np.array([0.114, 0.587, 0.299], np.float32)
"""Rec. 601: what turned the training images grey."""


@dataclass(frozen=True)
class GreyFace(Preparation[Frames]):
    """One aligned crop as grey float32 (1, S, S), 0..255, S = ``geometry.size``."""

    kind = "grey-face"
    names = ("image",)
    sees = "faces"

    geometry: CropGeometry

    def __call__(self, raw: Frames) -> tuple[NDArray[np.float32], ...]:
        """(image,) of uint8 (S, S, 3) BGR or (S, S) grey.

        Raises:
            ValueError: another shape or type.
        """
        size = self.geometry.size
        if raw.dtype != np.uint8 or raw.shape not in ((size, size, 3), (size, size)):
            raise ValueError(
                f"expected a crop uint8 ({size}, {size}, 3) or ({size}, {size}), "
                f"got {raw.dtype} {raw.shape}"
            )
        grey = raw.astype(np.float32)
        return ((grey @ LUMA_BGR if grey.ndim == 3 else grey)[None],)

    def example(self, rng: np.random.Generator) -> Frames:
        return drawn_face(rng, self.geometry.size)

    def settings(self) -> dict[str, Any]:
        g = self.geometry
        eyes = {"left_eye": list(g.left_eye), "right_eye": list(g.right_eye)}
        return {"kind": self.kind, "size": g.size, **eyes}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> Self:
        given = checked(settings, {"size": int, "left_eye": list, "right_eye": list})
        try:
            (left_x, left_y), (right_x, right_y) = given["left_eye"], given["right_eye"]
            left, right = (float(left_x), float(left_y)), (float(right_x), float(right_y))
            return cls(CropGeometry(given["size"], left, right))
        except (TypeError, ValueError) as error:
            raise MmerError(f"preparation {cls.kind!r}: {error}") from error
