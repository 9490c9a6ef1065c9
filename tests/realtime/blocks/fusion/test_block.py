import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.fusion.block import FusionBlock, FusionConfig
from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    Gap,
    Missing,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
)

INF = float("inf")


def dist(label: str, p: float = 0.7) -> np.ndarray:
    probs = np.full(7, (1 - p) / 6)
    probs[EMOTIONS.index(label)] = p
    return np.log(probs).astype(np.float32)


FLAT = np.log(np.full(7, 1 / 7)).astype(np.float32)


def faded(logs: np.ndarray, power: float) -> np.ndarray:
    """The distribution (7,) to the power of its weight."""
    probs = np.exp(power * logs)
    return probs / probs.sum()


def speech(t1, label="joy", number=1, partial=False, quality=1.0, t0=None, logs=None):
    logs = dist(label) if logs is None else logs
    return Evidence("speech", t1 - 1 if t0 is None else t0, t1, logs, quality, partial, number)


def text(t1, label="joy", number=1, partial=False, quality=1.0, logs=None):
    logs = dist(label) if logs is None else logs
    return Evidence("text", t1 - 1, t1, logs, quality, partial, number)


def face(t, label="joy", quality=1.0, logs=None):
    return Evidence("face", t, t, dist(label) if logs is None else logs, quality, False)


def no_face(t, why="no face"):
    return Missing("face", t, t, why, partial=False)


def no(modality, t1, why, number=1, partial=False):
    return Missing(modality, t1 - 1, t1, why, partial, number)


def update(number, t0, t1, state=SpeechState.ONGOING):
    hangover_s = 0.3 if state is SpeechState.ENDED else 0.0
    return SpeechUpdate(number, t0, t1, state, np.zeros(10, np.int16), t1 + hangover_s)


def ended(number, t0, t1):
    return update(number, t0, t1, SpeechState.ENDED)


def check(estimates: list[EmotionEstimate]) -> list[EmotionEstimate]:
    """What holds of every estimate."""
    last = -INF
    for e in estimates:
        assert isinstance(e, EmotionEstimate)
        assert tuple(e.modalities) == MODALITIES
        present = {m: c for m, c in e.modalities.items() if c is not None}
        assert set(e.why) - {"label"} == set(MODALITIES) - set(present)
        assert (e.label is None) == (e.probs is None) == (e.confidence is None)
        assert (e.label is None) == ("label" in e.why)
        if e.probs is not None:
            assert e.probs.shape == (7,)
            assert e.probs.dtype == np.float32
            assert e.probs.sum() == pytest.approx(1.0, abs=1e-6)
            assert e.confidence == e.probs.max()
            assert e.label == EMOTIONS[int(e.probs.argmax())]
        if present:
            assert sum(c.weight for c in present.values()) == pytest.approx(1.0)
            for c in present.values():
                assert c.probs.sum() == pytest.approx(1.0, abs=1e-6)
                assert c.age_s == pytest.approx(e.t - c.t)
                assert e.final or c.age_s >= 0
        assert e.t >= last
        last = e.t
    return estimates


def fused(messages, config=None, **kwargs) -> list[EmotionEstimate]:
    return check(run(FusionBlock(config, **kwargs), messages))


def same(a: list[EmotionEstimate], b: list[EmotionEstimate]) -> bool:
    def plain(e):
        parts = {
            m: c and (c.label, c.weight, c.t, c.age_s, c.probs.tolist())
            for m, c in e.modalities.items()
        }
        probs = None if e.probs is None else e.probs.tolist()
        return (
            e.t,
            e.window,
            e.label,
            probs,
            e.confidence,
            parts,
            dict(e.why),
            e.final,
            e.utterance,
        )

    return [plain(e) for e in a] == [plain(e) for e in b]


# Ticks


@pytest.mark.parametrize(
    ("evidence", "tau_s"), [(speech(4.0), 3.0), (text(4.0), 3.0), (face(4.0), 1.0)]
)
def test_one_modality_gives_back_its_own_distribution_and_fades(evidence, tau_s):
    new, old = fused([evidence, Tick(4.0), Tick(4.5)])
    np.testing.assert_allclose(new.probs, np.exp(evidence.log_probs), atol=1e-6)
    np.testing.assert_allclose(
        old.probs, faded(evidence.log_probs, np.exp(-0.5 / tau_s)), rtol=1e-5
    )
    part = old.modalities[evidence.modality]
    assert (part.label, part.weight, part.t) == ("joy", 1.0, 4.0)
    assert part.age_s == 0.5
    assert (old.t, old.window, old.label, old.final) == (4.5, (0.5, 4.5), "joy", False)


