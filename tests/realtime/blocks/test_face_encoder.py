from dataclasses import dataclass

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer.realtime.messages import Clip, Evidence, FaceObservation, Missing, Tick

LOGS = np.log(np.full(7, 1 / 7, dtype=np.float32))


@dataclass
class Answer:
    log_probs: np.ndarray
    embedding: np.ndarray | None = None
    usable: float = 1.0


@dataclass
class FakeModel:
    usable: float = 1.0
    usable_below: float = 0.5

    def predict(self, crop: np.ndarray) -> Answer:
        assert crop.shape == (64, 64, 3)
        return Answer(LOGS, usable=self.usable)


def seen(t: float, quality: float, why: str = "") -> FaceObservation:
    crop = np.zeros((64, 64, 3), np.uint8)
    return FaceObservation(t, 1, (0.0, 0.0, 9.0, 9.0), None, crop, quality, why)


def unseen(t: float, why: str = "") -> FaceObservation:
    return FaceObservation(t, None, None, None, None, 0.0, why)


def test_a_good_picture_becomes_evidence_of_its_moment():
    (out,) = run(FaceEncoder(FakeModel()), [seen(3.5, 0.8)])
    assert isinstance(out, Evidence)
    assert (out.modality, out.t0, out.t1, out.quality) == ("face", 3.5, 3.5, 0.8)
    assert (out.partial, out.utterance, out.track) == (True, None, 1)
    np.testing.assert_array_equal(out.log_probs, LOGS)


@pytest.mark.parametrize(
    ("observation", "why"),
    [
        (unseen(1.0, "no face"), "no face"),
        (unseen(1.0), "no face"),
        (seen(1.0, 0.05, "blurred"), "poor picture: blurred"),
        (seen(1.0, 0.05), "poor picture: low quality"),
    ],
)
def test_otherwise_it_is_missing_with_the_reason(observation, why):
    (out,) = run(FaceEncoder(FakeModel()), [observation])
    assert isinstance(out, Missing)
    assert (out.modality, out.t0, out.t1, out.why) == ("face", 1.0, 1.0, why)


def test_the_least_quality_is_a_setting_and_0_is_always_poor():
    (out,) = run(FaceEncoder(FakeModel(), FaceEncoderConfig(min_quality=0.9)), [seen(1.0, 0.8)])
    assert isinstance(out, Missing)
    (out,) = run(FaceEncoder(FakeModel(), FaceEncoderConfig(min_quality=0.0)), [seen(1.0, 0.0)])
    assert isinstance(out, Missing)
    with pytest.raises(MmerError, match="min_quality"):
        FaceEncoderConfig(min_quality=2)


def test_what_the_network_calls_no_face_is_missing():
    (out,) = run(FaceEncoder(FakeModel(usable=0.49)), [seen(2.0, 0.8)])
    assert isinstance(out, Missing)
    assert (out.t0, out.t1, out.why, out.partial) == (2.0, 2.0, "no usable face", True)


def test_the_quality_is_times_the_belief_in_a_usable_face():
    (out,) = run(FaceEncoder(FakeModel(usable=0.6)), [seen(2.0, 0.8)])
    assert isinstance(out, Evidence)
    assert out.quality == pytest.approx(0.48)


@pytest.mark.parametrize(("limit", "kind"), [(0.0, Evidence), (0.3, Evidence), (0.31, Missing)])
def test_the_limit_can_be_set(limit, kind):
    config = FaceEncoderConfig(usable_below=limit)
    (out,) = run(FaceEncoder(FakeModel(usable=0.3), config), [seen(2.0, 0.8)])
    assert isinstance(out, kind)


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_senseless_limit_is_refused(limit):
    with pytest.raises(MmerError, match=r"usable_below must be 0\.\.1"):
        FaceEncoderConfig(usable_below=limit)


@dataclass
class CountingModel(FakeModel):
    calls: int = 0

    def predict(self, crop: np.ndarray) -> Answer:
        self.calls += 1
        return Answer(LOGS - self.calls)


def half_lit(t: float, lit: int, track: int = 1, quality: float = 0.8) -> FaceObservation:
    crop = np.full((64, 64, 3), 80, np.uint8)
    crop[:, 32:] = lit  # of 160: a deviation of 40
    return FaceObservation(t, track, (0.0, 0.0, 9.0, 9.0), None, crop, quality)


def test_a_face_that_hardly_changes_is_evaluated_every_quarter_of_a_second():
    model = CountingModel()
    frames = [half_lit(i / 20, 160 + i % 2, quality=0.5 + i / 100) for i in range(11)]
    out = run(FaceEncoder(model), frames)
    assert model.calls == 3
    assert [e.t1 for e in out] == [f.t for f in frames]
    assert [e.quality for e in out] == [f.quality for f in frames]
    assert [round(float(-e.log_probs[0] - np.log(7))) for e in out] == [1] * 5 + [2] * 5 + [3]


def test_a_face_that_changes_is_evaluated_at_once():
    model = CountingModel()
    run(FaceEncoder(model), [half_lit(i / 20, 160 + 10 * (i % 2)) for i in range(10)])
    assert model.calls == 10
    # what changes little by little adds up, since the crop evaluated last
    model = CountingModel()
    run(FaceEncoder(model), [half_lit(i / 100, 160 + 2 * i) for i in range(10)])
    assert model.calls == 5


def test_a_prediction_stands_for_its_own_track_until_a_reset_or_time_goes_back():
    model = CountingModel()
    block = FaceEncoder(model)
    run(block, [half_lit(t, 160, track) for t in (1.0, 1.1) for track in (1, 2)])
    assert model.calls == 2
    run(block, [half_lit(0.5, 160)])
    assert model.calls == 3
    block.reset()
    run(block, [half_lit(0.6, 160)])
    assert model.calls == 4


@pytest.mark.parametrize("name", ["least_change", "stands_s"])
def test_a_negative_change_or_time_is_refused(name):
    with pytest.raises(MmerError, match=name):
        FaceEncoderConfig(**{name: -0.1})


def test_other_messages_pass():
    assert run(FaceEncoder(FakeModel()), [Tick(1.0)]) == []


PICTURES = np.zeros((2, 8, 8, 3), np.uint8)
STEPS = np.ones((2, 4), np.float32)


@dataclass
class FakeClipModel:
    prediction: Prediction
    usable_below: float = 0.0

    def predict(self, images: np.ndarray) -> Prediction:
        assert images is PICTURES
        return self.prediction


def test_a_clip_becomes_evidence_of_its_span() -> None:
    said = Prediction.from_logits(np.arange(7, dtype=np.float32), 1.0, STEPS, usable=0.5)
    clip = Clip(1.0, 3.0, PICTURES, 0.8, partial=False, utterance=4)
    (out,) = run(FaceEncoder(FakeClipModel(said)), [Tick(1.0), clip])
    assert isinstance(out, Evidence)
    assert (out.modality, out.t0, out.t1, out.partial, out.utterance) == ("face", 1, 3, False, 4)
    assert out.quality == 0.4
    assert out.embedding is STEPS
    np.testing.assert_array_equal(out.log_probs, said.log_probs)


def test_a_clip_that_cannot_be_evaluated_is_missing() -> None:
    block = FaceEncoder(FakeClipModel(Prediction.unknown()))
    (out,) = run(block, [Clip(1.0, 3.0, PICTURES, 0.8, partial=True)])
    assert isinstance(out, Missing)
    assert (out.modality, out.t1, out.why) == ("face", 3.0, "no usable picture")
