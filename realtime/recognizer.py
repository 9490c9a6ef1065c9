"""Public recognizer: one object that opens, runs and closes everything.

::

    with mmer.Recognizer() as recognizer:            # the default microphone and camera
        for estimate in recognizer:
            print(estimate.label, estimate.confidence)
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.memory import trim
from mmer.realtime.messages import EmotionEstimate, Message, Notice, SessionEnd, Transcript
from mmer.realtime.open_sources import named_device, named_source
from mmer.realtime.options import Options
from mmer.realtime.policy import DEFAULT_POLICY
from mmer.realtime.prepare import Prepared, prepare
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.asked import asked, check_outputs
from mmer.realtime.sinks.outputs import Outputs
from mmer.realtime.sinks.registry import Target, make_output
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.state import event_time
from mmer.realtime.sources.abandon import abandon, abandoned_on_error
from mmer.realtime.sources.source import Source
from mmer.realtime.stage_times import Listener

if TYPE_CHECKING:
    from mmer.realtime.recorder import Recorder
    from mmer.realtime.replay import Replay
    from mmer.realtime.session import Session

_USED: Final = "this recognizer has run or was closed: make a new one"


class Recognizer:
    """Recognize emotion from devices or a media file; a context manager and an iterator.

    ``source`` is a media file or URL, a folder that ``record`` wrote, a `Source` object such as
    `PushSource`, or None for devices; ``audio`` and ``video`` name devices
    (index, name or part of one; for video also a path, URL or GStreamer string), None takes the
    default one where there is one, "none" goes without. ``modalities`` is any of "speech",
    "text", "face". Files are played at ``pace`` "real" (threads, real clock: what happens live) or
    "max" (deterministic, as fast as it goes). ``models`` are networks that recognizers share, in
    place of ``weights`` and ``provider``. ``baseline`` corrects for how the person looks and
    sounds: "session" learns it while running, a path is a file of ``mmer-live --calibrate``, "none"
    goes without. ``video_fps`` is 1 to 120 frames a second, ``window_s`` 0.5 to 60 s, ``hop_s``
    0.05 to 5 s, ``hangover_s`` 0.1 to 2 s (None: adaptive), ``keep_days`` 0 to 36,500. The rest is
    as in ``mmer-live --help``.

    Iterating yields `EmotionEstimate` objects; ``events`` yields every message and a `SessionEnd`
    last. When the consumer
    is slow, estimates that are not final are replaced by newer ones and finals wait. One recognizer
    runs one session: make another for the next.

    Raises `MmerError` with a short message for what the user can fix: at construction for wrong
    options, at entry for missing devices, files and models. A `Source` object belongs to the
    recognizer that it is given to, which closes it then, too.
    """

    def __init__(
        self,
        source: str | Path | Source | None = None,
        *,
        audio: int | str | None = None,
        video: int | str | None = None,
        modalities: Sequence[str] = MODALITIES,
        asr: str = "auto",
        detector: str = "auto",
        provider: str = "auto",
        weights: str | Path | None = None,
        models: SharedModels | None = None,
        offline: bool = False,
        pace: str = "real",
        video_fps: float = 20.0,
        window_s: float = 4.0,
        hop_s: float = 0.25,
        hangover_s: float | None = None,
        reconnect: bool = True,
        policy: str = DEFAULT_POLICY,
        people: str = "largest",
        record: str | Path | None = None,
        consent: str | None = None,
        keep_days: float | None = None,
        baseline: str | Path = "none",
    ) -> None:
        with abandoned_on_error(source):
            if isinstance(modalities, str):
                raise MmerError(
                    f"modalities is a sequence of names: ({modalities!r},), not a string"
                )
            if not isinstance(modalities, Iterable):
                raise MmerError(f"modalities is {modalities!r}, expected a sequence of names")
            if models is not None:
                if not isinstance(models, SharedModels):
                    raise MmerError(f"models is {models!r}, expected mmer.SharedModels")
                if weights is not None or provider != "auto":
                    raise MmerError(
                        "models come with their weights and provider: leave those two out"
                    )
                weights, provider = models.weights, models.provider
            self.options = Options(
                source=named_source(source),
                audio=named_device(audio),
                video=named_device(video),
                modalities=tuple(modalities),
                asr=asr,
                detector=detector,
                provider=provider,
                weights=_path(weights),
                offline=offline,
                pace=pace,
                video_fps=video_fps,
                window_s=window_s,
                hop_s=hop_s,
                hangover_s=hangover_s,
                reconnect=reconnect,
                policy=policy,
                people=people,
                record=_path(record),
                consent=consent,
                keep_days=keep_days,
                baseline=baseline,
            )
        self._models = models
        self._clock = SessionClock()
        self._preparing = threading.Lock()
        self._prepared: Prepared | None = None
        self._info: SessionInfo | None = None
        self._runner: Replay | Session | None = None
        self._recorder: Recorder | None = None
        self._recorded: weakref.ref[Generator[Message, None, None]] | None = None  # its events
        self._ran = False
        self._drops: dict[str, int] = {}  # of a runner that has been let go
        self._stop_asked = False
        self._opened = False  # or failed to open
        self._closed = False

    def __enter__(self) -> Recognizer:
        self.prepare()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def prepare(self, report: Callable[[str], None] | None = None) -> None:
        """Open the sources and load the models; ``report`` gets lines about downloads.

        Where ``close`` is called meanwhile, everything is released and MmerError raised.
        """
        _check_callable("report", report)
        with self._preparing:
            if self._prepared is None and not self._closed:
                self._opened = True
                with abandoned_on_error(self.options.source):
                    recorder = _recorder(self.options)
                made = prepare(self.options, self._clock, report, self._models)
                if recorder is not None:
                    from mmer.realtime.recorder import Recorded

                    fps = self.options.video_fps
                    made.sources = [Recorded(s, recorder, fps) for s in made.sources]
                    made.info = recorder.described(made.info)
                self._info, self._prepared, self._recorder = made.info, made, recorder
        if self._closed:
            self._release()
            raise MmerError(_USED)

    @property
    def info(self) -> SessionInfo:
        """Source, models, providers, configuration; the clock of the last ``events`` call.

        The first access opens the sources and loads the models, as ``prepare`` does.
        """
        if self._info is None:
            self.prepare()
        assert self._info is not None
        clock = self.clock
        if clock is None:
            return replace(self._info, utc=None, origin=None)
        return replace(self._info, utc=clock.utc, origin=clock.origin)

    @property
    def clock(self) -> SessionClock | None:
        """The session's real clock; None in replay, where time is the file's."""
        return None if self.options.pace == "max" else self._clock

    @property
    def drops(self) -> dict[str, int]:
        """By mailbox, what has been dropped so far."""
        runner = self._runner
        recorder = self._recorder
        found = dict(self._drops if runner is None else runner.drops)
        return found if recorder is None else found | recorder.drops

    def events(
        self,
        *,
        delivery: Delivery = Delivery.LATEST_PARTIAL,
        pictures: bool = False,
        stage_times: Listener | None = None,
    ) -> Generator[Message, None, None]:
        """Start the clock and yield the session's results and what they rest on.

        These are `EmotionEstimate`, `Transcript`, `SpeechUpdate`, `FaceObservation`, `Evidence`,
        `Missing`, `Gap`, `Notice` and `Health`; never sound, and frames (`VideoFrame`) only with
        ``pictures``. The last message is a `SessionEnd`; it does not come after an error or
        ``close``. Iterate at once: the session's time runs from the call on.

        ``pictures`` adds the analysed frames; ``delivery`` LOSSLESS makes a slow consumer slow
        the session down instead of replacing partial results. ``stage_times`` is called in the
        stages' threads with how long each message waited and took; never in replay.
        """
        if delivery not in (Delivery.LATEST_PARTIAL, Delivery.LOSSLESS):
            raise MmerError(
                f"delivery is {delivery!r}, expected Delivery.LATEST_PARTIAL or Delivery.LOSSLESS"
            )
        if not isinstance(pictures, bool):
            raise MmerError(f"pictures is {pictures!r}, expected True or False")
        _check_callable("stage_times", stage_times)
        from mmer.realtime.replay import Replay
        from mmer.realtime.session import Session

        if self._ran or self._closed:
            raise MmerError(_USED)
        self.prepare()
        ready = self._prepared
        if ready is None:  # closed this moment
            raise MmerError(_USED)
        self._ran = True
        if self.options.pace == "max":
            self._runner = Replay(
                ready.pipeline, ready.sources[0], self.options.hop_s, pictures=pictures
            )
        else:
            self._clock.restart()
            self._runner = Session(
                ready.pipeline,
                ready.sources,
                self._clock,
                hop_s=self.options.hop_s,
                output=delivery,
                pictures=pictures,
                video_fps=self.options.video_fps,
                stage_times=stage_times,
            )
        if self._stop_asked:
            self._runner.stop()
        events = self._with_end(ready.notices, self._runner.events())
        if self._recorder is None:
            return events
        events = self._recording(self._recorder, events)
        self._recorded = weakref.ref(events)
        return events

    def _recording(
        self, recorder: Recorder, events: Generator[Message, None, None]
    ) -> Generator[Message, None, None]:
        """``events``, each written to the recording; what fails there is a notice, then raised."""
        end: SessionEnd | None = None
        said = False
        clock = self.clock
        try:
            with closing(events):
                yield from recorder.open(self.info)
                for event in events:
                    if recorder.problem is not None and not said:
                        said = True
                        now = event_time(event) if clock is None else clock.now()
                        yield Notice(now, "error", "recording", f"{recorder.problem}")
                    if isinstance(event, SessionEnd):
                        end = event
                        recorder.close(end)
                    else:
                        recorder.write(event, None if clock is None else clock.now())
                    yield event
        finally:
            recorder.close(end)
        if recorder.problem is not None:
            raise recorder.problem

    def _with_end(
        self, notices: Sequence[Notice], events: Generator[Message, None, None]
    ) -> Generator[Message, None, None]:
        """Notices of the preparation, the session's events, and its end with the totals."""
        from mmer.realtime.session import DeviceLost

        t = 0.0
        emotions = utterances = 0
        lost: DeviceLost | None = None
        yield from notices
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, EmotionEstimate):
                        t = event.t
                        emotions += 1
                        utterances += event.final
                    yield event
        except DeviceLost as problem:  # all until then was finished
            lost = problem
        if not self._closed:
            now = t if self.clock is None else self.clock.now()
            yield SessionEnd(now, utterances, emotions, self.drops)
        if lost is not None:
            raise lost

    def __iter__(self) -> Generator[EmotionEstimate, None, None]:
        for event in self.events():
            if isinstance(event, EmotionEstimate):
                yield event

    def run(
        self,
        on_estimate: Callable[[EmotionEstimate], None] | None = None,
        on_event: Callable[[Message], None] | None = None,
        outputs: Iterable[str | os.PathLike[str] | Sink] = (),
    ) -> None:
        """Callback style: run to the end (or ``stop``), calling back in this thread.

        ``outputs`` are written meanwhile: texts as ``mmer-live --output`` has them ("run.jsonl",
        "export:run.eaf", "lsl:NAME"), paths of JSON lines, or `Sink` objects. One of several that
        fails costs itself alone, whatever it raises; its exception is raised at the end. The
        recognizer is closed afterwards, also where it could not begin.
        """
        with closing(self):
            _check_callable("on_estimate", on_estimate)
            _check_callable("on_event", on_event)
            chosen = asked(outputs)
            check_outputs(self.options, [o for o in chosen if isinstance(o, Target)])
            sinks = Outputs(make_output(*o) if isinstance(o, Target) else o for o in chosen)
            self._run(on_estimate, on_event, sinks if chosen else None)

    def _run(
        self,
        on_estimate: Callable[[EmotionEstimate], None] | None,
        on_event: Callable[[Message], None] | None,
        sinks: Outputs | None,
    ) -> None:
        end: SessionEnd | None = None
        with self, ExitStack() as leaving:
            events = leaving.enter_context(closing(self.events()))
            if sinks is not None:
                leaving.callback(lambda: sinks.close(end))
                sinks.open(self.info)
            for event in events:
                if isinstance(event, SessionEnd):
                    end = event
                elif sinks is not None:
                    sinks.write(event, None if self.clock is None else self.clock.now())
                if on_event is not None:
                    on_event(event)
                if on_estimate is not None and isinstance(event, EmotionEstimate):
                    on_estimate(event)
        if sinks is not None and sinks.lost is not None:
            raise sinks.lost

    async def __aiter__(self) -> AsyncIterator[EmotionEstimate]:
        """The same estimates for ``async for``; the session runs in threads of its own.

        Closes the recognizer at the end. After a ``break`` that waits for the event loop; to have
        it at once, iterate over ``estimates`` in
        ``async with contextlib.aclosing(aiter(recognizer)) as estimates``.
        """
        loop = asyncio.get_running_loop()
        # threads of its own: the loop's are for everybody's short calls, and these wait
        executor = ThreadPoolExecutor(2, thread_name_prefix="recognizer")
        step: asyncio.Future[EmotionEstimate | None] | None = None
        try:
            await loop.run_in_executor(executor, self.prepare)
            iterator = iter(self)
            while True:
                step = loop.run_in_executor(executor, next, iterator, None)
                estimate = await asyncio.shield(step)
                if estimate is None:
                    return
                yield estimate
        finally:
            self.stop()
            if step is not None and not step.done():  # cancelled: the thread is still in there
                await asyncio.wait([step])
            await loop.run_in_executor(executor, self.close)
            executor.shutdown(wait=False)

    def stop(self) -> None:
        """End the session soon, finishing what is open; any thread may call it."""
        self._stop_asked = True
        runner = self._runner
        if runner is not None:
            runner.stop()

    def close(self) -> None:
        """End the session, join its threads, release devices, files and models.

        Harmless when repeated; during ``prepare`` in another thread, that one releases them.
        """
        self._closed = True
        self.stop()
        runner = self._runner
        if runner is not None:
            runner.close()
            self._drops, self._runner = dict(runner.drops), None
        recorded = None if self._recorded is None else self._recorded()
        if recorded is not None:  # suspended: only so are its files closed
            with suppress(ValueError):  # another thread is in there, and closes them
                recorded.close()
        self._release()
        if not self._opened:  # nor will it be: whoever feeds the source must not wait for it
            self._opened = True
            abandon(self.options.source)

    def _release(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.close()
            del prepared  # and with it the models, where nobody shares them
            trim()


def _check_callable(name: str, call: object) -> None:
    if call is not None and not callable(call):
        raise MmerError(f"{name} is {call!r}, expected a function")


def _path(value: Any) -> Any:
    """A text or path as `Path`; what is neither is for `Options` to refuse."""
    return Path(os.fsdecode(value)) if isinstance(value, (str, os.PathLike)) else value


def _recorder(options: Options) -> Recorder | None:
    if options.record is None:
        return None
    from mmer.realtime.recorder import Recorder

    return Recorder(options.record, options.consent, options.keep_days)


@dataclass(frozen=True)
class Recognition:
    """Results of a whole file."""

    estimates: tuple[EmotionEstimate, ...]
    transcripts: tuple[Transcript, ...]  # final ones
    notices: tuple[Notice, ...]

    @property
    def utterances(self) -> tuple[EmotionEstimate, ...]:
        """The final estimate of every utterance."""
        return tuple(e for e in self.estimates if e.final)


_RECOGNIZED: Final = (EmotionEstimate, Transcript, Notice)


def recognize(
    path: str | Path,
    *,
    modalities: Sequence[str] = MODALITIES,
    asr: str = "auto",
    weights: str | Path | None = None,
    offline: bool = False,
    baseline: str | Path = "none",
) -> Recognition:
    """Recognize a whole media file as fast as it goes; the same file gives the same answer.

    The arguments are those of `Recognizer`.

    Raises:
        MmerError: the file or a model is missing or damaged, or an option is wrong.
    """
    with Recognizer(
        path,
        modalities=modalities,
        asr=asr,
        weights=weights,
        offline=offline,
        pace="max",
        baseline=baseline,
    ) as recognizer:
        events = [e for e in recognizer.events() if isinstance(e, _RECOGNIZED)]
    return Recognition(
        estimates=tuple(e for e in events if isinstance(e, EmotionEstimate)),
        transcripts=tuple(e for e in events if isinstance(e, Transcript) and not e.partial),
        notices=tuple(e for e in events if isinstance(e, Notice)),
    )
