"""Fault injector: the n-th use of a boundary fails, once or for good."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class Injector:
    """Counts the uses of every boundary and fails at the one that ``arm`` names.

    A boundary is a name that doubles and proxies give to ``use`` whenever the program calls them.
    Any thread may call it.
    """

    def __init__(self) -> None:
        self.uses: Counter[str] = Counter()
        self.fired = 0
        self._lock = threading.Lock()
        self._boundary, self._nth, self._for_good = "", 0, False
        self._error: BaseException | None = None
        self._paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing meanwhile: a double is being made."""
        self._paused = True
        yield
        self._paused = False

    def arm(
        self, boundary: str, nth: int, for_good: bool = False, error: BaseException | None = None
    ) -> None:
        """Raise ``error`` at the ``nth`` use, or at every one from there on; None: only tell."""
        self.uses.clear()
        self.fired = 0
        self._boundary, self._nth, self._for_good, self._error = boundary, nth, for_good, error

    def use(self, boundary: str) -> bool:
        """Count one use; whether it is one that fails, where no error was given to raise."""
        with self._lock:
            if self._paused:
                return False
            self.uses[boundary] += 1
            n = self.uses[boundary]
            fails = n == self._nth or (self._for_good and n > self._nth)
            if boundary != self._boundary or not fails:
                return False
            self.fired += 1
        if self._error is not None:
            # the same object raised by several threads would collect their frames
            raise type(self._error)(*self._error.args)
        return True

    def spoiled(self, boundary: str, module: ModuleType, *names: str) -> Any:
        """A stand-in for ``module`` whose functions ``names`` are uses of ``boundary.name``."""
        return _Module(self, boundary, module, names)

    def container(self, container: Any) -> Any:
        """A stand-in for an opened media file: "demux" a packet, "decode" a packet's frames."""
        return _Container(self, container)


class _Module:
    def __init__(
        self, injector: Injector, boundary: str, module: ModuleType, names: tuple[str, ...]
    ) -> None:
        self._injector, self._boundary, self._module = injector, boundary, module
        self._names = names

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._module, name)
        if name not in self._names:
            return real

        def counted(*args: Any, **options: Any) -> Any:
            if name != "close":
                self._injector.use(f"{self._boundary}.{name}")
            done = real(*args, **options)
            if name == "close":  # one that fails has closed all the same
                self._injector.use(f"{self._boundary}.{name}")
            return done

        return counted


class _Container:
    def __init__(self, injector: Injector, container: Any) -> None:
        self._injector, self._container = injector, container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    @property
    def streams(self) -> _Streams:
        return _Streams(self._injector, self._container.streams)

    def demux(self, streams: list[_Stream]) -> Any:
        for packet in self._container.demux([stream.real for stream in streams]):
            self._injector.use("demux")
            yield packet


class _Streams:
    def __init__(self, injector: Injector, streams: Any) -> None:
        self._injector, self._streams = injector, streams

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams, name)

    def __iter__(self) -> Any:
        return iter(self._streams)

    def __getitem__(self, index: int) -> _Stream:
        return _Stream(self._injector, self._streams[index])


class _Stream:
    def __init__(self, injector: Injector, stream: Any) -> None:
        self._injector, self.real = injector, stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def decode(self, packet: Any) -> Any:
        self._injector.use("decode")
        return self.real.decode(packet)
