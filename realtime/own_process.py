"""A process of mmer's own: the command line of `mmer-live`, and settings for commands alone."""

from __future__ import annotations

import os
import sys
from typing import Final

MMER_LIVE: Final = (sys.executable, "-c", "from mmer.realtime.commands.live import main; main()")
"""The installed `mmer-live`, by this very interpreter: what its console script runs."""


def one_opencv_thread() -> None:
    """Let OpenCV work in its caller's thread alone, unless the environment says otherwise.

    The images are small: two threads take the same time for a face detection as one, and twice
    the processor (they wait for each other by spinning). Call it before OpenCV is imported. A
    program that embeds the recognizer calls ``cv2.setNumThreads(1)`` itself, if that suits it.
    """
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
