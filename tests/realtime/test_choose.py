"""Choice of the face detector: one entry has all facts of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.models.store.store import Store, Unavailable
from mmer.realtime.blocks.face_detector import DetectedFace
from mmer.realtime.choose import DETECTORS, DetectorEntry, find_detector, load_detector


class Owl:
    """A throw-away detector that finds one face in every frame."""

    name = "owl"

    def detect(self, image: np.ndarray, t: float) -> list[DetectedFace]:
        eyes = np.array([(280, 200), (360, 200)], np.float32)
        return [DetectedFace((220.0, 120.0, 200.0, 240.0), eyes, None, 1.0)]

    def reset(self) -> None: ...


@pytest.fixture
def with_owl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DETECTORS, "_entries", dict(DETECTORS.items()))  # taken back afterwards
    DETECTORS.add("owl", DetectorEntry(f"{__name__}:Owl", "An owl", auto=False, notice="hoot"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Offline and empty."""
    return Store(tmp_path / "home", [], offline=True, report=lambda line: None)


def test_an_entry_more_makes_a_detector_that_can_be_chosen(
    with_owl: None, brief_clip: Path
) -> None:
    with mmer.Recognizer(
        brief_clip, detector="owl", modalities=("face",), pace="max", offline=True
    ) as recognizer:
        assert recognizer.info.models["detector"] == "owl"
        events = list(recognizer.events())
    assert [e.text for e in events if isinstance(e, mmer.Notice)] == ["hoot"]
    faces = [e for e in events if isinstance(e, mmer.FaceObservation)]
    assert faces
    assert {face.track for face in faces} == {1}


def test_its_name_is_in_the_message_for_a_wrong_one(with_owl: None) -> None:
    with pytest.raises(MmerError, match="use auto, blazeface, mediapipe, haar, owl"):
        mmer.Recognizer(detector="olw")


def test_auto_takes_the_next_one_and_says_why(store: Store) -> None:
    found = find_detector("auto", store)
    assert list(found) == ["blazeface", "haar"]
    assert isinstance(found["blazeface"], Unavailable)
    choice = load_detector(found)
    assert choice.name == "haar (opencv)"
    (notice,) = choice.notices
    assert notice.text == f"{found['blazeface']}; using OpenCV's Haar cascade"


def test_a_damaged_file_is_passed_over_by_auto_alone(tmp_path: Path) -> None:
    damaged = tmp_path / "face.tflite"
    damaged.write_bytes(b"no network")
    choice = load_detector({"blazeface": damaged, "haar": None})
    assert choice.name == "haar (opencv)"
    assert str(damaged) in choice.notices[0].text
    with pytest.raises(MmerError, match=r"face\.tflite"):
        load_detector({"blazeface": damaged})


def test_a_named_one_that_is_not_there_is_an_error(store: Store) -> None:
    for name in ("blazeface", "mediapipe"):
        with pytest.raises(Unavailable):
            find_detector(name, store)
    assert find_detector("haar", store) == {"haar": None}
