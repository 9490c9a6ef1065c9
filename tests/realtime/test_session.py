import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from doubles import (
    UNIFORM,
    ListSource,
    PerBlock,
    answer,
    classify_speech,
    classify_text,
    in_order,
    look,
    nothing,
    pictures,
    sound,
    speak,
    spell,
)
from injector import Injector
from small_graph import SteppedClock

from mmer.realtime import session as module
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.clip_collector import ClipCollector
from mmer.realtime.blocks.guarded import PARTS
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import (
    AudioBlock,
    Clip,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Health,
    Message,
    Missing,
    Notice,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.session import DeviceLost, Session
from mmer.realtime.stage_times import StageTime

LAST = SpeechUpdate(1, 0.0, 1.0, SpeechState.ENDED, np.zeros(16000, np.int16), 1.0)


def pipeline(**blocks: Block | None) -> Pipeline:
    made: dict[str, Block | None] = {
        "vad": PerBlock(speak, tail=(LAST,)),
        "asr": PerBlock(spell),
        "speech": PerBlock(classify_speech),
        "text": PerBlock(classify_text),
        "tracker": PerBlock(look),
        "face": PerBlock(nothing),
        "fusion": PerBlock(answer),
    }
    made.update(blocks)
    return Pipeline(made.pop("fusion"), **made)


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def test_a_paced_recording_runs_in_real_time_to_its_end_and_is_finished() -> None:
    before = threads()
    source = ListSource(in_order(sound(1.0), pictures(1.0)))
    began = time.monotonic()
    events = list(Session(pipeline(), [source], SessionClock()).events())
    assert 0.9 < time.monotonic() - began < 5.0
    assert [e.text for e in events if isinstance(e, Transcript)] == ["so"]
    finals = [e for e in events if isinstance(e, EmotionEstimate) and e.final]
    assert [e.label for e in finals] == ["joy"]
    times = [e.t for e in events if isinstance(e, EmotionEstimate | Health)]
    assert times == sorted(times)
    assert threads() <= before  # those of earlier tests may end meanwhile


def test_sound_is_never_dropped_and_pictures_are_the_latest() -> None:
    voice = PerBlock(speak)
    tracker = PerBlock(look, slow_s=0.2)
    session = Session(
        pipeline(vad=voice, tracker=tracker),
        [ListSource(in_order(sound(1.0), pictures(1.0)))],
        SessionClock(),
        output=Delivery.LOSSLESS,
    )
    events = list(session.events())
    assert [m.samples[0] for m in voice.seen if isinstance(m, AudioBlock)] == list(range(50))
    assert session.drops["audio"] == 0
    assert session.drops["video"] == 20 - len(tracker.seen)
    assert session.drops["video"] >= 10
    assert [e for e in events if isinstance(e, Health)][-1].drops["video"] >= 10


def test_an_estimate_follows_new_evidence_and_without_any_comes_at_the_hops() -> None:
    def ticks(**blocks: PerBlock) -> list[float]:
        fusion = PerBlock(answer)
        made = pipeline(fusion=fusion, **blocks)
        list(Session(made, [ListSource(sound(1.5))], SessionClock(), hop_s=0.5).events())
        return [m.t for m in fusion.seen if isinstance(m, Tick)]

    assert len(ticks(speech=PerBlock(nothing), text=PerBlock(nothing))) <= 3
    often = ticks()
    assert len(often) >= 6  # evidence comes every 100 ms
    assert np.diff(often).min() >= 0.07


def test_a_slow_worker_does_not_hold_up_the_ticks() -> None:
    slow = PerBlock(classify_speech, slow_s=1.4)
    session = Session(pipeline(speech=slow), [ListSource(sound(1.5))], SessionClock())
    ticks = [
        e.t
        for e in session.events()
        if isinstance(e, EmotionEstimate) and not e.final and e.t < 1.5
    ]
    assert len(ticks) >= 4
    assert np.median(np.diff(ticks)) < 0.45


def test_stop_from_another_thread_finishes_what_is_open() -> None:
    session = Session(pipeline(), [ListSource(sound(60.0))], SessionClock())
    threading.Timer(0.4, session.stop).start()
    began = time.monotonic()
    events = list(session.events())
    assert time.monotonic() - began < 5.0
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)


def test_a_consumer_that_leaves_ends_everything() -> None:
    before = threads()
    events = Session(pipeline(), [ListSource(sound(60.0))], SessionClock()).events()
    next(events)
    events.close()
    assert threads() <= before


