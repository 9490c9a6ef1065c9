"""Resampling of any sound to 16 kHz, mono, int16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE
from mmer.realtime.sources.mixing import Mixer

if TYPE_CHECKING:
    import av

_NOTHING: NDArray[np.int16] = np.zeros(0, np.int16)


def is_rate(hz: int) -> bool:
    """Whether sound can have this rate, or it is not known yet (0).

    In a damaged header any number may stand: of 1 Hz a second would become four hours, and the
    filter for 1 GHz takes ten seconds to compute.
    """
    return hz == 0 or 2_000 <= hz <= 1_000_000


class Resampler:
    """libswresample by PyAV, with its state kept from one piece to the next.

    Output sample ``i`` is the sound at ``i / 16000`` s of the input (the filter's own delay is
    compensated); about 2 ms are held back until more comes or ``flush`` asks for them. Channels
    are mixed down (see ``Mixer``). A format that changes on the way is taken up where it changes.
    """

    def __init__(self) -> None:
        self.mixer = Mixer()
        self._inner: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None

    def push(self, frame: av.AudioFrame) -> NDArray[np.int16]:
        """Output that is ready after ``frame``: int16 (n,), n may be 0."""
        import av

        frame = self.mixer.push(frame)
        tail = _NOTHING
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            tail = self.flush()
            self._inner = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            self._format = form
        assert self._inner is not None  # set with the first format
        return _joined(tail, self._inner.resample(frame))

    def flush(self) -> NDArray[np.int16]:
        """The rest, int16 (n,); the next ``push`` begins anew."""
        if self._inner is None:
            return _NOTHING
        # when there was nothing to convert, PyAV hands the None of the flush back
        rest = [f for f in self._inner.resample(None) if f is not None]
        self._inner = self._format = None
        return _joined(_NOTHING, rest)


def _joined(head: NDArray[np.int16], frames: list[av.AudioFrame]) -> NDArray[np.int16]:
    parts = [head, *(f.to_ndarray().reshape(-1).astype(np.int16, copy=False) for f in frames)]
    return np.concatenate(parts)
