"""The fused answer against the best modality alone: cells, differences, and the worst."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.fusion import measured
from mmer.benchmarks.fusion_states import NOISE, darker, exchanged, noisy, of_clip, other_sentences
from mmer.benchmarks.personal.clips import Clip
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.prediction import log_softmax
from mmer.realtime.messages import AudioBlock, Evidence, VideoFrame

LABELS = np.tile(np.arange(7), 20)
APART = np.arange(len(LABELS), dtype=np.uint64)[:, None].repeat(3, axis=1)
"""Items that are in one moment each."""


def opinions(rights: dict[str, float], seed: int = 0) -> list[dict[str, Opinion]]:
    """Moments in which each modality is right as often as ``rights`` says."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Opinion]] = []
    for label in LABELS:
        moment = {}
        for modality, share in rights.items():
            said = label if rng.random() < share else rng.integers(7)
            logs = log_softmax(2.5 * np.eye(7)[said] + rng.normal(0, 0.3, 7))
            moment[modality] = Opinion(logs, 1.0, 0.0)
        made.append(moment)
    return made


@pytest.fixture(scope="module")
def fusion() -> FusionModel:
    return FusionModel.load()


def test_every_choice_has_a_cell_with_its_best_modality(fusion: FusionModel) -> None:
    moments = opinions({"speech": 0.9, "text": 0.5, "face": 0.7})
    cells = measured(fusion, "made", "clean", moments, LABELS, APART)
    assert [c.present for c in cells] == [
        ("speech", "text"), ("speech", "face"), ("text", "face"), MODALITIES,
    ]  # fmt: skip
    assert [c.which for c in cells] == ["speech", "speech", "face", "speech"]
    for cell in cells:
        assert cell.low <= cell.points <= cell.high
        assert cell.points == pytest.approx(cell.fused - cell.best)


def test_a_fusion_that_follows_the_worse_one_is_below() -> None:
    class Worse:
        def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
            return list(given.values())[-1].log_probs, {}

    moments = opinions({"speech": 0.95, "text": 0.2})
    (cell,) = measured(Worse(), "made", "clean", moments, LABELS, APART)  # type: ignore[arg-type]
    assert cell.points < -40
    assert cell.high < -20


def test_a_modality_alone_is_its_label_or_the_fusions_whichever_is_better() -> None:
    class Shifted:
        """Right by itself with one modality, wrong with two."""

        def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
            logs = given["speech"].log_probs if "speech" in given else given["text"].log_probs
            return np.roll(logs, 0 if len(given) == 1 else 1), {}

    moments = opinions({"speech": 1.0, "text": 0.0})
    (cell,) = measured(Shifted(), "made", "clean", moments, LABELS, APART)  # type: ignore[arg-type]
    assert (cell.best, cell.which, cell.fused) == (100, "speech", 0)
    for moment in moments:  # the encoder's label is wrong, the fusion of it alone right
        turned = np.roll(moment["speech"].log_probs, 1)
        moment["speech"] = Opinion(turned, 1.0, 0.0)

    class Turned(Shifted):
        def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
            return np.roll(super().fuse(given)[0], -1), {}

    (cell,) = measured(Turned(), "made", "clean", moments, LABELS, APART)  # type: ignore[arg-type]
    assert (cell.best, cell.which) == (100, "speech")


class Mean:
    """The modalities' mean."""

    def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
        return np.mean([opinion.log_probs for opinion in given.values()], axis=0), {}


def test_moments_that_share_an_item_are_drawn_together() -> None:
    """Ten moments of each emotion made of one moment tell no more than the one."""
    fusion: Any = Mean()
    few = opinions({"speech": 0.6, "text": 0.5, "face": 0.7})
    many, labels = few * 10, np.tile(LABELS, 10)
    apart = np.arange(len(labels), dtype=np.uint64)[:, None].repeat(3, axis=1)
    once = measured(fusion, "made", "clean", few, LABELS, APART)
    drawn = {
        modality: measured(fusion, "made", "clean", many, labels, shared(apart, modality))
        for modality in (None, *MODALITIES)
    }
    for k, cell in enumerate(once):
        width = cell.high - cell.low
        independent = drawn[None][k]
        assert independent.points == pytest.approx(cell.points)
        assert independent.high - independent.low < 0.5 * width
        for modality in MODALITIES:
            found = drawn[modality][k]
            # of a modality that is not in the cell, items do not matter
            expected = width if modality in cell.present else independent.high - independent.low
            assert found.high - found.low == pytest.approx(expected, rel=1e-9)


