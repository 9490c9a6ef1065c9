"""Fusion of several people: each face's own estimate, and each utterance for who speaks."""

from __future__ import annotations

import numpy as np
import pytest
from sounds import silence, voice

from mmer.models.labels import EMOTIONS
from mmer.realtime.blocks.baseline import Baselines
from mmer.realtime.blocks.fusion.block import FusionBlock, FusionConfig
from mmer.realtime.blocks.fusion.people import PeopleFusion
from mmer.realtime.blocks.fusion.speaker import NOBODY, Mouths
from mmer.realtime.messages import (
    SAMPLE_RATE,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
)

FPS = 20
BOX = (10.0, 10.0, 80.0, 80.0)
SOUND = np.concatenate([voice(0.4), silence(0.1), voice(0.5), silence(0.2), voice(0.8)])


def log_probs(label: str) -> np.ndarray:
    p = np.full(7, 0.05)
    p[EMOTIONS.index(label)] = 0.7
    return np.log(p).astype(np.float32)


def seen(track: int, t: float, mouth: float) -> FaceObservation:
    return FaceObservation(t, track, BOX, None, None, 0.9, mouth=mouth)


def face(track: int, t: float, label: str) -> Evidence:
    return Evidence("face", t, t, log_probs(label), 0.9, True, track=track)


def update(number: int, t0: float, t1: float, state: SpeechState) -> SpeechUpdate:
    return SpeechUpdate(number, t0, t1, state, SOUND[: round((t1 - t0) * SAMPLE_RATE)], t1 + 0.02)


def spoken(modality: str, number: int, t0: float, t1: float, label: str) -> Evidence:
    assert modality in ("speech", "text")
    return Evidence(modality, t0, t1, log_probs(label), 0.9, False, number)  # type: ignore[arg-type]


def moving(t: float, t0: float) -> float:
    """Motion of a mouth that says SOUND from ``t0`` on."""
    at = round((t - t0) * SAMPLE_RATE)
    part = SOUND[max(at - 800, 0) : max(at, 0)]
    return 0.03 if len(part) and np.abs(part.astype(int)).mean() > 200 else 0.004


def session(
    speaking: dict[int, float], length_s: float = 4.0, people: tuple[int, ...] = (1, 2)
) -> list[Message]:
    """Faces 1 (joy) and 2 (anger); ``speaking``: by person, when its mouth begins SOUND.

    One utterance, SOUND from 1.0 s on, neutral.
    """
    messages: list[Message] = []
    for n in range(round(length_s * FPS)):
        t = n / FPS
        for person in people:
            mouth = moving(t, speaking[person]) if person in speaking else 0.0005
            messages.append(seen(person, t, mouth))
            messages.append(face(person, t, "joy" if person == 1 else "anger"))
        if 1.0 < t < 2.9:
            state = SpeechState.STARTED if t < 1.1 else SpeechState.ONGOING
            messages.append(update(1, 1.0, t, state))
        if n == round(3.1 * FPS):
            messages.append(update(1, 1.0, 3.0, SpeechState.PAUSED))
        if n == round(3.3 * FPS):
            messages.append(update(1, 1.0, 3.0, SpeechState.ENDED))
            messages.append(spoken("speech", 1, 1.0, 3.0, "neutral"))
            messages.append(Transcript(1, 1.0, 3.0, "so it is", False, "x"))
            messages.append(spoken("text", 1, 1.0, 3.0, "neutral"))
        if n % 5 == 0:
            messages.append(Tick(t))
    return messages


def fused(messages: list[Message], **options: bool) -> list[EmotionEstimate]:
    fusion = PeopleFusion(lambda: FusionBlock(FusionConfig()), **options)
    made = [m for message in messages for m in fusion.push(message)]
    made += fusion.flush()
    return [m for m in made if isinstance(m, EmotionEstimate)]


def test_each_face_has_its_own_estimate_at_every_tick() -> None:
    made = [e for e in fused(session({})) if not e.of_utterance and 0.5 < e.t < 1.0]
    labels = {(e.person, e.label) for e in made}
    assert labels == {(1, "joy"), (2, "anger")}
    times = [e.t for e in made if e.person == 1]
    assert times == [e.t for e in made if e.person == 2]


@pytest.mark.parametrize("speaker", [1, 2])
def test_the_utterance_goes_to_the_mouth_that_moves(speaker: int) -> None:
    made = fused(session({speaker: 1.0}))
    (final,) = [e for e in made if e.final]
    assert final.person == speaker
    assert final.utterance == 1
    assert final.modalities["speech"] is not None
    assert final.modalities["text"] is not None
    other = [e for e in made if e.person == 3 - speaker and e.t > 3.4]
    assert other
    assert all(e.modalities["speech"] is None for e in other)
    assert all(e.why["speech"] == "silence" for e in other)


