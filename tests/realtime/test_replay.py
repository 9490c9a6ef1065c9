import numpy as np
from doubles import (
    ListSource,
    PerBlock,
    answer,
    classify_speech,
    in_order,
    look,
    nothing,
    pictures,
    sound,
    speak,
)

from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Health,
    Notice,
    SpeechState,
    SpeechUpdate,
    Tick,
    VideoFrame,
)
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.replay import Replay


def pipeline(fusion: PerBlock, last: SpeechUpdate | None = None) -> Pipeline:
    return Pipeline(
        fusion,
        vad=PerBlock(speak, tail=() if last is None else (last,)),
        speech=PerBlock(classify_speech),
        tracker=PerBlock(look),
        face=PerBlock(nothing),
    )


def test_a_tick_sees_what_was_captured_up_to_its_time_and_nothing_after() -> None:
    fusion = PerBlock(answer)
    list(Replay(pipeline(fusion), ListSource(in_order(sound(2.0), pictures(2.0)))).events())
    newest = 0.0
    ticks = []
    for message in fusion.seen:
        if isinstance(message, Tick):
            ticks.append(message.t)
            assert newest <= message.t
            assert newest > message.t - 0.06  # 20 pictures a second: nothing was held back
        elif isinstance(message, Evidence):
            newest = max(newest, message.t1)
        elif isinstance(message, FaceObservation):
            newest = max(newest, message.t)
    hops = np.arange(0.25, 2.01, 0.25)
    between = [t for t in ticks if np.abs(hops - t).min() > 1e-9]
    assert len(ticks) - len(between) == len(hops)
    # evidence comes every 20 ms
    np.testing.assert_allclose(between, [0.14, 0.38, 0.64, 0.88, 1.14, 1.38, 1.64, 1.88])


def test_every_tick_is_answered_and_time_never_goes_back() -> None:
    fusion = PerBlock(answer)
    events = list(Replay(pipeline(fusion), ListSource(sound(3.0))).events())
    times = [e.t for e in events if isinstance(e, EmotionEstimate | Health)]
    assert times == sorted(times)
    assert sum(isinstance(e, EmotionEstimate) for e in events) == 24


def test_without_evidence_there_is_an_estimate_a_hop() -> None:
    quiet = Pipeline(PerBlock(answer), vad=PerBlock(nothing))
    events = list(Replay(quiet, ListSource(sound(3.0))).events())
    times = [e.t for e in events if isinstance(e, EmotionEstimate)]
    np.testing.assert_allclose(times, np.arange(0.25, 3.01, 0.25))


def test_the_utterance_open_at_the_end_is_finished() -> None:
    last = SpeechUpdate(1, 0.0, 1.0, SpeechState.ENDED, np.zeros(16000, np.int16), 1.0)
    events = list(Replay(pipeline(PerBlock(answer), last), ListSource(sound(1.0))).events())
    finals = [e for e in events if isinstance(e, EmotionEstimate) and e.final]
    assert [(e.label, e.t) for e in finals] == [("joy", 1.0)]


def test_pictures_are_yielded_only_where_asked_for() -> None:
    source = pictures(1.0)
    without = list(Replay(pipeline(PerBlock(answer)), ListSource(source)).events())
    with_them = list(Replay(pipeline(PerBlock(answer)), ListSource(source), pictures=True).events())
    assert not any(isinstance(e, VideoFrame) for e in without)
    assert sum(isinstance(e, VideoFrame) for e in with_them) == 20


def test_stop_ends_early_with_what_is_open_finished() -> None:
    last = SpeechUpdate(1, 0.0, 1.0, SpeechState.ENDED, np.zeros(16000, np.int16), 1.0)
    replay = Replay(pipeline(PerBlock(answer), last), ListSource(sound(60.0)))
    seen = []
    for event in replay.events():
        seen.append(event)
        if isinstance(event, EmotionEstimate) and event.t >= 1.0:
            replay.stop()
    assert seen[-1].t < 2.0
    assert any(isinstance(e, EmotionEstimate) and e.final for e in seen)


def test_a_replay_that_was_closed_before_it_began_gives_nothing() -> None:
    replay = Replay(pipeline(PerBlock(answer)), ListSource([]))
    replay.close()
    assert list(replay.events()) == []


def test_notices_pass_and_lost_sound_is_counted() -> None:
    messages = [
        *sound(0.5),
        Notice(0.5, "warning", "source", "damaged"),
        Gap("audio", 0.5, 0.8, "lost"),
        *sound(0.5, start=0.8),
    ]
    events = list(Replay(pipeline(PerBlock(answer)), ListSource(messages)).events())
    assert [e.text for e in events if isinstance(e, Notice)] == ["damaged"]
    health = [e for e in events if isinstance(e, Health)][-1]
    assert abs(health.gap_s - 0.3) < 1e-9
    assert set(health.drops.values()) == {0}
    assert set(health.queue.values()) == {None}


def test_an_empty_source_gives_one_answer_at_zero() -> None:
    events = list(Replay(pipeline(PerBlock(answer)), ListSource([])).events())
    assert [e.t for e in events if isinstance(e, EmotionEstimate)] == [0.0]
