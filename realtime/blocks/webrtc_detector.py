"""Speech detector of webrtcvad, an adaptive noise floor and the periodicity of voice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.noise_floor import NoiseFloor, NoiseFloorConfig
from mmer.realtime.blocks.periodicity import Periodicity
from mmer.realtime.blocks.speech_detector import FRAME, FrameActivity, SpeechDetector
from mmer.realtime.messages import SAMPLE_RATE


@dataclass(frozen=True)
class WebRtcConfig:
    """Thresholds of speech and voice."""

    mode: int = 2  # webrtcvad's aggressiveness, 0..3
    margin_db: float = 7.0  # steady noise stays below 6.5
    periodicity: float = 0.6  # normalized autocorrelation 0..1
    floor: NoiseFloorConfig = field(default_factory=NoiseFloorConfig)

    def __post_init__(self) -> None:
        if self.mode not in (0, 1, 2, 3):
            raise MmerError(f"webrtcvad: mode must be 0, 1, 2 or 3, not {self.mode!r}")


class WebRtcDetector(SpeechDetector):
    """Speech: webrtcvad detects it and its highest bands stand ``margin_db`` above the noise floor.

    Voiced: it is periodic besides. Raises MmerError where webrtcvad is not installed.
    """

    _last: NDArray[np.int16]  # the frame before; shape (FRAME,)

    def __init__(self, config: WebRtcConfig | None = None) -> None:
        self.config = config or WebRtcConfig()
        self._floor = NoiseFloor(FRAME, self.config.floor)
        self._periodicity = Periodicity(2 * FRAME)
        self.reset()

    def detect(self, frame: NDArray[np.int16]) -> FrameActivity:
        stands_out = self._floor.excess_db(frame) >= self.config.margin_db
        # webrtcvad adapts, so it must get every frame
        speech = self._vad.is_speech(frame.tobytes(), SAMPLE_RATE) and stands_out
        both = np.concatenate([self._last, frame])
        self._last = frame
        return FrameActivity(speech, speech and self._periodicity(both) > self.config.periodicity)

    @property
    def noise_dbfs(self) -> float:
        return self._floor.level_dbfs

    def interrupt(self) -> None:
        self._last = np.zeros(FRAME, np.int16)

    def reset(self) -> None:
        self._vad = _new_vad(self.config.mode)
        self._floor.reset()
        self.interrupt()


def _new_vad(mode: int) -> Any:
    try:
        import webrtcvad
    except ImportError as error:
        raise MmerError("voice activity needs webrtcvad: pip install webrtcvad-wheels") from error
    return webrtcvad.Vad(mode)
