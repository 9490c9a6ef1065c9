from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")


from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.training.tasks.fusion_outputs import EncoderOutputs
from mmer.training.tasks.fusion_pairing import (
    CLEAN,
    NEUTRAL,
    Corruption,
    Pairing,
    drop_some,
    keep_only,
)


def encoder_outputs(
    per_class: int = 4, states: int = 3, missing: str | None = None
) -> EncoderOutputs:
    """Items whose opinion is their label, surest in state 0; the last state gives no evidence."""
    labels = np.repeat([k for k, e in enumerate(EMOTIONS) if e != missing], per_class)
    log_probs = np.full((len(labels), states, 7), np.log(0.02), np.float32)
    for row, label in enumerate(labels):
        log_probs[row, :, label] = np.log(0.88)
    quality = np.ones((len(labels), states), np.float32)
    quality[:, 1:-1] = 0.5
    quality[:, -1] = 0.0
    groups = np.array([f"meld/dev/{row}" for row in range(len(labels))])
    names = tuple(f"state {k}" for k in range(states))
    contents = np.arange(len(labels), dtype=np.uint64)
    return EncoderOutputs(names, log_probs, quality, labels, groups, contents)


PAIRING = Pairing({m: encoder_outputs() for m in MODALITIES})


def shown(log_probs: np.ndarray) -> np.ndarray:
    return np.asarray(log_probs.argmax(axis=-1))


def test_clean_moments_agree_and_every_emotion_is_as_frequent() -> None:
    moments = PAIRING.draw(700, np.random.default_rng(0))
    assert np.bincount(moments.labels).tolist() == [100] * 7
    assert (shown(moments.inputs["log_probs"]) == moments.labels[:, None]).all()
    assert (moments.inputs["quality"] == 1).all()
    assert (moments.inputs["age_s"] == 0).all()
    assert moments.inputs["present"].all()
    assert {a.dtype for a in moments.inputs.values()} == {np.dtype(np.float32)}
    labels = encoder_outputs().labels
    assert (labels[moments.rows] == moments.labels[:, None]).all()


def test_the_same_seed_gives_the_same_moments() -> None:
    one, two = (PAIRING.draw(50, np.random.default_rng(3), Corruption()) for _ in range(2))
    for name, array in one.inputs.items():
        assert np.array_equal(array, two.inputs[name])


def test_masked_and_wrong_are_as_often_as_they_should() -> None:
    life = Corruption(spoilt=0, aged=0, masked={"face": 0.3}, wrong={"text": 0.2})
    moments = PAIRING.draw(7000, np.random.default_rng(0), life)
    felt = moments.labels != NEUTRAL
    speech, text, face = shown(moments.inputs["log_probs"]).T
    assert (speech == moments.labels).all()
    assert (face[felt] == NEUTRAL).mean() == pytest.approx(0.3, abs=0.02)
    assert (text != moments.labels).mean() == pytest.approx(0.2 * 6 / 7, abs=0.02)


def test_talking_faces_are_still_and_the_context_says_so() -> None:
    life = Corruption(spoilt=0, aged=0, talking=0.6, still=0.5)
    moments = PAIRING.draw(7000, np.random.default_rng(0), life)
    talking = moments.inputs["context"][:, MODALITIES.index("face"), 1] == 1
    assert talking.mean() == pytest.approx(0.6, abs=0.02)
    face = shown(moments.inputs["log_probs"])[:, MODALITIES.index("face")]
    felt = moments.labels != NEUTRAL
    assert (face[felt & talking] == NEUTRAL).mean() == pytest.approx(0.5, abs=0.03)
    assert (face[~talking] == moments.labels[~talking]).all()
    assert not moments.inputs["context"][:, :2, 1].any()


def test_strangers_are_shifted_as_far_as_the_baseline_has_not_come() -> None:
    plain = PAIRING.draw(4000, np.random.default_rng(0), Corruption(spoilt=0, aged=0))
    life = Corruption(spoilt=0, aged=0, baseline=0.5, strange=1.0, offset=1.5)
    moments = PAIRING.draw(4000, np.random.default_rng(0), life)
    known = moments.inputs["context"][:, 0, 2]
    assert not plain.inputs["context"][:, :, 2].any()
    assert (known == 0).mean() == pytest.approx(0.5, abs=0.03)
    spread = moments.inputs["log_probs"][:, 0].std(axis=1)
    assert spread[known < 0.1].mean() > spread[known > 0.9].mean() + 0.2
    text = MODALITIES.index("text")
    assert not moments.inputs["context"][:, text, 2].any()
    assert set(np.unique(plain.inputs["log_probs"][:, text].round(3))) == set(
        np.unique(moments.inputs["log_probs"][:, text].round(3))
    )


def test_old_evidence_is_of_another_emotion_as_often_as_emotions_change() -> None:
    life = Corruption(spoilt=0, aged=1, oldest_s=4, persistence_s=5)
    moments = PAIRING.draw(14_000, np.random.default_rng(0), life)
    ages = moments.inputs["age_s"][:, 0]
    same = shown(moments.inputs["log_probs"])[:, 0] == moments.labels
    assert 0 <= ages.min() < 0.1 < 3.9 < ages.max() <= 4
    for low in (0.0, 3.0):
        part = (ages >= low) & (ages < low + 1)
        persisting = np.exp(-ages[part] / 5).mean()
        assert same[part].mean() == pytest.approx(persisting + (1 - persisting) / 7, abs=0.03)


def test_a_state_without_evidence_is_absence() -> None:
    moments = PAIRING.draw(3000, np.random.default_rng(0), Corruption(spoilt=0.6, aged=0))
    present = moments.inputs["present"]
    assert ((moments.inputs["quality"] > 0) == (present == 1)).all()
    assert 1 - present.mean() == pytest.approx(0.2, abs=0.02)


def test_dropping_and_keeping_modalities() -> None:
    inputs = PAIRING.draw(7000, np.random.default_rng(0)).inputs
    some = drop_some(inputs, np.random.default_rng(1), MODALITIES)["present"]
    kinds, counts = np.unique(some, axis=0, return_counts=True)
    assert len(kinds) == 7
    assert counts.min() > 0.8 * 1000
    two = drop_some(inputs, np.random.default_rng(1), ("speech", "face"))["present"]
    assert not two[:, 1].any()
    assert two.any(axis=1).all()
    assert keep_only(inputs, ("text",))["present"].sum(axis=0).tolist() == [0, 7000, 0]
    assert inputs["present"].all()  # what was given is as it was


def test_nothing_is_dropped_where_it_would_leave_nothing() -> None:
    inputs = dict(PAIRING.draw(700, np.random.default_rng(0)).inputs)
    inputs["present"] = np.tile(np.float32([0, 1, 0]), (700, 1))
    dropped = drop_some(inputs, np.random.default_rng(1), MODALITIES)["present"]
    assert dropped.sum(axis=0).tolist() == [0, 700, 0]


def test_what_cannot_be_paired_or_is_no_share_is_refused() -> None:
    whole = {m: encoder_outputs() for m in MODALITIES}
    with pytest.raises(MmerError, match="no held-out item of face for fear"):
        Pairing({**whole, "face": encoder_outputs(missing="fear")})
    with pytest.raises(MmerError, match=r"masked\.face must be 0\.\.1"):
        Corruption(masked={"face": 1.5})
    with pytest.raises(MmerError, match="wrong is by modality"):
        Corruption(wrong={"smell": 0.5})
    with pytest.raises(MmerError, match="persistence_s"):
        Corruption(persistence_s=0)
    assert CLEAN.masked == {}
