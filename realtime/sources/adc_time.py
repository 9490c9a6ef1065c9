"""When captured sound was made: a steady timeline from jittery reports. No device in here."""

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

_DEADBAND_S: Final = 0.002
_WINDOW_S: Final = 2.0
_LOST_S: Final = 0.1
_MAX_AGE_S: Final = 1.0
_MAX_SPREAD_S: Final = 0.05


@dataclass(frozen=True)
class Arrival:
    """What is known of one buffer when the callback hands it over."""

    at: float  # the session's clock when it came, seconds
    duration_s: float
    age_s: float | None = None  # of its first sample by the device's ADC time; None = not told

    @property
    def by_count(self) -> float:
        """When its first sample was made, if the last one was made just now."""
        return self.at - self.duration_s

    @property
    def by_adc(self) -> float | None:
        """When its first sample was made by the device's word; None where that cannot be.

        PortAudio leaves the ADC time 0 with some hosts (WMME, WDM-KS) and has given times in the
        future with others (WASAPI before 19.8), so the age must lie between the buffer's own
        length, give or take 5 ms, and 1 s more.
        """
        if self.age_s is None:
            return None
        extra = self.age_s - self.duration_s
        return self.at - self.age_s if -0.005 <= extra <= _MAX_AGE_S else None


class CaptureTimeline:
    """Maps the position in an unbroken run of sound to capture time on the session's clock.

    The count of samples carries the time; the reports only correct it. A run is anchored on its
    first ``SETTLE_S`` by the ADC times where they are sane and agree with each other (median),
    else by the arrivals (their minimum: a callback can be late but not early). From then on the
    same estimate over a window of 2 s corrects drift by slewing, at most ``SLEW`` and only beyond
    2 ms, so blocks meet exactly nearly always and to within a sample otherwise.
    """

    def __init__(self) -> None:
        self._offset = 0.0  # capture time of position 0
        self._position = 0.0  # seconds of sound reported so far
        self._by_adc = False
        self._starts: deque[tuple[float, float]] = deque()  # position, time of position 0 by it

    @property
    def uses_adc(self) -> bool:
        """Whether this run is timed by the device's ADC time (else by count and arrival)."""
        return self._by_adc

    def begin(self, arrivals: Sequence[Arrival], not_before: float) -> float:
        """Anchor a new run on its first buffers; return the time of its first sample.

        ``not_before`` is the end of what was given out already: time does not go back.
        """
        told, position = [], 0.0
        for arrival in arrivals:
            if arrival.by_adc is not None:
                told.append(arrival.by_adc - position)
            position += arrival.duration_s
        self._by_adc = len(told) == len(arrivals) and max(told) - min(told) <= _MAX_SPREAD_S
        self._offset, self._position = 0.0, 0.0
        self._starts.clear()
        for arrival in arrivals:
            self._take(arrival)
        self._offset = max(self._estimate(), not_before)
        return self._offset

    def follow(self, arrival: Arrival) -> float:
        """Take in the run's next buffer; return the seconds of sound that must have been lost.

        That is 0 as a rule; more when for 2 s every buffer came later than the count explains,
        which means that sound is missing though the device did not say so. The caller then
        begins a new run.
        """
        self._take(arrival)
        error = self._estimate() - self._offset
        span = self._starts[-1][0] - self._starts[0][0]
        if error > _LOST_S and span > _WINDOW_S * 0.75:
            return error
        if abs(error) > _DEADBAND_S:
            step = SLEW * arrival.duration_s
            self._offset += max(-step, min(step, error))
        return 0.0

    def time_at(self, position_s: float) -> float:
        """Capture time of the sound ``position_s`` seconds into the run."""
        return self._offset + position_s

    def _take(self, arrival: Arrival) -> None:
        start = arrival.by_adc if self._by_adc else arrival.by_count
        if start is not None:
            self._starts.append((self._position, start - self._position))
            while self._starts[0][0] < self._position - _WINDOW_S:
                self._starts.popleft()
        self._position += arrival.duration_s

    def _estimate(self) -> float:
        starts = [start for _, start in self._starts]
        return median(starts) if self._by_adc else min(starts)
