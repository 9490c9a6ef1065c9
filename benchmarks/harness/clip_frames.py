"""The pictures of an annotated clip: the demo's face, or each sentence's own.

All are YUV 4:2:0 in one array, (720, 640) for 640x480: the luma above the two chroma planes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.utterances import Utterance
from mmer.realtime.messages import SAMPLE_RATE

FPS: Final = 25
WIDTH, HEIGHT = 640, 480
AWAY_S: Final = 0.6  # around the demo's absence of the face, where it is only partly there

PictureAt: TypeAlias = Callable[[int], NDArray[np.uint8]]
"""By its number, the clip's picture: YUV 4:2:0 (720, 640)."""


def there_and_back() -> PictureAt:
    """The demo's face, to and fro."""
    pictures = face_pictures()
    order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    return lambda number: pictures[order[number % len(order)]]


def own_pictures(spans: Sequence[tuple[int, int]], utterances: Sequence[Utterance]) -> PictureAt:
    """The pictures of the sentence that is spoken, or of the nearer one in the silence between.

    ``spans`` are the first sample of each sentence and one past its last.
    """

    def picture_at(number: int) -> NDArray[np.uint8]:
        at = number * SAMPLE_RATE // FPS
        away = [max(begin - at, at - end, 0) for begin, end in spans]
        nearest = away.index(min(away))
        pictures = utterances[nearest % len(utterances)].pictures
        n = (at - spans[nearest][0]) * FPS // SAMPLE_RATE
        return pictures[min(max(0, n), len(pictures) - 1)]

    return picture_at


def face_pictures() -> list[NDArray[np.uint8]]:
    """The demo's frames in its longest stretch with the face in view: YUV 4:2:0 (720, 640)."""
    import av

    from mmer.realtime.demo import clip

    card = json.loads(clip().with_suffix(".json").read_text(encoding="utf-8"))
    gone, back = card["face_absent_s"]
    before, after = (0.0, gone - AWAY_S), (back + AWAY_S, card["duration_s"])
    begin, end = max(before, after, key=lambda stretch: stretch[1] - stretch[0])
    with av.open(str(clip())) as file:
        return [
            np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)
            for frame in file.decode(video=0)
            if frame.time is not None and begin <= frame.time < end
        ]