def test_poor_quality_flattens():
    (e,) = fused([speech(4.0, quality=0.25), Tick(4.0)])
    np.testing.assert_allclose(e.probs, faded(dist("joy"), 0.25), rtol=1e-5)


def test_agreement_is_surer_than_one_alone():
    (e,) = fused([speech(4.0, logs=dist("joy", 0.6)), text(4.0, logs=dist("joy", 0.7)), Tick(4.0)])
    assert e.label == "joy"
    expected = np.exp(dist("joy", 0.6) + dist("joy", 0.7))
    np.testing.assert_allclose(e.probs, expected / expected.sum(), rtol=1e-5)
    assert e.confidence > 0.7


def test_a_conflict_is_decided_by_quality():
    for better, label in ((0.9, "anger"), (0.2, "joy")):
        (e,) = fused([speech(4.0, "anger", quality=better), text(4.0, quality=0.5), Tick(4.0)])
        assert e.label == label
        share = e.modalities["speech"].weight
        assert share == pytest.approx(better / (better + 0.5))


def test_a_conflict_is_decided_by_age():
    config = FusionConfig(speech_tau_s=2.0, text_tau_s=2.0)
    (e,) = fused([speech(2.0, "anger"), text(4.0, "joy", number=2), Tick(4.0)], config)
    assert e.label == "joy"
    assert e.modalities["speech"].weight == pytest.approx(np.exp(-1) / (1 + np.exp(-1)))


class Listening:
    """A pool that notes what it is asked, and answers with fear and shares of its own."""

    def __init__(self):
        self.heard = []

    def fuse(self, opinions):
        self.heard.append(opinions)
        return np.float64(dist("fear")), dict.fromkeys(opinions, 1 / len(opinions))


def test_the_pool_decides_and_hears_quality_and_age():
    pool = Listening()
    messages = [speech(2.0, quality=0.5), face(3.0), face(4.0, quality=0.6), Tick(4.5)]
    (e,) = fused(messages, pool=pool)
    assert (e.label, e.confidence) == ("fear", pytest.approx(0.7))
    assert {m: c and c.weight for m, c in e.modalities.items()} == {
        "speech": 0.5,
        "text": None,
        "face": 0.5,
    }
    (opinions,) = pool.heard
    assert list(opinions) == ["speech", "face"]
    assert (opinions["speech"].quality, opinions["speech"].age_s) == (0.5, 2.5)
    assert opinions["face"].age_s == 0.5
    assert 0.6 < opinions["face"].quality < 0.8  # the mean of 1 and 0.6, the newer counting more


def test_in_a_final_the_pool_hears_of_no_age():
    pool = Listening()
    messages = [face(1.0), ended(1, 0.9, 2.0), speech(2.0), text(2.0), Tick(9.0)]
    assert fused(messages, pool=pool)[0].final
    assert [o.age_s for o in pool.heard[0].values()] == [0.0, 0.0, 0.0]


def test_with_no_evidence_the_pool_is_not_asked():
    pool = Listening()
    (e,) = fused([no_face(1.0), Tick(1.0)], pool=pool)
    assert (e.label, pool.heard) == (None, [])


def test_a_flat_modality_takes_little():
    alone = fused([speech(4.0, quality=0.5), Tick(4.0)])[0]
    with_flat = fused([speech(4.0, quality=0.5), face(4.0, quality=1.0, logs=FLAT), Tick(4.0)])[0]
    assert with_flat.label == "joy"
    assert with_flat.confidence > 0.95 * alone.confidence


def test_removing_any_modality_leaves_the_rest():
    parts = {"speech": speech(4.0), "text": text(4.0, "anger"), "face": face(4.0)}
    for absent in MODALITIES:
        rest = [part for name, part in parts.items() if name != absent]
        (e,) = fused([*rest, Tick(4.0)])
        assert e.label is not None
        assert e.modalities[absent] is None
        assert absent in e.why


def test_the_newest_evidence_of_an_utterance_replaces_the_earlier():
    messages = [speech(3.0, "anger", partial=True), speech(4.0, "joy", partial=True), Tick(4.0)]
    (e,) = fused(messages)
    np.testing.assert_allclose(e.probs, np.exp(dist("joy")), atol=1e-6)


def test_a_final_replaces_a_partial_that_reaches_into_the_hangover():
    messages = [speech(4.2, "anger", partial=True), Tick(4.25), speech(4.0, "joy"), Tick(4.5)]
    first, second = fused(messages)
    assert (first.label, second.label) == ("anger", "joy")
    assert second.modalities["speech"].t == 4.0


