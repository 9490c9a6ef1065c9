"""Format of the annotated clip: frames a second, size in pixels, layout of a frame in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

FPS: Final = 25
WIDTH, HEIGHT = 640, 480

Frame: TypeAlias = NDArray[np.uint8]
"""YUV 4:2:0 in one array (720, 640): the luma above the two chroma planes."""
FrameAt: TypeAlias = Callable[[int], Frame]
"""The clip's frame by its number."""
