"""Client of `mmer-serve`: sound and pictures out, the recognizer's messages in.

::

    for event in mmer.client.stream("http://127.0.0.1:8765/?token=...", "talk.mp4"):
        print(event)
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, VideoFrame
from mmer.realtime.open_sources import named_device, named_source, open_sources
from mmer.realtime.options import Options, parse_modalities
from mmer.realtime.pacing import Captured, paced
from mmer.realtime.serve.client_session import Session
from mmer.realtime.serve.lines import Event
from mmer.realtime.sources.source import Source

__all__ = ["astream", "stream"]


def stream(
    url: str,
    source: str | Path | Source | None = None,
    *,
    audio: int | str | None = None,
    video: int | str | None = None,
    pace: str = "real",
    token: str | None = None,
    options: Mapping[str, Any] | None = None,
    watch: str | None = None,
    tls: ssl.SSLContext | None = None,
    sha256: str | None = None,
) -> Generator[Event, None, None]:
    """Send a source to a server and yield the session's messages, `SessionEnd` last.

    ``source``, ``audio``, ``video`` and ``pace`` are as for `mmer.Recognizer`: a file, a
    recording's folder, a `Source`, or this machine's devices. With pace "max" the server works in
    virtual time, pictures are sent without loss, and the messages are those of ``mmer-live --pace
    max`` on this machine. The rest is as for `Session`; what its ``options`` have no modality for
    is not opened, and not sent.
    """
    virtual = "max" in (pace, (options or {}).get("pace"))
    chosen = Options(
        source=named_source(source),
        audio=named_device(audio),
        video=named_device(video),
        pace="max" if virtual else pace,
        **_needs(options or {}),
    )
    clock = SessionClock()
    sources, _ = open_sources(chosen, clock)
    try:
        has = frozenset().union(*(opened.streams for opened in sources))
        session = Session(
            url,
            token=token,
            rate=SAMPLE_RATE if "audio" in has else None,
            video="video" in has,
            options={**(options or {}), **({"pace": "max"} if virtual else {})},
            watch=watch,
            tls=tls,
            sha256=sha256,
        )
        with session:
            feeding = Feeding(session, sources, clock, virtual=virtual)
            try:
                yield from session
            finally:
                feeding.stop()
            feeding.check()
    finally:
        for opened in sources:
            opened.close()


def _needs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a session's options that decide which streams it needs."""
    modalities = options.get("modalities")
    if isinstance(modalities, str):
        modalities = parse_modalities(modalities)
    needs = {} if modalities is None else {"modalities": modalities}
    return needs | ({"asr": "none"} if options.get("asr") == "none" else {})


async def astream(url: str, *args: Any, **options: Any) -> AsyncIterator[Event]:
    """`stream` for ``async for``; it runs in a thread of its own."""
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(1, thread_name_prefix="client")
    events = stream(url, *args, **options)
    step: asyncio.Future[Event | None] | None = None
    try:
        while True:
            step = loop.run_in_executor(executor, next, events, None)
            event = await asyncio.shield(step)
            if event is None:
                return
            yield event
    finally:
        if step is not None and not step.done():  # cancelled: the thread is still in there
            await asyncio.wait([step])
        await loop.run_in_executor(executor, events.close)
        executor.shutdown(wait=False)


class Feeding:
    """Threads that send the messages of opened sources; the last one ends the session."""

    def __init__(
        self, session: Session, sources: list[Source], clock: SessionClock, *, virtual: bool
    ) -> None:
        self._session, self._sources, self._clock = session, sources, clock
        self._virtual = virtual
        self._stopped = threading.Event()
        self._left = len(sources)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        clock.restart()
        self._threads = [
            threading.Thread(target=self._feed, args=(s,), name=s.name, daemon=True)
            for s in sources
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the sources and join."""
        self._stopped.set()
        for source in self._sources:
            source.stop()
        self._session.close()
        for thread in self._threads:
            thread.join(5.0)

    def check(self) -> None:
        """Raise the error of a source."""
        if self._error is not None:
            raise self._error

    def _feed(self, source: Source) -> None:
        messages: Iterator[Captured] = source.messages()
        if not (source.live or self._virtual):
            messages = paced(messages, self._clock, self._stopped)
        try:
            for message in messages:
                if self._stopped.is_set():
                    return
                if isinstance(message, AudioBlock):
                    self._session.push_audio(message.samples, self._stamp(message.t0))
                elif isinstance(message, VideoFrame):
                    self._session.push_picture(message.image, self._stamp(message.t))
        except BaseException as error:  # noqa: BLE001  raised in the iterating thread
            self._error = error
        finally:
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last and not self._stopped.is_set():
                self._session.stop()

    def _stamp(self, t: float) -> float | None:
        """A time on the sources' clock as one of the session's; None: of its arrival."""
        return t if self._virtual else self._session.now(self._clock.origin + t)
