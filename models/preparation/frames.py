"""Pictures of a clip as a network takes them: whole frames, or crops of the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Frames
from mmer.models.preparation.settings import checked

Colours = tuple[float, float, float]
"""Red, green, blue."""
LARGEST: Final = 1024


def evenly(total: int, count: int) -> list[int]:
    """Which of ``total`` pictures stand for all: the middles of ``count`` equal spans, or all."""
    if total <= count:
        return list(range(total))
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


@dataclass(frozen=True)
class Pictures:
    """At most ``count`` pictures of those given, evenly spread, float32 (T, 3, size, size), RGB.

    Each is squeezed to a square without cropping, as ViT's own processor does, brought to 0..1,
    less ``mean``, divided by ``std``. None where there is no picture.
    """

    kind = "pictures"
    names = ("pictures",)

    count: int = 8
    size: int = 224
    mean: Colours = (0.5, 0.5, 0.5)
    std: Colours = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.count < 1 or not 1 <= self.size <= LARGEST:
            raise MmerError(
                f"{self.kind}: count is {self.count} and size {self.size}, expected 1 or more "
                f"pictures with sides of 1 to {LARGEST} pixels"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or not all(s > 0 for s in self.std):
            raise MmerError(
                f"{self.kind}: mean {self.mean} and std {self.std} must be of red, green and "
                "blue, std above 0"
            )

    def __call__(self, raw: Frames) -> tuple[NDArray[np.float32], ...] | None:
        """(pictures,) of uint8 (N, H, W, 3) BGR.

        Raises:
            ValueError: another shape or type.
        """
        import cv2

        if raw.ndim != 4 or raw.shape[3] != 3 or raw.dtype != np.uint8:
            raise ValueError(f"expected uint8 (N, H, W, 3), got {raw.dtype} {raw.shape}")
        if not raw.size:
            return None
        smaller = min(raw.shape[1:3]) >= self.size
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        side = (self.size, self.size)
        out = np.empty((min(len(raw), self.count), 3, *side), np.float32)
        for place, i in enumerate(evenly(len(raw), self.count)):
            square = np.asarray(cv2.resize(raw[i], side, interpolation=how))
            out[place] = square[..., ::-1].transpose(2, 0, 1)
        mean, std = (np.array(c, np.float32)[:, None, None] for c in (self.mean, self.std))
        return ((out / np.float32(255) - mean) / std,)

    def settings(self) -> dict[str, Any]:
        """See ``Preparation``."""
        own = asdict(self)
        return {"kind": self.kind, **own, "mean": list(self.mean), "std": list(self.std)}

    def files(self) -> Mapping[str, bytes]:
        """None."""
        return {}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> Pictures:
        """See ``open_preparation``."""
        given = checked(settings, {"count": int, "size": int, "mean": list, "std": list})
        for name in ("mean", "std"):
            if not all(isinstance(value, (int, float)) for value in given[name]):
                raise MmerError(f"preparation {cls.kind!r}: {name} is {given[name]}, not numbers")
            given[name] = tuple(float(value) for value in given[name])
        return cls(**given)


@dataclass(frozen=True)
class WholeFrames(Pictures):
    """``Pictures`` of whole frames."""

    kind = "frames"
    names = ("frames",)


@dataclass(frozen=True)
class FaceCrops(Pictures):
    """``Pictures`` of crops of the face, aligned by the eyes."""

    kind = "faces"
    names = ("faces",)


SEES: Final[Mapping[str, type[Pictures]]] = {"frames": WholeFrames, "faces": FaceCrops}
"""What an encoder of pictures can look at, and what prepares it."""


def pictures_of(sees: str, count: int, size: int, mean: Colours, std: Colours) -> Pictures:
    """The preparation for an encoder that ``sees`` "frames" or "faces".

    Raises:
        MmerError: neither of them, or a wrong value.
    """
    if sees not in SEES:
        raise MmerError(f"sees is {sees!r}; it is one of {', '.join(SEES)}")
    return SEES[sees](count, size, mean, std)