@pytest.mark.parametrize("stage", ["vad", "asr", "speech", "tracker", "fusion"])
def test_a_workers_exception_ends_the_session_and_reaches_the_caller(stage: str) -> None:
    def fail(message: object) -> list:
        raise ZeroDivisionError(f"in {stage}")

    before = threads()
    source = ListSource(in_order(sound(60.0), pictures(60.0)))
    session = Session(pipeline(**{stage: PerBlock(fail)}), [source], SessionClock())
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError, match=f"in {stage}"):
        list(session.events())
    assert time.monotonic() - began < 5.0
    assert threads() <= before


def test_a_failing_source_reaches_the_caller() -> None:
    def messages():
        yield from sound(0.1)
        raise OSError("unplugged")

    session = Session(pipeline(), [ListSource(messages())], SessionClock())
    with pytest.raises(OSError, match="unplugged"):
        list(session.events())


def test_one_dead_device_leaves_the_other_and_two_end_the_session() -> None:
    clock = SessionClock()

    def camera():
        yield VideoFrame(clock.now(), np.zeros((8, 8, 3), np.uint8))
        yield Notice(clock.now(), "error", "camera", "camera stopped")

    def microphone():
        for i in range(30):
            time.sleep(0.02)
            yield AudioBlock(i * 0.02, np.zeros(320, np.int16))

    sources = [
        ListSource(camera(), live=True, name="camera 0"),
        ListSource(microphone(), live=True, name="microphone x"),
    ]
    events = []
    with pytest.raises(DeviceLost, match=r"camera 0 and microphone x stopped"):
        events.extend(_collect(Session(pipeline(), sources, clock), events))
    assert any(isinstance(e, Notice) and e.about == "camera" for e in events)
    ticks = [e for e in events if isinstance(e, EmotionEstimate) and not e.final]
    assert len(ticks) >= 2  # went on without the camera
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)


def _collect(session: Session, into: list) -> list:
    for event in session.events():
        into.append(event)
    return []


def test_a_slow_consumer_gets_the_newest_estimates_and_every_final() -> None:
    def endings(message: object) -> list:
        if isinstance(message, AudioBlock) and round(message.t0 * 50) % 10 == 9:
            n = round(message.t1 * 5)
            return [SpeechUpdate(n, 0.0, message.t1, SpeechState.ENDED, message.samples, 0.0)]
        return []

    session = Session(
        pipeline(vad=PerBlock(endings)), [ListSource(sound(2.0))], SessionClock(), hop_s=0.05
    )
    finals, late = 0, []
    for event in session.events():
        if isinstance(event, EmotionEstimate):
            finals += event.final
            if not event.final:
                late.append(session.clock.now() - event.t)
            time.sleep(0.2)
    assert finals == 10
    assert session.drops["output"] > 0


def test_a_live_cameras_frames_are_thinned() -> None:
    tracker = PerBlock(look)
    source = ListSource(pictures(2.0, fps=100.0), live=True)
    session = Session(pipeline(tracker=tracker), [source], SessionClock(), video_fps=10.0)
    with pytest.raises(DeviceLost):
        list(session.events())
    assert len(tracker.seen) + session.drops["video"] == 20


def test_pictures_come_with_their_observations() -> None:
    session = Session(pipeline(), [ListSource(pictures(0.5))], SessionClock(), pictures=True)
    kinds = [type(e) for e in session.events()]
    first = kinds.index(VideoFrame)
    assert kinds[first + 1] is FaceObservation
    assert kinds.count(VideoFrame) >= 2  # as many as the machine has time for


def test_a_slow_encoder_of_clips_is_shown_what_came_while_it_was_busy() -> None:
    shown: list[Clip] = []

    def assess(clip: Message) -> list[Message]:
        assert isinstance(clip, Clip)
        shown.append(clip)
        return [Evidence("face", clip.t0, clip.t1, UNIFORM, clip.quality, clip.partial)]

    slow = PerBlock(assess, slow_s=1.2)
    made = pipeline(vad=None, tracker=None, clips=ClipCollector(8, 8), face=slow)
    session = Session(made, [ListSource(pictures(2.0))], SessionClock(), pictures=True)
    events = list(session.events())
    whole = shown[-1]
    assert whole.t1 - whole.t0 > 0.5
    assert len(whole.pictures) > 2
    assert session.drops["face"] >= 1
    assert any(isinstance(event, VideoFrame) for event in events)


def test_a_faster_clock_plays_the_same_session_faster() -> None:
    source = ListSource(in_order(sound(8.0), pictures(2.0)))
    session = Session(pipeline(), [source], SessionClock(rate=16.0), output=Delivery.LOSSLESS)
    began = time.monotonic()
    events = list(session.events())
    assert 0.45 < time.monotonic() - began < 7.0
    ticks = [e for e in events if isinstance(e, EmotionEstimate) and not e.final]
    assert len(ticks) + session.drops["ticks"] >= 31
    assert sum(isinstance(e, FaceObservation) for e in events) + session.drops["video"] == 40


