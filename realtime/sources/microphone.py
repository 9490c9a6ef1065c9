"""Microphone source, by PortAudio (package sounddevice)."""

from __future__ import annotations

import math
import queue
import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap, Notice, Stream
from mmer.realtime.sources.adc_time import Arrival
from mmer.realtime.sources.capture import Buffer, CaptureRuns
from mmer.realtime.sources.retry import reopen
from mmer.realtime.sources.source import Source
from mmer.realtime.sources.standstill import Standstill

_CHANNELS: Final = 2  # asked for at most: a sound server offers 32 for any device
_LATENCY_S: Final = 0.1  # how long the callback may be kept waiting before sound is lost
_POLL_S: Final = 0.1
_DEAD_S: Final = 2.0  # without a buffer: the device is gone
_START_S: Final = 5.0  # for the first buffer: a suspended device takes its time to wake
_BUSY_S: Final = 5.0  # of another microphone's that is opened or closed
_CLOSE_S: Final = 2.0  # that a close waits for it; then a thread of its own closes
_NEVER: Final = "never started"
_NEVER_BACK: Final = "opened again, and gives no sound"
_HELP: Final = "see mmer-live --list-devices; media files work without a microphone"


@dataclass(frozen=True)
class InputDevice:
    """A sound input of PortAudio."""

    index: int
    name: str
    host: str  # ALSA, Core Audio, Windows WASAPI, ...
    channels: int
    rate: float  # Hz, the one it prefers
    default: bool


def input_devices() -> list[InputDevice]:
    """The sound inputs there are; raises MmerError where PortAudio itself is missing."""
    sd = _sounddevice()
    with _portaudio():
        return _inputs(sd)


def _inputs(sd: Any) -> list[InputDevice]:
    """`input_devices` for a caller that holds PortAudio."""
    try:
        devices, hosts = list(sd.query_devices()), sd.query_hostapis()
    except sd.PortAudioError as error:
        raise MmerError(f"PortAudio cannot list the sound devices: {error}") from error
    default = sd.default.device[0]
    return [
        InputDevice(
            index=index,
            name=str(d["name"]),
            host=str(hosts[d["hostapi"]]["name"]),
            channels=int(d["max_input_channels"]),
            rate=float(d["default_samplerate"]),
            default=index == default,
        )
        for index, d in enumerate(devices)
        if d["max_input_channels"] > 0
    ]


def choose_device(
    wanted: int | str | None, devices: list[InputDevice], host: str | None = None
) -> InputDevice:
    """The input that ``wanted`` (None = default, index, or part of a name) means.

    Windows shows each device once a host API, one of which cuts names short: of several devices of
    one name that of ``host`` is taken (None: the default one's), or else the first.
    Raises MmerError, which lists what there is, when none or several fit.
    """
    there = "; ".join(f"{d.index}: {d.name} ({d.host})" for d in devices) or "none"
    if not devices:
        raise MmerError(f"there is no microphone; connect one, or {_HELP}")
    if wanted is None:
        # without a default that PortAudio names, the first one is as good as any
        return next((d for d in devices if d.default), devices[0])
    if isinstance(wanted, str) and wanted.strip().isdecimal():
        wanted = int(wanted)
    if isinstance(wanted, int):
        for device in devices:
            if device.index == wanted:
                return device
        raise MmerError(f"no sound input has the index {wanted}; there are: {there}")
    name = wanted.casefold()
    fits = [d for d in devices if d.name.casefold() == name]
    fits = fits or [d for d in devices if name in d.name.casefold()]
    if len(fits) > 1 and len({d.name for d in fits}) == 1 < len({d.host for d in fits}):
        host = host or next((d.host for d in devices if d.default), None)
        if all(d.host != host for d in fits):
            host = fits[0].host
        fits = [d for d in fits if d.host == host]
    if len(fits) != 1:
        what = "no sound input is" if not fits else "several sound inputs are"
        raise MmerError(f"{what} called {wanted!r}; give an index or more of the name: {there}")
    return fits[0]


