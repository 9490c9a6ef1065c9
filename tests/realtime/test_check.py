from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from mmer.models.engine import Choice
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.preparation.logmel_frames import LogMelSegment
from mmer.models.store.catalogue import Unavailable
from mmer.models.store.store import Store
from mmer.realtime import devices
from mmer.realtime.asr.registry import ENGINES, AsrEngine
from mmer.realtime.commands import check as module
from mmer.realtime.commands import needs
from mmer.realtime.commands.check import Item, Report, check, render


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A bare machine: nothing is imported, no device, no display, no model."""
    monkeypatch.setattr(module, "import_problem", lambda name: None)
    monkeypatch.setattr(module, "absent_libraries", list)
    monkeypatch.setattr(module, "display_problem", lambda: "there is no display")
    monkeypatch.setattr(devices, "microphones", lambda: devices.Found(lines=("0: USB Audio",)))
    monkeypatch.setattr(devices, "cameras", devices.Found)
    monkeypatch.setattr(module, "check_file", lambda path, sha256: None)
    monkeypatch.setattr("mmer.models.store.store._in_package", lambda asset: None)


class FakeCard:
    file = "speech.onnx"
    sha256 = "0" * 64
    preprocessing: ClassVar[dict[str, object]] = {"input": LogMelSegment().settings()}


class FakeEngine:
    provider = "cpu"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / FakeCard.file).write_bytes(b"network")
    monkeypatch.setattr(module, "load_card", lambda path: FakeCard)
    choice = Choice(FakeEngine(), (("cuda", "there is no GPU"),))  # type: ignore[arg-type]
    monkeypatch.setattr(module, "open_best", lambda path, lengths: choice)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", [], offline=False, report=lambda line: None)


def items_of(report: Report, group: str | None = None) -> dict[str, Item]:
    return {i.name: i for i in report.items if group is None or i.group == group}


def test_a_machine_that_has_what_a_file_needs_is_good(store: Store, weights: Path) -> None:
    report = check(store, weights)
    items = items_of(report)
    assert report.exit_code == 0
    assert {items[name].state for name in MODALITIES} == {"ok"}
    assert items["microphone"].detail == "0: USB Audio"
    assert items["camera"].state == "absent"
    models = items_of(report, "Models")
    files = {name: item for name, item in models.items() if name.startswith("moonshine-")}
    assert set(files) == {"moonshine-encoder", "moonshine-decoder", "moonshine-vocabulary"}
    for item in (*files.values(), models["vosk"]):
        assert (item.state, item.remedy) == ("absent", "mmer-live --fetch")
    assert (items["blazeface"].state, items["blazeface"].remedy) == ("ok", "")
    assert items["face-detector"].detail.endswith("--detector mediapipe does not run")
    assert (items["face-baseline"].state, items["face-baseline"].remedy) == ("absent", "")
    (weights / "face-baseline.json").write_text("{}")
    assert items_of(check(store, weights))["face-baseline"].state == "ok"
    assert items_of(report, "Engines")["auto"].detail == "takes speech cpu, text cpu, face cpu"
    assert (items["cuda"].state, items["cuda"].detail) == ("absent", "there is no GPU")


def test_checking_never_connects(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmer.models.store.store.download", lambda *a, **k: pytest.fail("connects"))
    check(store, weights)
    assert not store.home.exists()


def test_networks_that_are_not_there_make_it_fail(store: Store, tmp_path: Path) -> None:
    report = check(store, tmp_path / "none")
    items = items_of(report)
    assert report.exit_code == 1
    assert all(items[name].state == "missing" and items[name].remedy for name in MODALITIES)


def test_a_face_detector_that_is_damaged_makes_it_fail(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "blazeface.onnx").write_bytes(b"not the network")
    monkeypatch.setattr("mmer.models.blazeface.weights_dir", lambda: tmp_path)
    report = check(store, weights)
    item = items_of(report)["blazeface"]
    assert report.exit_code == 1
    assert item.state == "missing"
    assert item.remedy == "in a clone of mmer: pip install --force-reinstall --no-deps ."
    assert "is damaged" in item.detail


@pytest.mark.parametrize(
    ("broken", "state", "remedy"),
    [
        ("cv2", "missing", "pip install --force-reinstall 'opencv-contrib-python'"),
        ("sounddevice", "absent", "pip install --force-reinstall 'sounddevice'"),
    ],
)
def test_a_package_that_cannot_be_loaded(
    store: Store,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    state: str,
    remedy: str,
) -> None:
    problem = {broken: "it is broken"}
    monkeypatch.setattr(module, "import_problem", problem.get)
    report = check(store, weights)
    (item,) = [item for item in report.items if "it is broken" in item.detail]
    assert (item.state, item.remedy) == (state, remedy)
    assert report.exit_code == (state == "missing")


def test_a_package_that_is_not_installed(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "version", lambda name: None if name == "av" else "1.0")
    monkeypatch.setattr(module, "import_problem", {"av": "No module named 'av'"}.get)
    item = items_of(check(store, weights))["av"]
    assert (item.state, item.remedy) == ("missing", "pip install 'av'")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux packages")
def test_system_libraries_that_are_not_there_name_their_apt_line(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = "sudo apt-get install -y libgl1 libportaudio2"
    problems = {
        "cv2": "libGL.so.1: cannot open shared object file: No such file or directory",
        "sounddevice": "PortAudio library not found",
    }
    monkeypatch.setattr(module, "absent_libraries", lambda: ["libgl1", "libportaudio2"])
    monkeypatch.setattr(module, "import_problem", problems.get)
    report = check(store, weights)
    items = items_of(report)
    assert {items[n].remedy for n in ("libgl1", "libportaudio2", "sounddevice")} == {apt}
    assert items["opencv-contrib-python"].remedy == apt
    assert items["libgl1"].state == "missing"
    assert items["libportaudio2"].state == "absent"
    assert "files and cameras work" in items["libportaudio2"].detail
    assert report.exit_code == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux packages")
def test_a_library_that_this_opencv_does_not_need_is_no_fault(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "absent_libraries", lambda: ["libgl1"])
    report = check(store, weights)
    assert items_of(report)["libgl1"].state == "absent"
    assert report.exit_code == 0


ASR = "Speech recognition"


def test_without_any_engine_there_are_no_words(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "import_problem", {"vosk": "gone"}.get)
    report = check(store, weights)
    items = items_of(report, ASR)
    assert list(items) == [*ENGINES, "auto"]
    assert {item.state for item in items.values()} == {"absent"}
    assert items["vosk"].detail == "its package cannot be loaded: gone"
    assert items["vosk"].remedy == "pip install vosk"
    assert "encoder_model.ort is not on this machine" in items["moonshine"].detail
    assert items["moonshine"].remedy == "mmer-live --fetch"
    assert "no engine can be used; speech and face work" in items["auto"].detail
    assert items["auto"].remedy == "mmer-live --fetch"
    assert report.exit_code == 0  # mmer runs without words


@pytest.mark.parametrize(
    ("here", "takes"),
    [
        (("moonshine",), "takes moonshine (tiny)"),
        (("vosk",), "takes vosk (tiny)"),
        (("moonshine", "vosk"), "takes moonshine (tiny), partials by vosk (tiny)"),
    ],
)
def test_each_engine_that_is_here_and_what_auto_takes(
    store: Store,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: tuple[str, ...],
    takes: str,
) -> None:
    def find(self: AsrEngine, store: Store) -> tuple[Path, ...]:
        if self.name not in here:
            raise Unavailable(f"{self.name} is not on this machine")
        return ()

    def opened(self: AsrEngine, paths: tuple[Path, ...]) -> object:
        return SimpleNamespace(name=self.name, description=f"{self.name} (tiny)", trust=1.0)

    monkeypatch.setattr(AsrEngine, "find", find)
    monkeypatch.setattr(AsrEngine, "load", opened)
    items = items_of(check(store, weights), ASR)
    assert {name for name, item in items.items() if item.state == "ok"} == {*here, "auto"}
    for name in here:
        assert items[name].detail == ENGINES[name].summary
    assert items["auto"].detail == takes


def test_an_engine_that_cannot_be_loaded_is_not_what_auto_takes(
    store: Store, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: AsrEngine, paths: tuple[Path, ...]) -> object:
        raise MmerError(f"{self.name} is damaged")

    monkeypatch.setattr(AsrEngine, "find", lambda self, store: ())
    monkeypatch.setattr(AsrEngine, "load", broken)
    assert items_of(check(store, weights), ASR)["auto"].state == "absent"


def test_the_report_names_everything_and_every_remedy(
    store: Store, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(store, weights)
    render(report)
    printed = capsys.readouterr().out
    for item in report.items:
        assert f"{item.name} " in printed
        assert item.detail in printed
        assert item.remedy in printed
    assert "mmer can run on a media file" in printed
    render(Report((Item("Models", "speech", "missing", "[gone]", "get [it]"),)))
    printed = capsys.readouterr().out
    assert "mmer cannot run: speech missing" in printed
    assert "get it: get [it]" in printed  # brackets are text, not markup


def test_the_packages_are_those_of_the_distribution() -> None:
    requires = importlib.metadata.requires("mmer-live") or []
    # tomli stands in for a module of newer Pythons' own
    always = [line for line in requires if not re.search(r"extra ==|python_version", line)]
    names = {re.split(r"[^\w.-]", line)[0] for line in always}
    assert set(needs.PACKAGES) == names
    serve = [line for line in requires if re.search(r"extra == .serve.", line)]
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in serve}
    assert names == {n.lower() for n, p in needs.EXTRAS.items() if "serve]" in p.requirement}
    for package in needs.EXTRAS.values():
        if "serve]" in package.requirement and needs.version(package.module.replace("_", "-")):
            assert needs.import_problem(package.module) is None


def test_why_a_module_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mmer_broken_module.py").write_text("raise OSError('no such library\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    assert needs.import_problem("json") is None
    assert needs.import_problem("mmer_broken_module") == "no such library"
    assert "mmer_no_such" in str(needs.import_problem("mmer_no_such"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux packages")
def test_a_library_that_is_not_there_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needs.LIBRARIES, "libnowhere1", ("libnowhere.so.1", "all"))
    assert "libnowhere1" in needs.absent_libraries()
