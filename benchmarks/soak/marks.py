"""Marks in frames and sound that identify the moment of the clip.

Every frame carries its own number as a row of light and dark squares, with its complement below
it; the sound of every sentence begins at a known sample, found again by correlation. So the stamp
of any frame, and of any sentence, can be held against the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip import Span
from mmer.benchmarks.harness.clip_format import HEIGHT, Frame
from mmer.realtime.messages import SAMPLE_RATE

BITS: Final = 17  # an hour of frames
SQUARE: Final = 16  # pixels: what the codec keeps whole
LIGHT, DARK, GREY = 235, 16, 128
MARGIN: Final = 4  # pixels of a square's edge that are ignored
LEAST_CONTRAST: Final = 60
TEMPLATE_S: Final = 0.2
SEARCHED_S: Final = 0.8
LEAST_LIKENESS: Final = 0.9  # normalized correlation


def mark_number(frame: Frame, number: int) -> Frame:
    """A copy of a frame with ``number`` in its upper left corner."""
    marked = frame.copy()
    width = BITS * SQUARE
    for row in range(2):
        for bit in range(BITS):
            light = bool(number >> bit & 1) != bool(row)
            place = (
                slice(row * SQUARE, (row + 1) * SQUARE),
                slice(bit * SQUARE, (bit + 1) * SQUARE),
            )
            marked[place] = LIGHT if light else DARK
    # each chroma plane is (240, 320), stored as 120 rows of two of its lines
    quarter = HEIGHT // 4
    chroma = marked[HEIGHT:].reshape(2, 2 * quarter, -1)
    chroma[:, :SQUARE, : width // 2] = GREY
    return marked


def read_number(image: NDArray[np.uint8]) -> int | None:
    """The number in a BGR image (480, 640, 3); None where it cannot be read for certain."""
    grey = image[: 2 * SQUARE, : BITS * SQUARE].mean(axis=2)
    squares = grey.reshape(2, SQUARE, BITS, SQUARE)[:, MARGIN:-MARGIN, :, MARGIN:-MARGIN]
    upper, lower = squares.mean(axis=(1, 3))  # shape (2, BITS)
    if np.abs(upper - lower).min() < LEAST_CONTRAST:
        return None
    return int(sum(1 << bit for bit in np.flatnonzero(upper > lower)))


class Onsets:
    """The beginnings of the clip's sentences, to be found again in the utterances.

    ``sound`` is that of one round of the clip, shape (n,); ``spans`` are its sentences.
    """

    def __init__(self, spans: Sequence[Span], sound: NDArray[np.int16], seconds: float) -> None:
        self._seconds = seconds
        self._t0 = np.array([span.t0 for span in spans])
        length = round(TEMPLATE_S * SAMPLE_RATE)
        self._templates = [sound[s.begin : s.begin + length].astype(np.float32) for s in spans]

    def find(self, t0: float, samples: NDArray[np.int16]) -> tuple[float, float] | None:
        """True and stamped time of the sentence that ``samples``, stamped ``t0``, begin with.

        None where the sound is none of the sentences' beginning.
        """
        rounds = np.round((t0 - self._t0) / self._seconds)
        truths = self._t0 + np.maximum(rounds, 0) * self._seconds
        which = int(np.abs(truths - t0).argmin())
        template = self._templates[which]
        searched = samples[: round(SEARCHED_S * SAMPLE_RATE)].astype(np.float32)
        if len(searched) < len(template):
            return None
        products = np.correlate(searched, template, "valid")
        powers = np.convolve(searched**2, np.ones(len(template), np.float32), "valid")
        likeness = products / np.sqrt(np.maximum(powers * (template @ template), 1.0))
        at = int(likeness.argmax())
        if likeness[at] < LEAST_LIKENESS:
            return None
        return float(truths[which]), t0 + at / SAMPLE_RATE