def test_older_utterances_in_the_window_count_less():
    config = FusionConfig(speech_tau_s=1.0)
    (e,) = fused([speech(3.0, "anger", 1), speech(4.0, "joy", 2), Tick(4.0)], config)
    part = e.modalities["speech"]
    share = 1 / (1 + np.exp(-1))
    expected = share * dist("joy") + (1 - share) * dist("anger")
    np.testing.assert_allclose(part.probs, np.exp(expected) / np.exp(expected).sum(), rtol=1e-5)
    assert part.t == 4.0


def test_face_frames_are_pooled_by_quality_and_recency():
    frames = [face(3.0, "anger", 0.9), face(4.0, "joy", 0.6)]
    (e,) = fused([*frames, Tick(4.0)], FusionConfig(face_tau_s=1.0))
    old, new = 0.9 * np.exp(-1), 0.6
    expected = (old * dist("anger") + new * dist("joy")) / (old + new)
    quality = (0.9 * np.exp(-1) + 0.6) / (np.exp(-1) + 1)
    np.testing.assert_allclose(e.probs, faded(expected, quality), rtol=1e-5)


def test_window_edges():
    messages = [face(2.0, "anger"), face(6.0, "joy"), face(6.001, "anger"), Tick(6.0)]
    (e,) = fused(messages)  # (2, 6]
    np.testing.assert_allclose(e.probs, np.exp(dist("joy")), atol=1e-6)
    (e,) = fused([speech(2.0), Tick(6.0)])
    assert e.label is None
    (e,) = fused([speech(2.001), Tick(6.0)])
    assert e.label == "joy"


def test_evidence_of_the_future_waits_for_its_tick():
    messages = [
        speech(3.0, "anger", partial=True),
        speech(4.0, "joy", partial=True),
        Tick(3.5),
        Tick(4.0),
    ]
    first, second = fused(messages)
    assert (first.label, second.label) == ("anger", "joy")


def test_the_window_at_the_start_begins_at_0():
    (e,) = fused([face(0.5), Tick(1.0)])
    assert e.window == (0.0, 1.0)


def test_voice_stays_for_the_window_and_then_there_is_silence():
    messages = [update(1, 0.0, 1.0), speech(1.0), text(1.0), ended(1, 0.0, 1.0)]
    ticks = [Tick(t / 4) for t in range(6, 24)]
    final, *rest = fused([*messages, *ticks], modalities={"speech", "text"})
    assert final.final
    assert [e.label for e in rest if e.t < 5.0] == ["joy"] * 14
    late = [e for e in rest if e.t >= 5.0]
    assert [(e.label, e.why["label"]) for e in late] == [(None, "silence")] * 4


def test_order_of_arrival_between_ticks_does_not_matter():
    parts = [
        speech(3.0, "anger", partial=True),
        speech(3.5, "joy", partial=True),
        text(3.2, "sadness", partial=True),
        face(3.1, "anger"),
        face(3.3, "fear"),
        no_face(3.4),
    ]
    reference = fused([*parts, Tick(4.0)])
    for order in itertools.permutations(parts):
        assert same(run(FusionBlock(), [*order, Tick(4.0)]), reference)


def test_ticks_that_go_back_do_not_take_t_back():
    first, second = fused([face(4.0), Tick(4.0), Tick(3.0)])
    assert (first.t, second.t) == (4.0, 4.0)


def test_below_the_least_confidence_there_is_no_label():
    config = FusionConfig(min_confidence=0.5)
    (e,) = fused([speech(4.0, logs=dist("joy", 0.4)), Tick(4.0)], config)
    assert (e.label, e.probs, e.confidence) == (None, None, None)
    assert e.why == {"text": "waiting", "face": "waiting", "label": "too unsure"}
    assert e.modalities["speech"].label == "joy"


# Reasons


def test_an_end_that_is_heard_of_late_is_waited_for_from_then_on():
    """A program pushes its sound second by second: the end was decided before it came."""
    evidence = speech(2.0, number=1, t0=1.0)
    messages = [update(1, 1.0, 1.5), Tick(3.0), ended(1, 1.0, 2.0), Tick(3.25), evidence]
    (final,) = [e for e in fused(messages, expects=("speech",)) if e.final]
    assert (final.t, final.label) == (3.25, "joy")
    late = [*messages[:-1], Tick(3.5), evidence]
    (final,) = [e for e in fused(late, expects=("speech",)) if e.final]
    assert (final.t, final.why["speech"]) == (3.5, "late")