def test_of_two_mouths_that_move_the_one_that_fits_the_voice_speaks() -> None:
    """The other one chews as much, but not with the sound."""
    messages = session({1: 1.0})
    rng = np.random.default_rng(3)
    messages = [
        seen(2, m.t, float(rng.choice([0.004, 0.035])))
        if isinstance(m, FaceObservation) and m.track == 2
        else m
        for m in messages
    ]
    (final,) = [e for e in fused(messages) if e.final]
    assert final.person == 1


def test_a_voice_to_which_no_mouth_moves_is_nobodys() -> None:
    (final,) = [e for e in fused(session({})) if e.final]
    assert final.person == NOBODY
    assert final.modalities["face"] is None


def test_without_faces_there_is_always_an_answer() -> None:
    made = fused(session({}, people=()))
    running = [e for e in made if not e.of_utterance]
    assert {e.person for e in made} == {NOBODY}
    assert len(running) == 16
    assert [e.utterance for e in made if e.final] == [1]


def test_a_plain_speaker_is_known_before_the_first_pause() -> None:
    made = fused([m for m in session({1: 1.0}) if not isinstance(m, Tick)])
    provisional = [e for e in made if e.provisional]
    assert not [e for e in made if e.final and e.person != 1]
    fusion = PeopleFusion(lambda: FusionBlock(FusionConfig()))
    for message in session({1: 1.0}):
        if isinstance(message, SpeechUpdate) and message.t1 > 2.5:
            break
        fusion.push(message)
    assert fusion._person_of == {1: 1}
    assert provisional == []  # there was no partial evidence


def test_only_the_speaker_is_shown_where_that_is_asked_for() -> None:
    made = fused(session({2: 1.0}), only_speaker=True)
    running = [e for e in made if not e.of_utterance]
    assert {e.person for e in running if e.t < 2.0} == {1}  # the first, before anybody spoke
    assert {e.person for e in running if e.t > 3.2} == {2}
    assert len({e.t for e in running}) == len(running)
    assert [e.person for e in made if e.final] == [2]


def test_who_has_left_has_no_estimates_after_a_while() -> None:
    messages: list[Message] = []
    for n in range(round(12 * FPS)):
        t = n / FPS
        for person in (1, 2):
            if person == 1 or t < 3:
                messages += [seen(person, t, 0.0), face(person, t, "joy")]
        if n % 5 == 0:
            messages.append(Tick(t))
    times = [e.t for e in fused(messages) if e.person == 2]
    assert times[-1] == pytest.approx(9.0, abs=0.3)


