"""Check of the installation: what is missing and how to get it (``mmer-live --check``)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mmer.models.blazeface import blazeface_file
from mmer.models.cards.card import KINDS, check_file, load_card, weights_dir
from mmer.models.encoder import preparation_of
from mmer.models.engine import open_best
from mmer.models.errors import MmerError
from mmer.models.face_baseline import NAME as FACE_BASELINE
from mmer.models.labels import MODALITIES
from mmer.models.store.store import Store
from mmer.realtime import devices
from mmer.realtime.asr.registry import ENGINES, AsrEngine
from mmer.realtime.asr.selection import Selection, load
from mmer.realtime.commands.needs import (
    EXTRAS,
    LIBRARIES,
    PACKAGES,
    absent_libraries,
    apt_get,
    import_problem,
    version,
)
from mmer.realtime.display import display_problem

_REINSTALL: Final = "in a clone of mmer: pip install --force-reinstall --no-deps ."

State: TypeAlias = Literal["ok", "absent", "missing"]
"""Present; absent, and mmer works without it; missing, and mmer cannot run on a file."""


@dataclass(frozen=True)
class Item:
    """One thing checked; ``detail`` is what was found, or what works without it."""

    group: str
    name: str
    state: State
    detail: str
    remedy: str = ""  # the command that gets it


@dataclass(frozen=True)
class Report:
    """All items."""

    items: tuple[Item, ...]

    @property
    def exit_code(self) -> int:
        """0 when mmer can run on a media file, else 1."""
        return int(any(item.state == "missing" for item in self.items))


def check(store: Store, weights: Path | None = None) -> Report:
    """Check everything; never connects.

    Args:
        store: searched for the models; an archive that it finds is unpacked.
        weights: the folder of our networks; default: the shipped one.
    """
    items = [
        *_python(),
        *_libraries(),
        *_models(store, weights_dir() if weights is None else weights),
        *_asr(store),
        *_engines(weights_dir() if weights is None else weights),
        *_devices(),
        *_abilities(),
    ]
    return Report(tuple(items))


def render(report: Report) -> None:
    """Print the report: a line an item, its remedy below, and the conclusion."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    styles = {"ok": "green", "absent": "yellow", "missing": "bold red"}
    width = max(len(item.name) for item in report.items)
    group = ""
    for item in report.items:
        if item.group != group:
            group = item.group
            console.print(Text(group, style="bold"))
        line = Text("  ").append(f"{item.state:8}", style=styles[item.state])
        console.print(line.append(f"{item.name:{width}}  {item.detail}"))
        if item.remedy:
            console.print(Text(f"{'':10}{'':{width}}  get it: {item.remedy}"))
    console.print()
    missing = [item.name for item in report.items if item.state == "missing"]
    if missing:
        console.print(Text(f"mmer cannot run: {', '.join(missing)} missing.", style="bold red"))
    else:
        console.print(Text("mmer can run on a media file: try mmer-live --demo", style="green"))


def _python() -> Iterator[Item]:
    group = "Python"
    python = f"{platform.python_version()} on {platform.platform()} ({platform.machine()})"
    yield Item(group, "python", "ok", f"{python}, {sys.executable}")
    yield Item(group, "mmer-live", "ok", version("mmer-live") or "not installed")
    absent = absent_libraries()
    for name, package in {**PACKAGES, **EXTRAS}.items():
        state: State = "absent" if package.without else "missing"
        without = package.without or "mmer needs it"
        installed = version(name)
        problem = import_problem(package.module) if package.module else ""
        if problem is None or (installed and not package.module):
            yield Item(group, name, "ok", installed or "of unknown version")
        elif installed is None:
            remedy = f"pip install '{package.requirement or name}'"
            yield Item(group, name, state, f"not installed; {without}", remedy)
        else:
            detail = f"{installed} cannot be loaded ({problem}); {without}"
            remedy = f"pip install --force-reinstall '{name}'"
            if "PortAudio" in problem or any(LIBRARIES[lib][0] in problem for lib in absent):
                remedy = apt_get(
                    absent or ["libportaudio2"]
                )  # the package is sound, what it loads is not there
            yield Item(group, name, state, detail, remedy)


def _libraries() -> Iterator[Item]:
    if not sys.platform.startswith("linux"):
        return
    absent = absent_libraries()
    opencv = import_problem("cv2") is None
    for package, (file, without) in LIBRARIES.items():
        group = "System libraries"
        if package not in absent:
            yield Item(group, package, "ok", file)
        elif without or opencv:
            detail = f"{file} is not there; {without or 'this OpenCV goes without it'}"
            yield Item(group, package, "absent", detail, apt_get(absent) if without else "")
        else:
            detail = f"{file} is not there; OpenCV cannot be loaded without it"
            yield Item(group, package, "missing", detail, apt_get(absent))


