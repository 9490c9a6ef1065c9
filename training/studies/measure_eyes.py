"""Study of eye positions in FER2013's crops, for live crops that match them.

``python -m mmer.training.studies.measure_eyes`` runs MediaPipe's short-range face detector over
enlarged training crops, with a margin of their own edge grey (the detector needs some room round a
face), and prints the medians for the face recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.models.store.catalogue import FACE_DETECTOR
from mmer.models.store.store import Store
from mmer.training.datasets.data_folder import data_dir
from mmer.training.datasets.faces import read_train

ENLARGED = 192
MARGIN = 96


def measure(images: np.ndarray, detector: Path) -> np.ndarray:
    """Eye positions as fractions of the crop, (M, 2 eyes from the left, x and y); M <= N.

    Images without a single plausible detection (eyes level within 25 degrees, in the upper
    two thirds, 20 to 70 % of the crop apart) are left out.

    Raises:
        MmerError: MediaPipe is not installed, or the detector's file cannot be read.
    """
    import cv2

    try:
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise MmerError(f"{error}: pip install 'mmer-live[mediapipe]'") from error
    try:
        content = detector.read_bytes()
    except OSError as error:
        raise MmerError(f"cannot read the face detector {detector}: {error.strerror}") from error
    options = vision.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=0.5
    )
    found = []
    with vision.FaceDetector.create_from_options(options) as network:
        for image in images:
            large = cv2.resize(image, (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
            edge = int(np.median(np.concatenate([image[0], image[:, 0], image[:, -1]])))
            sides = (MARGIN,) * 4
            large = cv2.copyMakeBorder(large, *sides, cv2.BORDER_CONSTANT, value=[edge])
            rgb = np.ascontiguousarray(np.repeat(large[..., None], 3, axis=2))
            faces = network.detect(mp.Image(mp.ImageFormat.SRGB, rgb)).detections
            if len(faces) != 1:
                continue
            points = [(p.x, p.y) for p in faces[0].keypoints[:2]]
            eyes = np.array(sorted(points)) * (ENLARGED + 2 * MARGIN)
            eyes = (eyes - MARGIN) / ENLARGED
            across, down = eyes[1] - eyes[0]
            level = abs(np.degrees(np.arctan2(down, across))) < 25
            high = eyes[:, 1].min() > 0.1 and eyes[:, 1].max() < 0.67
            if level and high and 0.2 < across < 0.7:
                found.append(eyes)
    return np.array(found).reshape(-1, 2, 2)


@dataclass(frozen=True)
class Arguments:
    """Print the median positions of the eyes in FER2013's training crops."""

    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    detector: Path | None = None
    """MediaPipe's short-range detector (.tflite); by default the one on this machine (MMER_MODELS),
    else it is downloaded."""
    pictures: int = 1500
    """Training crops."""
    seed: int = 1
    """Of their choice."""


def main() -> None:
    """The command."""
    run_command("measure_eyes", _run)


def _run() -> None:
    arguments = tyro.cli(Arguments, prog="measure_eyes")
    images = read_train(data_dir(arguments.data)).images
    images = images[np.random.default_rng(arguments.seed).permutation(len(images))]
    images = images[: arguments.pictures]
    eyes = measure(images, arguments.detector or Store().get(FACE_DETECTOR))
    if not len(eyes):
        raise MmerError(f"none of {len(images)} pictures has a plausible detection")
    low, median, high = np.percentile(eyes, [10, 50, 90], axis=0)
    print(f"{len(eyes)} of {len(images)} pictures with a plausible detection")
    for side, name in enumerate(("left_eye", "right_eye")):
        x, y = median[side]
        print(
            f"{name} = [{x:.3f}, {y:.3f}]   # 10-90 %: x {low[side][0]:.3f}..{high[side][0]:.3f}, "
            f"y {low[side][1]:.3f}..{high[side][1]:.3f}"
        )


if __name__ == "__main__":
    main()
