"""Buffers of captured sound in, stamped 16 kHz blocks out. No device in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap
from mmer.realtime.sources.adc_time import SETTLE_S, Arrival, CaptureTimeline
from mmer.realtime.sources.resample import Resampler


@dataclass(frozen=True, eq=False)
class Buffer:
    """One piece of captured sound."""

    samples: NDArray[np.int16] | NDArray[np.float32]  # shape (n,) or (n, channels)
    rate: int  # samples a second
    arrival: Arrival
    lost: str = ""  # why sound before this buffer is missing; "" = it is not
    starts: int = 1  # of the clock that stamped it


class CaptureRuns:
    """Unbroken runs of sound, with a ``Gap`` between two.

    Buffers of several channels are mixed (see ``Mixer``), those of other rates or of floats
    resampled.

    Args:
        latency_s: of the stream, as PortAudio reports it.
        strict: no stamp may be later than the buffer's arrival (``CaptureTimeline``).
    """

    def __init__(self, latency_s: float = 0.1, strict: bool = False) -> None:
        self._timeline = CaptureTimeline(latency_s, strict)
        self._resampler = Resampler()
        self._held: list[Buffer] | None = []  # gathered before the run is anchored
        self._cause = ""  # of the gap before this run
        self._given = 0  # samples of this run
        self._started = False
        self.end = 0.0  # of the last block

    def push(self, buffer: Buffer) -> Iterator[AudioBlock | Gap]:
        """Blocks of the next buffer; none while a run gathers its first ``SETTLE_S``."""
        if buffer.lost:
            yield from self._break(buffer.lost)
        if self._held is None:
            if self._timeline.follow(buffer.arrival) > 0.0:
                yield from self._break("sound was lost and the device did not say so")
            else:
                yield from self._give(self._converted(buffer))
                return
        assert self._held is not None  # _break began to gather
        self._held.append(buffer)
        if sum(b.arrival.duration_s for b in self._held) > SETTLE_S - 1e-6:
            yield from self._anchor()

    def finish(self) -> Iterator[AudioBlock | Gap]:
        """Blocks held back: of the run's start, and of the resampler."""
        yield from self._anchor()
        yield from self._give(self._resampler.flush())

    def lose(self) -> Iterator[AudioBlock | Gap]:
        """End the run for a device that is gone: what comes later comes after a gap."""
        yield from self.finish()
        self._started = True

    def reports(self) -> list[str]:
        """What was found wrong with the sound since the last call, in words."""
        return self._resampler.mixer.reports()

    def _break(self, cause: str) -> Iterator[AudioBlock | Gap]:
        yield from self.finish()
        self._held, self._given = [], 0
        self._cause = cause if self._started else ""  # nothing is lost before the first sound

    def _anchor(self) -> Iterator[AudioBlock | Gap]:
        held, self._held = self._held, None
        if not held:
            return
        t0 = self._timeline.begin([b.arrival for b in held], not_before=self.end)
        if self._cause:
            yield Gap("audio", self.end, max(self.end, t0), self._cause)
        self._cause, self._started = "", True
        for buffer in held:
            yield from self._give(self._converted(buffer))

    def _converted(self, buffer: Buffer) -> NDArray[np.int16]:
        samples = buffer.samples
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        if channels == 1 and buffer.rate == SAMPLE_RATE and samples.dtype == np.int16:
            samples = samples.reshape(-1)
            return np.concatenate([self._resampler.flush(), samples])
        import av

        kind = "s16" if samples.dtype == np.int16 else "flt"
        layout = "mono" if channels == 1 else f"{channels} channels"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format=kind, layout=layout)
        frame.sample_rate = buffer.rate
        return self._resampler.push(frame)

    def _give(self, samples: NDArray[np.int16]) -> Iterator[AudioBlock]:
        if len(samples) == 0:
            return
        t0 = self._timeline.time_at(self._given / SAMPLE_RATE)
        if self._given and abs(t0 - self.end) < 1e-9:
            t0 = self.end  # rounding alone: let the blocks meet exactly
        block = AudioBlock(t0, samples)
        self._given += len(samples)
        self.end = block.t1
        yield block