def _models(store: Store, weights: Path) -> Iterator[Item]:
    group = "Models"
    for name in (*KINDS, FACE_BASELINE):
        if name == FACE_BASELINE and not (weights / f"{name}.json").is_file():
            detail = "none made for this face network; --baseline session subtracts an offset"
            yield Item(group, name, "absent", detail)
            continue
        try:
            card = load_card(weights / f"{name}.json")
            path = weights / card.file
            check_file(path, card.sha256)
        except MmerError as problem:
            remedy = _REINSTALL
            yield Item(group, name, "missing", str(problem), remedy)
        else:
            detail = f"{card.file}, {path.stat().st_size / 1e6:.1f} MB, as its card says"
            yield Item(group, name, "ok", detail)
    try:
        path = blazeface_file()
    except MmerError as problem:
        remedy = _REINSTALL
        yield Item(group, "blazeface", "missing", str(problem), remedy)
    else:
        detail = f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, as it was shipped"
        yield Item(group, "blazeface", "ok", detail)
    without = {
        store.face.name: "--detector mediapipe does not run",
        **{a.name: "speech is transcribed by Vosk, where that is here" for a in store.moonshine},
        store.vosk.name: "there are no word times, and partial transcripts cost more",
    }
    for asset in store.assets:
        found = store.find(asset)
        if found is not None:
            size = f", {found.stat().st_size / 1e6:.1f} MB" if found.is_file() else ""
            yield Item(group, asset.name, "ok", f"{found}{size}")
        else:
            detail = f"not on this machine; without it {without[asset.name]}"
            yield Item(group, asset.name, "absent", detail, "mmer-live --fetch")


def _asr(store: Store) -> Iterator[Item]:
    """Each engine of speech recognition, and what ``--asr auto`` takes."""
    group = "Speech recognition"
    usable: list[tuple[AsrEngine, tuple[Path, ...]]] = []
    for _, engine in ENGINES.items():
        problem = import_problem(engine.package) if engine.package else None
        if problem is not None:
            detail = f"its package cannot be loaded: {problem}"
            yield Item(group, engine.name, "absent", detail, f"pip install {engine.package}")
            continue
        try:
            usable.append((engine, engine.find(store)))
        except MmerError as reason:
            yield Item(group, engine.name, "absent", str(reason), "mmer-live --fetch")
        else:
            yield Item(group, engine.name, "ok", engine.summary)
    chosen = load(Selection("auto", tuple(usable)))
    if chosen.name is None:
        detail = "no engine can be used; speech and face work"
        yield Item(group, "auto", "absent", detail, "mmer-live --fetch")
    else:
        yield Item(group, "auto", "ok", f"takes {chosen.name}")


def _devices() -> Iterator[Item]:
    kinds: tuple[tuple[str, Callable[[], devices.Found]], ...] = (
        ("microphone", devices.microphones),
        ("camera", devices.cameras),
    )
    for kind, find in kinds:
        found = find()
        for line in found.lines:
            yield Item("Devices", kind, "ok", line)
        if not found.lines:
            detail = found.problem or "none found; plug one in, or name a media file"
            yield Item("Devices", kind, "absent", detail, found.remedy)


def _engines(weights: Path) -> Iterator[Item]:
    """What ``--provider auto`` takes for each network, and why nothing better."""
    if import_problem("onnxruntime") is not None:
        return
    group = "Engines"
    taken: list[str] = []
    reasons: dict[str, str] = {}  # of each provider not taken, the last network's
    for name in MODALITIES:
        try:
            card = load_card(weights / f"{name}.json")
            lengths = preparation_of(card, weights).lengths()
            choice = open_best(weights / card.file, lengths=lengths)
        except MmerError:
            continue  # reported among the models
        taken.append(f"{name} {choice.engine.provider}")
        reasons |= dict(choice.passed_over)
    if taken:
        yield Item(group, "auto", "ok", f"takes {', '.join(taken)}")
    for provider, reason in reasons.items():
        yield Item(group, provider, "absent", reason)


def _abilities() -> Iterator[Item]:
    group = "Abilities"
    if import_problem("cv2") is None:
        import cv2

        lines = cv2.getBuildInformation().splitlines()
        if any("GStreamer" in line and "YES" in line for line in lines):
            yield Item(group, "gstreamer", "ok", "--video takes GStreamer pipelines")
        else:
            detail = "not in this OpenCV; --video takes indexes, paths and URLs"
            yield Item(group, "gstreamer", "absent", detail)
        problem = display_problem()
        if problem is None:
            yield Item(group, "display", "ok", "--window works")
        else:
            yield Item(group, "display", "absent", f"--window does not work: {problem}")