def test_nothing_at_all():
    (e,) = fused([Tick(1.0)])
    assert e.why == {
        "speech": "silence",
        "text": "silence",
        "face": "waiting",
        "label": "silence; waiting",
    }
    (e,) = fused([no_face(0.9), Tick(1.0)])
    assert e.why["label"] == "silence; no face"
    (e,) = fused([Tick(1.0)], modalities=())
    assert e.why == {"speech": "off", "text": "off", "face": "off", "label": "off"}


def test_face_alone():
    (e,) = fused([face(0.5), Tick(1.0)], modalities={"face"})
    assert (e.label, e.modalities["face"].weight) == ("joy", 1.0)
    assert e.why == {"speech": "off", "text": "off"}
    (e,) = fused([no_face(0.5, "poor picture: blurred"), Tick(1.0)], modalities={"face"})
    assert e.why["label"] == "poor picture: blurred"


def test_evidence_of_a_modality_that_is_off_is_not_used():
    (e,) = fused([face(0.9), text(1.0), Tick(1.0)], modalities={"speech"})
    assert e.label is None
    assert e.why == {"speech": "silence", "text": "off", "face": "off", "label": "silence"}


def test_waiting_while_the_person_speaks():
    (e,) = fused([update(7, 0.8, 1.0), no_face(1.0), Tick(1.0)], expects=("speech", "text"))[:1]
    assert (e.why["speech"], e.why["text"], e.utterance) == ("waiting", "waiting", 7)


def test_the_encoders_reasons_are_passed_on():
    messages = [
        ended(1, 0.5, 0.8),
        no("speech", 0.8, "too short"),
        no("text", 0.8, "no words"),
        Tick(2.0),
    ]
    final, tick = fused(messages)
    for e in (final, tick):
        assert (e.why["speech"], e.why["text"]) == ("too short", "no words")


def test_a_final_without_words_takes_back_the_partial_ones():
    (e,) = fused([text(1.0, partial=True), no("text", 0.9, "no words"), Tick(1.0)])
    assert (e.label, e.why["text"]) == (None, "no words")


def test_quality_0_is_missing():
    (e,) = fused([face(1.0, quality=0.0), Tick(1.0)])
    assert (e.label, e.why["face"]) == (None, "poor quality")


def test_gaps_that_never_end_are_the_reason():
    gaps = [
        Gap("audio", 0.0, INF, "no sound in the source"),
        Gap("video", 3.0, INF, "camera stopped"),
    ]
    early, late = fused([gaps[0], face(2.9), gaps[1], Tick(3.5), Tick(8.0)])
    assert early.label == "joy"
    assert early.why == {"speech": "no sound in the source", "text": "no sound in the source"}
    assert late.why["face"] == "camera stopped"
    assert late.why["label"] == "no sound in the source; camera stopped"
    (e,) = fused([gaps[0], Tick(1.0)], expects=())  # no encoder was loaded for it
    assert e.why["text"] == "no sound in the source"


def test_a_gap_ends_when_data_comes_again():
    gap = Gap("video", 1.0, INF, "camera stopped")
    (e,) = fused([gap, no_face(5.0), Tick(5.5)])
    assert e.why["face"] == "no face"
    (e,) = fused([Gap("audio", 1.0, INF, "unplugged"), update(1, 4.0, 5.0), Tick(5.0)])[:1]
    assert e.why["speech"] == "waiting"


def test_a_short_gap_is_the_reason_while_it_is_in_the_window():
    messages = [Gap("audio", 1.0, 1.5, "overflow"), Tick(1.2), Tick(2.0), Tick(6.0)]
    assert [e.why["speech"] for e in fused(messages)] == ["overflow", "overflow", "silence"]


def test_a_modality_can_be_absent_for_a_reason_of_its_own():
    messages = [speech(1.0), ended(1, 0.0, 1.0), Tick(2.0)]
    final, tick = fused(messages, absent={"text": "no recognizer"})
    assert final.final
    assert final.why["text"] == tick.why["text"] == "no recognizer"


# Finals


def test_final_at_once_when_all_have_settled_in_any_order():
    parts = [speech(2.0), text(2.0, "anger"), ended(1, 1.0, 2.0)]
    faces = [face(0.0, "fear"), face(1.5, "joy"), face(2.1, "joy"), face(2.4, "fear")]
    reference = fused([*faces, *parts, Tick(9.0)])
    assert [e.final for e in reference] == [True, False]
    final = reference[0]
    assert (final.t, final.window, final.utterance) == (2.3, (1.0, 2.0), 1)
    np.testing.assert_allclose(final.modalities["face"].probs, np.exp(dist("joy")), atol=1e-6)
    assert [final.modalities[m].weight for m in MODALITIES] == pytest.approx([1 / 3] * 3)
    for order in itertools.permutations(parts):
        assert same(run(FusionBlock(), [*faces, *order, Tick(9.0)]), reference)


