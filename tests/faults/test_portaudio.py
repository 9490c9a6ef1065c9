"""Every call of PortAudio fails at its n-th use: the sound comes again, or one line is said."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from injector import Injector

from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import AudioBlock, Notice
from mmer.realtime.sources import microphone as module
from mmer.realtime.sources import retry
from mmer.realtime.sources.microphone import Microphone

LIMIT_S = 5.0
CALLS = (
    "devices",
    "hosts",
    "open",
    "start",
    "active",
    "callback",
    "close",
    "terminate",
    "start up",
)


class PortAudioError(Exception):
    pass


class Library:
    """Stands in for the package sounddevice; a thread of its own calls back, as PortAudio's does.

    Calls fail as long as ``lasts`` uses have not failed yet.
    """

    PortAudioError = PortAudioError
    default = SimpleNamespace(device=[0, 0])

    def __init__(self, injector: Injector, lasts: int) -> None:
        self._injector, self._lasts = injector, lasts
        self.streams: list[Stream] = []

    def use(self, call: str) -> bool:
        return self._injector.fired < self._lasts and self._injector.use(call)

    def query_devices(self) -> list[dict[str, Any]]:
        self.use("devices")
        kinds = {"max_input_channels": 1, "default_samplerate": 48_000.0}
        return [{"name": "USB Audio", "hostapi": 0, **kinds}]

    def query_hostapis(self) -> list[dict[str, str]]:
        self.use("hosts")
        return [{"name": "ALSA"}]

    def RawInputStream(self, **options: Any) -> Stream:
        self.use("open")
        self.streams.append(Stream(self, options))
        return self.streams[-1]

    def _terminate(self) -> None:
        self.use("terminate")

    def _initialize(self) -> None:
        self.use("start up")


class Stream:
    latency = 0.04
    time = 0.0

    def __init__(self, library: Library, options: dict[str, Any]) -> None:
        self._library, self._options = library, options
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="portaudio", daemon=True)

    def start(self) -> None:
        self._library.use("start")
        self._thread.start()

    @property
    def active(self) -> bool:
        self._library.use("active")
        return self._thread.is_alive()

    def close(self, ignore_errors: bool = True) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            self._library.use("close")
        except PortAudioError:
            if not ignore_errors:
                raise

    def _run(self) -> None:
        size = self._options["blocksize"]
        status = SimpleNamespace(input_overflow=False)
        times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=0.0)
        while not self._stopped.wait(0.005):
            try:
                self._library.use("callback")
            except PortAudioError:  # what a callback raises ends the stream
                return
            data = np.full((size, self._options["channels"]), 9, np.int16).tobytes()
            self._options["callback"](memoryview(data), size, times, status)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int, int], Library]]:
    made: list[Library] = []

    def plug(call: str, n: int, lasts: int) -> Library:
        injector = Injector()
        injector.arm(call, n, for_good=True, error=PortAudioError("unanticipated host error"))
        made.append(Library(injector, lasts))
        monkeypatch.setitem(sys.modules, "sounddevice", made[-1])
        return made[-1]

    monkeypatch.setattr(module, "_POLL_S", 0.01)
    monkeypatch.setattr(module, "_DEAD_S", 0.1)
    monkeypatch.setattr(retry, "_DELAYS_S", (0.005,))
    yield plug
    assert not [s for library in made for s in library.streams if s._thread.is_alive()]


@pytest.mark.parametrize("lasts", [1, 4])
@pytest.mark.parametrize("call", CALLS)
def test_every_use_of_portaudio(
    plugged: Callable[[str, int, int], Library], call: str, lasts: int
) -> None:
    fired = 0
    for n in range(1, 6):
        library = plugged(call, n, lasts)
        injector = library._injector
        source = Microphone(patience_s=LIMIT_S)
        try:
            source.open(SessionClock())
        except MmerError as error:
            refused = str(error)
            source.close()
        else:
            refused = ""
        if refused:
            assert injector.fired
            assert "\n" not in refused
            fired += 1
            continue
        began = time.monotonic()
        heard, unplugged = 0, False
        notices: list[Notice] = []
        for message in source.messages():
            assert time.monotonic() - began < LIMIT_S, f"no sound after use {n}"
            notices += [message] if isinstance(message, Notice) else []
            heard += isinstance(message, AudioBlock)
            if heard == 10 and not unplugged:
                unplugged, heard = True, 0
                library.streams[-1]._stopped.set()  # so that it is opened again
            if heard == 10:
                source.stop()
        assert heard >= 10
        source.close()
        fired += injector.fired > 0
        if injector.fired == 0:
            break
        assert all(len(notice.text.splitlines()) == 1 for notice in notices)
    assert fired >= 1
