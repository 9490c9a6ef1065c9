"""Face detector BlazeFace, run by MediaPipe (Bazarevsky et al. 2019).

MediaPipe reports figures about its use to Google (play.googleapis.com), a minute after a task's
start and when it is closed; images are never sent. See "Privacy Notice" in the description of the
package. There is no switch against it; ``BlazeFaceDetector`` runs the same network without.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector, load_cv2

_APT = "apt-get install libegl1 libgles2 libgl1"


class MediaPipeDetector(FaceDetector):
    """BlazeFace through MediaPipe's Tasks API, in VIDEO mode; about 1 ms a frame.

    ``model`` is ``face_detection_short_range.tflite``: faces up to about 2 m from a webcam.
    Faces scored below ``min_score`` are not reported. Raises MmerError when MediaPipe cannot be
    loaded or the model cannot be read. Calls may come from any thread, one at a time: MediaPipe
    runs the network in a thread of its own.
    """

    name = "mediapipe"

    def __init__(self, model: Path, min_score: float = 0.5) -> None:
        load_cv2()
        self._task, self._image_type, self._rgb = _open(model, min_score)
        # At the program's end MediaPipe cleans up by itself.
        weakref.finalize(self, _close, self._task).atexit = False
        self._last_ms = -1
        with _quiet_stderr():  # the first run is slow, and talks
            self.detect(np.zeros((480, 640, 3), np.uint8), 0.0)

    def detect(self, image: NDArray[np.uint8], t: float) -> list[DetectedFace]:
        import cv2

        # The conversion copies, and so hands over contiguous memory: in any other MediaPipe
        # finds nothing and raises nothing.
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        self._last_ms = max(self._last_ms + 1, round(t * 1000))  # it refuses to go back
        frame = self._image_type(image_format=self._rgb, data=rgb)
        result = self._task.detect_for_video(frame, self._last_ms)
        height, width = image.shape[:2]
        faces = []
        for found in result.detections:
            box = found.bounding_box
            points = np.array(
                [(p.x * width - 0.5, p.y * height - 0.5) for p in found.keypoints[:3]]
            )
            eyes = points[:2][np.argsort(points[:2, 0], kind="stable")]
            if np.array_equal(eyes[0], eyes[1]):
                continue
            faces.append(
                DetectedFace(
                    box=(
                        float(box.origin_x),
                        float(box.origin_y),
                        float(box.width),
                        float(box.height),
                    ),
                    eyes=eyes.astype(np.float32),
                    nose=(float(points[2, 0]), float(points[2, 1])),
                    score=float(np.clip(found.categories[0].score, 0, 1)),
                )
            )
        return faces


def _open(model: Path, min_score: float) -> tuple[Any, Any, Any]:
    """MediaPipe's detector, its class of images and its name for RGB."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise MmerError(f"cannot read the face detector {model}: {error.strerror}") from error
    try:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import face_detector
        from mediapipe.tasks.python.vision.core import image, vision_task_running_mode
    except ImportError as error:
        raise MmerError(
            f"MediaPipe cannot be imported ({error}); pip install 'mmer-live[mediapipe]', "
            "or use --detector blazeface, the same network without it"
        ) from error
    options = face_detector.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=content),
        running_mode=vision_task_running_mode.VisionTaskRunningMode.VIDEO,
        min_detection_confidence=min_score,
    )
    try:
        with _quiet_stderr():
            task = face_detector.FaceDetector.create_from_options(options)
    except OSError as error:
        raise MmerError(
            f"MediaPipe cannot load its library ({error}); on Debian or Ubuntu: {_APT}; "
            "--detector blazeface runs the same network without it"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise MmerError(
            f"{model} is not a face detector that MediaPipe can open ({error}); "
            "delete it and fetch it again"
        ) from error
    return task, image.Image, image.ImageFormat.SRGB


def _close(task: Any) -> None:
    """Close a detector that is no longer used, in a thread of its own.

    MediaPipe closes by an executor. The garbage collector may run this while this very thread
    holds the executor's lock, and would wait for it for ever.
    """
    closing = threading.Thread(target=_close_now, args=(task,), name="close", daemon=True)
    try:
        closing.start()
    except RuntimeError:  # the interpreter is ending
        _close_now(task)


def _close_now(task: Any) -> None:
    with _quiet_stderr():
        task.close()


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what native code writes to the process's stderr; its loggers obey no setting."""
    try:
        saved = os.dup(2)
    except OSError:  # the process has no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