def test_nothing_fades_in_a_final():
    messages = [
        update(1, 0.9, 18.9),
        face(1.0),
        Tick(20.0),
        speech(19.0, "anger", t0=0.9),
        text(19.0),
        ended(1, 0.9, 19.0),
    ]
    final = fused(messages)[-1]
    assert final.final
    assert [final.modalities[m].weight for m in MODALITIES] == pytest.approx([1 / 3] * 3)
    assert final.modalities["face"].age_s == 19.0


def test_the_deadline_ends_the_wait():
    messages = [speech(2.0), ended(1, 1.0, 2.0), Tick(2.75), Tick(2.8), Tick(3.0)]
    before, final, tick, after = fused(messages)
    assert [e.final for e in (before, final, tick, after)] == [False, True, False, False]
    assert before.why["text"] == "waiting"
    assert (final.t, final.label, final.why["text"]) == (2.8, "joy", "late")
    assert after.why["text"] == "late"


def test_late_evidence_gives_no_second_final_but_counts_in_ticks():
    messages = [speech(2.0), ended(1, 1.0, 2.0), Tick(2.9), text(2.0, "anger"), Tick(3.0)]
    final, tick, after = fused(messages)
    assert [e.final for e in (final, tick, after)] == [True, False, False]
    assert tick.modalities["text"] is None
    assert after.modalities["text"].label == "anger"
    assert fused([*messages, Tick(30.0), text(2.0), Tick(31.0)])[-1].label is None


def test_at_the_deadline_what_came_in_part_counts():
    messages = [speech(2.0), text(1.8, "joy", partial=True), ended(1, 1.0, 2.0), Tick(3.0)]
    final = fused(messages)[0]
    assert final.final
    assert final.modalities["text"].t == 1.8


def test_with_nothing_a_final_still_comes_with_reasons():
    messages = [
        no("speech", 1.2, "too short"),
        no("text", 1.2, "no words"),
        no_face(1.1),
        ended(1, 1.0, 1.2),
    ]
    (final,) = fused(messages)
    assert final.label is None
    assert final.why["label"] == "too short; no words; no face"


def test_no_expected_modality_means_no_wait():
    (final,) = fused([face(1.5), ended(1, 1.0, 2.0)], modalities={"face"})
    assert (final.final, final.label, final.t) == (True, "joy", 2.3)
    (final,) = fused([speech(2.0), ended(1, 1.0, 2.0)], expects=["speech"])
    assert (final.label, final.why["text"]) == ("joy", "off")


def test_two_utterances_in_quick_succession():
    messages = [
        update(1, 1.0, 1.9),
        ended(1, 1.0, 2.0),
        update(2, 2.35, 2.5),
        speech(2.0, number=1),
        text(2.0, number=1),
        ended(2, 2.35, 2.9),
        text(2.9, "anger", number=2),
        speech(2.9, "anger", number=2),
    ]
    finals = fused(messages)
    assert [(e.utterance, e.label, e.window) for e in finals] == [
        (1, "joy", (1.0, 2.0)),
        (2, "anger", (2.35, 2.9)),
    ]
    overlapping = [messages[i] for i in (0, 1, 2, 5, 7, 6, 4, 3)]  # the second settles first
    finals = fused(overlapping)
    assert [e.utterance for e in finals] == [2, 1]


def test_an_utterance_split_at_its_longest():
    messages = []
    for number, t0, t1 in ((1, 0.0, 20.0), (2, 20.0, 24.0)):
        steps = np.arange(t0 + 0.25, t1 + 0.01, 0.25)
        for t in steps:
            messages += [face(float(t)), update(number, t0, float(t)), Tick(float(t))]
        messages += [speech(t1, number=number, t0=t0), text(t1, number=number)]
        messages.append(ended(number, t0, t1))
    out = fused(messages)
    finals = [e for e in out if e.final]
    assert [(e.utterance, e.window) for e in finals] == [(1, (0.0, 20.0)), (2, (20.0, 24.0))]
    assert all(e.modalities["face"] is not None for e in finals)
    assert len(out) == 96 + 2


