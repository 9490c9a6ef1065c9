"""Sound, words and pictures of items: generated clips, stills, folders and what is missing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from generated_corpora import HEIGHT, RATE, WIDTH, face, pictures, voice, write_clip, write_wav

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Utterance
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import frames_of, sound_of, text_of


def item(path: Path | None = None, **more: object) -> Item:
    return Item("generated", "one", 0, path=path, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return voice(np.random.default_rng(0), "joy", 150)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, sound: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("clip") / "dia0_utt0.mp4"
    write_clip(path, sound, pictures(np.random.default_rng(1), "joy"))
    return path


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silent pictures, each 10 brighter than the last."""
    path = tmp_path_factory.mktemp("ramp") / "ramp.mp4"
    write_clip(path, None, [np.full((60, 80, 3), 20 + 10 * i, np.uint8) for i in range(20)])
    return path


def shades(frames: np.ndarray) -> list[int]:
    """Which picture of the ramp each is."""
    return [round((frame.mean() - 20) / 10) for frame in frames]


def test_sound_of_a_clip_and_of_a_part(clip: Path, sound: np.ndarray) -> None:
    heard = sound_of(item(clip))
    assert heard is not None
    assert heard.dtype == np.int16
    assert len(heard) == pytest.approx(len(sound), abs=1100)
    part = sound_of(item(clip, start_s=0.4, end_s=0.9))
    assert part is not None
    assert len(part) == RATE // 2


def test_what_has_no_sound(ramp: Path, tmp_path: Path, clip: Path) -> None:
    assert sound_of(item(ramp)) is None
    assert sound_of(item(text="Well.")) is None
    assert sound_of(item(pixels=np.zeros((48, 48), np.uint8))) is None
    assert sound_of(item(tmp_path)) is None
    assert sound_of(item(clip, start_s=50.0)) is None


def test_words(clip: Path) -> None:
    assert text_of(item(text="Well.", past=("Hi.",))) == Utterance("Well.", ("Hi.",))
    assert text_of(item(clip)) is None


def test_frames_are_spread_over_the_clip(ramp: Path) -> None:
    four = frames_of(item(ramp), 4, "frames", 32)
    assert four is not None
    assert four.shape == (4, 32, 43, 3)
    assert shades(four) == [2, 7, 12, 17]
    every = frames_of(item(ramp), 50, "frames")
    assert every is not None
    assert every.shape == (20, 60, 80, 3)  # never enlarged
    assert shades(every) == list(range(20))  # the last one too
    one = frames_of(item(ramp), 1, "frames")
    assert one is not None
    assert 8 <= shades(one)[0] <= 11
    part = frames_of(item(ramp, start_s=0.5, end_s=1.0), 50, "frames")
    assert part is not None
    assert shades(part) == [5, 6, 7, 8, 9]


def test_faces_are_found_and_aligned(clip: Path, ramp: Path) -> None:
    crops = frames_of(item(clip), 5, "faces", 48)
    assert crops is not None
    assert crops.shape == (5, 48, 48, 3)
    assert crops.dtype == np.uint8
    # the same face every time, in the same place, though the view wanders
    apart = np.abs(crops[1:].astype(float) - crops[:1]).mean()
    assert apart < 12
    assert frames_of(item(ramp), 5, "faces", 48) is None


def test_a_sound_file_has_no_pictures(tmp_path: Path, sound: np.ndarray) -> None:
    write_wav(tmp_path / "a.wav", sound)
    assert frames_of(item(tmp_path / "a.wav"), 8, "frames") is None
    assert frames_of(item(tmp_path / "a.wav"), 8, "faces") is None
    assert frames_of(item(text="Well."), 8, "faces") is None


def test_stills_and_folders(tmp_path: Path) -> None:
    whole = face("fear")[:HEIGHT, :WIDTH]
    folder = tmp_path / "take"
    folder.mkdir()
    for i in range(6):
        side = 50 + i  # as crops of different sizes
        assert cv2.imwrite(
            str(folder / f"take_{i}.png"), np.full((side, side, 3), 40 * i, np.uint8)
        )
    crops = frames_of(item(folder), 3, "faces", 24)
    assert crops is not None
    assert crops.shape == (3, 24, 24, 3)
    assert crops.mean(axis=(1, 2, 3)).tolist() == [40, 120, 200]
    frames = frames_of(item(folder), 3, "frames", 224)
    assert frames is not None
    assert frames.shape == (3, 50, 50, 3)  # the first sets the size

    picture = tmp_path / "still.png"
    assert cv2.imwrite(str(picture), whole)
    found = frames_of(item(picture), 8, "faces", 48)
    given = frames_of(item(picture), 8, "faces", 48, cropped=True)
    assert found is not None
    assert given is not None
    assert found.shape == given.shape == (1, 48, 48, 3)
    assert np.abs(found.astype(float) - given).mean() > 10

    grey = frames_of(item(pixels=np.full((48, 48), 7, np.uint8)), 8, "faces", 48)
    assert grey is not None
    assert grey.shape == (1, 48, 48, 3)
    (tmp_path / "empty").mkdir()
    assert frames_of(item(tmp_path / "empty"), 3, "faces", 24) is None


def test_a_damaged_clip_is_one_line(tmp_path: Path, clip: Path) -> None:
    broken = tmp_path / "dia0_utt1.mp4"
    for content in (b"", b"not a clip", clip.read_bytes()[:300]):
        broken.write_bytes(content)
        for get in (
            lambda i: frames_of(i, 8, "frames"),
            lambda i: frames_of(i, 8, "faces"),
            sound_of,
        ):
            with pytest.raises(MmerError, match=r"dia0_utt1\.mp4") as told:
                get(item(broken))
            assert "\n" not in str(told.value)
    with pytest.raises(MmerError, match="nowhere"):
        sound_of(item(tmp_path / "nowhere.mp4"))
