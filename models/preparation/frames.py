"""Image preparation of a clip: whole frames, or crops of the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.preparation import Frames, Lengths, Preparation
from mmer.models.preparation.settings import checked

if TYPE_CHECKING:
    from typing_extensions import Self

Colours = tuple[float, float, float]
"""Red, green, blue."""
MOST: Final = 1000
"""Images of a clip."""
LARGEST: Final = 1024


def evenly(total: int, count: int) -> list[int]:
    """Which of ``total`` images stand for all: the middles of ``count`` equal spans, or all."""
    if total <= count:
        return list(range(total))
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


@dataclass(frozen=True)
class Images(Preparation[Frames]):
    """At most ``count`` images of those given, evenly spread, float32 (T, 3, size, size), RGB.

    Each is squeezed to a square without cropping, as ViT's own processor does, brought to 0..1,
    less ``mean``, divided by ``std``. None where there is no image.
    """

    kind = "images"
    names = ("images",)

    count: int = 8
    size: int = 224
    mean: Colours = (0.5, 0.5, 0.5)
    std: Colours = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST or not 1 <= self.size <= LARGEST:
            raise MmerError(
                f"{self.kind}: count is {self.count} and size {self.size}, expected 1 to {MOST} "
                f"images with sides of 1 to {LARGEST} pixels"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or not all(s > 0 for s in self.std):
            raise MmerError(
                f"{self.kind}: mean {self.mean} and std {self.std} must be of red, green and "
                "blue, std above 0"
            )

    def __call__(self, raw: Frames) -> tuple[NDArray[np.float32], ...] | None:
        """(images,) of uint8 (N, H, W, 3) BGR.

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

    @property
    def sees(self) -> str:
        """What the images are of, "frames" or "faces"."""
        return self.kind

    @property
    def geometry(self) -> CropGeometry:
        """How a face is cut out."""
        return CropGeometry(self.size)

    def example(self, rng: np.random.Generator) -> Frames:
        faces = [drawn_face(rng, self.size) for _ in range(self.count)]
        return np.repeat(np.stack(faces)[..., None], 3, axis=3)

    def lengths(self) -> Lengths | None:
        return Lengths.between(1, self.count) if self.count > 1 else None

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> Self:
        given = checked(settings, {"count": int, "size": int, "mean": list, "std": list})
        for name in ("mean", "std"):
            if not all(isinstance(value, (int, float)) for value in given[name]):
                raise MmerError(f"preparation {cls.kind!r}: {name} is {given[name]}, not numbers")
            given[name] = tuple(float(value) for value in given[name])
            if not all(abs(value) <= 1000 for value in given[name]):  # NaN is refused too
                raise MmerError(f"preparation {cls.kind!r}: {name} is {given[name]}, not of pixels")
        return cls(**given)


@dataclass(frozen=True)
class WholeFrames(Images):
    """``Images`` of whole frames."""

    kind = "frames"
    names = ("frames",)


@dataclass(frozen=True)
class FaceCrops(Images):
    """``Images`` of crops of the face, aligned by the eyes."""

    kind = "faces"
    names = ("faces",)


SEES: Final[Mapping[str, type[Images]]] = {"frames": WholeFrames, "faces": FaceCrops}
"""What an encoder of images can look at, and what prepares it."""


def images_of(sees: str, count: int, size: int, mean: Colours, std: Colours) -> Images:
    """The preparation for an encoder that ``sees`` "frames" or "faces".

    Raises:
        MmerError: neither of them, or a wrong value.
    """
    if sees not in SEES:
        raise MmerError(f"sees is {sees!r}; it is one of {', '.join(SEES)}")
    return SEES[sees](count, size, mean, std)


def drawn_face(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A drawn grey face, uint8 (size, size), eyes where a crop has them; brows and mouth vary."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = 90 + 60 * rng.random() + rng.uniform(-60, 60) * (x - 0.5)
    head = ((x - 0.5) / 0.42) ** 2 + ((y - 0.52) / 0.55) ** 2 < 1
    image = np.where(head, image + rng.uniform(20, 70), image * rng.uniform(0.3, 0.9))
    dark = rng.uniform(60, 130)
    opened = rng.uniform(0.02, 0.06)
    raised, tilt = rng.uniform(0.10, 0.18), rng.uniform(-0.3, 0.3)
    for side in (-1, 1):
        across = x - 0.5 - side * 0.18
        image -= dark * ((across / 0.08) ** 2 + ((y - 0.38) / opened) ** 2 < 1)
        brow = 0.38 - raised + tilt * side * across
        image -= dark * ((np.abs(y - brow) < 0.02) & (np.abs(across) < 0.11))
    bend, gape = rng.uniform(-1.5, 1.5), rng.uniform(0.01, 0.1)
    lips = 0.75 - bend * (x - 0.5) ** 2
    image -= dark * ((np.abs(y - lips) < gape) & (np.abs(x - 0.5) < rng.uniform(0.1, 0.2)))
    image = image + rng.normal(size=(size, size)) * rng.uniform(1, 12)
    return np.asarray(np.clip(image, 0, 255), np.uint8)