def test_the_face_of_a_whole_long_utterance_is_remembered():
    frames = [face(t / 10, "anger" if t < 150 else "joy") for t in range(200)]
    ticks = [Tick(t / 4) for t in range(1, 80)]
    stream = sorted([*frames, *ticks], key=lambda m: m.t if isinstance(m, Tick) else m.t1)
    messages = [update(1, 0.0, 0.1), *stream, no("speech", 19.9, "too quiet")]
    final = fused([*messages, no("text", 19.9, "no words"), ended(1, 0.0, 19.9)])[-1]
    assert final.final
    expected = 0.75 * dist("anger") + 0.25 * dist("joy")
    np.testing.assert_allclose(final.probs, np.exp(expected) / np.exp(expected).sum(), rtol=1e-4)


def test_flush_answers_all_that_are_owed():
    messages = [
        speech(2.0, number=1),
        ended(1, 1.0, 2.0),
        update(2, 2.5, 3.0),
        text(3.0, "anger", number=2, partial=True),
    ]
    finals = fused(messages)
    assert [(e.utterance, e.label, e.final) for e in finals] == [
        (1, "joy", True),
        (2, "anger", True),
    ]
    assert [e.why["text" if e.utterance == 1 else "speech"] for e in finals] == ["late", "late"]


def test_flush_after_all_is_answered_gives_nothing():
    block = FusionBlock()
    for message in (speech(2.0), text(2.0), ended(1, 1.0, 2.0)):
        block.push(message)
    assert block.flush() == []


def test_t_of_a_final_is_not_before_the_last_tick():
    messages = [ended(1, 1.0, 2.0), Tick(2.5), speech(2.0), text(2.0)]
    tick, final = fused(messages)
    assert (tick.final, final.final, final.t) == (False, True, 2.5)
    final, tick = fused([speech(2.0), text(2.0), ended(1, 1.0, 2.0), Tick(2.25)])
    assert (final.t, tick.t) == (2.3, 2.3)


# All of it


def conversation(seconds: float = 40.0) -> list:
    """Utterances of 1.5 s every 4 s, a face that goes and comes, 15 frames and 4 ticks a second."""
    rng = np.random.default_rng(3)

    def any_logs() -> np.ndarray:
        return np.log(rng.dirichlet(np.ones(7)) + 1e-9).astype(np.float32)

    timed: list[tuple[float, int, object]] = []
    for i in range(int(seconds * 15)):
        t = i / 15
        seen = t % 10 < 7
        timed.append(
            (t, 0, face(t, quality=rng.uniform(0.2, 1), logs=any_logs()) if seen else no_face(t))
        )
    for number in range(int(seconds / 4)):
        t0 = 4.0 * number + 1
        for step in (0.5, 1.0):
            timed.append((t0 + step, 1, update(number, t0, t0 + step)))
            timed.append(
                (t0 + step, 2, speech(t0 + step, number=number, partial=True, logs=any_logs()))
            )
        t1 = t0 + 1.5
        timed.append((t1 + 0.3, 1, ended(number, t0, t1)))
        timed.append((t1 + 0.3, 2, speech(t1, number=number, logs=any_logs())))
        timed.append(
            (
                t1 + 0.3,
                3,
                text(t1, number=number, logs=any_logs())
                if number % 3
                else no("text", t1, "no words", number=number),
            )
        )
    timed += [(i / 4, 9, Tick(i / 4)) for i in range(1, int(seconds * 4))]
    return [message for _, _, message in sorted(timed, key=lambda item: item[:2])]


def test_the_same_input_gives_the_same_output():
    messages = conversation()
    assert same(run(FusionBlock(), messages), run(FusionBlock(), messages))
    block = FusionBlock(modalities=frozenset(MODALITIES))
    run(block, messages[:500])
    block.reset()
    assert same(run(block, messages), run(FusionBlock(), messages))


def test_a_conversation_has_one_final_each_and_bounded_memory():
    block = FusionBlock()
    out = []
    for message in conversation(120.0):
        out += block.push(message)
        assert len(block._state.face) <= 15 * 25
        assert len(block._state.utterances()) <= 3
        assert len(block._state.no_face) <= 200
    out += block.flush()
    check(out)
    finals = [e for e in out if e.final]
    assert [e.utterance for e in finals] == list(range(30))
    assert all(e.t - e.window[1] == pytest.approx(0.3) for e in finals)


def test_an_utterance_that_lost_its_end_does_not_fill_the_memory():
    block = FusionBlock()
    block.push(update(1, 0.0, 0.1))
    for i in range(15 * 120):
        block.push(face(i / 15))
        if i % 4 == 0:
            block.push(Tick(i / 15))
    assert len(block._state.face) <= 15 * 25
    assert block._state.utterances() == []


