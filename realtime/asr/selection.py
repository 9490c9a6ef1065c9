"""Selection of the speech recognizer that ``--asr`` names, or of the best on this machine.

Finding (which may download, and which Ctrl-C must be able to end) is apart from loading (which
runs in threads, side by side with the networks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmer.models.errors import MmerError
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel
from mmer.realtime.asr.registry import ENGINES, AsrEngine
from mmer.realtime.asr.two_pass import TwoPassModel
from mmer.realtime.choose import Choice
from mmer.realtime.messages import Notice


@dataclass(frozen=True)
class Selection:
    """Engines to load, best final transcript first, with files; why better ones are not there."""

    asr: str  # what was asked for
    engines: tuple[tuple[AsrEngine, tuple[Path, ...]], ...]
    reasons: tuple[str, ...] = ()


def select(asr: str, store: Store) -> Selection:
    """The engines for ``--asr``, one of ``asr_names()``.

    "auto" takes all that are on this machine. Where none is, it fetches the first that can be had.

    Raises:
        MmerError: a named engine cannot be had.
    """
    if asr == "none":
        return Selection(asr, ())
    if asr != "auto":
        engine = ENGINES[asr]
        return Selection(asr, ((engine, engine.get(store)),))
    found: list[tuple[AsrEngine, tuple[Path, ...]]] = []
    better: list[str] = []  # why the engines before the first one found are not used
    for _, engine in ENGINES.items():
        try:
            found.append((engine, engine.find(store)))
        except MmerError as problem:
            if not found:
                better.append(str(problem))
    if found:
        return Selection(asr, tuple(found), tuple(better))
    unavailable: list[str] = []
    for _, engine in ENGINES.items():
        try:
            return Selection(asr, ((engine, engine.get(store)),), tuple(unavailable))
        except MmerError as problem:
            unavailable.append(str(problem))
    return Selection(asr, (), tuple(unavailable))


def load_engine(engine: AsrEngine, paths: tuple[Path, ...]) -> AsrModel:
    """One engine's model of these files; raises MmerError where they are damaged."""
    return engine.load(paths)


def load(
    selection: Selection,
    load_one: Callable[[AsrEngine, tuple[Path, ...]], AsrModel] = load_engine,
) -> Choice[AsrModel | None]:
    """The selected model: of two engines, the online one's partials and the other's finals.

    ``load_one`` makes the model of one engine, or has made it before.

    Raises:
        MmerError: an engine that was asked for by name cannot be loaded.
    """
    if selection.asr == "none":
        return Choice(None, None)
    loaded: list[tuple[AsrEngine, AsrModel]] = []
    reasons = list(selection.reasons)
    for engine, paths in selection.engines:
        try:
            loaded.append((engine, load_one(engine, paths)))
        except MmerError as problem:
            if selection.asr != "auto":
                raise
            reasons.append(str(problem))
    if not loaded:
        text = f"no transcript: {'; '.join(reasons)}"
        return Choice(None, None, (Notice(0.0, "warning", "words", text),))
    notices = tuple(Notice(0.0, "info", "words", reason) for reason in reasons)
    final = loaded[0][1]
    online = next((model for engine, model in loaded if engine.streams), None)
    made = final if online is None or online is final else TwoPassModel(online, final)
    return Choice(made, made.description, notices)
