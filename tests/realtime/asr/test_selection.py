"""Selection of the engine: the named one, or what is on this machine."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.registry import Registry
from mmer.models.store.catalogue import MOONSHINE, VOSK_MODEL, Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr import selection as module
from mmer.realtime.asr.registry import AsrEngine
from mmer.realtime.asr.selection import Selection, load, select
from mmer.realtime.asr.two_pass import TwoPassModel


class Machine:
    """Engines that are here, can be fetched, or are broken; ``asked`` holds what was done."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.fetchable: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.engines: dict[str, AsrEngine] = {
            name: self._engine(name, streams)
            for name, streams in (("whole", False), ("online", True))
        }

    def _engine(self, name: str, streams: bool) -> AsrEngine:
        machine = self

        class Engine(AsrEngine):
            def find(self, store: Store) -> tuple[Path, ...]:
                machine.asked.append(f"find {name}")
                if name not in machine.here:
                    raise Unavailable(f"{name} is not on this machine")
                return (Path(name),)

            def get(self, store: Store) -> tuple[Path, ...]:
                machine.asked.append(f"get {name}")
                if name not in machine.here | machine.fetchable:
                    raise Unavailable(f"{name} cannot be fetched: offline")
                return (Path(name),)

            def load(self, paths: tuple[Path, ...]) -> Any:
                assert paths == (Path(name),)
                machine.asked.append(f"load {name}")
                if name in machine.broken:
                    raise MmerError(f"{name} is damaged")
                return SimpleNamespace(name=name, description=f"{name} (tiny)", trust=1.0)

        return Engine("", "", name=name, style="bare", streams=streams, assets=())

    def choose(self, asr: str) -> Any:
        return load(select(asr, SimpleNamespace()))  # type: ignore[arg-type]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(module, "ENGINES", Registry("engine", made.engines))
    return made


def test_auto_takes_both_where_both_are_here(machine: Machine) -> None:
    machine.here = {"whole", "online"}
    choice = machine.choose("auto")
    assert isinstance(choice.made, TwoPassModel)
    assert choice.name == "whole (tiny), partials by online (tiny)"
    assert choice.notices == ()
    assert not [what for what in machine.asked if what.startswith("get")]  # nothing is fetched


@pytest.mark.parametrize("name", ["whole", "online"])
def test_auto_takes_the_one_that_is_here_and_fetches_no_other(machine: Machine, name: str) -> None:
    machine.here = {name}
    machine.fetchable = {"whole", "online"}
    choice = machine.choose("auto")
    assert (choice.made.name, choice.name) == (name, f"{name} (tiny)")
    better = {"whole": [], "online": ["whole is not on this machine"]}
    assert [notice.text for notice in choice.notices] == better[name]
    assert machine.asked == ["find whole", "find online", f"load {name}"]


def test_auto_fetches_the_first_that_can_be_had_where_none_is_here(machine: Machine) -> None:
    machine.fetchable = {"whole", "online"}
    assert machine.choose("auto").name == "whole (tiny)"
    assert "get online" not in machine.asked
    machine.fetchable = {"online"}
    choice = machine.choose("auto")
    assert choice.name == "online (tiny)"
    (notice,) = choice.notices
    assert (notice.level, notice.about) == ("info", "words")
    assert notice.text == "whole cannot be fetched: offline"


def test_auto_without_any_goes_on_with_a_warning(machine: Machine) -> None:
    choice = machine.choose("auto")
    assert (choice.made, choice.name) == (None, None)
    (notice,) = choice.notices
    assert notice.level == "warning"
    assert "whole cannot be fetched: offline; online cannot be fetched: offline" in notice.text


def test_auto_takes_the_next_where_one_cannot_be_loaded(machine: Machine) -> None:
    machine.here, machine.broken = {"whole", "online"}, {"whole"}
    choice = machine.choose("auto")
    assert (choice.made.name, choice.name) == ("online", "online (tiny)")
    (notice,) = choice.notices
    assert (notice.level, notice.text) == ("info", "whole is damaged")
    machine.broken = {"whole", "online"}
    choice = machine.choose("auto")
    assert choice.made is None
    assert choice.notices[0].level == "warning"
    assert "whole is damaged; online is damaged" in choice.notices[0].text


@pytest.mark.parametrize("name", ["whole", "online"])
def test_a_named_engine_is_that_one_or_an_error(machine: Machine, name: str) -> None:
    with pytest.raises(Unavailable, match=f"{name} cannot be fetched"):
        machine.choose(name)
    machine.here = {"whole", "online"}
    machine.asked.clear()
    choice = machine.choose(name)
    assert (choice.made.name, choice.notices) == (name, ())
    assert machine.asked == [f"get {name}", f"load {name}"]
    machine.broken = {name}
    with pytest.raises(MmerError, match=f"{name} is damaged"):
        machine.choose(name)


def test_none_asks_for_nothing(machine: Machine) -> None:
    machine.here = {"whole", "online"}
    choice = machine.choose("none")
    assert (choice.made, choice.name, choice.notices) == (None, None, ())
    assert machine.asked == []


def test_selections_are_equal_where_their_files_are(machine: Machine) -> None:
    machine.here = {"whole"}
    store: Any = SimpleNamespace()
    one, other = select("auto", store), select("auto", store)
    assert one == other
    assert hash(one) == hash(other)
    machine.here = {"online"}
    assert select("auto", store) != one
    assert Selection("none", ()) == select("none", store)


def test_auto_passes_over_a_damaged_file_and_tells_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real registry and store: Moonshine's encoder is cut short, Vosk's archive is whole."""
    monkeypatch.setattr("mmer.models.store.store._in_package", lambda asset: None)
    monkeypatch.setattr(AsrEngine, "_need_package", lambda self: None)
    monkeypatch.setattr(
        AsrEngine,
        "load",
        lambda self, paths: SimpleNamespace(name=self.name, description=self.name, trust=1.0),
    )
    encoder = tmp_path / "stick" / MOONSHINE[0].file
    encoder.parent.mkdir(parents=True)
    encoder.write_bytes(b"cut short")
    archive = tmp_path / "stick" / VOSK_MODEL.file
    with zipfile.ZipFile(archive, "w") as file:
        for needed in VOSK_MODEL.needs:
            file.writestr(f"{VOSK_MODEL.folder}/{needed}", b"here")
    vosk = replace(VOSK_MODEL, sha256=sha256_of(archive))
    told: list[str] = []
    folders = [tmp_path / "stick"]
    store = Store(tmp_path / "home", folders, offline=True, report=told.append, vosk=vosk)
    choice = load(select("auto", store))
    assert choice.name == "vosk"
    (notice,) = choice.notices
    assert (notice.level, notice.text) == ("info", f"{MOONSHINE[0].file} is not on this machine")
    (line,) = told
    assert str(encoder) in line
    assert "damaged" in line
    with pytest.raises(Unavailable, match="encoder"):
        select("moonshine", store)
    assert len(told) == 1  # once
