from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.faces import FERPLUS, read_development, read_train


def save_train(root: Path, votes: list[list[int]]) -> None:
    folder = root / "face/fer2013"
    folder.mkdir(parents=True)
    images = np.zeros((len(votes), 48, 48), np.uint8)
    np.savez(folder / "train.npz", images=images, ferplus_votes=np.array(votes, np.uint8))


def test_votes_become_targets_in_our_order(tmp_path: Path) -> None:
    #                       neu joy sur sad ang dis fea con  ?  NF
    save_train(tmp_path, [[0, 6, 2, 0, 0, 0, 0, 0, 1, 0]])
    faces = read_train(tmp_path)
    assert faces.targets[0, EMOTIONS.index("joy")] == pytest.approx(0.75)
    assert faces.targets[0, EMOTIONS.index("surprise")] == pytest.approx(0.25)
    assert faces.targets.sum() == pytest.approx(1)
    assert EMOTIONS[faces.labels[0]] == "joy"


def test_single_votes_do_not_count_and_mostly_contempt_is_dropped(tmp_path: Path) -> None:
    save_train(
        tmp_path,
        [
            [0, 0, 0, 0, 9, 1, 0, 0, 0, 0],
            [2, 0, 0, 0, 0, 0, 0, 8, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        ],
    )
    faces = read_train(tmp_path)
    assert len(faces) == 1
    assert faces.targets[0, EMOTIONS.index("anger")] == 1


def test_development_has_a_majority_and_no_twin_of_training(corpora: Path) -> None:
    faces = read_development(corpora)
    assert len(faces) == 21 - 3
    assert faces.images.shape == (18, 48, 48)
    assert set(faces.labels) <= set(range(7))
    assert (faces.targets.argmax(axis=1) == faces.labels).all()


def test_every_emotion_has_its_column() -> None:
    assert sorted(FERPLUS) == sorted(EMOTIONS)


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"train\.npz is missing"):
        read_train(tmp_path)
