import json

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'mmer-live[eval]'")

from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from mmer.models.labels import EMOTIONS
from mmer.training.evaluation.report import render
from mmer.training.evaluation.result import Evaluation, evaluation_of
from mmer.training.metrics.bootstrap import METRICS, Groups

RNG = np.random.default_rng(0)


def evaluation(labels: np.ndarray, said: np.ndarray, **more: object) -> Evaluation:
    probs = np.full((len(labels), 7), 0.05)
    probs[np.arange(len(labels)), said] = 0.7
    groups = Groups("item", np.arange(len(labels)), len(labels), "only 3 speakers")
    return evaluation_of(np.log(probs), labels, groups, resamples=200, **more)


CASES = {
    "all classes": (RNG.integers(7, size=200), RNG.integers(7, size=200)),
    "few occur, all are said": (RNG.integers(2, 5, size=200), RNG.integers(7, size=200)),
    "one is said": (RNG.integers(7, size=50), np.full(50, 4)),
    "one occurs": (np.full(50, 4), RNG.integers(7, size=50)),
}


@pytest.mark.parametrize("case", CASES)
def test_figures_are_those_of_scikit_learn(case: str) -> None:
    labels, said = CASES[case]
    e = evaluation(labels, said)
    # means are over the classes that occur
    how = {"labels": np.unique(labels), "zero_division": 0}
    assert e.figures.accuracy == pytest.approx(accuracy_score(labels, said))
    assert e.figures.weighted_f1 == pytest.approx(f1_score(labels, said, average="weighted", **how))
    assert e.figures.macro_f1 == pytest.approx(f1_score(labels, said, average="macro", **how))
    recall = recall_score(labels, said, average="macro", **how)
    assert e.figures.unweighted_recall == pytest.approx(recall)
    assert (e.confusion == confusion_matrix(labels, said, labels=range(7))).all()
    assert e.figures.floor_accuracy == pytest.approx(np.bincount(labels).max() / len(labels))


def test_the_json_has_what_was_promised() -> None:
    labels, said = CASES["few occur, all are said"]
    e = evaluation(labels, said, dropped={"calm maps to none": 8}, about={"modality": "speech"})
    table = json.loads(json.dumps(e.for_json(), allow_nan=False))
    assert table["n"] == 200
    for name in ("floor_accuracy", "accuracy", "weighted_f1", "macro_f1", "unweighted_recall"):
        assert 0 <= table[name] <= 1
    assert table["ece"] == pytest.approx(abs((labels == said).mean() - 0.7))
    assert set(table["interval"]) == set(METRICS)
    for name, (low, high) in table["interval"].items():
        assert low <= table[name] <= high
    assert table["labels"] == list(EMOTIONS)
    assert (
        np.array(table["confusion"]).sum(axis=1).tolist()
        == np.bincount(labels, minlength=7).tolist()
    )
    assert table["dropped"] == {"calm maps to none": 8}
    assert (table["resampled_by"], table["groups"]) == ("item", 200)
    assert table["recall"]["anger"] is None
    assert table["modality"] == "speech"


def test_the_text_says_it_all_in_line() -> None:
    labels, said = CASES["few occur, all are said"]
    about = {
        "modality": "face",
        "dataset": "images",
        "split": "all",
        "weights": {"face": "a" * 64},
        "options": {"drop_twins": False},
        "twins": 3,
        "no_face": 2,
        "parts": {"speech": {"n": 5, "accuracy": 0.4, "unweighted_recall": 0.5}},
        "selective": {"threshold": 0.4, "coverage": 0.8, "accuracy": 0.9},
    }
    text = render(evaluation(labels, said, dropped={"no majority": 4}, about=about))
    for part in (
        "face on images, split all: 200 items; weights face aaaaaaaaaaaa",
        "items (only 3 speakers)",
        "no majority (4)",
        "look-alikes of training data: 3; --drop-twins",
        "images without a face, evaluated all the same: 2",
        "40.0 %, unweighted recall  50.0 % of 5 clips",
        "80.0 % answered, 90.0 % of them",
    ):
        assert part in text
    matrix = [line for line in text.splitlines() if line.strip().split(" ")[0] in EMOTIONS]
    assert len(matrix) == 7
    assert len({len(line) for line in matrix}) == 1
    assert matrix[0].rstrip().endswith("-")  # anger does not occur
