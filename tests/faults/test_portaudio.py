"""PortAudio's calls: each fails at its n-th use, and none overlaps another microphone's."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        self._running = True

    def use(self, call: str) -> bool:
        return self._injector.fired < self._lasts and self._injector.use(call)

    def query_devices(self) -> list[dict[str, Any]]:
        self.use("devices")
        self._need_running()
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
        self._need_running()
        self._running = False

    def _initialize(self) -> None:
        self.use("start up")
        self._running = True

    def _need_running(self) -> None:
        if not self._running:
            raise PortAudioError("PortAudio not initialized")


class Stream:
    latency = 0.04
    time = 0.0

    def __init__(self, library: Library, options: dict[str, Any]) -> None:
        self._library, self._options = library, options
        self._stopped = threading.Event()
        self.started = False
        self._thread = threading.Thread(target=self._run, name="portaudio", daemon=True)

    def start(self) -> None:
        self._library.use("start")
        self.started = True
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


class Exclusive(Library):
    """A `Library` that records what would crash PortAudio: calls that overlap, and calls or open
    streams while it is not started. Each call lasts ``CALL_S``."""

    CALL_S = 0.003

    def __init__(self) -> None:
        super().__init__(Injector(), 0)
        self.faults: list[str] = []
        self.calls = 0
        self.restarts = 0
        self.unplugged = threading.Event()
        self.hangs = threading.Event()  # the next opening lasts until it is cleared
        self._inside: list[str] = []
        self._started = True

    @contextmanager
    def inside(self, call: str) -> Iterator[None]:
        if call == "callback":  # PortAudio's own thread
            yield
            return
        self.calls += 1
        if self._inside:
            self.faults.append(f"{call} within {self._inside[0]}")
        if not self._started and call != "start up":
            self.faults.append(f"{call} while PortAudio is not started")
        self._inside.append(call)
        time.sleep(self.CALL_S)
        try:
            yield
        finally:
            self._inside.remove(call)

    def use(self, call: str) -> bool:
        with self.inside(call):
            while call == "open" and self.hangs.is_set():
                time.sleep(0.005)
            if call in ("open", "callback") and self.unplugged.is_set():
                raise PortAudioError("Device unavailable")
        return False

    def _terminate(self) -> None:
        with self.inside("terminate"):
            self._started = False
            open_ = [s for s in self.streams if s.started and not s._stopped.is_set()]
            self.faults += ["terminate with an open stream" for _ in open_]

    def _initialize(self) -> None:
        with self.inside("start up"):
            self._started = True
            self.restarts += 1


@pytest.fixture
def exclusive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exclusive]:
    library = Exclusive()
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    monkeypatch.setattr(module, "_POLL_S", 0.01)
    monkeypatch.setattr(module, "_DEAD_S", 0.1)
    monkeypatch.setattr(module, "_CLOSE_S", 0.1)
    monkeypatch.setattr(retry, "_DELAYS_S", (0.005,))
    yield library
    assert library.faults == []


def opened() -> Microphone:
    source = Microphone(patience_s=LIMIT_S)
    source.open(SessionClock())
    return source


def test_microphones_that_come_back_together_use_portaudio_one_at_a_time(
    exclusive: Exclusive,
) -> None:
    sources = [opened() for _ in range(3)]
    notices: list[str] = []

    def listen(source: Microphone) -> None:
        notices.extend(m.text for m in source.messages() if isinstance(m, Notice))

    threads = [threading.Thread(target=listen, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for back in range(1, 4):
        until = time.monotonic() + LIMIT_S
        restarts = exclusive.restarts
        exclusive.unplugged.set()
        while (
            sum("waiting for it" in text for text in notices) < back * len(sources)
            or exclusive.restarts == restarts  # once the last of them has closed its stream
        ):
            assert time.monotonic() < until, (notices, exclusive.faults[:5])
            time.sleep(0.01)
        exclusive.unplugged.clear()
        while sum("is back" in text for text in notices) < back * len(sources):
            assert time.monotonic() < until, (notices, exclusive.faults[:5])
            time.sleep(0.01)
    for source in sources:
        source.stop()
    for thread, source in zip(threads, sources, strict=True):
        thread.join(LIMIT_S)
        assert not thread.is_alive()
        source.close()
    assert exclusive.restarts >= 3
    assert not module._OPEN


def test_opening_listing_and_closing_in_many_threads_do_not_overlap(exclusive: Exclusive) -> None:
    def churn() -> None:
        for _ in range(8):
            source = opened()
            module.input_devices()
            module._restart_portaudio()
            source.close()

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S * 2)
        assert not thread.is_alive()
    assert exclusive.calls > 4 * 8 * 4


@pytest.mark.parametrize("how", ["closed", "dropped", "opened", "heard"])
def test_a_device_that_hangs_while_it_is_opened_holds_up_no_other_microphone(
    exclusive: Exclusive, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    source = opened()
    stream = exclusive.streams[0]
    exclusive.hangs.set()
    hung: list[Microphone] = []
    opening = threading.Thread(target=lambda: hung.append(opened()))
    opening.start()
    while "open" not in exclusive._inside:
        time.sleep(0.001)
    try:  # a device that hangs would hold up the tests that follow
        if how == "closed":
            source.close()
        elif how == "dropped":
            del source
            gc.collect()
        elif how == "opened":
            monkeypatch.setattr(module, "_BUSY_S", 0.2)
            with pytest.raises(MmerError, match="busy with another microphone"):
                opened()
        else:
            messages = source.messages()
            assert all(isinstance(next(messages), AudioBlock) for _ in range(20))
        assert opening.is_alive()  # nothing waited until it had come back
    finally:
        exclusive.hangs.clear()
        opening.join(LIMIT_S)
    hung[0].close()
    if how in ("closed", "dropped"):
        until = time.monotonic() + LIMIT_S
        while stream in module._OPEN or not stream._stopped.is_set():
            assert time.monotonic() < until, "it is still open"
            time.sleep(0.01)
    else:
        source.close()
    assert not module._OPEN