def test_a_tick_is_cheap():
    block = FusionBlock()
    for i in range(80):
        block.push(face(i / 20))
    block.push(speech(3.9))
    block.push(text(3.9))
    best = INF
    for _ in range(20):
        start = time.perf_counter()
        block.push(Tick(4.0))
        best = min(best, time.perf_counter() - start)
    assert best < 0.001 * 5  # five times the aim: machines differ


# What is refused


def test_messages_of_no_concern_pass():
    words = Transcript(1, 0.0, 1.0, "hello", False, "vosk")
    assert FusionBlock().push(words) == ()


def test_wrong_evidence_is_refused():
    with pytest.raises(ValueError, match=r"\(7,\).*\(6,\)"):
        FusionBlock().push(face(1.0, logs=np.zeros(6, np.float32)))
    with pytest.raises(ValueError, match="NaN"):
        FusionBlock().push(face(1.0, logs=np.full(7, np.nan, np.float32)))
    with pytest.raises(ValueError, match="utterance"):
        FusionBlock().push(Evidence("speech", 0.0, 1.0, FLAT, 0.5, False))


def test_wrong_names_and_settings_are_refused():
    with pytest.raises(ValueError, match="modalities"):
        FusionBlock(modalities={"voice"})
    with pytest.raises(ValueError, match="expects"):
        FusionBlock(modalities={"face"}, expects={"speech"})
    with pytest.raises(ValueError, match="expects"):
        FusionBlock(expects={"text"}, absent={"text": "no recognizer"})
    with pytest.raises(MmerError, match="window_s"):
        FusionConfig(window_s=0)
    with pytest.raises(MmerError, match="final_wait_s"):
        FusionConfig(final_wait_s=-1)
    with pytest.raises(MmerError, match="min_confidence"):
        FusionConfig(min_confidence=2)
    with pytest.raises(MmerError, match="face_tau_s"):
        FusionConfig(face_tau_s=0)


class Remembers:
    """A pool that notes what it was given."""

    def __init__(self):
        self.given = []

    def fuse(self, opinions):
        self.given.append(opinions)
        return FLAT.astype(float), {m: 1 / len(opinions) for m in opinions}


def with_embedding(evidence, value):
    return replace(evidence, embedding=np.full((2, 3), value, np.float32))


def test_a_pool_gets_the_embedding_of_each_modality_s_newest_evidence():
    pool = Remembers()
    said = [
        with_embedding(speech(1.0, number=1), 1),
        with_embedding(speech(2.0, number=2, partial=True), 2),
        with_embedding(face(1.9), 5),
        with_embedding(face(1.2), 4),
        text(2.0, number=2),
        Tick(2.0),
        Tick(1.5 + 2.0),
    ]
    run(FusionBlock(FusionConfig(window_s=2.0), pool=pool), said)
    first, later = pool.given
    assert first["speech"].embedding[0, 0] == 2
    assert first["text"].embedding is None
    assert first["face"].embedding[0, 0] == later["face"].embedding[0, 0] == 5
    assert first["face"].embedding.shape == (2, 3)


def test_of_clips_the_newest_counts_alone():
    pool = Remembers()
    clips = [face(1.0, "joy", quality=0.2), face(1.5, "anger", quality=0.9), face(3.0, "fear")]
    run(
        FusionBlock(FusionConfig(window_s=2.0), pool=pool, clips=True),
        [*clips, Tick(2.0), Tick(3.0)],
    )
    at_two, at_three = (given["face"] for given in pool.given)
    np.testing.assert_allclose(at_two.log_probs, dist("anger"), atol=1e-6)
    assert (at_two.quality, at_two.age_s) == (pytest.approx(0.9), 0.5)
    np.testing.assert_allclose(at_three.log_probs, dist("fear"), atol=1e-6)


def test_a_final_takes_the_clip_of_its_utterance():
    pool = Remembers()
    faces = [face(0.5, "joy"), face(1.0, "anger"), face(1.9, "fear")]
    said = [update(1, 0.0, 1.0), *faces, speech(1.0), update(1, 0.0, 1.0, SpeechState.ENDED)]
    run(FusionBlock(pool=pool, expects=("speech",), clips=True), said)
    np.testing.assert_allclose(pool.given[0]["face"].log_probs, dist("anger"), atol=1e-6)


# --- provisional estimates -----------------------------------------------------------------------


def paused(number, t0, t1):
    return replace(update(number, t0, t1, SpeechState.PAUSED), decided=t1 + 0.08)


def pushed(messages, block=None, **kwargs) -> list[EmotionEstimate]:
    """What comes of the messages while the stream goes on."""
    block = block or FusionBlock(**kwargs)
    return check([made for message in messages for made in block.push(message)])


