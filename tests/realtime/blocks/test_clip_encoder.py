import numpy as np

from mmer.models.prediction import Prediction
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.clip_encoder import ClipEncoder
from mmer.realtime.messages import Clip, Evidence, Missing, Tick

PICTURES = np.zeros((2, 8, 8, 3), np.uint8)
STEPS = np.ones((2, 4), np.float32)


class Fake:
    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction

    def predict(self, pictures: np.ndarray) -> Prediction:
        assert pictures is PICTURES
        return self.prediction


def test_a_clip_becomes_evidence_of_its_span() -> None:
    said = Prediction.from_logits(np.arange(7, dtype=np.float32), 1.0, STEPS, usable=0.5)
    clip = Clip(1.0, 3.0, PICTURES, 0.8, partial=False, utterance=4)
    (out,) = run(ClipEncoder(Fake(said)), [Tick(1.0), clip])
    assert isinstance(out, Evidence)
    assert (out.modality, out.t0, out.t1, out.partial, out.utterance) == ("face", 1, 3, False, 4)
    assert out.quality == 0.4
    assert out.embedding is STEPS
    np.testing.assert_array_equal(out.log_probs, said.log_probs)


def test_what_cannot_be_judged_is_missing() -> None:
    (out,) = run(
        ClipEncoder(Fake(Prediction.unknown())), [Clip(1.0, 3.0, PICTURES, 0.8, partial=True)]
    )
    assert isinstance(out, Missing)
    assert (out.modality, out.t1, out.why) == ("face", 3.0, "no usable picture")