def test_a_clock_tells_how_long_to_wait_in_the_worlds_seconds() -> None:
    clock = SessionClock(rate=10.0)
    assert 0.05 < clock.wait_s(clock.now() + 1.0) <= 0.1
    assert clock.wait_s(-1.0) == 0.0


def test_stage_times_tell_the_wait_and_the_work_of_every_message() -> None:
    times: list[StageTime] = []
    session = Session(
        pipeline(vad=PerBlock(speak, slow_s=0.03)),
        [ListSource(in_order(sound(0.6), pictures(0.6)))],
        SessionClock(),
        output=Delivery.LOSSLESS,
        stage_times=times.append,
    )
    for _ in session.events():
        time.sleep(0.002)
    voice = [t for t in times if t.stage == "vad"]
    assert [t.kind for t in voice] == ["AudioBlock"] * 30
    # 30 ms of work for every 20 ms of sound: each block waits 10 ms longer than the one before
    assert all(t.work_s >= 0.03 and t.cpu_s < 0.02 for t in voice)
    assert np.median([t.work_s for t in voice]) < 0.3
    assert voice[-1].wait_s > voice[0].wait_s + 0.1
    assert voice[0].wait_s >= 0
    ticks = [t for t in times if t.kind == "Tick"]
    assert len(ticks) >= 2
    assert {t.stage for t in ticks} == {"fusion"}
    shown = {t.kind: t for t in times if t.stage == "output"}
    assert {"EmotionEstimate", "FaceObservation", "SpeechUpdate", "Health"} <= set(shown)
    assert all(t.work_s >= 0.002 for t in shown.values())
    assert shown["EmotionEstimate"].partial


