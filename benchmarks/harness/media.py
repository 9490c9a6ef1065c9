"""Media files through the recognizer's own reader: messages, and the sound in one array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Message, Stream
from mmer.realtime.sources.media import MediaFile


def read_media(path: Path, *streams: Stream, video_fps: float | None = None) -> Iterator[Message]:
    """Messages of some streams of a file, as fast as they can be read; all frames, or thinned."""
    source = MediaFile(str(path), video_fps=video_fps, wanted=frozenset(streams))
    source.open(ManualClock())
    try:
        yield from source.messages()
    finally:
        source.close()


def read_sound(path: Path) -> NDArray[np.int16]:
    """The sound of a media file as the recognizer gets it: shape (n,), 16 kHz mono."""
    blocks = [m for m in read_media(path, "audio") if isinstance(m, AudioBlock)]
    if not blocks:
        raise MmerError(f"{path} has no sound")
    out = np.zeros(round(blocks[-1].t1 * SAMPLE_RATE), np.int16)
    for block in blocks:
        at = round(block.t0 * SAMPLE_RATE)
        room = out[at : at + len(block.samples)]
        room[:] = block.samples[: len(room)]
    return out
