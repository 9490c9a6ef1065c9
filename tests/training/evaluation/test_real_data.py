"""The shipped weights on their development data: the figures of their cards, found again."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import Development, load_card, weights_dir
from mmer.models.errors import MmerError
from mmer.training.evaluation.evaluate import evaluate
from mmer.training.evaluation.result import Evaluation
from mmer.training.evaluation.settings import Settings

pytestmark = pytest.mark.data

if not os.environ.get("MMER_DATA"):
    pytest.skip("MMER_DATA is not set: no real data", allow_module_level=True)
DATA = Path(os.environ["MMER_DATA"])
QUICK = Settings(resamples=500)


def card(modality: str) -> Development:
    return load_card(weights_dir() / f"{modality}.json").development


def assert_same(found: Evaluation, expected: Development) -> None:
    """As when the network was exported, but for two of 208 clips: the last bit of a feature, which
    differs by processor and version of NumPy, can move a number in int8 by one."""
    assert found.figures.n == expected.n
    for name in ("floor_accuracy", "accuracy", "weighted_f1", "macro_f1", "unweighted_recall"):
        assert getattr(found.figures, name) == pytest.approx(getattr(expected, name), abs=0.01)


def test_the_voice() -> None:
    root = DATA / "audio/ravdess"
    e = evaluate("speech", "ravdess", root, split="dev", settings=QUICK)
    assert_same(e, card("speech"))
    assert e.groups.why == "only 4 speakers"
    assert e.warnings == ()
    with pytest.raises(MmerError, match="speakers ravdess/02, ravdess/03"):
        evaluate("speech", "ravdess", root, settings=QUICK)


def test_the_words(tmp_path: Path) -> None:
    root = DATA / "text/meld"
    e = evaluate("text", "meld", root, split="dev", settings=QUICK)
    assert_same(e, card("text"))
    assert (e.groups.by, e.groups.n) == ("dialogue", 114)
    assert e.warnings == ()
    # a third of the dialogues tells as much of errors
    with (root / "dev_sent_emo.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        with (tmp_path / "dev_sent_emo.csv").open("w", newline="", encoding="utf-8") as part:
            few = csv.DictWriter(part, list(rows.fieldnames or ()))
            few.writeheader()
            few.writerows(row for row in rows if int(row["Dialogue_ID"]) % 3 == 0)
    settings = Settings(resamples=500, word_error_rate=0.3)
    misheard = evaluate("text", "meld", tmp_path, split="dev", settings=settings)
    assert misheard.figures.weighted_f1 < e.figures.weighted_f1
    with pytest.raises(MmerError, match="dialogues meld/train/"):
        evaluate("text", "meld", root, split="train", settings=QUICK)


def test_the_face(tmp_path: Path) -> None:
    root = DATA / "face/fer2013"
    with np.load(root / "public_test.npz") as whole:  # a third of the images tells as much
        np.savez(tmp_path / "public_test.npz", **{name: whole[name][::3] for name in whole})
    for other in root.iterdir():
        if other.name != "public_test.npz":
            (tmp_path / other.name).symlink_to(other)
    e = evaluate("face", "fer2013", tmp_path, split="public_test", settings=QUICK)
    assert e.figures.n > 900
    assert e.figures.accuracy == pytest.approx(card("face").accuracy, abs=0.035)
    assert e.about["twins"] < 0.02 * e.figures.n


def test_the_whole_recognizer() -> None:
    root = DATA / "video/ravdess"
    e = evaluate("clip", "ravdess", root, settings=Settings(resamples=100, asr="none"))
    assert e.figures.n == 4
    assert set(e.about["parts"]) == {"speech", "face"}
    assert e.about["unanswered"] == 0
