"""The study of MOSI's features, on a generated file of the same layout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'mmer-live[train]'")

from mmer.models.errors import MmerError  # noqa: E402 (after the skip)
from mmer.models.labels import MODALITIES  # noqa: E402
from mmer.models.networks.fusions import FUSIONS  # noqa: E402
from mmer.training.studies import mosi, mosi_network  # noqa: E402
from mmer.training.studies.mosi_features import (  # noqa: E402
    FILE,
    Features,
    read_features,
    standardised,
    windows,
)
from mmer.training.studies.mosi_leak import leak  # noqa: E402

VIDEOS, TURNS = 20, 16


def arrays(signal: dict[str, float], seed: int = 0) -> dict[str, np.ndarray]:
    """Two thirds of the videos are training videos; ``signal``: how far apart the classes lie."""
    rng = np.random.default_rng(seed)
    n = VIDEOS * TURNS
    video = np.repeat(np.arange(VIDEOS), TURNS)
    split = (video >= 2 * VIDEOS // 3).astype(np.int8)
    label = rng.permuted(np.tile([0, 1], (VIDEOS, TURNS // 2)), axis=1).ravel()
    made = {}
    for name, width in (("text", 5), ("audio", 7), ("visual", 6)):
        each = rng.normal(size=(n, width))
        each[:, 0] += signal.get(name, 0.0) * (2 * label - 1)
        made[name] = (100 * each + 50).astype(np.float16)
    made["visual"][:, 1] = 3  # a constant column, as real ones have
    return {
        **made,
        "split": split,
        "dialogue": video.astype(np.int16),
        "turn": np.tile(np.arange(TURNS), VIDEOS).astype(np.int16),
        "label": np.where(split == 0, label, -1).astype(np.int8),
    }


def write(data: Path, **made: np.ndarray) -> Path:
    (data / FILE).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(data / FILE, **made)
    return data


@pytest.fixture
def train(tmp_path: Path) -> Features:
    return read_features(write(tmp_path, **arrays({"audio": 2.0})))[0]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(mosi_network, "BATCH", 16)
    monkeypatch.setattr(mosi_network, "RATE", 5e-3)


def accuracy(said: np.ndarray, labels: np.ndarray) -> float:
    return float((said.argmax(axis=1) == labels).mean())


def test_videos_are_read_in_order_and_test_labels_never(tmp_path: Path) -> None:
    made = arrays({})
    wanted, _ = read_features(write(tmp_path, **made))
    mixed = np.random.default_rng(1).permutation(len(made["label"]))
    made["label"] = np.where(made["split"] == 1, 1, made["label"])
    train, test = read_features(write(tmp_path, **{k: v[mixed] for k, v in made.items()}))
    assert (np.diff(train.videos) >= 0).all()
    np.testing.assert_array_equal(train.vectors["speech"], wanted.vectors["speech"])
    np.testing.assert_array_equal(train.labels, wanted.labels)
    assert set(test.labels.tolist()) == {-1}
    assert not set(train.videos.tolist()) & set(test.videos.tolist())


def test_folds_share_no_video_and_judge_everything_once(train: Features) -> None:
    judged = []
    for fitted, held in mosi.folds_of(train):
        assert not set(train.videos[fitted].tolist()) & set(train.videos[held].tolist())
        judged += held.tolist()
    assert sorted(judged) == list(range(len(train.labels)))


def test_too_few_videos(train: Features) -> None:
    some = train.videos < 3
    few = Features(train.vectors, train.labels[some], train.videos[some])
    with pytest.raises(MmerError, match="3 training videos are too few for 5 folds"):
        mosi.folds_of(few)


def test_scaling_is_learned_from_training_rows_alone() -> None:
    vectors = np.array([[1, 5], [3, 5], [1000, 7]], np.float32)
    scaled = standardised({"text": vectors}, np.array([0, 1]))["text"]
    np.testing.assert_allclose(scaled, [[-1, 0], [1, 0], [998, 2]])


def test_windows_stay_in_their_video() -> None:
    rows, there = windows(np.array([0, 0, 0, 1, 1]), 3)
    assert there.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert rows[2].tolist() == [2, 1, 0]
    assert rows[4, :2].tolist() == [4, 3]


def test_judged_rows_do_not_change_what_is_learned(
    train: Features, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosi_network, "EPOCHS", 2)
    fitted, held = mosi.folds_of(train)[0]
    arm = mosi.Arm(MODALITIES, "concat")
    spoilt = {m: each.copy() for m, each in train.vectors.items()}
    for each in spoilt.values():
        each[held] = 1e4
    labels = train.labels.copy()
    labels[held] = 1 - labels[held]
    one = mosi_network.Fitted(arm, train, fitted, 0)
    other = mosi_network.Fitted(arm, Features(spoilt, labels, train.videos), fitted, 0)
    np.testing.assert_array_equal(
        one.log_probs(fitted, ["speech"]), other.log_probs(fitted, ["speech"])
    )


def test_the_context_variant_sees_what_was_said_before(
    train: Features, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosi_network, "EPOCHS", 1)
    fitted, _ = mosi.folds_of(train)[0]
    row = int(np.setdiff1d(np.flatnonzero(np.diff(train.videos) == 0), fitted)[5]) + 1
    changed = {m: each.copy() for m, each in train.vectors.items()}
    changed["face"][row - 1] += 500
    for name, differs in (("cross-modal", False), ("cross-modal, context", True)):
        said = [
            mosi_network.Fitted(
                mosi.arms()[name], Features(v, train.labels, train.videos), fitted, 0
            ).log_probs(np.array([row]), MODALITIES)
            for v in (train.vectors, changed)
        ]
        assert (abs(said[0] - said[1]).max() > 1e-4) == differs


@pytest.mark.parametrize("name", ["speech alone", "concat"])
def test_a_planted_voice_is_found_and_only_there(name: str, train: Features, quick: None) -> None:
    arm = mosi.arms()[name]
    said = mosi.cross_validate(train, arm)
    assert accuracy(said["speech"], train.labels) > 0.85
    if len(arm.modalities) > 1:
        assert accuracy(said["speech+text+face"], train.labels) > 0.8
        assert 0.35 < accuracy(said["text+face"], train.labels) < 0.65


def test_shuffled_labels_give_chance(train: Features, quick: None) -> None:
    labels = np.random.default_rng(0).permutation(train.labels)
    shuffled = Features(train.vectors, labels, train.videos)
    said = mosi.cross_validate(shuffled, mosi.Arm(("speech",)))["speech"]
    assert 0.35 < accuracy(said, labels) < 0.65


def test_features_that_know_training_labels_alone_are_caught(tmp_path: Path) -> None:
    made = arrays({"text": 3.0, "visual": 3.0})  # the test rows' classes, by the same seed
    blind = arrays({}, seed=1)
    for name in ("text", "visual"):
        made[name] = np.where(made["split"][:, None] == 1, blind[name], made[name])
    found = leak(*read_features(write(tmp_path, **made)))
    both = found["pairs"]["text+face"]
    assert both["mean_accuracy_train"] > 0.95
    assert both["at_most_test"] < 0.9
    text, speech = found["single"]["text"], found["single"]["speech"]
    gap = text["confidence_train"] - text["confidence_test"]
    assert gap > 0.02
    assert gap > 2 * (speech["confidence_train"] - speech["confidence_test"])


def test_the_bound_holds_where_labels_are_known(tmp_path: Path) -> None:
    made = arrays({"text": 1.0, "visual": 0.5})
    single = leak(*read_features(write(tmp_path, **made)))
    both = single["pairs"]["text+face"]
    assert both["mean_accuracy_train"] <= (1 + both["agree_train"]) / 2


def test_the_command_writes_every_arm(
    tmp_path: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(mosi_network, "EPOCHS", 1)
    write(tmp_path, **arrays({"text": 2.0}))
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(sys, "argv", ["mosi", "--data", str(tmp_path), "--output", str(out)])
    mosi.main()
    page = (out / "mosi.md").read_text()
    assert capsys.readouterr().out == page
    found = json.loads((out / "mosi.json").read_text())
    assert set(FUSIONS) <= set(found["networks"])
    for name, by_subset in found["networks"].items():
        assert len(by_subset) == (1 if name.endswith("alone") else 7)
        assert f"| {name.replace('face', 'video')} |" in page
        for figures in by_subset.values():
            low, high = figures["accuracy"]["interval"]
            assert 0 <= low <= figures["accuracy"]["value"] <= high <= 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda made: made.pop("audio"), "lacks 'audio"),
        (lambda made: made.update(text=made["text"][:-1]), "text has the shape"),
        (lambda made: made.update(visual=made["visual"] * np.nan), "not finite"),
        (lambda made: made.update(turn=made["turn"][:-1]), "turn has the shape"),
        (lambda made: made.update(label=made["label"] * 0), "not 0 .negative. and 1"),
        (lambda made: made.update(split=made["split"] * 0), "no test"),
        (lambda made: made.update(turn=np.full(len(made["turn"]), "a")), "not a sound npz file"),
    ],
)
def test_wrong_files_are_one_line(spoil, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = arrays({})
    spoil(made)
    with pytest.raises(MmerError, match=message) as caught:
        read_features(write(tmp_path, **made))
    assert "\n" not in str(caught.value)


def test_no_file_or_no_npz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mosi", "--data", str(tmp_path)])
    for content, said in ((None, "is missing"), (b"nothing", "not a sound npz file")):
        if content is not None:
            (tmp_path / FILE).parent.mkdir()
            (tmp_path / FILE).write_bytes(content)
        with pytest.raises(SystemExit) as ended:
            mosi.main()
        assert ended.value.code == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
