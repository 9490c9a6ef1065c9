from pathlib import Path

import numpy as np

from mmer.models.logmel import LogMel
from mmer.training.datasets.clips import read_clips
from mmer.training.features import clip_features

MEL = LogMel()


def test_features_are_cached_and_the_same_from_the_cache(corpora: Path, tmp_path: Path) -> None:
    clips = read_clips(corpora, ["emodb"])
    heard: list[int] = []
    fresh = clip_features(clips, MEL, tmp_path, lambda: heard.append(1))
    assert len(heard) == len(clips)
    again = clip_features(clips, MEL, tmp_path, lambda: heard.append(1))
    assert len(heard) == len(clips)
    assert [f.shape for f in again] == [f.shape for f in fresh]
    assert all((a == b).all() for a, b in zip(fresh, again, strict=True))
    assert fresh[0].dtype == np.float16


def test_another_filter_bank_is_another_cache(corpora: Path, tmp_path: Path) -> None:
    clips = read_clips(corpora, ["emodb"])
    clip_features(clips, MEL, tmp_path)
    other = clip_features(clips, LogMel(bins=40), tmp_path)
    assert other[0].shape[1] == 40
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_without_a_folder_nothing_is_kept(corpora: Path, tmp_path: Path) -> None:
    clip_features(read_clips(corpora, ["emodb"]), MEL, None)
    assert list(tmp_path.iterdir()) == []
