from itertools import pairwise

import cv2
import numpy as np
import pytest

from mmer.models.preparation.face_crop import CropGeometry, align
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.quality import (
    FaceQuality,
    SpeechLimits,
    assess,
    level_dbfs,
    share_inside,
    speech_quality,
    text_quality,
)

EYES = np.array([(203, 101), (246, 103.5)], np.float32)  # of the portrait, read off by hand
NOSE = (221.0, 125.0)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """NASA's portrait of Eileen Collins (public domain), BGR (512, 512, 3)."""
    data = pytest.importorskip("skimage.data", reason="the portrait comes with scikit-image")
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def quality_of(image: np.ndarray, scale: float = 1.0, size: int = 48) -> FaceQuality:
    eyes = (EYES + 0.5) * np.float32(scale) - 0.5
    nose = ((NOSE[0] + 0.5) * scale - 0.5, (NOSE[1] + 0.5) * scale - 0.5)
    return assess(align(image, eyes, CropGeometry(size=size)), eyes, nose, 0.9)


def falls(qualities: list[FaceQuality], factor: str) -> None:
    """The whole and one factor go down, never up, from all but perfect to poor."""
    for values in ([q.value for q in qualities], [getattr(q, factor) for q in qualities]):
        assert values[0] > 0.9
        assert values[-1] < 0.5
        assert all(a >= b - 1e-9 for a, b in pairwise(values))


@pytest.mark.parametrize("size", [48, 64, 112])
def test_a_good_face_is_good_at_any_size_of_crop(picture: np.ndarray, size: int) -> None:
    quality = quality_of(picture, size=size)
    assert quality.value > 0.95
    assert quality.why == ""


def test_blur_lowers_it(picture: np.ndarray) -> None:
    qualities = [
        quality_of(cv2.GaussianBlur(picture, (0, 0), s) if s else picture)
        for s in (0, 2, 4, 6, 9, 14)
    ]
    falls(qualities, "sharpness")
    assert qualities[-1].why == "blurred"


def test_distance_lowers_it(picture: np.ndarray) -> None:
    def shrunk(scale: float) -> FaceQuality:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return quality_of(small, scale)

    qualities = [shrunk(s) for s in (1, 0.5, 0.35, 0.25, 0.15)]
    falls(qualities, "size")
    assert qualities[-1].why == "too small"


def test_darkness_lowers_it(picture: np.ndarray) -> None:
    qualities = [quality_of((picture * s).astype(np.uint8)) for s in (1, 0.4, 0.2, 0.15, 0.1, 0)]
    falls(qualities, "brightness")
    assert qualities[-1].why == "too dark"
    assert qualities[-1].value == 0


def test_glare_lowers_it(picture: np.ndarray) -> None:
    qualities = [
        quality_of((picture.astype(float) + plus).clip(0, 255).astype(np.uint8))
        for plus in (0, 100, 140, 180, 255)
    ]
    falls(qualities, "contrast")
    assert qualities[-1].why == "washed out"


def test_turning_away_lowers_it(picture: np.ndarray) -> None:
    crop = align(picture, EYES, CropGeometry())
    middle = EYES.mean(axis=0)
    qualities = [
        assess(crop, EYES, (middle[0] + share * 43, 125.0), 0.9)
        for share in (0, 0.15, 0.3, 0.45, 0.7)
    ]
    falls(qualities, "frontal")
    assert qualities[-1].why == "turned away"
    left, right = (
        assess(crop, EYES, tuple(middle + side * (EYES[1] - EYES[0]) / 3), 0.9).frontal
        for side in (-1, 1)
    )
    assert left == pytest.approx(right, abs=0.01)  # either way


def test_tilting_lowers_it(picture: np.ndarray) -> None:
    def tilted(degrees: float) -> FaceQuality:
        turn = cv2.getRotationMatrix2D((225.0, 102.0), degrees, 1.0)
        eyes = (EYES @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
        nose = turn @ (*NOSE, 1.0)
        image = cv2.warpAffine(picture, turn, (512, 512))
        return assess(
            align(image, eyes, CropGeometry()), eyes, (float(nose[0]), float(nose[1])), 0.9
        )

    falls([tilted(d) for d in (0, 20, 40, 60, 80)], "frontal")
    assert tilted(-50).frontal == pytest.approx(tilted(50).frontal, abs=0.2)


def test_a_doubtful_detection_lowers_it(picture: np.ndarray) -> None:
    crop = align(picture, EYES, CropGeometry())
    qualities = [assess(crop, EYES, NOSE, score) for score in (1, 0.7, 0.5, 0.3, 0.1)]
    falls(qualities, "detection")
    assert qualities[-1].why == "unsure face"
    assert assess(crop, EYES, None, 0.9).value > 0.9  # a detector without noses


def test_leaving_the_picture_lowers_it(picture: np.ndarray) -> None:
    shares = [
        share_inside(EYES - np.float32([shift, 0]), CropGeometry(), 512, 512)
        for shift in (0, 180, 210, 240, 300)
    ]
    assert shares[0] == 1
    assert shares[-1] == 0
    assert all(a >= b for a, b in pairwise(shares))
    crop = align(picture, EYES, CropGeometry())
    falls([assess(crop, EYES, NOSE, 0.9, share) for share in shares], "inside")


def test_a_flat_crop_has_no_quality_and_no_warnings() -> None:
    with np.errstate(all="raise"):
        for level in (0, 128, 255):
            flat = np.full((48, 48, 3), level, np.uint8)
            assert assess(flat, EYES, NOSE, 0.9).value == 0


def tone(seconds: float, amplitude: float = 3000.0) -> np.ndarray:
    n = np.arange(round(seconds * SAMPLE_RATE))
    return (amplitude * np.sin(2 * np.pi * 200 * n / SAMPLE_RATE)).astype(np.int16)


def test_level():
    assert level_dbfs(np.zeros(100, np.int16)) == float("-inf")
    assert level_dbfs(np.zeros(0, np.int16)) == float("-inf")
    assert level_dbfs(np.full(100, -32768, np.int16)) == pytest.approx(0.0)
    assert level_dbfs(tone(1.0, 3276.8)) == pytest.approx(-23.01, abs=0.02)


def test_quality_follows_duration_level_and_clipping():
    config = SpeechLimits()
    assert speech_quality(tone(3.0), config) == pytest.approx(1.0)
    assert speech_quality(tone(1.0), config) == pytest.approx(0.5)
    assert speech_quality(tone(3.0, 32768 * 2**0.5 * 10 ** (-50 / 20)), config) == pytest.approx(
        0.5, abs=0.01
    )
    assert speech_quality(tone(3.0, 10.0), config) == 0.0
    square = np.where(tone(3.0) >= 0, 32767, -32768).astype(np.int16)
    assert speech_quality(square, config) == pytest.approx(0.2)
    assert speech_quality(np.zeros(0, np.int16), config) == 0.0


@pytest.mark.parametrize(
    ("text", "confidence", "quality"),
    [
        ("one two three four", None, 1.0),
        ("one two three four five six", None, 1.0),
        ("one", None, 0.4),
        ("one two three four", 0.6, 0.6),
        ("one two three four", 1.7, 1.0),
        ("   ", None, 0.0),
    ],
)
def test_text_quality_is_trust_times_confidence_times_length(
    text: str, confidence: float | None, quality: float
) -> None:
    assert text_quality(text, 1.0, confidence) == pytest.approx(quality)
    assert text_quality(text, 0.5, confidence) == pytest.approx(0.5 * quality)
