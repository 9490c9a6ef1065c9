"""A process of mmer's own: the command line of `mmer-live`, and settings for commands alone."""

from __future__ import annotations

import os
import sys
from typing import Final

MMER_LIVE: Final = (sys.executable, "-c", "from mmer.realtime.commands.live import main; main()")
"""The installed `mmer-live`, by this very interpreter: what its console script runs."""


def own_environment() -> dict[str, str]:
    """The environment, with OpenCV and NumPy's OpenBLAS at work in their caller's thread alone.

    Images and matrices are small: two threads take the same time as one and up to twice the
    processor, for they wait for each other by spinning. What the environment says already stays.
    """
    return {"OPENCV_FOR_THREADS_NUM": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}


def one_thread_each() -> None:
    """Take on ``own_environment``; call it before OpenCV and NumPy are imported.

    A program that embeds the recognizer decides for itself.
    """
    os.environ.update(own_environment())
