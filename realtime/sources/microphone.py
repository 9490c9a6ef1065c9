"""Microphone source, by PortAudio (package sounddevice)."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap, Notice, Stream
from mmer.realtime.sources.adc_time import Arrival
from mmer.realtime.sources.capture import Buffer, CaptureRuns
from mmer.realtime.sources.source import Source

_LATENCY_S: Final = 0.1  # how long the callback may be kept waiting before sound is lost
_POLL_S: Final = 0.1
_DEAD_S: Final = 2.0  # without a buffer: the device is gone
_START_S: Final = 5.0  # for the first buffer: a suspended device takes its time to wake
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


def choose_device(wanted: int | str | None, devices: list[InputDevice]) -> InputDevice:
    """The input that ``wanted`` (None = default, index, or part of a name) means.

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
    if len(fits) > 1:
        # Windows shows each device once a host API: then the default one's host decides
        host = next((d.host for d in devices if d.default), None)
        fits = [d for d in fits if d.host == host] if len({d.name for d in fits}) == 1 else fits
    if len(fits) != 1:
        what = "no sound input is" if not fits else "several sound inputs are"
        raise MmerError(f"{what} called {wanted!r}; give an index or more of the name: {there}")
    return fits[0]


class Microphone(Source):
    """A live sound input: 16 kHz mono int16 in blocks of about ``block_s``.

    16 kHz mono is asked of the device; one that refuses is opened as it likes and resampled.
    PortAudio's callback only copies each buffer into a ring of ``ring_s`` seconds and never
    waits; a lost stretch (PortAudio's overflow flag, or the ring overflowing because the reader
    was too slow) comes out as a ``Gap``, and the sound after it is timed afresh. See
    ``CaptureTimeline`` for how capture times are made.
    """

    live = True
    streams: frozenset[Stream] = frozenset({"audio"})

    def __init__(
        self, device: int | str | None = None, block_s: float = 0.02, ring_s: float = 10.0
    ) -> None:
        self.name = "microphone"
        self._wanted = device
        self._block_s = block_s
        self._ring: queue.Queue[Buffer] = queue.Queue(maxsize=max(1, round(ring_s / block_s)))
        self._stopped = threading.Event()
        self._stream: Any = None
        self._clock: Clock | None = None
        self._rate = SAMPLE_RATE
        self._channels = 1
        self._overflowed = False

    def open(self, clock: Clock) -> None:
        sd = _sounddevice()
        device = choose_device(self._wanted, input_devices())
        self.name = f"microphone {device.name!r}"
        self._clock = clock
        own = round(device.rate)
        tried = [(SAMPLE_RATE, 1), (own, 1), (own, device.channels)]
        problem: Exception | None = None
        for rate, channels in dict.fromkeys(tried):
            self._rate, self._channels = rate, channels
            try:
                self._stream = sd.RawInputStream(
                    samplerate=rate,
                    channels=channels,
                    dtype="int16",
                    device=device.index,
                    blocksize=round(self._block_s * rate),
                    latency=_LATENCY_S,
                    callback=self._callback,
                )
                self._stream.start()
                return
            except (sd.PortAudioError, ValueError) as error:
                problem = error
                self.close()
        raise MmerError(f"{self.name} cannot be opened: {problem}; is it in use? {_HELP}")

    def _callback(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio's thread: copy, stamp, and be gone."""
        assert self._clock is not None  # set before the stream exists
        if self._stopped.is_set():
            return
        arrival = Arrival(self._clock.now(), frames / self._rate, self._age(times))
        lost = "input overflow" if status.input_overflow else ""
        if self._overflowed:
            lost = "the ring was full: the computer is too slow"
        try:
            samples = np.frombuffer(bytes(data), np.int16).reshape(-1, self._channels)
            self._ring.put_nowait(Buffer(samples, self._rate, arrival, lost, self._clock.starts))
            self._overflowed = False
        except queue.Full:
            self._overflowed = True  # reported with the next buffer that finds room

    def _age(self, times: Any) -> float | None:
        """Seconds since the buffer's first sample by the device's clock; None = unknown."""
        made, now = float(times.inputBufferAdcTime), float(times.currentTime)
        if now <= 0.0 and self._stream is not None:  # some hosts leave it 0
            now = float(self._stream.time)
        return now - made if made > 0.0 and now > 0.0 else None

    def messages(self) -> Iterator[AudioBlock | Gap | Notice]:
        assert self._clock is not None, "open() comes first"
        runs = CaptureRuns(float(self._stream.latency))
        waited, patience = 0.0, _START_S
        while True:
            try:
                buffer = self._ring.get(timeout=_POLL_S)
            except queue.Empty:
                waited += _POLL_S
                if self._stopped.is_set():
                    break
                if waited >= patience or not self._stream.active:
                    yield from runs.finish()
                    why = "stopped" if patience == _DEAD_S else "never started"
                    text = f"{self.name} {why} giving sound; check its cable, then start again"
                    yield Notice(self._clock.now(), "error", "microphone", text)
                    yield Gap("audio", runs.end, math.inf, "the microphone stopped")
                    return
            else:
                waited, patience = 0.0, _DEAD_S
                if buffer.starts == self._clock.starts:  # else captured before the session began
                    yield from runs.push(buffer)
        yield from runs.finish()

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)


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