class Microphone(Source):
    """A live sound input: 16 kHz mono int16 in blocks of about ``block_s``.

    16 kHz is asked of the device, and two channels where it has as many: mixed by the driver, two
    that cancel each other would be silence. They are mixed as those of a file (``Mixer``). A device
    that refuses is opened as it likes and resampled.
    PortAudio's callback only copies each buffer into a ring of ``ring_s`` seconds and never
    waits; a lost stretch (PortAudio's overflow flag, or the ring overflowing because the reader
    was too slow) comes out as a ``Gap``, and the sound after it is timed afresh. See
    ``CaptureTimeline`` for how capture times are made.

    A device that stops is a ``Gap`` without end and a notice. For ``patience_s`` it is opened
    again and again (by its name; the default one, whichever that is by then); the sound after it
    comes behind a ``Gap`` from the last sound before. A microphone that is dropped without
    ``close`` is closed when it is collected.
    """

    live = True
    streams: frozenset[Stream] = frozenset({"audio"})

    def __init__(
        self,
        device: int | str | None = None,
        block_s: float = 0.02,
        ring_s: float = 10.0,
        patience_s: float = 0.0,
    ) -> None:
        self.name = "microphone"
        self._wanted = device
        self._host: str | None = None
        self._block_s = block_s
        self._size = max(1, round(ring_s / block_s))
        self._patience_s = patience_s
        self._stopped = threading.Event()
        self._opening = threading.Lock()
        self._ring: _Ring | None = None  # of the open stream
        self._release: weakref.finalize[..., Any] | None = None  # closes it, once
        self._clock: Clock | None = None

    def open(self, clock: Clock) -> None:
        self._clock = clock
        self._start()

    def _start(self) -> None:
        """Choose and start the device; raises MmerError."""
        sd = _sounddevice()
        assert self._clock is not None
        with _portaudio():
            # the list and what is opened of it by its index are of the same start of PortAudio
            device = choose_device(self._wanted, _inputs(sd), self._host)
            self.name = f"microphone {device.name!r}"
            self._open_stream(sd, device, self._clock)
        if self._stopped.is_set():  # closed meanwhile
            self._close_stream()
        if self._wanted is not None:
            # its index may be another's when it is back
            self._wanted, self._host = device.name, device.host

    def _open_stream(self, sd: Any, device: InputDevice, clock: Clock) -> None:
        """Open the device, as it likes where it refuses; its caller holds PortAudio."""
        own, few = round(device.rate), min(device.channels, _CHANNELS)
        tried = [
            *((SAMPLE_RATE, few), (own, few)),
            *((SAMPLE_RATE, 1), (own, 1), (own, device.channels)),
        ]
        problem: Exception | None = None
        for rate, channels in dict.fromkeys(tried):
            ring = _Ring(clock, rate, channels, self._size, self._stopped)
            try:
                ring.stream = sd.RawInputStream(
                    samplerate=rate,
                    channels=channels,
                    dtype="int16",
                    device=device.index,
                    blocksize=round(self._block_s * rate),
                    latency=_LATENCY_S,
                    callback=ring.callback,
                )
                _OPEN.add(ring.stream)
                with self._opening:
                    self._ring = ring
                    # PortAudio must not call into what Python has collected
                    self._release = weakref.finalize(self, _close, ring.stream)
                if not self._stopped.is_set():
                    ring.stream.start()
                return
            except (sd.PortAudioError, ValueError) as error:
                problem = error
                if self._taken() is not None:
                    _close_held(ring.stream)
        raise MmerError(f"{self.name} cannot be opened: {problem}; is it in use? {_HELP}")

    def messages(self) -> Iterator[AudioBlock | Gap | Notice]:
        assert self._clock is not None, "open() comes first"
        assert self._ring is not None
        clock = self._clock
        runs = CaptureRuns(float(self._ring.stream.latency))
        away, until = False, 0.0
        while True:
            why = yield from self._listen(runs, away)
            if not why:  # stopped by the session
                yield from runs.finish()
                return
            if why != _NEVER_BACK:
                until = clock.now() + self._patience_s
                yield from runs.lose()
                text = f"{self.name} {why} giving sound; check its cable"
                text += ", then start again" if not self._patience_s else "; waiting for it"
                yield Notice(clock.now(), "error", "microphone", text)
                yield Gap("audio", runs.end, math.inf, "the microphone stopped")
            away = True
            if not reopen(self._start_again, clock, until, self._stopped):
                yield from runs.finish()
                return

    def _listen(
        self, runs: CaptureRuns, away: bool
    ) -> Generator[AudioBlock | Gap | Notice, None, str]:
        """Sound until the device dies: how, or "" where the session has stopped it."""
        clock, ring = self._clock, self._ring
        assert clock is not None
        assert ring is not None
        silence = Standstill()
        waited, patience = 0.0, _START_S
        while True:
            try:
                buffer = ring.buffers.get(timeout=_POLL_S)
            except queue.Empty:
                waited += _POLL_S
                if self._stopped.is_set():
                    return ""
                if waited >= patience or not _is_active(ring.stream):
                    return _NEVER_BACK if away else "stopped" if patience == _DEAD_S else _NEVER
                continue
            waited, patience = 0.0, _DEAD_S
            if buffer.starts != clock.starts:  # captured before the session began
                continue
            if away:
                away = False
                buffer = replace(buffer, lost="the microphone was away")
                yield Notice(clock.now(), "info", "microphone", f"{self.name} is back")
            if silence.update(buffer.arrival.at, dead=not buffer.samples.any()):
                text = f"{self.name} gives nothing but zeros: it is muted, or another one is meant"
                yield Notice(clock.now(), "warning", "microphone", text)
            yield from runs.push(buffer)
            for text in runs.reports():
                yield Notice(clock.now(), "warning", "microphone", f"{self.name}: {text}")

    def _start_again(self) -> None:
        self._close_stream()
        _restart_portaudio()
        self._start()

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._close_stream()

    def _close_stream(self) -> None:
        stream = self._taken()
        if stream is not None:
            _close(stream, _CLOSE_S)

    def _taken(self) -> Any:
        """The open stream, whose closing is the caller's from now on; None where there is none."""
        with self._opening:
            release, self._release = self._release, None
        taken = None if release is None else release.detach()
        return None if taken is None else taken[2][0]


