"""From a device's buffers to stamped blocks of sound. No device in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap
from mmer.realtime.sources.adc_time import SETTLE_S, Arrival, CaptureTimeline
from mmer.realtime.sources.resample import Resampler


@dataclass(frozen=True)
class Buffer:
    """What one callback got: ``data`` is int16, interleaved."""

    data: bytes
    arrival: Arrival
    lost: str  # why sound before this buffer is missing; "" = it is not
    starts: int = 1  # of the clock that stamped it


class CaptureRuns:
    """Buffers in, stamped 16 kHz blocks out: unbroken runs of sound, with a ``Gap`` between two.

    Args:
        rate: samples a second of the buffers; other than 16 kHz they are resampled.
        channels: of the buffers; several are averaged.
        latency_s: of the stream, as PortAudio tells it.
    """

    def __init__(self, rate: int, channels: int, latency_s: float) -> None:
        self._rate, self._channels = rate, channels
        self._timeline = CaptureTimeline(latency_s)
        self._resampler = Resampler() if rate != SAMPLE_RATE else None
        self._held: list[Buffer] | None = []  # gathered before the run is anchored
        self._cause = ""  # of the gap before this run
        self._given = 0  # samples of this run
        self._started = False
        self.end = 0.0  # of the last block

    def push(self, buffer: Buffer) -> Iterator[AudioBlock | Gap]:
        """The next buffer; nothing comes out while a run gathers its first ``SETTLE_S``."""
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
        """What is held back: of the run's start, and of the resampler."""
        yield from self._anchor()
        if self._resampler is not None:
            yield from self._give(self._resampler.flush())

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
            yield Gap("audio", self.end, t0, self._cause)
        self._cause, self._started = "", True
        for buffer in held:
            yield from self._give(self._converted(buffer))

    def _converted(self, buffer: Buffer) -> NDArray[np.int16]:
        samples = np.frombuffer(buffer.data, np.int16)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        if self._resampler is None:
            return samples
        import av

        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
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
