"""Registry of the engines: one entry has all facts of one, and no other file lists them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from moonshine_files import moonshine_files, spoken

import mmer
from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import STYLES
from mmer.models.store.catalogue import MOONSHINE, VOSK_MODEL, Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr import registry
from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.asr.registry import ENGINES, AsrEngine, asr_names, load_model
from mmer.realtime.commands import live
from mmer.realtime.demo import clip
from mmer.realtime.messages import Transcript

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("realtime", "models", "training", "benchmarks")


class ParrotModel:
    """A throw-away engine that says one thing."""

    name = "parrot"
    description = "parrot (grey)"
    trust = 0.5

    def stream(self) -> ParrotModel:
        return self

    def accept(self, samples: np.ndarray, pause: bool = False) -> Hypothesis:
        return Hypothesis("parrot", style="bare")

    def finish(self) -> Hypothesis:
        return Hypothesis("parrot", "hello hello hello hello", style="bare")

    def reset(self) -> None: ...


PARROT = AsrEngine(
    f"{__name__}:ParrotModel", "A parrot", name="parrot", style="bare", streams=True, assets=()
)


@pytest.fixture
def with_parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after one more entry in the registry: the names are read from it."""
    monkeypatch.setattr(ENGINES, "_entries", dict(ENGINES.items()))  # taken back afterwards
    ENGINES.add("parrot", PARROT)


def test_an_entry_more_makes_an_engine_that_can_be_chosen(with_parrot: None) -> None:
    with mmer.Recognizer(
        clip(), asr="parrot", modalities=("text",), pace="max", offline=True
    ) as recognizer:
        assert recognizer.info.models["words"] == "parrot (grey)"
        events = list(recognizer.events())
    finals = [e for e in events if isinstance(e, Transcript) and not e.partial]
    assert finals
    assert {(t.asr, t.text, t.style) for t in finals} == {
        ("parrot", "hello hello hello hello", "bare")
    }


def test_its_name_is_in_the_message_for_a_wrong_one(
    with_parrot: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        live.main(["--demo", "--asr", "parot"])
    assert stopped.value.code == 2
    names = "auto, moonshine, vosk, parrot, none"
    assert capsys.readouterr().err == f"mmer-live: --asr 'parot' is unknown: use {names}\n"


def listings(tree: ast.AST) -> Iterator[set[str]]:
    """Strings that stand side by side: in a tuple, list, set, table, Literal or comparison."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.BoolOp):
            parts = [side for c in node.values for side in ast.walk(c)]
        elif isinstance(node, ast.Match):
            parts = [value for case in node.cases for value in ast.walk(case.pattern)]
        else:
            continue
        yield {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}


def test_no_other_file_lists_the_engines() -> None:
    """A list of names elsewhere would have to be kept like this one."""
    modules = [m for folder in SOURCES for m in sorted((ROOT / folder).rglob("*.py"))]
    assert len(modules) > 200
    for module in modules:
        for names in listings(ast.parse(module.read_text(encoding="utf-8"))):
            assert len(names & {*ENGINES, "auto", "none"}) < 2 or not names & {*ENGINES}, module


def test_the_entries() -> None:
    assert asr_names() == ("auto", "moonshine", "vosk", "none")
    assert registry.ASR_METAVAR == "{auto,moonshine,vosk,none}"
    known = {asset.name for asset in (*MOONSHINE, VOSK_MODEL)}
    for name, engine in ENGINES.items():
        assert engine.name == name
        assert engine.style in STYLES
        assert set(engine.assets) <= known
        model = ENGINES.load(name)
        assert model.name == name
        assert 0 <= model.trust <= 1


def test_the_entries_are_read_without_loading_an_engine() -> None:
    code = (
        "import sys; import mmer.realtime.asr.registry; "
        "print([m for m in sys.modules if m in ('onnxruntime', 'vosk', 'moonshine_voice') "
        "or m.startswith(('mmer.realtime.asr.moonshine', 'mmer.realtime.asr.vosk'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def files() -> tuple[Path, Path, Path]:
    """Moonshine's; found before the fixture below hides them."""
    return moonshine_files()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Offline, and no model on the machine."""
    monkeypatch.setattr("mmer.models.store.store._in_package", lambda asset: None)
    return Store(tmp_path / "home", [], offline=True, report=lambda line: None)


def test_files_that_are_not_here(empty: Store) -> None:
    with pytest.raises(Unavailable, match=r"encoder_model\.ort is not on this machine"):
        ENGINES["moonshine"].find(empty)
    with pytest.raises(Unavailable) as caught:
        ENGINES["moonshine"].get(empty)
    text = str(caught.value)
    assert "offline mode is on" in text
    assert "mmer-live --fetch" in text
    assert "pip install 'moonshine-voice" in text
    assert "\n" not in text


def test_two_files_of_three_are_not_enough(files: tuple[Path, Path, Path], empty: Store) -> None:
    for source, asset in zip(files[:2], MOONSHINE, strict=False):
        target = empty.home / asset.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    with pytest.raises(Unavailable, match=r"tokenizer\.bin is not on this machine"):
        ENGINES["moonshine"].find(empty)


def test_a_package_that_is_not_installed(empty: Store) -> None:
    engine = replace(ENGINES["vosk"], package="mmer_no_such_package")
    for ask in (engine.find, engine.get):
        with pytest.raises(Unavailable, match="pip install mmer_no_such_package"):
            ask(empty)


def test_an_engine_that_cannot_be_had(empty: Store) -> None:
    with pytest.raises(MmerError, match="no speech recognizer 'parrot'; known are moonshine, vosk"):
        load_model("parrot")
    with pytest.raises(Unavailable, match="MMER_MODELS"):
        load_model("moonshine", empty)


def test_an_engine_by_name(files: tuple[Path, Path, Path]) -> None:
    model = load_model("moonshine")
    assert model.description == f"moonshine ({files[0].parent.name})"
    stream = model.stream()
    stream.accept(spoken("Hello."))
    assert stream.finish().text == "Hello."
