"""The detectors on a portrait whose eyes are known, pasted by known transforms."""

import gc
import os
import sys
import time
import weakref
from concurrent.futures import thread
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry
from mmer.realtime.blocks.blazeface_detector import BlazeFaceDetector
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector
from mmer.realtime.blocks.face_tracker import FaceConfig, FaceTracker
from mmer.realtime.blocks.haar_detector import HaarDetector
from mmer.realtime.blocks.mediapipe_detector import MediaPipeDetector
from mmer.realtime.messages import VideoFrame

EYES = np.array([(103, 101), (146, 103.5)])  # of the portrait below, read off by hand
# How far the eyes may be off, in eye distances (one pixel of a 48 pixel crop is 0.055). MediaPipe
# sees small faces on a coarse grid and has no second look.
EXACTNESS = {"haar": 0.12, "blazeface": 0.12, "mediapipe": 0.25}
MODEL = "face_detection_short_range.tflite"


def model_file() -> Path:
    folders = [Path(p) for p in os.environ.get("MMER_MODELS", "").split(os.pathsep) if p]
    if "MMER_DATA" in os.environ:
        folders.append(Path(os.environ["MMER_DATA"]).parent / "models" / "mediapipe")
    for folder in folders:
        if (folder / MODEL).is_file():
            return folder / MODEL
    pytest.skip(f"{MODEL} is in no folder that MMER_MODELS names")


def mediapipe() -> FaceDetector:
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)
    return MediaPipeDetector(model_file())


DETECTORS = {
    "haar": HaarDetector,
    "blazeface": BlazeFaceDetector,
    "mediapipe": mediapipe,
}


@pytest.fixture(params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return DETECTORS[request.param]()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """NASA's portrait of Eileen Collins (public domain), head and shoulders, BGR (260, 250, 3)."""
    data = pytest.importorskip("skimage.data", reason="the portrait comes with scikit-image")
    return np.ascontiguousarray(data.astronaut()[0:260, 100:350, ::-1])


def matrix(scale: float = 1.0, turn: float = 0.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Scaled and turned (degrees) about the portrait's middle, which goes to ``x``, ``y``."""
    m = cv2.getRotationMatrix2D((125, 130), turn, scale)
    m[:, 2] += np.array([x, y]) - (125, 130)
    return m


def scene(portrait: np.ndarray, *places: np.ndarray, width: int = 640, height: int = 480):
    """The portrait on a plain ground, once for each place."""
    ramp = np.linspace(60, 120, width).astype(np.uint8)
    image = np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2)
    for place in places:
        cv2.warpAffine(
            portrait, place, (width, height), image, cv2.INTER_AREA, cv2.BORDER_TRANSPARENT
        )
    return image


def eyes_at(place: np.ndarray) -> np.ndarray:
    return EYES @ place[:, :2].T + place[:, 2]


def error(face: DetectedFace, truth: np.ndarray) -> float:
    """Mean distance from the true eyes, in eye distances."""
    return float(
        np.linalg.norm(face.eyes - truth, axis=1).mean() / np.linalg.norm(truth[1] - truth[0])
    )


@pytest.mark.parametrize(
    "place",
    [
        matrix(x=320, y=240),
        matrix(x=130, y=135),
        matrix(scale=0.8, x=480, y=300),
        matrix(scale=1.7, x=330, y=240),
        matrix(turn=8, x=300, y=250),
        matrix(turn=-8, x=300, y=250),
    ],
)
def test_the_eyes_are_found_where_they_are(
    detector: FaceDetector, portrait: np.ndarray, place: np.ndarray
) -> None:
    faces = detector.detect(scene(portrait, place), 0.0)
    assert len(faces) == 1
    (face,) = faces
    truth = eyes_at(place)
    assert error(face, truth) < EXACTNESS[detector.name]
    assert face.eyes.dtype == np.float32
    assert face.eyes[0, 0] < face.eyes[1, 0]
    x, y, w, h = face.box
    assert (truth > (x, y)).all()
    assert (truth < (x + w, y + h)).all()
    assert 0.4 < face.score <= 1
    if face.nose is not None:
        assert face.nose[1] > face.eyes[:, 1].mean()


def test_mirrored_eyes_are_still_left_and_right_of_the_picture(
    detector: FaceDetector, portrait: np.ndarray
) -> None:
    place = matrix(x=250, y=240)
    mirrored = scene(portrait, place)[:, ::-1]  # a view: not contiguous
    (face,) = detector.detect(mirrored, 0.0)
    truth = (np.array([639, 0]) + eyes_at(place) * (-1, 1))[::-1]
    assert error(face, truth) < EXACTNESS[detector.name]


@pytest.mark.parametrize("size", [(359, 241), (480, 640), (241, 359), (1280, 720)])
def test_any_size_of_picture(
    detector: FaceDetector, portrait: np.ndarray, size: tuple[int, int]
) -> None:
    width, height = size
    place = matrix(scale=min(size) / 360, x=width / 2, y=height / 2)
    (face,) = detector.detect(scene(portrait, place, width=width, height=height), 0.0)
    assert error(face, eyes_at(place)) < EXACTNESS[detector.name]


def test_two_faces(detector: FaceDetector, portrait: np.ndarray) -> None:
    places = matrix(scale=1.3, x=180, y=240), matrix(scale=0.8, x=500, y=240)
    faces = detector.detect(scene(portrait, *places), 0.0)
    assert len(faces) == 2
    faces.sort(key=lambda f: f.box[0])
    assert faces[0].box[2] > faces[1].box[2]
    for face, place in zip(faces, places, strict=True):
        assert error(face, eyes_at(place)) < EXACTNESS[detector.name]


@pytest.mark.parametrize("size", [(640, 480), (359, 241), (32, 32), (5, 300), (1, 1)])
def test_no_face_in_nothing(detector: FaceDetector, size: tuple[int, int]) -> None:
    width, height = size
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8)
        faces = detector.detect(noise, i * 0.25)
        assert all(np.isfinite(f.eyes).all() for f in faces)
        if min(size) > 200 and detector.name != "mediapipe":  # which samples noise as it comes
            assert faces == []
        assert detector.detect(np.zeros((height, width, 3), np.uint8), i * 0.25 + 0.1) == []


