from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mmer.models import store as store_module
from mmer.models.catalogue import FACE_DETECTOR, VOSK_MODEL, Asset
from mmer.models.errors import MmerError
from mmer.models.store import Store, Unavailable, default_home, is_offline, model_folders
from mmer.models.unpack import MANIFEST

FACE_BYTES = b"a small face detector" * 100


def make_zip(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in names.items():
            file.writestr(name, data)
    return buffer.getvalue()


ZIP_BYTES = make_zip({"tiny-model/am/final.mdl": b"m" * 5000, "tiny-model/README": b"hello"})


def face_asset(url: str = "http://127.0.0.1:9/face.tflite", data: bytes = FACE_BYTES) -> Asset:
    return replace(
        FACE_DETECTOR, file="face.tflite", url=url, sha256=hashlib.sha256(data).hexdigest()
    )


def vosk_asset(data: bytes = ZIP_BYTES) -> Asset:
    return replace(
        VOSK_MODEL,
        file="tiny-model.zip",
        url="http://127.0.0.1:9/tiny-model.zip",
        sha256=hashlib.sha256(data).hexdigest(),
        folder="tiny-model",
        needs=("am/final.mdl",),
    )


@pytest.fixture(autouse=True)
def _own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model of this machine, and any attempt to connect fails the test."""
    for name in ("MMER_HOME", "MMER_MODELS", "MMER_OFFLINE", "VOSK_MODEL_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(store_module, "vosk_folders", lambda: [tmp_path / "vosk"])

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("tried to connect")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(store_module, "download", refuse)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, said: list[str]) -> Store:
    """Offline, with an empty cache and one folder to search, ``tmp_path / "stick"``."""
    (tmp_path / "stick").mkdir()
    return Store(
        tmp_path / "home",
        [tmp_path / "stick"],
        offline=True,
        report=said.append,
        face=face_asset(),
        vosk=vosk_asset(),
    )


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def test_nothing_there_says_why_and_how_in_one_line(store: Store) -> None:
    assert store.find(store.face) is None
    with pytest.raises(Unavailable) as caught:
        store.face_detector()
    text = str(caught.value)
    assert isinstance(caught.value, MmerError)
    assert "offline" in text
    assert "mmer-live --fetch" in text
    assert "MMER_MODELS" in text
    assert "face.tflite" in text
    assert "\n" not in text


def test_a_file_of_the_folders_is_used_in_place_and_first(store: Store, tmp_path: Path) -> None:
    put(store.home, "face.tflite", FACE_BYTES)
    stick = put(tmp_path / "stick", "face.tflite", FACE_BYTES)
    assert store.face_detector() == stick
    assert sorted(p.name for p in store.home.iterdir()) == ["face.tflite"]


def test_a_file_of_the_right_name_and_wrong_hash_is_skipped_with_a_notice(
    store: Store, tmp_path: Path, said: list[str]
) -> None:
    stick = put(tmp_path / "stick", "face.tflite", b"another version")
    cached = put(store.home, "face.tflite", FACE_BYTES)
    assert store.face_detector() == cached
    assert store.face_detector() == cached
    assert len(said) == 1  # once, not at each look
    assert str(stick) in said[0]
    assert "sha256" in said[0]


def test_a_damaged_cached_file_is_not_used_offline(store: Store, said: list[str]) -> None:
    put(store.home, "face.tflite", FACE_BYTES[:-1])
    with pytest.raises(Unavailable):
        store.face_detector()
    assert "damaged" in said[0]


def test_an_archive_of_the_folders_is_unpacked_into_the_cache(store: Store, tmp_path: Path) -> None:
    archive = put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.vosk_model()
    assert model == store.home / "tiny-model"
    assert (model / "am/final.mdl").read_bytes() == b"m" * 5000
    assert archive.is_file()  # it is theirs
    assert [p.name for p in store.home.iterdir()] == ["tiny-model"]  # nothing half-made is left


def test_an_archive_is_unpacked_once(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    first = (store.vosk_model() / "am/final.mdl").stat()
    second = (store.vosk_model() / "am/final.mdl").stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_an_archive_of_the_wrong_hash_is_not_unpacked(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", make_zip({"tiny-model/am/final.mdl": b"evil"}))
    with pytest.raises(Unavailable):
        store.vosk_model()
    assert not store.home.exists()


def test_an_unpacked_folder_of_the_folders_is_used_in_place(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick/tiny-model/am", "final.mdl", b"m")
    assert store.vosk_model() == tmp_path / "stick/tiny-model"


def test_a_folder_that_lacks_a_file_is_skipped(
    store: Store, tmp_path: Path, said: list[str]
) -> None:
    put(tmp_path / "stick/tiny-model/am", "final.mdl", b"")
    put(tmp_path / "vosk/tiny-model/am", "final.mdl", b"m")
    assert store.vosk_model() == tmp_path / "vosk/tiny-model"
    assert "not whole" in said[0]


def test_the_cache_goes_before_the_folders_of_vosk(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "vosk/tiny-model/am", "final.mdl", b"m")
    assert store.vosk_model() == tmp_path / "vosk/tiny-model"
    put(store.home, "tiny-model.zip", ZIP_BYTES)
    assert store.vosk_model() == store.home / "tiny-model"


@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "manifest", "no manifest"])
def test_a_damaged_unpacked_folder_is_noticed_and_made_again(
    store: Store, tmp_path: Path, said: list[str], harm: str
) -> None:
    archive = put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.vosk_model()
    data = model / "am/final.mdl"
    if harm == "cut":
        data.write_bytes(b"m" * 4999)
    elif harm == "flip":  # the same size
        data.write_bytes(b"m" * 4999 + b"x")
        os.utime(data, ns=(1, 1))
    elif harm == "remove":
        data.unlink()
    elif harm == "manifest":
        (model / MANIFEST).write_text("{")
    else:
        (model / MANIFEST).unlink()
    assert store.vosk_model() == model
    assert data.read_bytes() == b"m" * 5000
    data.unlink()
    archive.unlink()
    with pytest.raises(Unavailable):  # and is not used where it cannot be made again
        store.vosk_model()
    assert any("not whole" in line for line in said)


def test_a_touched_but_equal_file_is_not_damage(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.vosk_model()
    shutil.copytree(model, tmp_path / "other/tiny-model", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "stick")
    moved = Store(tmp_path / "other", [], offline=True, vosk=store.vosk)
    assert moved.vosk_model() == tmp_path / "other/tiny-model"


@pytest.mark.parametrize(
    "name", ["../outside", "tiny-model/../../outside", "/outside", "tiny-model\\..\\..\\outside"]
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(
    store: Store, tmp_path: Path, said: list[str], name: str
) -> None:
    data = make_zip({"tiny-model/am/final.mdl": b"m", name: b"evil"})
    put(tmp_path / "stick", "tiny-model.zip", data)
    store.vosk = vosk_asset(data)
    assert store.find(store.vosk) is None
    assert "outside of tiny-model" in said[0]
    assert not list(tmp_path.rglob("outside"))
    assert list(store.home.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, said: list[str]) -> None:
    Store(tmp_path, [tmp_path / "gone"], report=said.append)
    assert str(tmp_path / "gone") in said[0]


def test_a_cache_that_cannot_be_written_is_named(
    store: Store, tmp_path: Path, said: list[str]
) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    store.home = put(tmp_path, "a file", b"") / "home"
    assert store.find(store.vosk) is None
    assert "MMER_HOME" in said[0]


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_home().name == "mmer"
    assert model_folders() == []
    monkeypatch.setenv("MMER_HOME", str(tmp_path))
    monkeypatch.setenv("MMER_MODELS", f"/stick{os.pathsep}{os.pathsep}/lab")
    monkeypatch.setenv("MMER_OFFLINE", "1")
    assert default_home() == tmp_path
    assert model_folders() == [Path("/stick"), Path("/lab")]
    store = Store(report=lambda line: None)
    assert (store.home, store.folders) == (tmp_path, (Path("/stick"), Path("/lab")))
    assert store.offline
    assert not Store(folders=[], offline=False).offline


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("0", False), ("no", False), ("1", True), ("true", True)]
)
def test_offline_values(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("MMER_OFFLINE", value)
    assert is_offline() is expected


def test_vosk_is_searched_where_vosk_searches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()  # the real search
    monkeypatch.setenv("VOSK_MODEL_PATH", str(tmp_path / "named"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    store = Store(tmp_path / "home", [], offline=True, vosk=vosk_asset())
    put(tmp_path / ".cache/vosk/tiny-model/am", "final.mdl", b"m")
    assert store.vosk_model() == tmp_path / ".cache/vosk/tiny-model"
    put(tmp_path / "named/tiny-model/am", "final.mdl", b"m")
    assert store.vosk_model() == tmp_path / "named/tiny-model"


def test_the_catalogue_is_what_the_makers_publish() -> None:
    assert FACE_DETECTOR.host == "storage.googleapis.com"
    assert FACE_DETECTOR.url.endswith("?generation=1782184645070605")
    assert VOSK_MODEL.url == f"https://alphacephei.com/vosk/models/{VOSK_MODEL.file}"
    assert f"{VOSK_MODEL.folder}.zip" == VOSK_MODEL.file
    assert all(len(asset.sha256) == 64 for asset in (FACE_DETECTOR, VOSK_MODEL))
