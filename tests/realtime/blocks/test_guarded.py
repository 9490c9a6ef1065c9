"""Failures of single parts: their modality is null with the reason, and the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from doubles import UNIFORM, PerBlock, in_order, look, pictures, sound, spell
from injector import Injector
from small_graph import LoudIsSpeech

from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.block import FusionBlock
from mmer.realtime.blocks.fusion.people import PeopleFusion
from mmer.realtime.blocks.guarded import Guarded, instead_of
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Clip,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    Notice,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
)
from mmer.realtime.pipeline import Pipeline

SURE = np.log(np.array([0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05], np.float32))
NAN = np.full(7, np.nan, np.float32)


def talk(message: Message) -> list[Message]:
    """An utterance of every second of sound."""
    if not isinstance(message, AudioBlock):
        return []
    number = int(message.t0) + 1
    ended = round(message.t1, 2) == number
    state = SpeechState.ENDED if ended else SpeechState.ONGOING
    return [SpeechUpdate(number, number - 1, message.t1, state, message.samples, message.t1)]


def speech(message: Message) -> list[Message]:
    assert isinstance(message, SpeechUpdate)
    partial = message.state is not SpeechState.ENDED
    return [Evidence("speech", message.t0, message.t1, SURE, 1.0, partial, message.utterance)]


def text(message: Message) -> list[Message]:
    assert isinstance(message, Transcript)
    if not message.text:
        span = (message.t0, message.t1)
        return [Missing("text", *span, message.why, message.partial, message.utterance)]
    return [Evidence("text", message.t0, message.t1, SURE, 1.0, False, message.utterance)]


def face(message: Message) -> list[Message]:
    assert isinstance(message, FaceObservation)
    if message.why != "no face":
        return [Missing("face", message.t, message.t, message.why, partial=True)]
    return [Evidence("face", message.t, message.t, SURE, 1.0, partial=True)]


class Failing(Block):
    """Fails at the uses for which ``fails`` says so, then works again."""

    def __init__(self, block: Block, fails: range, with_nan: bool = False) -> None:
        self.block, self.fails, self.with_nan = block, fails, with_nan
        self.uses = self.fired = self.resets = 0

    def push(self, message: Message) -> Sequence[Message]:
        self.uses += 1
        if self.uses not in self.fails:
            return self.block.push(message)
        self.fired += 1
        if self.with_nan:
            made = self.block.push(message)
            nan = {"log_probs": NAN}
            return [type(m)(**{**vars(m), **nan}) if isinstance(m, Evidence) else m for m in made]
        raise RuntimeError("CUDA error: device lost\nand a long story")

    def reset(self) -> None:
        self.resets += 1


BLOCKS = {"vad": talk, "asr": spell, "speech": speech, "text": text, "tracker": look, "face": face}
ALWAYS = range(1, 10**6)


def run(failing: str, fails: range, with_nan: bool = False) -> tuple[list[Message], Failing]:
    blocks: dict[str, Block] = {name: PerBlock(function) for name, function in BLOCKS.items()}
    broken = blocks[failing] = Failing(blocks[failing], fails, with_nan)
    pipeline = Pipeline(FusionBlock(), **blocks).guarded()
    events: list[Message] = []
    ticks = [Tick(0.25 * i) for i in range(1, 13)]
    for message in in_order(sound(3.0), pictures(3.0), ticks):
        events += pipeline.push(message)
    events += pipeline.flush()
    return events, broken


def check(events: list[Message]) -> None:
    """What holds whatever fails: one final an utterance, labels from evidence alone."""
    estimates = [e for e in events if isinstance(e, EmotionEstimate)]
    announced = {e.utterance for e in events if isinstance(e, SpeechUpdate)}
    assert sorted(e.utterance for e in estimates if e.final) == sorted(announced)
    for e in estimates:
        assert (e.label is None) == (e.probs is None)
        if e.probs is None:
            assert e.why["label"]
        else:
            assert np.isclose(e.probs.sum(), 1.0, atol=1e-3)
            assert any(e.modalities.values())
        assert all(c is not None or e.why[m] for m, c in e.modalities.items())


@pytest.mark.parametrize(
    ("stage", "modality", "why", "with_nan"),
    [
        ("speech", "speech", "the speech model failed", False),
        ("speech", "speech", "the speech model failed", True),
        ("text", "text", "the text model failed", False),
        ("text", "text", "the text model failed", True),
        ("face", "face", "the face model failed", False),
        ("face", "face", "the face model failed", True),
        ("asr", "text", "speech recognition failed", False),
        ("tracker", "face", "face detection failed", False),
    ],
)
def test_a_part_that_fails_costs_its_modality_alone(
    stage: str, modality: str, why: str, with_nan: bool
) -> None:
    events, broken = run(stage, ALWAYS, with_nan)
    assert broken.fired > 1
    check(events)
    finals = [e for e in events if isinstance(e, EmotionEstimate) and e.final]
    assert len(finals) == 3
    for final in finals:
        assert final.modalities[modality] is None
        assert final.why[modality] == why
        assert final.label == "joy"
        assert sum(c is not None for c in final.modalities.values()) == 2
    (notice,) = [e for e in events if isinstance(e, Notice)]
    assert notice.level == "error"
    assert why in notice.text
    assert "\n" not in notice.text
    assert ("no numbers" if with_nan else "RuntimeError: CUDA error: device lost") in notice.text


@pytest.mark.parametrize("stage", ["speech", "text", "face", "asr", "tracker"])
def test_a_part_that_failed_is_tried_again(stage: str) -> None:
    events, broken = run(stage, range(1, 2))
    assert broken.fired == 1
    check(events)
    last = [e for e in events if isinstance(e, EmotionEstimate) and e.final][-1]
    assert all(last.modalities.values())


@pytest.mark.parametrize("n", [1, 40, 50, 51, 120])
def test_voice_activity_that_fails_once_ends_the_open_utterance(n: int) -> None:
    events, broken = run("vad", range(n, n + 1))
    assert broken.fired == 1
    check(events)
    assert sum(isinstance(e, Notice) for e in events) == 1


def test_voice_activity_that_fails_for_good_leaves_the_face() -> None:
    events, broken = run("vad", range(60, 10**6))
    assert broken.fired > 1
    check(events)
    ticks = [e for e in events if isinstance(e, EmotionEstimate) and not e.final]
    assert ticks[-1].modalities["face"] is not None
    assert sum(isinstance(e, Notice) for e in events) == 1


class BadPool:
    """A pool that raises, or whose answer has no numbers."""

    def __init__(self, how: str) -> None:
        self.how = how

    def fuse(self, opinions):
        if self.how == "raises":
            raise RuntimeError("out of memory")
        shares = dict.fromkeys(opinions, np.nan if self.how == "nan shares" else 1.0)
        return (NAN if self.how == "nan" else SURE).astype(float), shares


@pytest.mark.parametrize("how", ["raises", "nan", "nan shares"])
def test_a_fusion_that_fails_gives_no_label_and_every_final(how: str) -> None:
    blocks = {name: PerBlock(function) for name, function in BLOCKS.items()}
    pipeline = Pipeline(FusionBlock(pool=BadPool(how)), **blocks).guarded()
    events: list[Message] = []
    for message in in_order(sound(3.0), pictures(3.0), [Tick(1.1), Tick(2.1), Tick(3.0)]):
        events += pipeline.push(message)
    events += pipeline.flush()
    check(events)
    estimates = [e for e in events if isinstance(e, EmotionEstimate)]
    assert {(e.label, e.why["label"]) for e in estimates} == {(None, "the fusion failed")}
    assert all(e.modalities["speech"] for e in estimates if e.final)
    assert sum(isinstance(e, Notice) for e in events) == 1


def test_a_fusion_for_measurements_raises() -> None:
    fusion = FusionBlock(pool=BadPool("nan"), strict=True)
    fusion.push(Evidence("face", 1.0, 1.0, SURE, 1.0, partial=True))
    with pytest.raises(ValueError, match="no numbers"):
        fusion.push(Tick(1.0))


def test_a_failure_is_noticed_once_a_minute_at_most() -> None:
    notices = []
    block = Guarded("speech", Failing(PerBlock(speech), range(1, 10**6, 2)))
    for number in range(1, 200):
        update = SpeechUpdate(number, number, number + 0.5, SpeechState.ENDED, UNIFORM, number)
        notices += [m.t for m in block.push(update) if isinstance(m, Notice)]
    assert notices == [1, 61, 121, 181]


def test_the_recognizers_state_is_dropped_after_a_failure_and_its_open_utterance_answered() -> None:
    class Dying(Block):
        def push(self, message):
            return []

        def flush(self):
            raise OSError("the engine has died")

        def reset(self):
            raise OSError("no engine")

    guarded = Guarded("asr", Dying())
    guarded.push(SpeechUpdate(4, 1.0, 2.0, SpeechState.ONGOING, UNIFORM, 2.0))
    notice, transcript = guarded.flush()
    assert isinstance(notice, Notice)
    assert "(OSError: the engine has died, then OSError: no engine)" in notice.text
    assert isinstance(transcript, Transcript)
    assert (transcript.utterance, transcript.text, transcript.partial) == (4, "", False)
    assert transcript.why == "speech recognition failed"


def test_what_was_learned_of_the_person_outlives_a_failure() -> None:
    broken = Failing(PerBlock(speech), range(6, 7))
    baselined = Baselined(broken, "speech")
    guarded = Guarded("speech", baselined)
    for number in range(1, 8):
        guarded.push(SpeechUpdate(number, number, number + 0.5, SpeechState.ENDED, UNIFORM, number))
    assert (broken.fired, broken.resets) == (1, 1)
    assert baselined.baselines.seen == 6


@pytest.mark.parametrize("faces", [0, 1, 2])
@pytest.mark.parametrize("several", [False, True])
def test_an_utterance_that_lost_its_end_is_answered_before_it_is_forgotten(
    several: bool, faces: int
) -> None:
    fusion = PeopleFusion(FusionBlock) if several else FusionBlock()
    fusion.push(SpeechUpdate(1, 1.0, 2.0, SpeechState.ONGOING, UNIFORM, 2.0))
    fusion.push(Transcript(2, 1.0, 2.0, "an utterance without updates", True, "vosk"))
    finals = []
    for i in range(1, 240):
        t = 0.25 * i
        for track in range(1, faces + 1):
            fusion.push(FaceObservation(t, track, (0, 0, 9, 9), None, None, 0.9))
            fusion.push(Evidence("face", t, t, SURE, 1.0, partial=True, track=track))
        finals += [e for e in fusion.push(Tick(t)) if isinstance(e, EmotionEstimate)]
    fusion.push(SpeechUpdate(1, 1.0, 2.0, SpeechState.ENDED, UNIFORM, 2.3))  # it comes after all
    last = [*fusion.push(Tick(60.0)), *fusion.flush()]
    finals += [e for e in last if isinstance(e, EmotionEstimate)]
    assert [(e.utterance, round(e.t)) for e in finals if e.final] == [(1, 26)]
    if isinstance(fusion, PeopleFusion):
        assert not fusion._open


@pytest.mark.parametrize("fault", ["raises", "gives NaN", "is not asked"])
@pytest.mark.parametrize("of_clips", [False, True])
def test_a_face_that_fails_is_missing_for_its_person_alone(fault: str, of_clips: bool) -> None:
    seen: Message = FaceObservation(1.0, 2, (0, 0, 9, 9), None, None, 0.9)
    if of_clips:
        seen = Clip(0.0, 1.0, np.zeros((1, 4, 4, 3), np.uint8), 0.9, True, track=2)

    def face_of(message: Message) -> list[Message]:
        if fault == "raises":
            raise RuntimeError("device lost")
        return [Evidence("face", 1.0, 1.0, NAN, 1.0, partial=True, track=2)]

    if fault == "is not asked":
        made = instead_of("face", seen, "late")
    else:
        made = Guarded("face", PerBlock(face_of)).push(seen)
    (missing,) = [m for m in made if isinstance(m, Missing)]
    assert missing.track == 2
    people = PeopleFusion(FusionBlock)
    for track in (1, 2):
        people.push(Evidence("face", 0.9, 0.9, SURE, 1.0, partial=True, track=track))
        people.push(FaceObservation(6.0, track, (0, 0, 9, 9), None, None, 0.9))
    people.push(Tick(6.0))  # the evidence has left the window
    people.push(replace(missing, t0=6.1, t1=6.1))
    why = {e.person: e.why["face"] for e in people.push(Tick(6.25)) if hasattr(e, "person")}
    assert why == {1: "waiting", 2: missing.why}


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("size", [320, 1700, 8000], ids=lambda size: f"{size} samples")
def test_every_utterance_that_began_has_its_end_wherever_voice_activity_fails(
    size: int, for_good: bool
) -> None:
    loud = np.tile(np.array([8000, -8000], np.int16), 5000)
    quiet = np.zeros(8000, np.int16)
    samples = np.concatenate([quiet, loud, quiet, loud, quiet, loud])
    blocks: list[Message] = [
        AudioBlock(i / SAMPLE_RATE, samples[i : i + size]) for i in range(0, len(samples), size)
    ]
    blocks.insert(len(blocks) // 2, Gap("audio", 1.5, 3.0, "lost"))
    injector = Injector()
    begun = 0
    for n in range(1, 1000, 7):
        injector.arm("vad", n, for_good, RuntimeError("CUDA error"))
        with injector.paused():
            guarded = Guarded("vad", Vad(detector=LoudIsSpeech(injector)))
        made = [m for block in blocks for m in guarded.push(block)] + [*guarded.flush()]
        updates = [m for m in made if isinstance(m, SpeechUpdate)]
        states: dict[int, list[SpeechState]] = {}
        for update in updates:
            states.setdefault(update.utterance, []).append(update.state)
        for number, seen in states.items():
            assert seen.count(SpeechState.ENDED) == 1, f"use {n}, utterance {number}: {seen}"
            assert seen[-1] is SpeechState.ENDED
        begun += len(states)
        if not injector.fired:
            break
    assert n > 50
    assert begun > n // 7
