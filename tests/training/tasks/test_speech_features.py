from pathlib import Path

import numpy as np
import pytest

from mmer.models.preparation.logmel import LogMel
from mmer.training.augment.recording import RecordingChanges
from mmer.training.datasets.media import decode, sound_files
from mmer.training.tasks import speech_features as module
from mmer.training.tasks.speech_features import clip_features

MEL = LogMel()


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Decoder:
    """``decode`` that counts its calls, and is interrupted at the n-th."""

    def __init__(self, stop_at: int = 0) -> None:
        self.calls, self.stop_at = 0, stop_at

    def __call__(self, path: Path, *span: float | None) -> np.ndarray:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return decode(path, *span)


def test_features_are_cached_and_the_same_from_the_cache(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = sound_files(corpora / "audio/emodb", "emodb")
    monkeypatch.setattr(module, "decode", decoder := Decoder())
    fresh = clip_features(clips, MEL, tmp_path)
    assert decoder.calls == len(clips)
    again = clip_features(clips, MEL, tmp_path)
    assert decoder.calls == len(clips)
    assert same(fresh, again)
    assert fresh[0].dtype == np.float16


def test_an_interrupted_run_goes_on_where_it_stopped(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARD", 3)
    clips = sound_files(corpora / "audio/ravdess", "ravdess")
    monkeypatch.setattr(module, "decode", Decoder(stop_at=7))
    with pytest.raises(KeyboardInterrupt):
        clip_features(clips, MEL, tmp_path)
    monkeypatch.setattr(module, "decode", decoder := Decoder())
    features = clip_features(clips, MEL, tmp_path)
    assert decoder.calls == len(clips) - 6
    assert same(features, clip_features(clips, MEL, None))


def test_another_filter_bank_is_another_cache(corpora: Path, tmp_path: Path) -> None:
    clips = sound_files(corpora / "audio/emodb", "emodb")
    clip_features(clips, MEL, tmp_path)
    other = clip_features(clips, LogMel(bins=40), tmp_path)
    assert other[0].shape[1] == 40
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_each_version_of_a_clip_is_changed_in_its_own_way(corpora: Path, tmp_path: Path) -> None:
    clips = sound_files(corpora / "audio/emodb", "emodb")
    plain = clip_features(clips, MEL, tmp_path)
    changes = RecordingChanges(voice_probability=1)
    first = clip_features(clips, MEL, tmp_path, version=1, changes=changes)
    second = clip_features(clips, MEL, tmp_path, version=2, changes=changes)
    assert not same(plain, first)
    assert not same(first, second)
    assert same(first, clip_features(clips, MEL, None, version=1, changes=changes))


def test_a_span_is_cut_from_its_recording(corpora: Path, tmp_path: Path) -> None:
    clips = sound_files(corpora / "audio/emodb", "emodb")[:1] * 3
    spans = [(None, None), (0.0, 0.5), (0.5, 1.0)]
    whole, first, second = clip_features(clips, MEL, tmp_path, spans=spans)
    assert len(first) == len(second) < len(whole)
    assert not np.array_equal(first, second)
    # kept apart from whole recordings, and changed each in its own way
    assert len(clip_features(clips, MEL, tmp_path)[1]) == len(whole)
    changes = RecordingChanges(voice_probability=1)
    changed = clip_features(clips, MEL, None, spans=spans, version=1, changes=changes)
    assert len(changed[1]) != len(changed[2])


def test_without_a_folder_nothing_is_kept(corpora: Path, tmp_path: Path) -> None:
    clip_features(sound_files(corpora / "audio/emodb", "emodb"), MEL, None)
    assert list(tmp_path.iterdir()) == []
