"""Speech detector: one frame of sound in, whether it is speech and whether it is voiced out."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE

FRAME: Final = 320  # samples: 20 ms, one of the lengths that webrtcvad accepts
FRAME_S: Final = FRAME / SAMPLE_RATE


class FrameActivity(NamedTuple):
    """Activity of one frame; a voiced frame is speech as well."""

    speech: bool  # carries an utterance on
    voiced: bool  # speech with voice: starts an utterance


class SpeechDetector(Protocol):
    """Detector of speech in the successive frames of one stream.

    The VAD (``Vad``) makes utterances of them. Another detector is one class with ``detect`` and
    ``reset``: ``Vad(detector=MyDetector())``.
    """

    def detect(self, frame: NDArray[np.int16]) -> FrameActivity:
        """Activity of the next frame, int16 (FRAME,), 16 kHz mono; called for every frame."""

    @property
    def noise_dbfs(self) -> float | None:
        """Level of the background (``NoiseFloor.level_dbfs``), dB of full scale; None: unknown."""
        return None

    def interrupt(self) -> None:
        """Note that sound was lost: the next frame does not follow the last one."""
        return

    def reset(self) -> None:
        """Forget the stream."""
