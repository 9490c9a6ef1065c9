"""Negative examples of the face network: crops that are no usable face.

Drawn at random from false detections: scenery, textures and noise, and faces that cannot be read:
turned over, half out of the crop, far too near or far, blurred away,
covered up, in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np

_SCENES: Final = (
    "brick", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel",
    "horse", "hubble_deep_field", "immunohistochemistry", "logo", "moon", "page", "retina",
    "rocket", "text",
)  # fmt: skip
"""scikit-image's bundled images without a human face."""
SCENES_SOURCE: Final = ("bundled pictures of scikit-image and scikit-learn", "CC0, CC BY 2.0")
"""Source and licences, for the card."""
_FONTS: Final = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)


def read_scenes() -> list[np.ndarray]:
    """Grey images of scikit-image and scikit-learn without a human face, uint8."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    images = [getattr(skimage.data, name)() for name in _SCENES]
    images += load_sample_images().images
    return [_grey(np.asarray(image)) for image in images]


def _grey(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * 255
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(image, np.uint8)


class NonFaces:
    """Makes crops that are no usable face from faces, uint8 (N, S, S), and scenes, uint8 (H, W)."""

    def __init__(self, faces: np.ndarray, scenes: Sequence[np.ndarray]) -> None:
        self._faces, self._scenes = faces, scenes
        self._size = faces.shape[1]
        self._kinds: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (
            self._scene,
            self._scene,
            self._drawing,
            self._noise,
            self._turned,
            self._beside,
            self._near,
            self._far,
            self._blurred,
            self._covered,
            self._pieces,
        )

    def draw(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """One crop, float32 (side, side), 0..255."""
        crop = self._kinds[rng.integers(len(self._kinds))](rng)
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        top, left = rng.integers(0, self._size - side + 1, 2)
        out = crop[top : top + side, left : left + side].astype(np.float32) / 255
        out = out ** np.exp(rng.uniform(-0.5, 0.5)) * 255
        out += rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(0, 8))
        return np.asarray(np.clip(out, 0, 255), dtype=np.float32)

    def _face(self, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(self._faces[rng.integers(len(self._faces))])

    def _scene(self, rng: np.random.Generator) -> np.ndarray:
        """A square of a scene, from the crop's own size to all of the scene."""
        scene = self._scenes[int(rng.integers(len(self._scenes)))]
        longest = min(scene.shape)
        side = int(np.exp(rng.uniform(np.log(min(24, longest)), np.log(longest))))
        top = rng.integers(0, scene.shape[0] - side + 1)
        left = rng.integers(0, scene.shape[1] - side + 1)
        patch = scene[top : top + side, left : left + side]
        patch = np.rot90(patch, int(rng.integers(4)))
        mode = cv2.INTER_AREA if side > self._size else cv2.INTER_LINEAR
        shape = (self._size, self._size)
        return np.asarray(cv2.resize(np.ascontiguousarray(patch), shape, interpolation=mode))

    def _drawing(self, rng: np.random.Generator) -> np.ndarray:
        """A gradient with stripes, ovals, lines and letters."""
        size = self._size
        y, x = np.indices((size, size)) / size
        angle = rng.uniform(0, 2 * np.pi)
        along = np.cos(angle) * x + np.sin(angle) * y
        out = rng.uniform(0, 255) + rng.uniform(-150, 150) * along
        if rng.random() < 0.4:
            out += rng.uniform(20, 120) * np.sign(np.sin(along * rng.uniform(6, 80)))
        out = np.asarray(np.clip(out, 0, 255), np.uint8)
        for _ in range(rng.integers(0, 6)):
            a, b = (tuple(int(v) for v in rng.integers(0, size, 2)) for _ in range(2))
            shade, width = float(rng.uniform(0, 255)), int(rng.integers(1, 5))
            kind = rng.integers(4)
            if kind == 0:
                cv2.line(out, a, b, shade, width)
            elif kind == 1:
                cv2.rectangle(out, a, b, shade, rng.choice([-1, width]).item())
            elif kind == 2:
                axes = tuple(int(v) for v in rng.integers(1, size // 2, 2))
                cv2.ellipse(out, a, axes, rng.uniform(0, 180), 0, 360, shade, -1)
            else:
                letters = "".join(chr(c) for c in rng.integers(48, 123, 4))
                cv2.putText(out, letters, a, _FONTS[rng.integers(2)], rng.uniform(0.3, 1), shade)
        return out

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """Noise whose power falls with a random power of frequency: white to clouds."""
        size = self._size
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
        frequency[0, 0] = 1 / size
        spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency ** rng.uniform(0, 2)
        out = np.fft.irfft2(spectrum, (size, size))
        out = (out - out.mean()) / (out.std() + 1e-6)
        out = rng.uniform(40, 215) + rng.uniform(2, 60) * out
        return np.asarray(np.clip(out, 0, 255), np.uint8)

    def _turned(self, rng: np.random.Generator) -> np.ndarray:
        """A face turned by 70 to 290 degrees."""
        return self._moved(rng, self._face(rng), rng.uniform(70, 290), 1.0, np.zeros(2))

    def _beside(self, rng: np.random.Generator) -> np.ndarray:
        """A face that is half out of the crop, or more."""
        angle = rng.uniform(0, 2 * np.pi)
        shift = np.array([np.cos(angle), np.sin(angle)]) * self._size * rng.uniform(0.5, 0.85)
        return self._moved(rng, self._face(rng), rng.uniform(-20, 20), rng.uniform(0.8, 1.3), shift)

    def _near(self, rng: np.random.Generator) -> np.ndarray:
        """A small part of a face."""
        shift = rng.uniform(-1, 1, 2) * self._size
        return self._moved(rng, self._face(rng), rng.uniform(-30, 30), rng.uniform(2.8, 5), shift)

    def _far(self, rng: np.random.Generator) -> np.ndarray:
        """A face, or several, much too small for the crop, before a scene."""
        out = self._scene(rng) if rng.random() < 0.7 else self._noise(rng)
        out = out.copy()
        for _ in range(rng.integers(1, 4)):
            side = int(self._size * rng.uniform(0.15, 0.42))
            small = cv2.resize(self._face(rng), (side, side), interpolation=cv2.INTER_AREA)
            top, left = rng.integers(0, self._size - side + 1, 2)
            out[top : top + side, left : left + side] = small
        return out

    def _blurred(self, rng: np.random.Generator) -> np.ndarray:
        """A face without visible features."""
        face, size = self._face(rng), self._size
        if rng.random() < 0.5:
            return np.asarray(cv2.GaussianBlur(face, (0, 0), size * rng.uniform(0.13, 0.3)))
        small = int(rng.integers(2, 6))
        face = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
        mode = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.integers(3)]
        return np.asarray(cv2.resize(face, (size, size), interpolation=mode))

    def _covered(self, rng: np.random.Generator) -> np.ndarray:
        """A face of which little is visible."""
        out, size = self._face(rng).copy(), self._size
        height, width = (size * rng.uniform(0.75, 0.95, 2)).astype(int)
        top = int(rng.uniform(0, size - height))
        left = int(rng.uniform(0, size - width))
        cover = self._scene(rng) if rng.random() < 0.5 else np.full_like(out, rng.uniform(0, 255))
        out[top : top + height, left : left + width] = cover[:height, :width]
        return out

    def _pieces(self, rng: np.random.Generator) -> np.ndarray:
        """The tiles of a face in another order."""
        face, tile = self._face(rng), self._size // int(rng.choice([3, 4, 6]))
        starts = [(a, b) for a in range(0, self._size, tile) for b in range(0, self._size, tile)]
        out = np.zeros_like(face)
        for (top, left), k in zip(starts, rng.permutation(len(starts)), strict=True):
            a, b = starts[k]
            out[top : top + tile, left : left + tile] = face[a : a + tile, b : b + tile]
        return out

    def _moved(
        self,
        rng: np.random.Generator,
        face: np.ndarray,
        turn_deg: float,
        scale: float,
        shift: np.ndarray,
    ) -> np.ndarray:
        """Turned and scaled about the middle and shifted; round it a scene or the border."""
        size = self._size
        warp = cv2.getRotationMatrix2D(((size - 1) / 2,) * 2, turn_deg, scale)
        warp[:, 2] += shift
        if rng.random() < 0.5:
            return np.asarray(
                cv2.warpAffine(face, warp, (size, size), borderMode=cv2.BORDER_REPLICATE)
            )
        out = self._scene(rng).copy()
        return np.asarray(
            cv2.warpAffine(face, warp, (size, size), out, borderMode=cv2.BORDER_TRANSPARENT)
        )
