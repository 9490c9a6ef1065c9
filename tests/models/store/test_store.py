from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.store import store as store_module
from mmer.models.store import unpack
from mmer.models.store.catalogue import FACE_DETECTOR, MOONSHINE, VOSK_MODEL, Asset
from mmer.models.store.store import Store, Unavailable, default_home, is_offline, model_folders
from mmer.models.store.unpack import MANIFEST

FACE_BYTES = b"a small face detector" * 100


def make_zip(names: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
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
def _own_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model of this machine, and any attempt to connect fails the test."""
    for name in ("MMER_HOME", "MMER_MODELS", "MMER_OFFLINE"):
        monkeypatch.delenv(name, raising=False)

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
        store.get(store.face)
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
    assert store.get(store.face) == stick
    assert sorted(p.name for p in store.home.iterdir()) == ["face.tflite"]


def test_a_file_of_the_right_name_and_wrong_hash_is_skipped_with_a_notice(
    store: Store, tmp_path: Path, said: list[str]
) -> None:
    stick = put(tmp_path / "stick", "face.tflite", b"another version")
    cached = put(store.home, "face.tflite", FACE_BYTES)
    assert store.get(store.face) == cached
    assert store.get(store.face) == cached
    assert len(said) == 1  # once, not at each look
    assert str(stick) in said[0]
    assert "sha256" in said[0]


def test_a_damaged_cached_file_is_not_used_offline(store: Store, said: list[str]) -> None:
    put(store.home, "face.tflite", FACE_BYTES[:-1])
    with pytest.raises(Unavailable):
        store.get(store.face)
    assert "damaged" in said[0]


def test_an_archive_of_the_folders_is_unpacked_into_the_cache(store: Store, tmp_path: Path) -> None:
    archive = put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.get(store.vosk)
    assert model == store.home / "tiny-model"
    assert (model / "am/final.mdl").read_bytes() == b"m" * 5000
    assert archive.is_file()  # it is theirs
    assert [p.name for p in store.home.iterdir()] == ["tiny-model"]  # nothing half-made is left


def test_an_archive_is_unpacked_once(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    first = (store.get(store.vosk) / "am/final.mdl").stat()
    second = (store.get(store.vosk) / "am/final.mdl").stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_an_archive_of_the_wrong_hash_is_not_unpacked(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", make_zip({"tiny-model/am/final.mdl": b"evil"}))
    with pytest.raises(Unavailable):
        store.get(store.vosk)
    assert not store.home.exists()


@pytest.mark.parametrize("manifest", [None, "forged", "copied"])
def test_an_unpacked_folder_of_the_folders_is_not_used_unchecked(
    store: Store, tmp_path: Path, said: list[str], manifest: str | None
) -> None:
    """Nothing covers its bytes: whoever made it may have written the manifest as well."""
    folder = tmp_path / "stick/tiny-model"
    if manifest == "copied":
        archive = put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
        shutil.move(store.get(store.vosk), folder)
        archive.unlink()
    put(folder / "am", "final.mdl", b"evil")
    if manifest == "forged":
        table = {"archive_sha256": store.vosk.sha256, "files": {}}
        (folder / MANIFEST).write_text(json.dumps(table))
    assert store.find(store.vosk) is None
    (line,) = said
    assert "cannot be checked; put tiny-model.zip beside it" in line
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    assert store.get(store.vosk) == store.home / "tiny-model"
    assert (store.home / "tiny-model/am/final.mdl").read_bytes() == b"m" * 5000


@pytest.mark.parametrize(
    "harm", ["cut", "flip", "remove", "more", "manifest", "empty manifest", "no manifest"]
)
def test_a_damaged_unpacked_folder_is_noticed_and_made_again(
    store: Store, tmp_path: Path, said: list[str], harm: str
) -> None:
    archive = put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.get(store.vosk)
    data = model / "am/final.mdl"
    if harm == "cut":
        data.write_bytes(b"m" * 4999)
    elif harm == "flip":  # the same size
        data.write_bytes(b"m" * 4999 + b"x")
        os.utime(data, ns=(1, 1))
    elif harm == "remove":
        data.unlink()
    elif harm == "more":  # a file that no hash covers
        (model / "am/more.mdl").write_bytes(b"x")
    elif harm == "manifest":
        (model / MANIFEST).write_text("{")
    elif harm == "empty manifest":
        table = {"archive_sha256": store.vosk.sha256, "files": {}}
        (model / MANIFEST).write_text(json.dumps(table))
    else:
        (model / MANIFEST).unlink()
    assert store.get(store.vosk) == model
    assert data.read_bytes() == b"m" * 5000
    data.unlink()
    archive.unlink()
    with pytest.raises(Unavailable):  # and is not used where it cannot be made again
        store.get(store.vosk)
    assert any("not whole" in line for line in said)


def test_a_touched_but_equal_file_is_not_damage(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.get(store.vosk)
    shutil.copytree(model, tmp_path / "other/tiny-model", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "stick")
    moved = Store(tmp_path / "other", [], offline=True, vosk=store.vosk)
    assert moved.get(moved.vosk) == tmp_path / "other/tiny-model"


@pytest.mark.parametrize("how", ["large", "many"])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    store: Store, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    names = {"tiny-model/am/final.mdl": b"m"}
    if how == "large":
        monkeypatch.setattr(unpack, "LARGEST", 1_000_000)
        names["tiny-model/bomb"] = bytes(2_000_000)
    else:
        names |= {f"tiny-model/{n}": b"" for n in range(unpack.MOST_FILES)}
    data = make_zip(names, zipfile.ZIP_DEFLATED)
    put(tmp_path / "stick", "tiny-model.zip", data)
    store.vosk = vosk_asset(data)
    assert store.find(store.vosk) is None
    assert "would unpack to" in said[0]
    assert list(store.home.iterdir()) == []


def test_a_damaged_archive_is_one_line(store: Store, tmp_path: Path, said: list[str]) -> None:
    whole = make_zip({"tiny-model/am/final.mdl": b"m" * 500}, zipfile.ZIP_DEFLATED)
    rng = random.Random(0)
    for _ in range(150):
        data = bytearray(whole[: rng.randrange(1, len(whole) + 1)])
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
        archive = put(tmp_path / "stick", "tiny-model.zip", bytes(data))
        store.vosk = vosk_asset(bytes(data))
        shutil.rmtree(store.home, ignore_errors=True)
        found = store.find(store.vosk)
        assert found is None or (found / "am/final.mdl").is_file()
        archive.unlink()
    assert all(len(line.splitlines()) == 1 for line in said)


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "..\\..\\outside", ""])
def test_a_manifest_that_leads_out_of_its_folder_is_not_followed(
    store: Store, tmp_path: Path, name: str
) -> None:
    put(tmp_path / "stick", "tiny-model.zip", ZIP_BYTES)
    model = store.get(store.vosk)
    manifest = json.loads((model / MANIFEST).read_text())
    manifest["files"][name] = [1, 2, "0" * 64]
    for text in (json.dumps(manifest), "[" * 100_000, '{"files": ' + "9" * 5000 + "}"):
        (model / MANIFEST).write_text(text)
        assert not unpack.intact(store.vosk, model)


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


ENCODER_BYTES = b"a small encoder" * 100


def packaged_asset() -> Asset:
    """A file that the distribution "tiny-voice" brings."""
    return replace(
        MOONSHINE[0],
        file="tiny-en/encoder.ort",
        url="http://127.0.0.1:9/encoder.ort",
        sha256=hashlib.sha256(ENCODER_BYTES).hexdigest(),
        package=("tiny-voice", "tiny_voice/assets/encoder.ort"),
        requirement="tiny-voice>=1.0,<2",
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution whose Python code must not be imported."""
    site = tmp_path / "site"
    put(site / "tiny_voice-1.0.dist-info", "METADATA", b"Name: tiny-voice\nVersion: 1.0\n")
    put(site / "tiny_voice", "__init__.py", b"raise AssertionError('imported')")
    put(site / "tiny_voice/assets", "encoder.ort", ENCODER_BYTES)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def voice(store: Store) -> Store:
    """The same store, with a file that a distribution brings."""
    return Store(
        store.home,
        store.folders,
        offline=True,
        report=store._report,
        face=store.face,
        vosk=store.vosk,
        moonshine=[packaged_asset()],
    )


def test_a_file_of_an_installed_distribution_is_used_in_place(site: Path, voice: Store) -> None:
    found = voice.get(voice.moonshine[0])
    assert found == site / "tiny_voice/assets/encoder.ort"
    assert "tiny_voice" not in sys.modules
    assert not voice.home.exists()


def test_places_are_searched_in_order(site: Path, voice: Store, tmp_path: Path) -> None:
    asset = voice.moonshine[0]
    cached = put(voice.home / "tiny-en", "encoder.ort", ENCODER_BYTES)
    packaged = site / "tiny_voice/assets/encoder.ort"
    stick = put(tmp_path / "stick/tiny-en", "encoder.ort", ENCODER_BYTES)
    for place in (stick, packaged, cached):
        assert voice.find(asset) == place
        place.unlink()
    assert voice.find(asset) is None


@pytest.mark.parametrize("harm", ["cut", "other version", "folder"])
def test_damage_in_one_place_is_told_once_and_the_next_is_used(
    site: Path, voice: Store, tmp_path: Path, said: list[str], harm: str
) -> None:
    asset = voice.moonshine[0]
    stick = put(tmp_path / "stick/tiny-en", "encoder.ort", ENCODER_BYTES)
    if harm == "cut":
        stick.write_bytes(ENCODER_BYTES[:-1])
    elif harm == "other version":
        stick.write_bytes(ENCODER_BYTES[::-1])
    else:
        stick.unlink()
        stick.mkdir()  # of that name, and no file: passed over in silence
    packaged = site / "tiny_voice/assets/encoder.ort"
    assert voice.find(asset) == voice.get(asset) == packaged
    assert [str(stick) in line for line in said] == ([True] if harm != "folder" else [])
    packaged.write_bytes(b"another release")
    cached = put(voice.home / "tiny-en", "encoder.ort", ENCODER_BYTES)
    assert voice.find(asset) == cached
    assert str(packaged) in said[-1]
    assert all("\n" not in line for line in said)


def test_a_distribution_that_is_not_there_or_lacks_the_file(
    voice: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = voice.moonshine[0]
    assert voice.find(asset) is None
    site = tmp_path / "newer"
    put(site / "tiny_voice-2.0.dist-info", "METADATA", b"Name: tiny-voice\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(site)
    assert voice.find(asset) is None
    with pytest.raises(Unavailable) as caught:
        voice.get(asset)
    assert "`pip install 'tiny-voice>=1.0,<2'`" in str(caught.value)
    with pytest.raises(Unavailable) as other:
        voice.get(voice.face)
    assert "pip install" not in str(other.value)


def test_assets_by_name(voice: Store) -> None:
    assert [a.name for a in voice.assets] == ["face-detector", "moonshine-encoder", "vosk"]
    assert voice.asset("moonshine-encoder") == packaged_asset()
    with pytest.raises(KeyError):
        voice.asset("parrot")


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


def test_the_catalogue_is_what_the_makers_publish() -> None:
    assert FACE_DETECTOR.host == "storage.googleapis.com"
    assert FACE_DETECTOR.url.endswith("?generation=1782184645070605")
    assert VOSK_MODEL.url == f"https://alphacephei.com/vosk/models/{VOSK_MODEL.file}"
    assert f"{VOSK_MODEL.folder}.zip" == VOSK_MODEL.file
    for asset in MOONSHINE:
        folder, file = asset.file.split("/")
        assert folder == "moonshine-tiny-en"
        assert asset.url == f"https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/{file}"
        assert asset.package == ("moonshine-voice", f"moonshine_voice/assets/tiny-en/{file}")
        assert asset.requirement.startswith("moonshine-voice>=")
    everything = (FACE_DETECTOR, VOSK_MODEL, *MOONSHINE)
    assert all(len(asset.sha256) == 64 for asset in everything)
    for values in ({a.name for a in everything}, {a.file for a in everything}):
        assert len(values) == len(everything)