def test_same_pictures_same_faces(detector: FaceDetector, portrait: np.ndarray) -> None:
    pictures = [scene(portrait, matrix(x=250 + 5 * i, y=240)) for i in range(8)]

    def eyes() -> list[np.ndarray]:
        detector.reset()
        return [f.eyes for i, p in enumerate(pictures) for f in detector.detect(p, i / 15)]

    first, second = eyes(), eyes()
    assert len(first) >= 8
    assert np.array_equal(first, second)


@pytest.mark.timeout(15)
def test_mediapipe_is_closed_while_its_executors_lock_is_held() -> None:
    """As where the garbage collector closes it in the middle of a call of another one."""
    detector = mediapipe()
    closing = weakref.ref(detector)
    began = time.monotonic()
    with thread._global_shutdown_lock:  # type: ignore[attr-defined]
        del detector
        gc.collect()
        assert closing() is None
    assert time.monotonic() - began < 5


def test_a_damaged_file_of_mediapipe_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed")
    gc.collect()  # MediaPipe writes a line where a detector of another test ends
    capfd.readouterr()
    with pytest.raises(MmerError, match=r"cannot read .*none\.tflite"):
        MediaPipeDetector(tmp_path / "none.tflite")
    path = tmp_path / MODEL
    for content in (b"", b"<html>not found</html>" * 100, b"\x1c\0\0\0TFL3" + b"\xff" * 5000):
        path.write_bytes(content)
        with pytest.raises(MmerError, match="fetch it again"):
            MediaPipeDetector(path)
    assert capfd.readouterr().err == ""


def test_a_file_of_mediapipe_cut_short_is_refused(tmp_path: Path) -> None:
    content = model_file().read_bytes()
    path = tmp_path / MODEL
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MmerError, match="fetch it again"):
        MediaPipeDetector(path)