def test_faces_that_are_never_good_enough_are_forgotten_too() -> None:
    fusion = PeopleFusion(lambda: FusionBlock(FusionConfig()))
    for n in range(round(60 * FPS)):
        t = n / FPS
        fusion.push(seen(1 + n // (2 * FPS), t, 0.001))  # another passer-by every 2 s
        fusion.push(Missing("face", t, t, "poor picture: dark", True, track=1 + n // (2 * FPS)))
        fusion.push(Tick(t))
    assert sorted(fusion._seen) == [27, 28, 29, 30]
    assert sorted(fusion._mouths._motion) == [27, 28, 29, 30]


def test_one_who_leaves_with_an_utterance_open_still_has_its_final() -> None:
    messages = [m for m in session({2: 1.0}) if not isinstance(m, Evidence) or m.modality == "face"]
    messages = [m for m in messages if getattr(m, "t", 0.0) < 3.2 or not isinstance(m, Evidence)]
    messages = [m for m in messages if not isinstance(m, Transcript)]
    cut = [m for m in messages if not (isinstance(m, SpeechUpdate) and m.t1 > 2.7)]
    for n in range(80, 320):
        t = n / FPS
        cut += [seen(1, t, 0.0005), face(1, t, "joy"), *([Tick(t)] if n % 5 == 0 else [])]
    finals = [e for e in fused(cut) if e.final]
    assert [(e.person, e.utterance) for e in finals] == [(2, 1)]


def test_one_who_turns_away_while_speaking_is_answered_at_the_end() -> None:
    messages = [m for m in session({2: 1.0}) if getattr(m, "t1", 0.0) < 2.9]
    for n in range(80, 320):
        t = n / FPS
        messages += [seen(1, t, 0.0005), face(1, t, "joy")]
        if n < 300:
            messages.append(update(1, 1.0, t, SpeechState.ONGOING))
        elif n == 300:
            messages.append(update(1, 1.0, t, SpeechState.ENDED))
            messages.append(spoken("speech", 1, 1.0, t, "neutral"))
            messages.append(spoken("text", 1, 1.0, t, "neutral"))
        messages += [Tick(t)] if n % 5 == 0 else []
    finals = [e for e in fused(messages) if e.final]
    assert [(e.person, e.utterance, e.window) for e in finals] == [(2, 1, (1.0, 15.0))]


def test_an_end_that_comes_after_its_person_has_left_makes_no_second_final() -> None:
    """Who turns away while speaking is answered by what came until then."""
    messages = [m for m in session({2: 1.0}) if getattr(m, "t1", 0.0) < 2.9]
    for n in range(80, 320):
        t = n / FPS
        messages += [seen(1, t, 0.0005), face(1, t, "joy"), *([Tick(t)] if n % 5 == 0 else [])]
    messages += [
        update(1, 1.0, 16.0, SpeechState.ENDED),
        spoken("speech", 1, 1.0, 16.0, "neutral"),
        spoken("text", 1, 1.0, 16.0, "neutral"),
        Tick(17.0),
    ]
    assert [(e.person, e.utterance) for e in fused(messages) if e.final] == [(2, 1)]


def test_every_utterance_has_one_final_whatever_comes_late() -> None:
    messages = session({1: 1.0})
    late = [m for m in messages if isinstance(m, Evidence) and m.modality != "face"]
    early = [m for m in messages if m not in late]
    finals = [e for e in fused([*early, *late]) if e.final]
    assert [e.utterance for e in finals] == [1]
    finals = [e for e in fused(early) if e.final]
    assert [e.utterance for e in finals] == [1]


def test_missing_faces_and_gaps_reach_those_they_concern() -> None:
    messages: list[Message] = [
        Gap("audio", 0.0, float("inf"), "no sound in the source"),
        *(seen(person, 0.1, 0.0) for person in (1, 2)),
        *(face(person, 0.1, "joy") for person in (1, 2)),
        *(seen(person, 6.0, 0.0) for person in (1, 2)),
        Missing("face", 6.0, 6.0, "poor picture: dark", True, track=2),
        Tick(6.0),
        Missing("face", 6.1, 6.1, "the face model failed", True),
        Tick(6.25),
    ]
    made = fused(messages)
    assert {e.why["speech"] for e in made} == {"no sound in the source"}
    assert [e.why["face"] for e in made if e.t == 6.0] == ["waiting", "poor picture: dark"]
    assert {e.why["face"] for e in made if e.t == 6.25} == {"the face model failed"}


def test_the_same_messages_give_the_same_estimates_after_a_reset() -> None:
    fusion = PeopleFusion(lambda: FusionBlock(FusionConfig()))
    runs = []
    for _ in range(2):
        made = [m for message in session({2: 1.0}) for m in fusion.push(message)]
        runs.append([(m.t, m.person, m.label) for m in made if isinstance(m, EmotionEstimate)])
        fusion.reset()
    assert runs[0] == runs[1]


def test_a_mouth_that_is_still_or_hardly_seen_has_no_score() -> None:
    mouths = Mouths()
    for n in range(40):
        mouths.add(1, 1.0 + n / FPS, 0.0005)
        if n < 4:
            mouths.add(2, 1.0 + n / FPS, 0.1)
        mouths.add(3, 1.0 + n / FPS, moving(1.0 + n / FPS, 1.0))
    assert set(mouths.scores(update(1, 1.0, 2.9, SpeechState.PAUSED))) == {3}
    mouths.forget(3)
    assert mouths.scores(update(1, 1.0, 2.9, SpeechState.PAUSED)) == {}


def said_by(person: int, number: int, t0: float) -> list[Message]:
    """One utterance of somebody whose voice is read as sadness, while two faces are seen."""
    messages: list[Message] = []
    for n in range(round(3.0 * FPS)):
        t = t0 + n / FPS
        for track in (1, 2):
            messages.append(seen(track, t, moving(t, t0) if track == person else 0.0005))
            messages.append(face(track, t, "neutral"))
    messages.append(update(number, t0, t0 + 2.0, SpeechState.PAUSED))
    messages.append(update(number, t0, t0 + 2.0, SpeechState.ENDED))
    messages.append(spoken("speech", number, t0, t0 + 2.0, "sadness"))
    return [*messages, Tick(t0 + 3.0)]


def voices_of(speakers: list[int], fusion: PeopleFusion) -> list[np.ndarray]:
    """What the voice says in each utterance's final; one after the other."""
    found = []
    for number, person in enumerate(speakers, 1):
        made = [
            m for message in said_by(person, number, 5.0 * number) for m in fusion.push(message)
        ]
        (final,) = [m for m in made if isinstance(m, EmotionEstimate) and m.final]
        assert final.person == person
        speech = final.modalities["speech"]
        assert speech is not None
        found.append(speech.probs)
    return found


def people_with_voices() -> PeopleFusion:
    config = FusionConfig()
    return PeopleFusion(
        lambda: FusionBlock(config, expects=("speech",)), voices=Baselines("speech")
    )


def test_each_speaker_has_a_baseline_of_the_voice() -> None:
    first, *_, sixth, other = voices_of([1, 1, 1, 1, 1, 1, 2], people_with_voices())
    sadness = EMOTIONS.index("sadness")
    assert sixth[sadness] < first[sadness] - 0.02
    np.testing.assert_array_equal(other, first)  # of another person nothing is known yet


def test_baselines_of_voices_are_forgotten_with_the_stream() -> None:
    fusion = people_with_voices()
    first = voices_of([1, 1, 1], fusion)
    assert fusion.voices is not None
    assert fusion.voices.seen == 2  # of quality 0.9 each
    fusion.reset()
    assert fusion.voices.seen == 0
    np.testing.assert_array_equal(first, voices_of([1, 1, 1], fusion))
