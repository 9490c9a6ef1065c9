"""Registries of the models: an entry from outside is found, listed in errors, and used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.networks.encoders import ENCODERS, EncoderEntry, build_encoder
from mmer.models.networks.encoders.head_table import HEADS, HeadEntry, build_head
from mmer.models.networks.fusions import FUSIONS, build_fusion
from mmer.models.preparation.opening import PREPARATIONS, open_preparation
from mmer.models.preparation.preparation import Preparation, Sound
from mmer.models.registry import Entry, Registry

HERE = "registered"
"""The module that holds the classes below while a test runs."""


class Loudness(Preparation[Sound]):
    kind = "loudness"
    names = ("loudness",)

    def __call__(self, raw: Sound) -> tuple[np.ndarray, ...]:
        return (np.full((1, 1), np.abs(raw).max(), np.float32),)

    def example(self, rng: np.random.Generator) -> Sound:
        return rng.integers(-9, 9, 100).astype(np.int16)

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def open(cls, settings: Any, folder: Path) -> Loudness:
        return cls()


class Made:
    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments, self.named = arguments, named


@pytest.fixture(autouse=True)
def _module(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    module = SimpleNamespace(Loudness=Loudness, Made=Made)
    monkeypatch.setitem(sys.modules, HERE, module)  # type: ignore[arg-type]
    for registry in (ENCODERS, HEADS, FUSIONS, PREPARATIONS):
        monkeypatch.setattr(registry, "_entries", dict(registry.items()))


def test_a_preparation(tmp_path: Path) -> None:
    PREPARATIONS.add("loudness", Entry(f"{HERE}:Loudness", "largest sample"))
    (made,) = open_preparation({"kind": "loudness"}, tmp_path)(np.array([3, -7], np.int16))
    assert made.tolist() == [[7]]


def test_an_encoder() -> None:
    entry = EncoderEntry(f"{HERE}:Made", "an encoder", modality="speech", options={"a": 1})
    ENCODERS.add("mine", entry)
    assert ENCODERS["mine"].modality == "speech"
    with pytest.raises(MmerError, match="recipe x: mine has no b"):
        build_encoder("mine", {"b": 2}, "recipe x")
    with pytest.raises(MmerError, match=r"recipe x: no encoder 'his'; known are .*, mine"):
        build_encoder("his", {}, "recipe x")


def test_a_head() -> None:
    HEADS.add("mine", HeadEntry(f"{HERE}:Made", "a head", options={"a": 1}))
    head: Any = build_head("mine", 8, 7, "recipe x")
    assert (head.arguments, head.named) == ((8, 7), {"a": 1})
    with pytest.raises(MmerError, match=r"recipe x: no head 'his'; known are .*, mine"):
        build_head("his", 8, 7, "recipe x")


def test_a_fusion() -> None:
    FUSIONS.add("mine", Entry(f"{HERE}:Made", "a fusion"))
    fusion: Any = build_fusion("mine", ("speech", "text"), 8, 7, "recipe x")
    assert fusion.arguments == (("speech", "text"), 8, 7)


@pytest.mark.parametrize("registry", [ENCODERS, HEADS, FUSIONS, PREPARATIONS])
def test_every_entry_names_something_that_is_there(registry: Registry[Entry]) -> None:
    pytest.importorskip("torch")
    for name in registry:
        assert callable(registry.load(name))
        assert registry[name].summary


def kinds(registry: Registry[Entry]) -> Sequence[str]:
    return [registry.load(name).kind for name in registry]


def test_preparations_bear_the_names_of_their_entries() -> None:
    assert kinds(PREPARATIONS) == list(PREPARATIONS)
