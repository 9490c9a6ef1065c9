"""Decoding of recordings in any container, as the live path does, and trimming of silence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock
from mmer.realtime.sources.media import MediaFile
from mmer.realtime.sources.suffixes import SOUNDS, VIDEOS
from mmer.training.datasets.files import need_folder, walk

BELOW_PEAK_DB: Final = 35.0
MARGIN_S: Final = 0.15
_BLOCK_S: Final = 1.0
_LONGEST_HOLE_S: Final = 3600.0


def decode(
    path: Path, start_s: float | None = None, end_s: float | None = None
) -> NDArray[np.int16]:
    """A recording, or the part from ``start_s`` to ``end_s``, as 16 kHz mono int16 (n,).

    Track, mix and timeline are those of the live path: second 0 is the earliest first frame of
    sound and video, and what the file lacks in between is silence. A damaged file is decoded as
    far as it goes.

    Raises:
        MmerError: it cannot be read, or has no sound.
    """
    first = round((start_s or 0.0) * SAMPLE_RATE)
    last = math.inf if end_s is None else round(end_s * SAMPLE_RATE)
    parts: list[NDArray[np.int16]] = []
    n = 0  # samples of the timeline so far
    source = MediaFile(path, block_s=_BLOCK_S, wanted=frozenset({"audio"}))
    try:
        source.open(ManualClock())
        for message in source.messages():
            if not isinstance(message, AudioBlock):
                continue
            at = round(message.t0 * SAMPLE_RATE)
            if at >= last:
                parts.append(np.zeros(max(int(last) - n, 0), np.int16))
                break
            if at - n > _LONGEST_HOLE_S * SAMPLE_RATE:
                hole_s = (at - n) / SAMPLE_RATE
                raise MmerError(f"its time stamps leave a hole of {hole_s:.0f} s in the sound")
            parts += [np.zeros(max(at - n, 0), np.int16), message.samples[max(n - at, 0) :]]
            n = max(n, at + len(message.samples))
    except MmerError as error:
        raise MmerError(f"cannot read {path}: {error}") from error
    finally:
        source.close()
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    return samples[first : None if end_s is None else int(last)]


def trim(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Cut silence off both ends: frames of 20 ms more than ``BELOW_PEAK_DB`` under the loudest.

    Acted corpora have up to a second of it, which the live voice activity detection leaves out.
    """
    return samples[sounding(samples)]


def sounding(samples: NDArray[np.int16]) -> slice:
    """The samples that ``trim`` keeps, ``MARGIN_S`` of silence at each end included."""
    frame = SAMPLE_RATE // 50
    n = len(samples) // frame
    if n < 2:
        return slice(0, len(samples))
    power = (samples[: n * frame].reshape(n, frame).astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-BELOW_PEAK_DB / 10))
    if not len(loud):
        return slice(0, len(samples))
    margin = round(MARGIN_S * SAMPLE_RATE)
    end = min(len(samples), (int(loud[-1]) + 1) * frame + margin)
    return slice(max(0, int(loud[0]) * frame - margin), end)


def sound_files(root: Path, what: str) -> list[Path]:
    """All recordings below a folder, for noise and such that has no emotion.

    Raises:
        MmerError: there is no such folder, or none in it.
    """
    found = [f for f in walk(need_folder(root, what)) if f.suffix.lower() in SOUNDS | VIDEOS]
    if not found:
        raise MmerError(f"no recordings below {root}: give the folder of {what}")
    return found
