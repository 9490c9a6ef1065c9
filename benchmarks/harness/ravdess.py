"""Sentences of RAVDESS for benchmark clips: people who act an emotion with speech and face."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip_format import FPS, HEIGHT, WIDTH, Frame
from mmer.benchmarks.harness.media import read_media, read_sound
from mmer.benchmarks.harness.utterances import Utterance, faded, speech_span, trimmed
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import SAMPLE_RATE, VideoFrame

EVERY_SOUND: Final = 29  # the corpus is walked in steps of this: speakers and emotions mix
EVERY_VIDEO: Final = 16  # the same of its videos


def ravdess_utterances(data: Path, count: int) -> list[Utterance]:
    """``count`` sentences of RAVDESS, always the same ones.

    The videos below ``data``/video where there are some: each sentence with its own frames and
    the emotion that was acted. Else the sound alone, below ``data``/audio/ravdess. Raises MmerError
    if there is neither.
    """
    videos = ravdess_videos(data / "video", count) if (data / "video").is_dir() else []
    return videos or ravdess_sounds(data, count)


def ravdess_sounds(data: Path, count: int) -> list[Utterance]:
    """``count`` sentences below ``data``/audio/ravdess, always the same; MmerError without any."""
    folder = data / "audio" / "ravdess"
    paths = sorted(p for p in folder.rglob("03-01-*") if p.is_file())
    if not paths:
        raise MmerError(f"no RAVDESS clips (Actor_NN/03-01-*) in {folder}: check --data")
    chosen = [paths[i * EVERY_SOUND % len(paths)] for i in range(min(count, len(paths)))]
    return [trimmed(path.stem, read_sound(path)) for path in chosen]


def ravdess_videos(folder: Path, count: int) -> list[Utterance]:
    """``count`` sentences of RAVDESS' videos below ``folder``, always the same; [] without any."""
    from mmer.training.datasets.registry import read

    if not any(folder.rglob("01-01-*.mp4")):  # official names: sound and video, speech
        return []
    items = read("ravdess", folder, "clip", "all").items
    out = []
    for i in range(min(count, len(items))):
        item = items[i * EVERY_VIDEO % len(items)]
        assert item.path is not None  # what is read for clip has a video
        out.append(read_utterance(item.path, EMOTIONS[item.label]))
    return out


def read_utterance(path: Path, emotion: str) -> Utterance:
    """The sentence that is spoken in a video, cut as those of sound alone are."""
    read = [message for message in read_media(path, "video") if isinstance(message, VideoFrame)]
    times = [frame.t for frame in read]
    frames = [fitted(frame.image) for frame in read]
    sound = read_sound(path)
    begin, end = speech_span(sound)
    shown = []
    for n in range(-(-(end - begin) * FPS // SAMPLE_RATE)):
        newest = bisect.bisect_right(times, begin / SAMPLE_RATE + n / FPS) - 1
        shown.append(frames[max(0, newest)])
    return Utterance(path.stem, faded(sound[begin:end]), emotion, tuple(shown))


def fitted(image: NDArray[np.uint8]) -> Frame:
    """A BGR image (H, W, 3) in the middle of a black frame of the clip's size."""
    import cv2

    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = (min(WIDTH, round(width * scale)), min(HEIGHT, round(height * scale)))
    whole = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    x, y = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    whole[y : y + size[1], x : x + size[0]] = cv2.resize(image, size)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_BGR2YUV_I420), np.uint8)
