"""Frames of an annotated clip: the demo's face, or each sentence's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from mmer.benchmarks.harness.clip_format import FPS, Frame, FrameAt
from mmer.benchmarks.harness.utterances import Utterance
from mmer.realtime.messages import SAMPLE_RATE

AWAY_S: Final = 0.6  # around the demo's absence of the face, where it is only partly there


def there_and_back() -> FrameAt:
    """The demo's face, to and fro."""
    frames = face_frames()
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    return lambda number: frames[order[number % len(order)]]


def own_frames(spans: Sequence[tuple[int, int]], utterances: Sequence[Utterance]) -> FrameAt:
    """The frames of the sentence that is spoken, or of the nearer one in the silence between.

    ``spans`` are the first sample of each sentence and one past its last.
    """

    def frame_at(number: int) -> Frame:
        at = number * SAMPLE_RATE // FPS
        away = [max(begin - at, at - end, 0) for begin, end in spans]
        nearest = away.index(min(away))
        frames = utterances[nearest % len(utterances)].frames
        n = (at - spans[nearest][0]) * FPS // SAMPLE_RATE
        return frames[min(max(0, n), len(frames) - 1)]

    return frame_at


def face_frames() -> list[Frame]:
    """The demo's frames in its longest stretch with the face in view."""
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