def test_blazeface_agrees_with_mediapipe(portrait: np.ndarray) -> None:
    ours, theirs = BlazeFaceDetector(), mediapipe()
    for i, scale in enumerate((1.0, 1.3, 1.7)):
        picture = scene(portrait, matrix(scale=scale, turn=5 * i, x=300, y=250))
        # Before the second look, which MediaPipe does not have. They shrink a picture differently.
        (a,), (b,) = ours._look(picture), theirs.detect(picture, i / 10)
        assert error(a, b.eyes) < 0.12
        assert np.allclose(a.box, b.box, atol=0.08 * b.box[2])
        assert a.nose is not None
        assert b.nose is not None
        assert np.allclose(a.nose, b.nose, atol=0.08 * b.box[2])
        assert a.score == pytest.approx(b.score, abs=0.05)


def test_mediapipe_takes_times_that_repeat_or_go_back(portrait: np.ndarray) -> None:
    detector = mediapipe()
    picture = scene(portrait, matrix(x=320, y=240))
    for t in (5.0, 5.0, 5.0001, 0.0, -3.0):
        assert len(detector.detect(picture, t)) == 1


def test_mediapipe_without_its_system_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed")
    from mediapipe.tasks.python.core import mediapipe_c_bindings

    def missing(*_: object) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(mediapipe_c_bindings, "load_shared_library", missing)
    with pytest.raises(MmerError, match=r"apt-get install libegl1 libgles2 libgl1.*blazeface"):
        MediaPipeDetector(model_file())


def test_mediapipe_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "mediapipe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MmerError, match="pip install"):
        MediaPipeDetector(model_file())


def test_opencv_without_its_system_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MmerError, match=r"no faces.*apt-get install libgl1"):
        HaarDetector()


def test_haar_carries_a_moving_face_between_its_searches(portrait: np.ndarray) -> None:
    detector = HaarDetector()
    for i in range(30):
        place = matrix(scale=1 + 0.01 * i, turn=0.5 * i, x=220 + 6 * i, y=230 + 2 * i)
        faces = detector.detect(scene(portrait, place), i / 15)
        assert len(faces) == 1, i
        assert error(faces[0], eyes_at(place)) < 0.2, i


def test_haar_notices_a_second_face(portrait: np.ndarray) -> None:
    detector = HaarDetector()
    first, second = matrix(x=180, y=240), matrix(x=480, y=240)
    for i in range(8):
        assert len(detector.detect(scene(portrait, first), i / 15)) == 1
    late = [detector.detect(scene(portrait, first, second), 0.6 + i / 15) for i in range(16)]
    assert len(late[-1]) == 2


def test_haar_lets_go_of_a_face_that_is_gone(portrait: np.ndarray) -> None:
    detector = HaarDetector()
    for i in range(5):
        assert detector.detect(scene(portrait, matrix(x=320, y=240)), i / 15)
    late = [detector.detect(scene(portrait), 0.4 + i / 15) for i in range(20)]
    assert late[-1] == []
    assert detector.detect(scene(portrait, matrix(x=320, y=240)), 3.0)


def test_haar_starts_afresh_when_the_picture_changes_its_size(portrait: np.ndarray) -> None:
    detector = HaarDetector()
    detector.detect(scene(portrait, matrix(x=320, y=240)), 0.0)
    place = matrix(scale=0.9, x=160, y=200)
    (face,) = detector.detect(scene(portrait, place, width=300, height=400), 0.05)
    assert error(face, eyes_at(place)) < 0.15


