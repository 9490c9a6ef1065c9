"""Choice of the face detector: one entry has all facts of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmer
from mmer.models.blazeface import BlazeFace
from mmer.models.errors import MmerError
from mmer.models.store.store import Store, Unavailable
from mmer.realtime.blocks.face_detector import DetectedFace
from mmer.realtime.choose import (
    DETECTORS,
    DetectorEntry,
    FoundDetector,
    find_detector,
    load_detector,
)


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
    DETECTORS.add("owl", DetectorEntry(f"{__name__}:Owl", "An owl", notice="hoot"))


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


def test_auto_is_blazeface_and_needs_no_download(store: Store) -> None:
    found = find_detector("auto", store)
    assert found == find_detector("blazeface", store) == FoundDetector("blazeface", None)
    choice = load_detector(found)
    assert choice.name == "blazeface (blazeface.onnx)"
    assert choice.made.name == "blazeface"
    assert choice.notices == ()


def test_a_session_names_the_detector_that_auto_took(brief_clip: Path) -> None:
    with mmer.Recognizer(brief_clip, modalities=("face",), pace="max", offline=True) as recognizer:
        assert recognizer.info.models["detector"] == "blazeface (blazeface.onnx)"


def test_mediapipe_needs_its_file_and_haar_none(store: Store) -> None:
    with pytest.raises(Unavailable, match=r"face_detection_short_range\.tflite"):
        find_detector("mediapipe", store)
    assert find_detector("haar", store) == FoundDetector("haar", None)
    assert load_detector(FoundDetector("haar", None)).name == "haar (opencv)"


def test_recognizers_of_shared_models_have_one_network_of_the_detector(
    brief_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[BlazeFace] = []
    load = BlazeFace.load

    def counted() -> BlazeFace:
        loaded.append(load())
        return loaded[-1]

    monkeypatch.setattr(BlazeFace, "load", counted)
    models = mmer.SharedModels()
    options = {"modalities": ("face",), "pace": "max", "offline": True}
    for _ in range(2):
        with mmer.Recognizer(brief_clip, models=models, **options) as recognizer:  # type: ignore[arg-type]
            recognizer.prepare()
    assert len(loaded) == 1
    found = FoundDetector("blazeface", None)
    assert load_detector(found, models).made is not load_detector(found, models).made
    assert len(loaded) == 1
    load_detector(found)
    assert len(loaded) == 2
