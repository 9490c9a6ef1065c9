"""Settings of a whole process, for commands alone: a library leaves them to its host."""

from __future__ import annotations

import os


def one_opencv_thread() -> None:
    """Let OpenCV work in its caller's thread alone, unless the environment says otherwise.

    The images are small: two threads take the same time for a face detection as one, and twice
    the processor (they wait for each other by spinning). Call it before OpenCV is imported. A
    program that embeds the recognizer calls ``cv2.setNumThreads(1)`` itself, if that suits it.
    """
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
