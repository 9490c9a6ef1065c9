"""The generated corpora as the project's own readers see them, and what is planted in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generated_corpora import MANNERS, pictures, voice, write_meld, write_ravdess
from sounds import blocks

from mmer.models.labels import EMOTIONS
from mmer.realtime.blocks.haar_detector import HaarDetector
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.messages import SpeechState
from mmer.training.datasets.images import video_frames
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode
from mmer.training.datasets.registry import read

PLANTED = {"speech": 1.0, "text": 1.0}


@pytest.fixture(scope="module")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meld(tmp_path_factory.mktemp("meld"), 1, 14, PLANTED, utterances=2)


@pytest.mark.parametrize("modality", ["speech", "text", "face", "clip"])
def test_meld_is_read(meld: Path, modality: str) -> None:
    for split, count in (("train", 28), ("dev", 14), ("test", 14)):
        reading = read("meld", meld, modality, split)
        assert not reading.dropped
        assert len(reading.items) == count
        labels = np.bincount([item.label for item in reading.items], minlength=7)
        assert set(labels) == {count // 7}
        assert reading.items[1].past == (reading.items[0].text,)
        assert (reading.items[0].path is None) == (modality == "text")


def test_ravdess_is_read(tmp_path: Path) -> None:
    root = write_ravdess(tmp_path, [1, 17], 5, {"face": 0.5}, emotions=("neutral", "joy"))
    for modality, suffix in (("speech", ".wav"), ("face", ".mp4"), ("clip", ".mp4")):
        items = read("ravdess", root, modality).items
        assert {item.path.suffix for item in items if item.path} == {suffix}
        assert {item.speaker for item in items} == {"01", "17"}
        assert len(items) == 2 * (4 + 5)  # neutral is not acted strongly
        assert len({item.path.read_bytes() for item in items if item.path}) == len(items)
    assert {i.text for i in items} == {
        "Kids are talking by the door.",
        "Dogs are sitting by the door.",
    }
    with pytest.raises(ValueError, match="two sentences"):
        write_ravdess(tmp_path / "more", [1], 1, {"text": 1.0})


def heard(item: Item) -> np.ndarray:
    """The mean spectrum in 64 bands."""
    assert item.path is not None
    spectrum = np.abs(np.fft.rfft(decode(item.path)[3200:19200])) ** 2
    bands = np.log([band.sum() for band in np.array_split(spectrum[:4000], 64)])
    return np.asarray(bands - bands.mean())


def seen(item: Item) -> np.ndarray:
    images = [image for _, image in video_frames(item)]
    return np.mean(images, axis=(0, 1, 2))


def said(item: Item) -> np.ndarray:
    words = (item.text or "").lower().strip(".").split()
    return np.array([sum(w in MANNERS[e].words for w in words) for e in EMOTIONS], float)


@pytest.mark.parametrize(
    ("features", "found"),
    [(heard, True), (said, True), (seen, False)],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_what_is_planted_is_found(
    meld: Path, features: Callable[[Item], np.ndarray], found: bool
) -> None:
    train, test = (read("meld", meld, "clip", split).items for split in ("train", "test"))
    of_train = np.array([features(item) for item in train])
    labels = np.array([item.label for item in train])
    centres = np.array([of_train[labels == k].mean(axis=0) for k in range(7)])
    answers = [np.linalg.norm(centres - features(item), axis=1).argmin() for item in test]
    right = np.mean([a == item.label for a, item in zip(answers, test, strict=True)])
    assert right > 0.8 if found else right < 0.5


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_voices_are_heard_and_faces_found(emotion: str) -> None:
    random = np.random.default_rng(0)
    activity = Vad()
    for pitch_hz in (90, 160, 250):
        activity.reset()
        sound = voice(random, emotion, pitch_hz)
        updates = [u for block in blocks(sound) for u in activity.push(block)]
        (end,) = [u for u in updates if u.state is SpeechState.ENDED]
        assert 0.9 < end.t1 - end.t0 < 1.4
    detector = HaarDetector()
    faces = [detector.detect(image, i / 10) for i, image in enumerate(pictures(random, emotion))]
    assert sum(len(found) == 1 for found in faces) >= 12


def test_the_same_seed_gives_the_same_corpus(tmp_path: Path) -> None:
    one, two = (
        write_meld(tmp_path / name, 3, 1, {}, utterances=1, emotions=("joy",))
        for name in ("a", "b")
    )
    assert [p.relative_to(one) for p in sorted(one.rglob("*"))] == [
        p.relative_to(two) for p in sorted(two.rglob("*"))
    ]
    for path in (p for p in one.rglob("*") if p.is_file()):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