def test_a_face_that_wanders_leaves_and_comes_back(
    detector: FaceDetector, portrait: np.ndarray
) -> None:
    """Through the tracker: one track while it wanders, another after it was away for long."""
    there = [matrix(scale=1.2, x=220 + 4 * i, y=230 + i) for i in range(30)]
    frames = [VideoFrame(i / 15, scene(portrait, place)) for i, place in enumerate(there)]
    frames += [VideoFrame(2.0 + i / 15, scene(portrait)) for i in range(30)]
    frames += [VideoFrame(4.0 + i / 15, scene(portrait, there[0])) for i in range(15)]
    geometry = CropGeometry()

    seen = run(FaceTracker(detector, geometry, FaceConfig(lost_s=0.5)), frames)

    assert [o.t for o in seen] == [f.t for f in frames]
    assert {o.track for o in seen[:30]} == {1}
    assert seen[55].track is None
    assert seen[55].why == "no face"
    assert seen[55].quality == 0
    assert seen[-1].track == 2
    for observed, place in zip(seen[:30], there, strict=False):
        assert observed.quality > 0.7
        assert observed.why == ""
        assert observed.crop.shape == (48, 48, 3)
        truth = eyes_at(place)
        away = np.linalg.norm(observed.eyes - truth, axis=1) / np.linalg.norm(truth[1] - truth[0])
        assert away.mean() < 0.2


# --- real recordings ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data() -> Path:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    return Path(os.environ["MMER_DATA"])


@pytest.mark.data
def test_real_clips_show_one_steady_face(detector: FaceDetector, data: Path) -> None:
    import av

    frames = found = tracks = clips = 0
    for path in sorted((data / "video/ravdess").glob("*.mp4")) + sorted(
        (data / "video/grid").glob("*.mp4")
    ):
        tracker = FaceTracker(detector)
        tracker.reset()
        with av.open(str(path)) as container:
            pictures = (p for i, p in enumerate(container.decode(video=0)) if i % 5 == 0)
            seen = [
                tracker.push(VideoFrame(p.time, p.to_ndarray(format="bgr24")))[0] for p in pictures
            ]
        frames += len(seen)
        found += sum(o.box is not None and o.quality > 0.5 for o in seen)
        tracks += len({o.track for o in seen} - {None})
        clips += 1
    assert clips == 12
    assert found >= 0.9 * frames
    assert tracks == clips


@pytest.mark.data
def test_stills_of_many_people(detector: FaceDetector, data: Path) -> None:
    paths = sorted((data / "face/yalefaces").glob("*.png"))
    found = 0
    for path in paths:
        detector.reset()
        image = cv2.imread(str(path))
        found += any(f.score > 0.4 for f in detector.detect(image, 0.0))
    assert len(paths) > 50
    assert found >= 0.9 * len(paths)


def test_everywhere_is_looked_for_those_who_come(portrait: np.ndarray) -> None:
    """One face is followed, and the image's other parts are searched when that is asked for."""
    detector = BlazeFaceDetector()
    near = matrix(x=220, y=280, scale=1.3)
    alone = scene(portrait, near, width=960, height=540)
    both = [near, matrix(x=760, y=290, scale=0.7)]
    two = scene(portrait, *both, width=960, height=540)
    assert len(detector.detect(alone, 0.0)) == 1
    assert len(detector.detect(two, 0.1)) == 1  # it follows the one
    found = []
    for n in range(3):  # one square after the other
        detector.look_everywhere()
        found.append(detector.detect(two, 0.2 + 0.1 * n))
    middles = sorted(f.box[0] + f.box[2] / 2 for f in max(found, key=len))
    assert middles == pytest.approx([220, 760], abs=40)


def test_a_face_is_found_again_around_its_place_alone(portrait: np.ndarray) -> None:
    detector = BlazeFaceDetector()
    places = [matrix(x=180, y=240, scale=0.8), matrix(x=480, y=240, scale=0.8)]
    detector.look_everywhere()
    faces = detector.detect(scene(portrait, *places), 0.0)
    assert len(faces) == 2
    moved = [matrix(x=195, y=244, scale=0.8), matrix(x=470, y=236, scale=0.8)]
    image = scene(portrait, *moved)
    for face in faces:
        again = detector.find_again(image, face)
        assert again is not None
        left = face.box[0] + face.box[2] / 2 < 320
        assert error(again, eyes_at(moved[0 if left else 1])) < EXACTNESS["blazeface"]
    assert detector.find_again(scene(portrait), faces[0]) is None
    assert HaarDetector().find_again(image, faces[0]) is None  # it cannot
