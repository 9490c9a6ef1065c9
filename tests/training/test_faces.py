from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.faces import (
    TrainFaces,
    read_development,
    read_train,
)
from mmer.training.datasets.likeness import image_key


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 48, 48)).astype(np.uint8)


def read(
    root: Path, votes: list[list[int]], images: np.ndarray, evaluated_on: np.ndarray | None = None
) -> TrainFaces:
    folder = root / "face/fer2013"
    folder.mkdir(parents=True)
    evaluated_on = pictures(2, seed=99) if evaluated_on is None else evaluated_on
    np.savez(folder / "train.npz", images=images, ferplus_votes=np.array(votes, np.uint8))
    none = np.zeros((len(evaluated_on), 10), np.uint8)
    np.savez(folder / "public_test.npz", images=evaluated_on, ferplus_votes=none)
    return read_train(root)


def test_votes_become_targets_in_our_order(tmp_path: Path) -> None:
    #                    neu joy sur sad ang dis fea con  ?  NF
    faces = read(tmp_path, [[0, 6, 2, 0, 0, 0, 0, 0, 1, 0]], pictures(1))
    assert faces.targets[0, EMOTIONS.index("joy")] == pytest.approx(0.75)
    assert faces.targets[0, EMOTIONS.index("surprise")] == pytest.approx(0.25)
    assert faces.targets.sum() == pytest.approx(1)
    assert len(faces.unusable) == 0


def test_single_votes_do_not_count_and_mostly_contempt_is_dropped(tmp_path: Path) -> None:
    votes = [
        [0, 0, 0, 0, 9, 1, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 0, 8, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]
    faces = read(tmp_path, votes, pictures(3))
    assert len(faces.images) == len(faces.targets) == len(faces.keys) == 1
    assert faces.targets[0, EMOTIONS.index("anger")] == 1


def test_what_nobody_could_read_is_no_usable_face(tmp_path: Path) -> None:
    votes = [
        [3, 0, 0, 0, 0, 0, 0, 0, 7, 0],
        [4, 0, 0, 0, 0, 0, 0, 0, 4, 2],
        [6, 0, 0, 0, 0, 0, 0, 0, 4, 0],
        [9, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ]
    images = pictures(4)
    faces = read(tmp_path, votes, images)
    unread = {u.tobytes() for u in faces.unusable}
    assert unread == {images[0].tobytes(), images[1].tobytes()}
    assert {i.tobytes() for i in faces.images} == {images[2].tobytes(), images[3].tobytes()}
    assert set(faces.keys) == {image_key(i) for i in images}


def test_of_twins_one_stays_with_the_votes_of_both(tmp_path: Path) -> None:
    image, other = pictures(2)
    votes = [[10, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 9, 0, 1]]
    votes += [[0, 10, 0, 0, 0, 0, 0, 0, 0, 0]]
    images = np.stack([image, other, image[:, ::-1]])
    faces = read(tmp_path, votes, images)
    assert len(faces.images) == 1
    assert faces.targets[0, [EMOTIONS.index("neutral"), EMOTIONS.index("joy")]] == pytest.approx(
        [0.5, 0.5]
    )


def test_what_the_public_test_shows_is_not_trained_on(tmp_path: Path) -> None:
    images = pictures(3)
    votes = [[10, 0, 0, 0, 0, 0, 0, 0, 0, 0]] * 3
    faces = read(tmp_path, votes, images, evaluated_on=images[1:2, :, ::-1])
    assert {i.tobytes() for i in faces.images} == {images[0].tobytes(), images[2].tobytes()}


def test_development_has_a_majority_and_no_twin_of_training(corpora: Path) -> None:
    faces = read_development(corpora)
    assert faces.images.shape == (21 - 3, 48, 48)
    assert set(faces.labels) <= set(range(7))
    everything = read_development(corpora, twins=True)
    assert len(everything.images) == len(everything.labels) == 21 - 2


def test_missing_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"face does not exist: give the folder of fer2013"):
        read_train(tmp_path)
    folder = tmp_path / "face"
    folder.mkdir()
    with pytest.raises(MmerError, match=r"no public_test split .* or public_test\.npz"):
        read_train(tmp_path)
    np.savez(folder / "public_test.npz", images=pictures(1), fer_label=np.zeros(1))
    with pytest.raises(MmerError, match=r"no votes of FER\+"):
        read_train(tmp_path)
