from dataclasses import replace
from types import SimpleNamespace

import pytest

from mmer.realtime.messages import FaceObservation, Gap, Health, Missing, SpeechState
from mmer.realtime.sinks.state import OverlayState, event_time, modality_labels


def test_the_time_of_events(make: SimpleNamespace) -> None:
    assert event_time(make.estimate(2.0)) == 2.0
    assert event_time(make.speech(1, 0.5, 1.0, SpeechState.ONGOING)) == pytest.approx(1.02)
    assert event_time(make.transcript(1, 0.5, 1.9, "x")) == 1.9
    assert event_time(Gap("audio", 1.0, 1.5, "lost")) == 1.5
    # what lasts for ever counts from its start
    assert event_time(Gap("video", 0.0, float("inf"), "none")) == 0.0
    assert event_time(Missing("face", 0.0, float("inf"), "none", False)) == 0.0


def test_the_voice_speaks_and_falls_quiet(make: SimpleNamespace) -> None:
    state = OverlayState()
    assert state.modality_state("speech") == "quiet"
    state.update(make.speech(1, 0.5, 1.7, SpeechState.ONGOING), None)
    assert state.modality_state("speech") == "speaking 1.2 s"
    state.update(make.speech(1, 0.5, 1.9, SpeechState.ENDED), None)
    assert state.modality_state("speech") == "quiet"


def test_a_final_transcript_replaces_its_partial_one(make: SimpleNamespace) -> None:
    state = OverlayState()
    state.update(make.transcript(1, 0.5, 1.0, "what a", partial=True), None)
    assert state.transcript is state.partial
    assert state.modality_state("text") == "hearing (vosk)"
    state.update(make.transcript(1, 0.5, 1.9, "what a day"), None)
    assert state.partial is None
    assert state.transcript is not None
    assert state.transcript.text == "what a day"
    state.update(make.transcript(2, 2.5, 3.0, "and", partial=True), None)
    state.update(make.transcript(1, 0.5, 1.9, "late"), None)  # leaves the newer partial one
    assert state.transcript.text == "and"
    for n in range(3, 8):
        state.update(make.transcript(n, n, n + 1.0, f"words {n}"), None)
    assert [f.text for f in state.finals] == ["words 5", "words 6", "words 7"]


def test_a_final_label_belongs_to_its_utterance_not_to_now(make: SimpleNamespace) -> None:
    state = OverlayState()
    now = make.estimate(2.0, "neutral")
    state.update(now, None)
    state.update(make.estimate(2.1, "joy", window=(0.5, 1.9), final=True, utterance=1), None)
    assert state.estimate is now
    assert state.labels == {1: "joy"}
    for n in range(2, 30):
        state.update(make.estimate(2.0 + n, final=True, utterance=n), None)
    assert len(state.labels) <= 9  # a day-long session keeps only what is shown


def test_a_provisional_label_is_shown_until_speech_goes_on_or_ends(make: SimpleNamespace) -> None:
    state = OverlayState()
    state.update(make.estimate(1.0, "fear"), None)
    for then in (SpeechState.ONGOING, SpeechState.ENDED):
        state.update(make.speech(1, 0.5, 1.2, SpeechState.PAUSED), None)
        state.update(replace(make.estimate(1.3, "joy", utterance=1), provisional=True), None)
        assert state.provisional == "joy"
        assert state.estimate.label == "fear"  # how it is now, not how the utterance was
        state.update(make.speech(1, 0.5, 1.5, then), None)
        assert state.provisional is None


def test_the_face_comes_and_goes(make: SimpleNamespace) -> None:
    state = OverlayState()
    assert state.modality_state("face") == "no picture yet"
    state.update(make.face(1.0), None)
    assert state.modality_state("face") == "found, quality 0.93"
    state.update(make.estimate(2.5), None)  # the camera has said nothing for 1.5 s
    assert state.visible_face is None
    state.update(FaceObservation(2.6, None, None, None, None, 0.0, "no face"), None)
    assert state.modality_state("face") == "no face"


def test_latency_is_known_live_alone(make: SimpleNamespace) -> None:
    state = OverlayState()
    state.update(make.estimate(2.0), None)
    assert state.latency_ms is None
    state.update(make.estimate(2.0), 2.05)
    assert state.latency_ms == pytest.approx(150)
    assert state.t == 2.05
    state.update(Health(2.0, {"video": 3}, {"a": 0.2, "b": None, "c": 0.1}, 0.5), 2.1)
    assert (state.queue_s, state.gap_s, state.drops) == (0.2, 0.5, {"video": 3})


def test_modality_labels(make: SimpleNamespace) -> None:
    assert modality_labels(make.estimate(1.0)) == "speech joy 0.50, words joy 0.50, face -"
