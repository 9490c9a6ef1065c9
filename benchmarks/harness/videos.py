"""Sentences with their own pictures: a person who acts an emotion with voice and face."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip_frames import FPS, HEIGHT, WIDTH
from mmer.benchmarks.harness.utterances import Utterance, faded, read_sound, speech_span
from mmer.models.labels import EMOTIONS
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import SAMPLE_RATE, VideoFrame

EVERY: Final = 16  # the corpus is walked in steps of this: feelings mix


def ravdess_videos(folder: Path, count: int) -> list[Utterance]:
    """``count`` sentences of RAVDESS' videos below ``folder``, always the same; [] without any."""
    from mmer.training.datasets.registry import read

    if not any(folder.rglob("01-01-*.mp4")):  # official names: sound and picture, speech
        return []
    items = read("ravdess", folder, "clip", "all").items
    out = []
    for i in range(min(count, len(items))):
        item = items[i * EVERY % len(items)]
        assert item.path is not None  # what is read for clip has a video
        out.append(read_utterance(item.path, EMOTIONS[item.label]))
    return out


def read_utterance(path: Path, emotion: str) -> Utterance:
    """The sentence that is spoken in a video, cut as those of sound alone are."""
    from mmer.realtime.sources.media import MediaFile

    source = MediaFile(str(path), video_fps=None, wanted=frozenset({"video"}))
    source.open(ManualClock())
    try:
        frames = [message for message in source.messages() if isinstance(message, VideoFrame)]
    finally:
        source.close()
    times = [frame.t for frame in frames]
    pictures = [fitted(frame.image) for frame in frames]
    sound = read_sound(path)
    begin, end = speech_span(sound)
    shown = []
    for n in range(-(-(end - begin) * FPS // SAMPLE_RATE)):
        newest = bisect.bisect_right(times, begin / SAMPLE_RATE + n / FPS) - 1
        shown.append(pictures[max(0, newest)])
    return Utterance(path.stem, faded(sound[begin:end]), emotion, tuple(shown))


def fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A BGR picture (H, W, 3) in the middle of a black one of the clip's size: YUV (720, 640)."""
    import cv2

    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = (min(WIDTH, round(width * scale)), min(HEIGHT, round(height * scale)))
    whole = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    x, y = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    whole[y : y + size[1], x : x + size[0]] = cv2.resize(image, size)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_BGR2YUV_I420), np.uint8)