@pytest.mark.parametrize("nth", range(1, 11))
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_thread_that_cannot_start_ends_the_session(
    error: type[BaseException], nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, before, count = threading.Thread.start, threads(), 0

    def start(thread: threading.Thread) -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise error("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    source = ListSource(in_order(sound(60.0), pictures(60.0)))
    session = Session(pipeline(), [source], SessionClock())
    began = time.monotonic()
    if nth < 10:  # fusion, wind-down, six stages, one reader
        with pytest.raises(error, match="start new thread"):
            list(session.events())
    else:
        for event in session.events():
            if isinstance(event, EmotionEstimate):
                session.stop()
        assert count == 9
    assert time.monotonic() - began < 5.0
    assert threads() <= before


class Stuck(Block):
    """A block that hangs from its second message on, until ``freed``."""

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.seen = 0

    def push(self, message: Message) -> list[Message]:
        self.seen += 1
        if self.seen > 1:
            self.freed.wait(30)
        return []


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


class StuckOnce(PerBlock):
    """A block whose first message takes until it is freed."""

    def __init__(self, react: Callable[[Message], Sequence[Message]]) -> None:
        super().__init__(react)
        self.freed = threading.Event()

    def push(self, message: Message) -> Sequence[Message]:
        self.freed.wait(10.0)
        return super().push(message)


def test_a_block_that_hangs_is_reported_and_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_HUNG_S", 0.5)
    stuck = Stuck()
    session = Session(
        pipeline(speech=stuck), [ListSource(sound(2.5))], SessionClock(), health_s=0.25
    )
    began = time.monotonic()
    events = list(session.events())
    stuck.freed.set()
    assert time.monotonic() - began < 5.0
    (notice,) = [e for e in events if isinstance(e, Notice) and e.level == "error"]
    assert notice.about == "speech"
    assert "has not answered" in notice.text
    assert sum(isinstance(e, EmotionEstimate) for e in events) >= 8
    assert any(isinstance(e, Transcript) for e in events)


def test_a_block_that_hangs_in_its_flush_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_HUNG_S", 0.5)
    freed = threading.Event()

    class StuckAtTheEnd(PerBlock):
        def flush(self) -> Sequence[Message]:
            freed.wait(10.0)
            return []

    stuck = StuckAtTheEnd(classify_speech)
    session = Session(pipeline(speech=stuck), [ListSource(sound(0.5))], SessionClock())
    began = time.monotonic()
    events = list(session.events())
    freed.set()
    assert time.monotonic() - began < 5.0
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)


@pytest.mark.parametrize("one_is_open", [False, True])  # then a begin gives way, and no end
@pytest.mark.parametrize("stage", ["asr", "speech", "text"])
def test_a_stage_that_hangs_holds_up_no_other_and_its_utterances_are_answered_once(
    stage: str, one_is_open: bool
) -> None:
    stuck = StuckOnce({"asr": spell, "speech": classify_speech, "text": classify_text}[stage])
    last = 51 if one_is_open else 50

    def utterances(message: object) -> list[Message]:
        if not isinstance(message, AudioBlock):
            return []
        n = round(message.t0 / 0.02) + 1  # a block, an utterance
        ends = [(n, SpeechState.STARTED), (n, SpeechState.ENDED)]
        if n == 50 and one_is_open:
            ends.append((51, SpeechState.STARTED))
        return [
            SpeechUpdate(k, message.t0, message.t1, state, message.samples, message.t1)
            for k, state in (ends if n < 51 else ends[1:])
        ]

    voice = PerBlock(utterances)

    def blocks() -> Iterator[AudioBlock]:
        yield from sound(1.0)
        wait_for(lambda: len(voice.seen) == 50)
        stuck.freed.set()
        if one_is_open:
            wait_for(lambda: len(stuck.seen) > 1)
            yield from sound(0.02, start=1.0)

    graph = pipeline(vad=voice, **{stage: stuck})
    session = Session(graph, [ListSource(blocks())], SessionClock(), hop_s=0.1)
    events = list(session.events())
    assert sum(isinstance(m, AudioBlock) for m in voice.seen) == last
    answers = [
        (getattr(e, "modality", "words"), e.utterance)
        for e in events
        if isinstance(e, Transcript | Missing | Evidence) and not e.partial
    ]
    assert len(answers) == len(set(answers))
    modality = "words" if stage == "asr" else stage
    assert {n for name, n in answers if name == modality} == set(range(1, last + 1))
    kind = Transcript if stage == "asr" else Missing
    given_up = [e for e in events if isinstance(e, kind) and "too far behind" in e.why]
    # a begin that gave way has a partial answer, which the final one mostly replaces in the output
    assert sum(not e.partial for e in given_up) >= 20
    # on a machine that stood still meanwhile, others may have been behind as well
    (notice,) = [
        e
        for e in events
        if isinstance(e, Notice) and (e.level, e.about) == ("warning", PARTS[stage].about)
    ]
    assert "too far behind" in notice.text


def test_a_reader_that_is_stuck_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STUCK_S", 0.5)
    freed = threading.Event()

    def messages():
        yield from sound(0.5)
        freed.wait(30)

    session = Session(pipeline(), [ListSource(messages(), live=True)], SessionClock())
    threading.Timer(1.0, session.stop).start()
    began = time.monotonic()
    events = list(session.events())
    freed.set()
    assert time.monotonic() - began < 15.0  # of 30
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)  # all was finished


def test_a_device_that_raises_costs_itself_alone() -> None:
    clock = SessionClock()

    def camera():
        yield VideoFrame(clock.now(), np.zeros((8, 8, 3), np.uint8))
        raise OSError("the driver has gone")

    def microphone():
        for i in range(40):
            time.sleep(0.02)
            yield AudioBlock(i * 0.02, np.zeros(320, np.int16))

    sources = [
        ListSource(camera(), live=True, name="camera 0"),
        ListSource(microphone(), live=True, name="microphone x"),
    ]
    events: list[Message] = []
    with pytest.raises(DeviceLost, match="camera 0 and microphone x") as caught:
        _collect(Session(pipeline(), sources, clock), events)
    assert isinstance(caught.value.__cause__, OSError)
    (notice,) = [e for e in events if isinstance(e, Notice) and e.level == "error"]
    assert "camera 0 failed (OSError: the driver has gone)" in notice.text
    ticks = [e for e in events if isinstance(e, EmotionEstimate) and not e.final]
    assert len(ticks) >= 3
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)


def test_freed_memory_goes_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[float] = []
    monkeypatch.setattr(module, "_TRIM_S", 0.2)
    monkeypatch.setattr(module, "trim", lambda: trimmed.append(time.monotonic()))
    began = time.monotonic()
    list(Session(pipeline(), [ListSource(sound(0.9))], SessionClock()).events())
    assert 2 <= len(trimmed) <= (time.monotonic() - began) / 0.2 + 1


class SlowWords(Block):
    """Recognizer whose partial transcripts take a second of a clock that it steps itself."""

    def __init__(self, clock: SteppedClock) -> None:
        self._clock = clock
        self.partials = 0

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        self._wanted, self.late = wanted, late

    def push(self, message: Message) -> Sequence[Message]:
        if not isinstance(message, SpeechUpdate):
            return []
        if message.partial and not self._wanted():
            return []
        if message.partial:
            self.partials += 1
            self._clock.step(self._clock.now() + 1.0)
        return [Transcript(1, 0.0, message.t1, "so", message.partial, "double")]


