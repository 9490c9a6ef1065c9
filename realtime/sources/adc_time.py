"""Capture times of sound: a steady timeline from jittery arrivals. No device in here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

SETTLE_S: Final = 0.2
"""How much a run gathers before it is anchored: devices tend to begin with a burst of buffers,
of which the first come late."""

SLEW: Final = 0.002
"""Seconds of correction for a second of sound, at most: 40 us in a block of 20 ms, which is less
than one sample at 16 kHz and twenty times the drift of a poor crystal (100 ppm)."""

LOST_S: Final = 0.1
"""Sound that comes so much later than the count explains is not late: some before it is lost."""

_DEADBAND_S: Final = 0.002
_WINDOW_S: Final = 2.0
_SLACK_S: Final = 0.02
_EARLY_S: Final = 0.005


@dataclass(frozen=True)
class Arrival:
    """Arrival of one buffer."""

    at: float  # the session's clock when it came, seconds
    duration_s: float
    age_s: float | None = None  # of its first sample by the device's ADC time; None = unknown


class CaptureTimeline:
    """Maps the position in an unbroken run of sound to capture time on the session's clock.

    The count of samples carries the time; arrivals only correct it. A buffer can come late but
    not early, so the run starts where the least late one of the last 2 s says (of the first
    ``SETTLE_S``, to begin with). Drift against that is slewed away, at most ``SLEW`` and only
    beyond 2 ms: blocks meet exactly nearly always, and to within a sample otherwise.

    The device's ADC time adds how long before its arrival the sound was captured. It is read once
    a run and used only if it is sane, for PortAudio leaves it 0 with some
    hosts (WMME, WDM-KS), has put it into the future with others (WASAPI before 19.8), and through
    PulseAudio it can be off by the better part of a second or wander while the buffers come like
    clockwork. Sane is a delay from 0 to ``latency_s`` (what PortAudio says of the stream), give
    or take 20 ms, on which all buffers of ``SETTLE_S`` agree to 20 ms.

    Sound that arrives more than 5 ms before the timeline has it end moves the timeline back at
    once: the run was anchored on sound that came late, and no stamp is later than its arrival.
    ``strict``: so does any, and a run may begin before the end of the one before.
    """

    def __init__(self, latency_s: float = 0.1, strict: bool = False) -> None:
        self._latency_s = latency_s
        self._strict = strict
        self._offset = 0.0  # capture time of position 0
        self._position = 0.0  # seconds of sound reported so far
        self._starts: deque[tuple[float, float]] = deque()  # position, time of position 0 by it
        self.delay_s: float | None = 0.0
        """From capture to arrival in this run by the ADC time; None where that was not sane."""

    def begin(self, arrivals: Sequence[Arrival], not_before: float) -> float:
        """Anchor a new run on its first buffers (one at least); return when it starts.

        ``not_before`` is the end of the sound given out already: time does not go back.
        """
        self._position = 0.0
        self._starts.clear()
        starts = []
        for arrival in arrivals:
            if arrival.age_s is not None:
                starts.append(arrival.at - arrival.age_s - self._position)
            self._take(arrival)
        self.delay_s = self._sane_delay(starts) if len(starts) == len(arrivals) else None
        self._offset = self._estimate() if self._strict else max(self._estimate(), not_before)
        return self._offset

    def follow(self, arrival: Arrival) -> float:
        """Take in the run's next buffer; return the seconds of sound that must have been lost.

        That is 0 as a rule; more when for 2 s every buffer came later than the count explains,
        which means that sound is missing though the device did not report it. The caller then
        begins a new run. A burst of delayed sound brings many seconds at once: it is no such proof.
        """
        self._take(arrival)
        error = self._estimate() - self._offset
        (first, earliest), (last, latest) = self._starts[0], self._starts[-1]
        span = min(last - first, last - first + latest - earliest)  # of the sound, of its arrivals
        if error > LOST_S and span > _WINDOW_S * 0.75:
            return error
        if abs(error) > _DEADBAND_S:
            step = SLEW * arrival.duration_s
            self._offset += max(-step, min(step, error))
        if self._strict or self._offset > latest + _EARLY_S:
            self._offset = min(self._offset, latest)
        return 0.0

    def time_at(self, position_s: float) -> float:
        """Capture time of the sound ``position_s`` seconds into the run."""
        return self._offset + position_s

    def _sane_delay(self, adc_starts: Sequence[float]) -> float | None:
        delay = min(start for _, start in self._starts) - median(adc_starts)
        agreed = max(adc_starts) - min(adc_starts) <= _SLACK_S
        if not agreed or not -_SLACK_S <= delay <= self._latency_s + _SLACK_S:
            return None
        return max(0.0, delay)

    def _take(self, arrival: Arrival) -> None:
        start = arrival.at - arrival.duration_s - self._position
        self._starts.append((self._position, start))
        while self._starts[0][0] < self._position - _WINDOW_S:
            self._starts.popleft()
        self._position += arrival.duration_s

    def _estimate(self) -> float:
        return min(start for _, start in self._starts) - (self.delay_s or 0.0)
