"""Recipe: all settings of a training run, in one TOML file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from mmer.models.errors import MmerError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
PRECISIONS = ("float32", "float16", "int8")
OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "linear", "constant")
MIXED = ("no", "bf16", "fp16")
OLD_TASKS = {"combined": "multimodal"}
"""Former names of tasks, in older recipes and checkpoints."""
WATCHED = ("weighted_f1", "macro_f1", "unweighted_recall", "accuracy", "loss")


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run; ``options`` are those of the task."""

    name: str
    task: str
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.02
    label_smoothing: float = 0.0
    average_decay: float = 0.998
    """Decay per step of the running average of the weights, which is exported."""
    class_balance: float = 0.5
    """Class weights are (share of the targets) ** -class_balance: 0 for none, 1 equalises."""
    seed: int = 1
    threads: int = 1
    optimizer: str = "adamw"
    schedule: str = "cosine"
    """Decay of the learning rate after warm-up: "cosine", "linear" or "constant"."""
    warm_up: float = 0.05
    """Share of all updates with a rising learning rate."""
    accumulate: int = 1
    """Batches in one update of the weights."""
    stop: int = 0
    """Epochs after which the run ends, before its schedule does, for another run to start from; 0
    for all."""
    patience: int = 0
    """Early stopping: epochs without a better development figure, after which the best epoch's
    weights are restored; 0 trains to the last epoch."""
    watch: str = "weighted_f1"
    """The development figure for ``patience``."""
    mixed_precision: str = "no"
    """Train in "bf16", or on a GPU in "fp16", with float32 weights; development figures and
    export are float32."""
    precision: str = "float32"
    """Precision of the exported weights: "float32"; "float16", in which they are only stored; or
    "int8" for matrices and embeddings."""
    start: Sequence[str] = ()
    """Names of finished runs, folders beside this one's output, whose weights this run starts from
    (several: where the task can join their networks)."""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", OLD_TASKS.get(self.task, self.task))
        for name in ("weight_decay", "label_smoothing", "average_decay", "class_balance"):
            self._check_number(name, "a number", lowest=0.0)
        for name in ("epochs", "batch", "threads", "accumulate", "learning_rate"):
            self._check_number(name, "a number above 0", lowest=1e-12)
        for name in ("warm_up", "patience", "stop", "seed"):
            self._check_number(name, "0 or more", lowest=0.0)
        for name in ("epochs", "batch", "threads", "accumulate", "patience", "stop", "seed"):
            if not isinstance(getattr(self, name), int):
                raise MmerError(f"recipe {self.name}: {name} must be a whole number")
        if isinstance(self.start, str) or not all(isinstance(run, str) for run in self.start):
            raise MmerError(f"recipe {self.name}: start must be a list of names of runs")
        if not isinstance(self.options, Mapping):
            raise MmerError(f"recipe {self.name}: options must be a table")
        if not 0 <= self.average_decay < 1:
            raise MmerError(f"recipe {self.name}: average_decay must be at least 0 and below 1")
        for name, known in (
            ("precision", PRECISIONS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("watch", WATCHED),
            ("mixed_precision", MIXED),
        ):
            if getattr(self, name) not in known:
                raise MmerError(
                    f"recipe {self.name}: {name} is {getattr(self, name)!r}, "
                    f"use {' or '.join(known)}"
                )

    def _check_number(self, name: str, what: str, lowest: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= lowest:
            raise MmerError(f"recipe {self.name}: {name} must be {what}, not {value!r}")

    @property
    def last_epoch(self) -> int:
        """The epoch after which the run ends."""
        return self.stop or self.epochs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as stored in cards and checkpoints."""
        return {**asdict(self), "start": list(self.start)}

    def fingerprint(self) -> str:
        """The settings that determine the trained weights, as JSON."""
        table = self.as_dict()
        del table["precision"]
        return json.dumps(table, sort_keys=True)

    @classmethod
    def from_fingerprint(cls, text: str, where: str) -> Recipe:
        """The recipe whose ``fingerprint`` a checkpoint holds.

        Raises:
            MmerError: another version of the project wrote it.
        """
        return from_table(cls, json.loads(text), where)


def from_table(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a table; raises MmerError for a wrong key or value."""
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - known):
        raise MmerError(
            f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    hints = get_type_hints(kind)
    for name, value in table.items():
        if (expected := _unmet(value, hints[name])) is not None:
            raise MmerError(f"{where}: {name} is {value!r}, expected {expected}")
    try:
        return kind(**table)
    except (TypeError, MmerError) as error:
        raise MmerError(f"{where}: {error}") from error


def _unmet(value: Any, hint: Any) -> str | None:
    """What a field's type asks of a value from TOML, where that is plain and not so."""
    whole, true = isinstance(value, int), isinstance(value, bool)
    kinds: Mapping[Any, tuple[bool, str]] = {
        bool: (true, "true or false"),
        int: (whole and not true, "a whole number"),
        float: ((whole or isinstance(value, float)) and not true, "a number"),
        str: (isinstance(value, str), "a text"),
        Mapping: (isinstance(value, Mapping), "a table"),
        Sequence: (isinstance(value, Sequence) and not isinstance(value, str), "a list"),
    }
    origin = get_origin(hint) or hint
    fits, expected = kinds.get(Sequence if origin is tuple else origin, (True, ""))
    return None if fits else expected


def need_torch() -> None:
    """Check that torch is installed.

    Raises:
        MmerError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise MmerError("this needs torch: pip install 'mmer-live[train]'")


def recipe_names() -> list[str]:
    """Names of the bundled recipes."""
    folder = resources.files("mmer.training.recipes")
    names = [entry.name for entry in folder.iterdir()]
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a bundled recipe by name, or a file by path.

    ``extends = "NAME"`` (a bundled recipe, or a .toml file relative to this one) supplies what the
    recipe does not set itself; tables are merged.

    Raises:
        MmerError: there is no such recipe, or it is invalid.
    """
    path = _path(name_or_path, Path())
    return from_table(Recipe, _table(path, ()), str(path))


def _path(name: str, beside: Path) -> Path:
    path = beside / name
    if path.suffix != ".toml":
        path = Path(str(resources.files("mmer.training.recipes"))) / f"{name}.toml"
    if not path.is_file():
        raise MmerError(
            f"no recipe {name!r}: give a .toml file or one of {', '.join(recipe_names())}"
        )
    return path


def _table(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A recipe's table merged with the one it extends; ``above`` are those that extend it."""
    if path.resolve() in above:
        raise MmerError(f"{path} extends itself")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MmerError(f"{path} is not sound TOML: {error}") from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise MmerError(f"{path}: extends must be the name of a recipe")
    return _merged(_table(_path(base, path.parent), (*above, path.resolve())), table)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        below = out.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        out[key] = _merged(below, value) if both and below is not None else value
    return out