def shared(items: np.ndarray, modality: str | None) -> np.ndarray:
    """As if the moments were copies of the first ones, as far as the modality goes."""
    if modality is None:
        return items
    out = items.copy()
    k = MODALITIES.index(modality)
    out[:, k] = items[:, k] % len(LABELS)
    return out


def test_an_emotion_that_is_not_drawn_does_not_count() -> None:
    class First:
        def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
            return next(iter(given.values())).log_probs, {}

    moments, labels = opinions({"speech": 1.0, "text": 0.0})[:7], LABELS[:7]
    for k, moment in enumerate(moments):  # the text is always wrong
        moment["text"] = moments[(k + 1) % 7]["speech"]
    (cell,) = measured(First(), "made", "clean", moments, labels, APART[:7])  # type: ignore[arg-type]
    assert (cell.fused, cell.best, cell.which) == (100, 100, "speech")
    assert cell.low == cell.high == 0


def test_choices_that_lack_an_emotion_have_no_cell(fusion: FusionModel) -> None:
    moments = [m if LABELS[k] else {"speech": m["speech"]}
               for k, m in enumerate(opinions({"speech": 0.9, "face": 0.7}))]  # fmt: skip
    assert measured(fusion, "made", "clean", moments, LABELS, APART) == []


def test_corruption_changes_its_stream_alone() -> None:
    sound = AudioBlock(0.0, np.zeros(16_000, np.int16))
    frame = VideoFrame(0.0, np.full((4, 4, 3), 100, np.uint8))
    change = noisy(np.random.default_rng(0))
    louder = change(sound)
    assert isinstance(louder, AudioBlock)
    assert louder.samples.std() == pytest.approx(NOISE, rel=0.05)
    assert change(frame) is frame
    dark = darker(0.1)(frame)
    assert isinstance(dark, VideoFrame)
    assert (dark.image == 10).all()
    assert darker(0.1)(sound) is sound


def test_a_clips_opinions_are_pooled_as_live() -> None:
    flat = np.full(7, -np.log(7), np.float32)
    sure = log_softmax(3 * np.eye(7)[2]).astype(np.float32)
    text = Evidence("text", 0.5, 1.5, sure, 0.9, False, 1, punctuated=True)
    speech = Evidence("speech", 0.5, 1.5, sure, 0.8, False, 1, baseline=0.4)
    faces = [Evidence("face", t, t, flat if t < 5 else sure, 0.5, True) for t in (1.0, 1.2, 9.0)]
    found = of_clip(Clip(2, "01", 2.0, [*faces, text, speech]))
    assert set(found) == set(MODALITIES)
    assert (found["text"].punctuated, found["speech"].baseline) == (1.0, 0.4)
    assert (found["face"].talking, found["face"].quality) == (1.0, 0.5)
    np.testing.assert_allclose(found["face"].log_probs, flat, atol=1e-6)  # not the frame at 9 s
    assert EMOTIONS[int(found["speech"].log_probs.argmax())] == "fear"


def test_without_data_it_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["fusion", "--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert "has neither video" in capsys.readouterr().err


def test_a_corrupted_modality_takes_the_place_of_the_clean_one_alone() -> None:
    clean = opinions({"speech": 0.9, "text": 0.5})[:2]
    worse = Opinion(np.log(np.full(7, 1 / 7)), 0.2, 0.0)
    first, second = exchanged(clean, "speech", [worse, None])
    assert first["speech"] is worse
    assert set(second) == {"text"}
    for k, moment in enumerate((first, second)):
        assert moment["text"] is clean[k]["text"]
        assert clean[k]["speech"] is not worse


def test_other_sentences_are_of_every_emotion_and_have_words() -> None:
    pytest.importorskip("jellyfish", reason="needs the extra train")
    from mmer.training.tasks.fusion_outputs import EncoderOutputs

    labels = np.repeat(np.arange(7), [1, 40, 1, 1, 1, 2, 1])
    quality = np.ones((len(labels), 2), np.float32)
    quality[-2, 1] = 0  # one of the two of sadness has no words
    logs = np.stack([np.zeros((len(labels), 7)), log_softmax(9 * np.eye(7)[labels])], axis=1)
    keys = np.arange(len(labels), dtype=np.uint64)
    texts = EncoderOutputs(
        ("as written", "as recognized"), logs.astype(np.float32), quality, labels,
        keys.astype(np.str_), keys,
    )  # fmt: skip
    found = other_sentences(texts, 700)
    shown = np.bincount([int(o.log_probs.argmax()) for o in found], minlength=7)
    assert shown.min() > 60
    assert {(o.quality, o.punctuated) for o in found} == {(1.0, 1.0)}