class _Ring:
    """Buffers between PortAudio's thread and the reader's.

    It knows nothing of the ``Microphone``: what PortAudio calls keeps no microphone alive.
    """

    def __init__(
        self, clock: Clock, rate: int, channels: int, size: int, stopped: threading.Event
    ) -> None:
        self.buffers: queue.Queue[Buffer] = queue.Queue(maxsize=size)
        self.stream: Any = None
        self._clock = clock
        self._rate = rate
        self._channels = channels
        self._stopped = stopped
        self._overflowed = False

    def callback(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio's thread: copy, stamp, and be gone."""
        if self._stopped.is_set():
            return
        starts = self._clock.starts  # first: a time of before a start must not pass for one after
        arrival = Arrival(self._clock.now(), frames / self._rate, self._age(times))
        lost = "input overflow" if status.input_overflow else ""
        if self._overflowed:
            lost = "the ring was full: the computer is too slow"
        try:
            samples = np.frombuffer(bytes(data), np.int16).reshape(-1, self._channels)
            self.buffers.put_nowait(Buffer(samples, self._rate, arrival, lost, starts))
            self._overflowed = False
        except queue.Full:
            self._overflowed = True  # reported with the next buffer that finds room

    def _age(self, times: Any) -> float | None:
        """Seconds since the buffer's first sample by the device's clock; None = unknown."""
        made, now = float(times.inputBufferAdcTime), float(times.currentTime)
        if now <= 0.0 and self.stream is not None:  # some hosts leave it 0
            now = float(self.stream.time)
        return now - made if made > 0.0 and now > 0.0 else None


_PORTAUDIO: Final = threading.Lock()
"""Held around every call of PortAudio, which is not safe between threads: of all the microphones of
this process one at a time lists, opens, starts, asks or closes, or starts PortAudio again. The
callback never waits for it: closing waits for the callback."""

_OPEN: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Streams of this process that are open: PortAudio restarts only where there is none."""


@contextmanager
def _portaudio() -> Iterator[None]:
    """Hold PortAudio; MmerError where another microphone's device keeps it busy for too long."""
    if not _PORTAUDIO.acquire(timeout=_BUSY_S):
        raise MmerError(
            f"PortAudio has been busy with another microphone for {_BUSY_S:g} s; {_HELP}"
        )
    try:
        yield
    finally:
        _PORTAUDIO.release()


def _is_active(stream: Any) -> bool:
    """Whether a stream still calls back; one that cannot even be asked has gone with its device."""
    if not _PORTAUDIO.acquire(blocking=False):
        return True  # to be asked again: sound must not wait for another microphone
    try:
        return bool(stream.active)
    except _sounddevice().PortAudioError:
        return False
    finally:
        _PORTAUDIO.release()


def _close(stream: Any, wait_s: float = 0.0) -> None:
    """Close a stream, by a thread of its own where PortAudio is busy for longer than ``wait_s``.

    The collector of garbage calls this in any thread, which may hold PortAudio, or be its callback.
    """
    if _PORTAUDIO.acquire(timeout=wait_s):
        try:
            _close_held(stream)
        finally:
            _PORTAUDIO.release()
        return
    later = threading.Thread(target=_close, args=(stream, -1), name="portaudio-close", daemon=True)
    try:
        later.start()
    except RuntimeError:  # no more threads: the process ends, and its streams with it
        return


def _close_held(stream: Any) -> None:
    """Close a stream; the caller holds PortAudio."""
    _OPEN.discard(stream)
    stream.close(ignore_errors=True)


def _restart_portaudio() -> None:
    """Let PortAudio look for devices again: it lists those that were there when it began."""
    sd = _sounddevice()
    with _portaudio():
        if _OPEN:
            return
        with suppress(sd.PortAudioError):  # it did not start the last time
            sd._terminate()
        try:
            sd._initialize()
        except sd.PortAudioError as error:
            raise MmerError(f"PortAudio cannot start again: {error}") from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:  # the Python package is there, the C library is not
        raise MmerError(
            "the PortAudio library is missing, so there is no microphone: on Debian or Ubuntu "
            "run `sudo apt-get install libportaudio2`; media files work without it"
        ) from error
    except ImportError as error:
        raise MmerError(
            "the package sounddevice is missing, so there is no microphone: "
            "`pip install sounddevice`; media files work without it"
        ) from error
    return sounddevice
