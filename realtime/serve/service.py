"""State of the server that all its connections share: models, sessions, jobs, metrics."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from mmer.models.bundle import Bundle
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import Stream
from mmer.realtime.policy import DEFAULT_POLICY, POLICIES
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.metrics import Metrics
from mmer.realtime.serve.protocol import Close, ProtocolError, Start
from mmer.realtime.serve.session import ServedSession
from mmer.realtime.serve.session_outputs import SessionOutputs
from mmer.realtime.serve.tickets import NO_SUCH, Part, Tickets
from mmer.realtime.serve.watchers import ToWatchers, Watchers
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.registry import refuse_mixing, writers

ENDING: Final = "the server is about to end"
_THREADS: Final = 2  # that decode pictures: each session has at most one in work


class Full(MmerError):
    """As many sessions or jobs as there may be."""


class Service:
    """State shared by all endpoints; may be created in any thread, used in the event loop's.

    Args:
        token: that clients must give; "" for none.
        models: shared by all sessions; default: the shipped ones.
        limits: of one client and of all together.
        defaults: options of a recognizer where the client chooses none.
        offline: whether sessions may not download.
        outputs: of the streams' sessions, besides the lines for their clients.
        tickets: makes keys by which sessions of other processes go on in this one; default: none.

    Raises:
        MmerError: outputs that the defaults forbid: the policy stores nothing, or they mix people.
    """

    def __init__(
        self,
        token: str = "",
        models: SharedModels | None = None,
        limits: Limits | None = None,
        defaults: Mapping[str, Any] | None = None,
        offline: bool = False,
        outputs: SessionOutputs | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        self.tickets = tickets
        self.models = SharedModels() if models is None else models
        self.limits = limits or Limits()
        self.defaults = dict(defaults or {})
        self.offline = offline
        self.policy = POLICIES[self.defaults.get("policy", DEFAULT_POLICY)]
        self._outputs = outputs or SessionOutputs()
        self.policy.refuse_writers(writers(self._outputs.targets))
        refuse_mixing(self.defaults.get("people", "largest"), self._outputs.targets)
        self.metrics = Metrics()
        self.watchers = Watchers()
        self.sessions: dict[str, ServedSession] = {}  # by key
        self.loaded: dict[str, str | None] = {}  # by part: what was loaded
        self.stopping = False
        self._token = token.encode()
        self._bundle = Bundle(self.models.weights)
        self._pending = 0
        self._jobs = 0
        self._opening = 0
        self._decoders = ThreadPoolExecutor(_THREADS, thread_name_prefix="decode")
        self._stops: set[Callable[[], object]] = set()  # of files
        self._stopped = False  # files are
        self._tasks: set[asyncio.Task[Any]] = set()  # of sessions and their conversations

    def token_is(self, given: str) -> bool:
        """Whether ``given`` is the token, in a time that does not depend on where it differs."""
        return not self._token or hmac.compare_digest(given.encode(errors="replace"), self._token)

    # --- sessions --------------------------------------------------------------------------------

    async def revive(self, start: Start) -> ServedSession:
        """The session of another process that ``start`` resumes, as a new part of it, running.

        Raises:
            ProtocolError: its key is none of ours, or it cannot go on.
            MmerError: as ``open``.
        """
        if self.tickets is None:
            raise ProtocolError(NO_SUCH)
        found, part, began = self.tickets.read(start, self.limits.longest_s)
        return await self.open(found, part, began)

    async def open(
        self, start: Start, part: Part | None = None, began: float | None = None
    ) -> ServedSession:
        """A new session, or a ``part`` of one that ``began`` elsewhere, running.

        Raises:
            Full: there are as many as there may be, or the server is about to end.
            MmerError: the options are wrong, or a model is missing.
        """
        if self.stopping:
            raise Full(ENDING)
        while len(self.sessions) + self._opening >= self.limits.max_sessions:
            if not self._evict():
                raise Full(
                    f"there are {len(self.sessions)} sessions, as many as there may be: "
                    "try again later"
                )
        if start.video and "face" not in self.policy.modalities:
            raise MmerError(f"the server's policy is {self.policy.name}: it takes no pictures")
        options = {**self.defaults, **start.options}
        refuse_mixing(options.get("people", "largest"), self._outputs.targets)
        outputs = [*self._outputs.for_session()]
        if start.watch is not None:
            outputs.append(ToWatchers(self.watchers, start.watch, part))
        made = ServedSession(
            replace(start, options=options),
            self.models,
            self.limits,
            self.metrics,
            self.offline,
            outputs,
            key="" if self.tickets is None else self.tickets.issue(start, began),
            part=part,
        )
        self._opening += 1
        try:
            if made.virtual:
                with self.job():
                    await made.open()
                    self._keep(made)
                    self._jobs += 1  # until it has ended
            else:
                await made.open()
                self._keep(made)
        finally:
            self._opening -= 1
        return made

    def _keep(self, session: ServedSession) -> None:
        self.sessions[session.key] = session
        task = asyncio.get_running_loop().create_task(self._until_done(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, session: ServedSession) -> None:
        while not session.done.is_set():
            session.watch()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(session.done.wait(), 1.0)
        self.sessions.pop(session.key, None)
        self._jobs -= session.virtual
        self.metrics.ended(session.code)

    def _evict(self) -> bool:
        """Give up the session whose client has been away longest; False where none is away."""
        away = [s for s in self.sessions.values() if s.away]
        if not away:
            return False
        oldest = min(away, key=lambda s: s.left_at)
        oldest.give_up(Close.LOST)
        del self.sessions[oldest.key]
        return True

    @contextmanager
    def pending(self) -> Iterator[None]:
        """A socket that has not started yet; raises Full."""
        if self.stopping:
            raise Full(ENDING)
        if self._pending >= self.limits.pending:
            raise Full("too many connections have not started yet: try again later")
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1

    @contextmanager
    def job(self) -> Iterator[None]:
        """A file, or a stream in virtual time; raises Full."""
        if self.stopping:
            raise Full(ENDING)
        if self._jobs >= self.limits.jobs:
            raise Full(f"{self._jobs} files are being analysed: try again later")
        self._jobs += 1
        try:
            yield
        finally:
            self._jobs -= 1

    @contextmanager
    def stopped_by_end(self, stop: Callable[[], object]) -> Iterator[None]:
        """Work on a file: ``stop`` is called when the server ends, or at once where it does."""
        self._stops.add(stop)
        try:
            if self._stopped:
                stop()
            yield
        finally:
            self._stops.discard(stop)

    def metrics_text(self) -> bytes:
        """Prometheus' text of this process."""
        sessions = self.sessions.values()
        return self.metrics.page([s.health for s in sessions], len(sessions))

    @contextmanager
    def conversation(self) -> Iterator[None]:
        """The task that talks to a session's client: the server's end waits for its last words."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    # --- models ----------------------------------------------------------------------------------

    async def load(self) -> None:
        """Load the models of the sessions, so that the first one starts at once; raises MmerError.

        Once: later calls do nothing.
        """
        if self.loaded:
            return
        from mmer.models.store.store import Store
        from mmer.realtime.assemble import assemble
        from mmer.realtime.options import Options

        options = Options(
            source="stream",
            offline=self.offline,
            weights=self.models.weights,
            provider=self.models.provider,
            **self.defaults,
        )
        store = Store(offline=self.offline or None)
        streams: frozenset[Stream] = frozenset({"audio", "video"})

        def work() -> dict[str, str | None]:
            return assemble(options, streams, store, shared=self.models).models

        self.loaded = await asyncio.to_thread(work)

    async def decode(self, data: memoryview) -> Any:
        """A picture, uint8 (H, W, 3) BGR; raises MmerError."""
        from mmer.realtime.serve.images import decode

        return await asyncio.get_running_loop().run_in_executor(self._decoders, decode, data)

    async def classify_text(self, text: str, context: Sequence[str]) -> dict[str, Any]:
        """Emotion of a written text after ``context``, oldest first: label, confidence, probs.

        All three are null where the text has no word.
        """
        bundle = self._bundle
        if why := bundle.why_not("text"):
            raise MmerError(f"texts cannot be evaluated: {why}")

        def work() -> dict[str, Any]:
            model = self.models.encoder("text", bundle.place("text"))
            found = model.predict(text, tuple(context), "written")
            if found.usable <= 0.0:
                return {"label": None, "confidence": None, "probs": None}
            probs = [float(p) for p in found.probs]
            best = max(range(len(probs)), key=probs.__getitem__)
            return {
                "label": EMOTIONS[best],
                "confidence": round(probs[best], 4),
                "probs": {name: round(p, 4) for name, p in zip(EMOTIONS, probs, strict=True)},
            }

        return await asyncio.to_thread(work)

    # --- end -------------------------------------------------------------------------------------

    async def drain(self, code: Close = Close.STOPPING) -> None:
        """Finish every session, its last lines sent; stop files; refuse new ones from now on.

        With ``code`` MOVED they are parts that end: their clients go on in another process. Files
        cannot, and are not stopped then.
        """
        self.stopping = True
        if code is not Close.MOVED:
            self._stop_files()
        await self._until_ended([s.close(code) for s in self.sessions.values()])

    async def cut_off(self) -> None:
        """End every session and file at once, unfinished; refuse new ones from now on."""
        self.stopping = True
        self._stop_files()
        await self._until_ended([s.cut_off() for s in self.sessions.values()])

    def _stop_files(self) -> None:
        self._stopped = True
        for stop in list(self._stops):
            stop()

    async def _until_ended(self, ends: Sequence[Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*ends)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service's life: models loaded before, sessions finished after."""
        await self.load()
        try:
            yield
        finally:
            await self.drain()
            self._decoders.shutdown(wait=False)