class SteppingSource(ListSource):
    """Sound of ``seconds``, as live as the clock that it steps: a tenth of a second every 4 ms."""

    def __init__(self, clock: SteppedClock, seconds: float) -> None:
        super().__init__([])
        self.live, self._clock, self._until = True, clock, seconds

    @property
    def duration_s(self) -> float | None:
        return self._until

    def messages(self) -> Iterator[AudioBlock]:
        while self._clock.now() < self._until:
            time.sleep(0.004)
            t = self._clock.now()
            self._clock.step(t + 0.1)
            yield AudioBlock(t, np.zeros(1600, np.int16))


def test_late_partial_transcripts_are_left_out_for_a_while() -> None:
    def ongoing(message: object) -> list[Message]:
        if not isinstance(message, AudioBlock):
            return []
        t1 = message.t1
        return [SpeechUpdate(1, 0.0, t1, SpeechState.ONGOING, message.samples, t1)]

    clock = SteppedClock(Injector())
    words = SlowWords(clock)
    graph = pipeline(vad=PerBlock(ongoing, tail=(LAST,)), asr=words)
    events = list(Session(graph, [SteppingSource(clock, 12.0)], clock).events())
    # one takes 1 s, and then there is none for 2 s
    assert 3 <= words.partials <= 5
    assert [e.partial for e in events if isinstance(e, Transcript)][-1] is False
    (notice,) = [e for e in events if isinstance(e, Notice)]
    assert "partial transcripts are left out" in notice.text


def test_no_partial_transcript_is_made_while_the_end_of_speech_waits() -> None:
    words = Asking()
    session = Session(pipeline(asr=words), [ListSource([])], SessionClock())
    box = session._inboxes["asr"]
    assert words.wanted()
    box.put(SpeechUpdate(1, 0.0, 1.0, SpeechState.ONGOING, LAST.samples, 1.0))
    assert words.wanted()  # it replaces the one that is being worked on
    box.put(LAST)
    assert not words.wanted()
    assert not words.late()


def test_sound_that_comes_late_does_not_make_the_computer_slow() -> None:
    session = Session(pipeline(asr=Asking()), [ListSource([])], SessionClock())
    stage = next(s for s in session._pipeline.stages if s.name == "asr")
    now = session.clock.now()
    session._sound_came += [(now - 2.0, now - 0.9), (now - 1.0, now)]  # second by second
    session._shed_if_late(now - 1.5, stage)
    assert not session._sheds()
    session._sound_came.appendleft((now - 1.6, now - 0.9))  # it came so long ago
    session._shed_if_late(now - 1.6, stage)
    assert session._sheds()


def test_of_several_faces_the_one_that_waits_is_not_replaced_by_one_passed_over() -> None:
    def observed(t: float, track: int, crop: bool) -> FaceObservation:
        image = np.zeros((4, 4, 3), np.uint8) if crop else None
        return FaceObservation(t, track, (0, 0, 4, 4), None, image, 1.0)

    face = PerBlock(nothing)
    made = Pipeline(PerBlock(answer), tracker=PerBlock(look), face=face, people=True)
    session = Session(made, [ListSource([])], SessionClock())
    tracker = next(s for s in made.stages if s.name == "tracker")
    for n in range(4):
        for track in (1, 2):
            session._hand_on(observed(n * 0.05, track, crop=n == 0), tracker)
    box = session._inboxes["face"]
    waiting = [box.get() for _ in range(len(box))]
    assert [(m.t, m.track) for m in waiting if isinstance(m, FaceObservation)] == [(0, 1), (0, 2)]
    assert session.drops["face"] == 0


def test_lost_transcripts_are_told_after_late_ones_and_each_once() -> None:
    session = Session(pipeline(asr=Asking()), [ListSource([])], SessionClock())
    stage = next(s for s in session._pipeline.stages if s.name == "asr")
    for _ in range(2):
        session._shed_if_late(-5.0, stage)
        session._give_up(LAST, stage)
    told: list[Notice] = []
    while len(session._fusion_inbox):
        message = session._fusion_inbox.get()
        told += [message] if isinstance(message, Notice) else []
    assert [n.level for n in told] == ["info", "warning"]
    assert "partial transcripts are left out" in told[0].text
    assert "too far behind" in told[1].text


class Asking(Block):
    def push(self, message: Message) -> Sequence[Message]:
        return []

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        self.wanted, self.late = wanted, late
