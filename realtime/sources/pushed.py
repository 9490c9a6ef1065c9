"""Source that a program feeds: sound and frames from a socket, a file or another library."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import AudioBlock, Gap, Notice, Stream, VideoFrame
from mmer.realtime.sources.adc_time import Arrival
from mmer.realtime.sources.capture import Buffer, CaptureRuns
from mmer.realtime.sources.source import Source
from mmer.realtime.sources.stall import STALL_S, Stall

_HOLE_S: Final = 0.040  # stamps of sound that stray less than this are jitter
_LOUDEST: Final = 8.0  # float32 may clip; beyond it is of another scale
AHEAD_S: Final = 1.0
"""How far stamps may lie before the start and in the future: two clocks are never the same."""
RATES: Final = range(4_000, 384_001)
"""Samples a second that pushed sound may have."""


@dataclass(frozen=True)
class _Interruption:
    """Whoever pushes is away from ``t`` on."""

    t: float
    cause: str


class PushSource(Source):
    """Live source whose sound and frames are pushed, from any thread.

    ::

        source = mmer.PushSource()

        def feed():
            try:
                if source.wait_started():
                    for samples, image in my_capture():  # int16 or float32 (n,), uint8 (H, W, 3)
                        source.push_audio(samples, rate=48_000)
                        source.push_frame(image)
            finally:  # else the recognizer waits for more for ever
                source.end()

        with mmer.Recognizer(source) as recognizer:
            threading.Thread(target=feed).start()
            for estimate in recognizer:
                print(estimate.label, estimate.confidence)

    Sound is lossless: ``push_audio`` blocks while ``queue_s`` seconds of it wait, for at most
    ``patience_s``. Of the frames only the newest waits; ``dropped_frames`` counts the others. No
    stamp is later than its arrival: what is stamped up to 1 s ahead counts as captured on arrival.

    One source serves one `Recognizer`: where that cannot be made or cannot begin, the source is
    over as well, and another `Recognizer` needs a new one.

    Args:
        audio: whether there will be sound.
        video: whether there will be frames.
        name: for people, and for the session line.
        queue_s: seconds of sound that may wait, and that one push may hold.
        patience_s: seconds that ``push_audio`` may block.
    """

    live = True

    def __init__(
        self,
        *,
        audio: bool = True,
        video: bool = True,
        name: str = "pushed",
        queue_s: float = 10.0,
        patience_s: float = 5.0,
    ) -> None:
        for option, there in (("audio", audio), ("video", video)):
            if not isinstance(there, bool):
                raise MmerError(f"{option} is {there!r}, expected True or False")
        if not isinstance(name, str):
            raise MmerError(f"name is {name!r}, expected text")
        _check_seconds("queue_s", queue_s)
        _check_seconds("patience_s", patience_s)
        if not (audio or video):
            raise MmerError("a PushSource without sound and without frames has nothing to push")
        self.name = name
        self.dropped_frames = 0
        self._has: dict[Stream, bool] = {"audio": audio, "video": video}
        self._queue_s, self._patience_s = queue_s, patience_s
        self._changed = threading.Condition()
        self._clock: Clock | None = None
        self._started = False  # by the session, which reads from now on
        self._over = ""  # why nothing more can be pushed
        self._ended = False  # by the program
        self._sound: deque[Buffer | _Interruption] = deque()
        self._interrupted = False  # nothing was pushed since interrupt()
        self._lost = ""  # why sound is missing before the next
        self._stall: Stall | None = None  # what came after nothing came for a while
        self._waiting_s = 0.0  # seconds in both
        self._frame: VideoFrame | None = None
        self._sound_end: float | None = None  # latest capture time of the end of what was pushed
        self._counted_end = -math.inf  # the same by the count of samples
        self._frame_t = -math.inf

    @property
    def streams(self) -> frozenset[Stream]:
        return frozenset(stream for stream, there in self._has.items() if there)

    @property
    def duration_s(self) -> float | None:
        """End of what was pushed, in seconds, once ``end`` was called."""
        return max(0.0, self._sound_end or 0.0, self._frame_t) if self._ended else None

    # --- the program's side --------------------------------------------------------------------

    def wait_started(self, timeout_s: float | None = None) -> bool:
        """Wait until the session reads.

        False after ``timeout_s``, where it ended before, and where its `Recognizer` failed.
        """
        if timeout_s is not None:
            _check_seconds("timeout_s", timeout_s, low=-math.inf)  # a deadline may be past
        with self._changed:
            self._changed.wait_for(lambda: self._started or self._over, timeout_s)
            return self._started and not self._over

    def push_audio(
        self,
        samples: NDArray[np.int16] | NDArray[np.float32],
        rate: int,
        t: float | None = None,
    ) -> None:
        """Append sound; blocks while the queue is full.

        Args:
            samples: shape (n,), mono: int16, or float32 in -1..1; copied.
            rate: samples a second; other than 16 kHz they are resampled.
            t: capture time of the first sample in seconds on the session's clock. Where it lies
                more than 40 ms after the end of the sound before, the difference becomes a
                ``Gap``. Default: it follows the sound before; of the first, the last sample was
                captured on arrival. After 0.5 s without a push sound is held, until it has filled
                the hole (a burst of late sound) or has not come faster than time passes for
                0.5 s: there was a pause then, which becomes a ``Gap``, and the sound is stamped
                by its arrival.

        Raises:
            MmerError: wrong shape, type or rate; ``t`` ahead of the clock, before the session or
                before sound already pushed; sound that comes faster than time passes; a queue
                that stays full; a session that has not begun or has ended.
        """
        duration_s = self._check_sound(samples, rate)
        if duration_s == 0.0:
            return
        with self._changed:
            now = self._now("audio")
            if not self._changed.wait_for(self._room, self._patience_s):
                raise MmerError(
                    f"{self._waiting_s:.1f} s of pushed sound have waited for "
                    f"{self._patience_s:g} s: the session is too slow, or its events are not read"
                )
            self._now("audio")  # it may have ended meanwhile
            before = self._sound_end
            end, lost = self._stamp(duration_s, t, now)
            if t is None and before is not None and not lost and self._stall is None:
                self._stall = Stall(before) if end - duration_s - before > STALL_S else None
            self._interrupted, self._lost = False, ""
            self._add(Buffer(samples.copy(), rate, Arrival(end, duration_s), lost))
            self._changed.notify_all()

    def push_frame(self, image: NDArray[np.uint8], t: float | None = None) -> None:
        """Offer a frame; it replaces one that still waits, and one older than the last is dropped.

        Args:
            image: uint8 (H, W, 3) BGR; copied.
            t: capture time in seconds on the session's clock; default: now.

        Raises:
            MmerError: wrong shape or type; ``t`` ahead of the clock or before the session; a
                session that has not begun or has ended.
        """
        kind, shape = _kind(image)
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise MmerError(f"a frame is uint8 (H, W, 3) BGR, got {kind} {shape}")
        with self._changed:
            now = self._now("video")
            t = now if t is None else _end_time(t, 0.0, now)
            if t <= self._frame_t or self._frame is not None:
                self.dropped_frames += 1
            if t > self._frame_t:
                self._frame, self._frame_t = VideoFrame(t, np.array(image, order="C")), t
                self._interrupted = False
                self._changed.notify_all()

    def interrupt(self, cause: str) -> None:
        """Note that nothing comes for a while: a gap without end that the next push closes.

        An open utterance ends, and ``cause`` is the reason why a modality is missing meanwhile.
        """
        if not isinstance(cause, str):
            raise MmerError(f"cause is {cause!r}, expected text")
        with self._changed:
            if self._clock is None or not self._started or self._over or self._interrupted:
                return
            self._settle()
            self._interrupted, self._lost = True, cause
            self._sound.append(_Interruption(self._clock.now(), cause))
            self._changed.notify_all()

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that wait to be read."""
        return self._waiting_s

    def end(self) -> None:
        """End the stream: the session finishes what was pushed. Harmless when repeated."""
        with self._changed:
            self._ended = self._ended or not self._over
            self._finish("end() was called")

    # --- the session's side --------------------------------------------------------------------

    def open(self, clock: Clock) -> None:
        if self._clock is not None:
            raise MmerError("this PushSource has been used by a session: make a new one")
        if self._over and not self._ended:
            raise MmerError(f"this PushSource is closed ({self._over}): make a new one")
        self._clock = clock

    def messages(self) -> Iterator[AudioBlock | VideoFrame | Gap | Notice]:
        runs = CaptureRuns(strict=True)
        frame_t, away = 0.0, ""  # of the last frame; why none came since
        for stream, there in self._has.items():
            if not there:
                what = "sound" if stream == "audio" else "picture"
                yield Gap(stream, 0.0, math.inf, f"no {what} in the source")
        with self._changed:
            self._started = True
            self._changed.notify_all()
        try:
            while (item := self._next()) is not None:
                if isinstance(item, VideoFrame):
                    if away:
                        yield Gap("video", min(frame_t, item.t), item.t, away)
                    frame_t, away = item.t, ""
                    yield item
                elif isinstance(item, _Interruption):
                    away = item.cause
                    yield from self._away(item, runs)
                else:
                    yield from runs.push(item)
            yield from runs.finish()
        finally:
            self.close()

    def stop(self) -> None:
        with self._changed:
            self._finish("the session has ended")

    def close(self) -> None:
        with self._changed:
            self._finish("the session has ended")
            self._sound.clear()
            self._frame = None

    def abandon(self) -> None:
        """End the source where no session has opened it, and none will."""
        with self._changed:
            if self._clock is None:
                self._finish("its Recognizer could not begin")

    def _away(self, item: _Interruption, runs: CaptureRuns) -> Iterator[AudioBlock | Gap | Notice]:
        yield from runs.lose()
        yield Notice(item.t, "warning", "source", f"{self.name}: {item.cause}")
        for stream in sorted(self.streams):
            yield Gap(stream, runs.end if stream == "audio" else item.t, math.inf, item.cause)

    def _next(self) -> Buffer | VideoFrame | _Interruption | None:
        """The newest frame or the oldest sound as they come; None at the end."""
        assert self._clock is not None
        with self._changed:
            while True:
                if self._stall is not None and self._stall.is_clear(self._clock.now()):
                    self._settle()
                if self._frame or self._sound or self._over:
                    break
                self._changed.wait(None if self._stall is None else STALL_S)
            if self._frame is not None:
                frame, self._frame = self._frame, None
                return frame
            if not self._sound:
                return None
            buffer = self._sound.popleft()
            if isinstance(buffer, Buffer):
                self._waiting_s -= buffer.arrival.duration_s
            self._changed.notify_all()
            return buffer

    def _add(self, buffer: Buffer) -> None:
        self._waiting_s += buffer.arrival.duration_s
        if self._stall is None:
            self._sound.append(buffer)
            return
        self._stall.add(buffer)
        if self._stall.is_clear(buffer.arrival.at) or self._stall.duration_s >= self._queue_s:
            self._settle()

    def _settle(self) -> None:
        """Let go of the sound held after a stall, with what is known now."""
        stall, self._stall = self._stall, None
        if stall is None:
            return
        long = stall.duration_s >= self._queue_s  # a burst, of which more may follow
        if long or not stall.missing_s:
            self._sound += stall.late()
        else:
            self._sound += stall.new()
            self._counted_end = stall.end

    def _finish(self, why: str) -> None:
        self._settle()
        self._over = self._over or why
        self._changed.notify_all()

    def _room(self) -> bool:
        return bool(self._over) or not self._sound or self._waiting_s < self._queue_s

    def _now(self, stream: Stream) -> float:
        """The present; raises MmerError where ``stream`` cannot be pushed now."""
        if not self._has[stream]:
            raise MmerError(f"this PushSource was made with {stream}=False")
        if self._over:
            raise MmerError(f"nothing more can be pushed: {self._over}")
        if self._clock is None or not self._started:
            raise MmerError(
                "the session has not begun: give the source to a Recognizer, iterate that, and "
                "call wait_started() before the first push"
            )
        return self._clock.now()

    def _check_sound(self, samples: Any, rate: Any) -> float:
        """Its seconds; raises MmerError for what is no sound."""
        kind, shape = _kind(samples)
        if kind not in (np.int16, np.float32) or len(shape) != 1:
            mix = ""
            if kind in (np.int16, np.float32) and len(shape) == 2:
                channels = 0 if shape[0] < shape[1] else 1
                mix = f": mix it down by samples.mean(axis={channels}).astype(samples.dtype)"
            raise MmerError(f"sound is int16 or float32 (n,), mono, got {kind} {shape}{mix}")
        if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or rate not in RATES:
            raise MmerError(
                f"the rate is a whole number of samples a second from {RATES[0]} to {RATES[-1]}, "
                f"got {rate!r}"
            )
        if kind == np.float32:
            highest = float(np.abs(samples).max(initial=0.0))
            if not math.isfinite(highest):
                raise MmerError("sound is finite numbers in -1..1, got infinity or NaN")
            if highest > _LOUDEST:
                raise MmerError(
                    f"float32 sound is in -1..1, got {highest:.0f}: divide what was int16 by "
                    "32768, or push it as int16"
                )
        duration_s = len(samples) / rate
        if duration_s > self._queue_s:
            raise MmerError(f"one push holds {self._queue_s:g} s at most, got {duration_s:.1f} s")
        return duration_s

    def _stamp(self, duration_s: float, t: float | None, now: float) -> tuple[float, str]:
        """Capture time of the sound's end, not later than ``now``; why sound before it is lost."""
        before, lost = self._sound_end, self._lost
        if t is None:
            counted = now if before is None or lost else self._counted_end + duration_s
            if counted > now + AHEAD_S:
                raise MmerError(
                    f"{counted - now:.1f} s more sound was pushed than time has passed: push it as "
                    "it is captured"
                )
            # a crystal that runs fast must not add up
            self._counted_end = counted - min(max(0.0, counted - now), 0.01 * duration_s)
            self._sound_end = now
            return now, lost
        end = _end_time(t, duration_s, now)
        # sound pushed without a time ended between its count of samples and its arrival
        if before is not None and t < (early := min(before, self._counted_end)) - _HOLE_S:
            raise MmerError(
                f"sound from {t:.2f} s was pushed after sound up to {early:.2f} s: push in order"
            )
        if before is not None and t > before + _HOLE_S:
            lost = lost or "hole in the stamps of the pushed sound"
        self._settle()
        self._sound_end = self._counted_end = t + duration_s
        return end, lost


def _check_seconds(name: str, value: Any, low: float = 0.0) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not low <= value <= threading.TIMEOUT_MAX:
        raise MmerError(f"{name} is {value!r}, expected a number of seconds")


def _kind(array: Any) -> tuple[Any, tuple[int, ...]]:
    """Type and shape of an array; name of the type and () of anything else."""
    if isinstance(array, np.ndarray):
        return array.dtype, array.shape
    return type(array).__name__, ()


def _end_time(t: float, duration_s: float, now: float) -> float:
    """End of what begins at ``t``, not later than ``now``; raises MmerError for no sane time."""
    number = isinstance(t, int | float | np.number) and math.isfinite(t)
    if not number or not -AHEAD_S <= t <= now + AHEAD_S - duration_s:
        what = f"{duration_s:.2f} s of sound" if duration_s else "a frame"
        raise MmerError(
            "t is in seconds since the session's start and not ahead of its clock: got "
            f"{t!r} for {what} at {now:.2f} s"
        )
    return min(float(t) + duration_s, now)