def kinds(estimates):
    return ["final" if e.final else "provisional" if e.provisional else "tick" for e in estimates]


def test_a_pause_is_answered_when_voice_and_words_have_their_evidence_for_it() -> None:
    block = FusionBlock()
    first = [update(1, 0, 1), speech(0.8, partial=True), text(0.9, partial=True)]
    assert pushed([*first, paused(1, 0, 1.06)], block) == []
    assert block.push(text(1.06, partial=True)) == ()  # the voice was heard until 0.8 s alone
    (early,) = block.push(speech(1.06, partial=True))
    assert (early.provisional, early.final, early.partial) == (True, False, True)
    assert (early.window, early.utterance, early.label) == ((0, 1.06), 1, "joy")
    assert early.t == pytest.approx(1.14)  # when the pause was long enough
    assert block.push(text(1.06, "fear", partial=True)) == ()  # once a pause
    assert kinds(block.push(Tick(1.3))) == ["tick"]
    (final,) = pushed([ended(1, 0, 1.06), speech(1.06), text(1.06)], block)
    assert (final.final, final.provisional, final.revised) == (True, False, False)
    assert np.array_equal(final.probs, early.probs)


@pytest.mark.parametrize(("label", "revised"), [("joy", False), ("fear", True)])
def test_a_final_with_another_label_is_revised(label: str, revised: bool) -> None:
    early, final = fused(
        [paused(1, 0, 1.06), speech(1.06, partial=True), ended(1, 0, 1.06), speech(1.06, label)],
        expects=("speech",),
    )
    assert kinds([early, final]) == ["provisional", "final"]
    assert final.revised is revised


def test_speech_that_goes_on_withdraws_it() -> None:
    messages = [paused(1, 0, 1.06), speech(1.06, partial=True), update(1, 0, 1.4)]
    messages += [ended(1, 0, 2.06), speech(2.06, "fear")]
    early, final = fused(messages, expects=("speech",))
    assert kinds([early, final]) == ["provisional", "final"]
    assert final.revised is False  # of the pause at its end there was none


def test_an_outcome_that_comes_when_speech_goes_on_makes_none() -> None:
    messages = [paused(1, 0, 1.06), update(1, 0, 1.2), speech(1.06, partial=True)]
    assert pushed(messages, expects=("speech",)) == []


def test_evidence_for_a_pause_may_come_before_the_pause_is_long_enough() -> None:
    first = [update(1, 0, 1.06, SpeechState.STOPPING)]
    first += [speech(1.06, partial=True), text(1.06, partial=True)]
    block = FusionBlock()
    assert pushed(first, block) == []
    assert kinds(block.push(paused(1, 0, 1.06))) == ["provisional"]


def test_the_words_of_a_late_recognizer_count_as_far_as_they_have_come() -> None:
    block = FusionBlock(FusionConfig(provisional_wait_s=0.1))
    first = [text(0.9, partial=True), paused(1, 0, 1.06), speech(1.06, partial=True)]
    assert pushed(first, block) == []
    assert kinds(block.push(Tick(1.2))) == ["tick"]
    early, running = block.push(Tick(1.25))
    assert kinds([early, running]) == ["provisional", "tick"]
    assert (early.t, early.modalities["text"].t) == (1.25, pytest.approx(0.9))
    assert block.push(text(1.06, "fear", partial=True)) == ()
    early, _ = pushed([paused(1, 0, 1.06), speech(1.06, partial=True), Tick(1.25)])
    assert early.why["text"] == "late"


def test_a_voice_that_is_late_is_waited_for() -> None:
    messages = [paused(1, 0, 1.06), text(1.06, partial=True), Tick(1.25)]
    assert kinds(pushed(messages)) == ["tick"]


def test_what_is_missing_at_a_pause_is_an_outcome_too() -> None:
    messages = [paused(1, 0, 1.06), no("speech", 1.06, "too short", partial=True)]
    assert pushed(messages) == []
    (early,) = pushed([*messages, text(1.06, partial=True)])
    assert (early.label, early.why["speech"]) == ("joy", "too short")
    nothing = [no(m, 1.06, "too quiet", partial=True) for m in ("speech", "text")]
    (early,) = pushed([paused(1, 0, 1.06), *nothing])
    assert (early.provisional, early.label) == (True, None)


def test_each_pause_is_answered_once() -> None:
    messages = []
    for n in range(1, 4):
        messages += [update(1, 0, n - 0.2), paused(1, 0, n), speech(n, partial=True)]
    assert kinds(pushed(messages, expects=("speech",))) == ["provisional"] * 3
