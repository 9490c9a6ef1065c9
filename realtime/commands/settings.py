"""Settings of a command from a config file (TOML) and from environment variables.

Both have the names of the options: ``video-fps = 10`` in the file of ``--config``, and
``MMER_VIDEO_FPS=10``. What is asked for but once, such as ``--check``, is no setting.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import json
import os
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mmer.models.errors import MmerError, brief

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
CONFIG: Final = "config"
"""The option that names the file."""
ACTIONS: Final = frozenset(
    {CONFIG, "source", "write-config", "check", "list-devices", "fetch", "version", "notice",
     "demo", "open", "calibrate"}
)  # fmt: skip
"""Options that are no settings."""
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
_ENVIRONMENT: Final = "MMER_"
_OWN: Final = ("MMER_OFFLINE", "MMER_MODELS", "MMER_HOME", "MMER_DATA", "MMER_CONFIG")
"""Variables that other parts read."""


@dataclass(frozen=True)
class Example:
    """Value that an option without a default may have, for the file of ``write_config``."""

    value: str | float


@dataclass(frozen=True)
class Setting:
    """An option: its name with dashes, the fields that lead to it, its values and its help."""

    name: str
    path: tuple[str, ...]  # of fields, from the command's arguments on
    kind: Literal["flag", "number", "whole", "text", "path", "texts", "maybe"]
    choices: tuple[str, ...]
    default: Any
    help: str
    example: Any = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """Names by which the command line knows it."""
        negated = self.kind == "flag" and self.default is True
        return (self.name, f"no-{self.name}") if negated else (self.name,)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return _ENVIRONMENT + self.name.upper().replace("-", "_")

    def value(self, given: Any, where: str) -> Any:
        """``given`` of a file as the field's value; raises MmerError that begins with ``where``."""
        expected = {
            "flag": "true or false",
            "number": "a number",
            "whole": "a whole number",
            "texts": "a text or a list of texts",
            "maybe": "true or a text",
        }.get(self.kind, "a text")
        if self.kind == "flag" and isinstance(given, bool):
            return given
        if self.kind == "number" and _is(given, (int, float)):
            try:
                return float(given)
            except OverflowError:
                expected = "a number below 1e308"
        if self.kind == "whole" and _is(given, (int,)):
            return given
        if self.kind == "maybe" and isinstance(given, bool):
            return () if given else None
        if self.kind in ("texts", "maybe") and isinstance(given, str):
            return (given,)
        if self.kind == "texts" and isinstance(given, list):
            if all(isinstance(item, str) for item in given):
                return tuple(given)
        elif isinstance(given, str) and self.kind in ("text", "path"):
            if self.choices and given not in self.choices:
                names = ", ".join(self.choices)
                raise MmerError(f"{where}{self.name} {given!r} is unknown: use {names}")
            return Path(given) if self.kind == "path" else given
        raise MmerError(f"{where}{self.name} is {brief(repr(given))}, expected {expected}")

    def of_text(self, text: str, where: str | None = None) -> Any:
        """The text of its variable as the field's value; raises MmerError (see ``value``)."""
        given: Any = text
        if self.kind in ("flag", "maybe") and text.lower() in (*_TRUE, *_FALSE):
            given = text.lower() in _TRUE
        elif self.kind in ("number", "whole"):
            for number in (int, float):
                try:
                    given = number(text)
                    break
                except ValueError:
                    continue
        return self.value(given, f"{self.variable}: " if where is None else where)


def settings_of(kind: type[Any]) -> list[Setting]:
    """All options of a command's dataclass, nested ones included."""
    return list(_settings(kind, ()))


def config_path(arguments: Any) -> Path | None:
    """The file of settings that ``arguments`` or the environment name."""
    path = getattr(arguments, CONFIG) or os.environ.get("MMER_CONFIG") or None
    return None if path is None else Path(path)


def completed(arguments: T, settings: Sequence[Setting], named: Collection[str], prog: str) -> T:
    """``arguments``, in which ``named`` were given, with environment and file for the others.

    ``prog`` is the command, whose ``--help`` lists the settings.

    Raises:
        MmerError: the file cannot be read, a name is unknown, or a value cannot be.
    """
    known = {s.name: s for s in settings if s.name not in ACTIONS}
    if not any(setting.name == CONFIG for setting in settings):
        return arguments
    path = config_path(arguments)
    values = {} if path is None else _of_file(path, known, prog)
    values |= _of_environment(known)
    for name, value in values.items():
        if not set(known[name].spellings) & set(named):
            arguments = _with(arguments, known[name].path, value)
    return arguments


def write_config(arguments: Any, path: Path) -> None:
    """Write all settings with their help: those that differ from the default, the others after #.

    Raises:
        MmerError: there is such a file, or it cannot be written.
    """
    lines = ["# Settings of mmer. The command line and MMER_* variables go before them."]
    for setting in settings_of(type(arguments)):
        if setting.name in ACTIONS:
            continue
        value = arguments
        for field in setting.path:
            value = getattr(value, field)
        same = value == setting.default
        off = "# " if same or value is None else ""
        lines += ["", *textwrap.wrap(setting.help, 96, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"{off}{setting.name} = {_toml(setting, value)}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError:
        raise MmerError(f"{path} is there already: move it away first") from None
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


def _toml(setting: Setting, value: Any) -> str:
    if value is None:  # shown after "#": what a value looks like
        value = setting.example
    elif setting.kind == "maybe":
        return json.dumps(value[0], ensure_ascii=False) if value else "true"
    given = list(value) if isinstance(value, tuple) else value
    return json.dumps(str(given) if isinstance(given, Path) else given, ensure_ascii=False)


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _settings(kind: type[Any], above: tuple[str, ...]) -> Iterator[Setting]:
    hints = get_type_hints(kind, include_extras=True)
    documented = _documented(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        inner, notes = hint, []
        while hasattr(inner, "__metadata__"):
            notes += inner.__metadata__
            inner = inner.__origin__
        path = (*above, field.name)
        if dataclasses.is_dataclass(inner):
            yield from _settings(inner, path)  # type: ignore[arg-type]
            continue
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        said = next((n.help for n in notes if getattr(n, "help", None)), None)
        words = said or documented.get(field.name, "")
        found, choices = _kind_of(inner)
        example = next((n.value for n in notes if isinstance(n, Example)), None)
        if example is None:
            example = choices[0] if choices else found == "maybe" or None
        yield Setting(
            field.name.replace("_", "-"),
            path,
            found,
            choices,
            default,
            " ".join(words.split()),
            example,
        )


def _kind_of(hint: Any) -> tuple[Any, tuple[str, ...]]:
    """Kind of a setting by its type, and its values where they are few."""
    optional = False
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        optional = True
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return "text", get_args(hint)
    if get_origin(hint) is tuple:
        return ("maybe" if optional else "texts"), ()
    return {bool: "flag", float: "number", int: "whole", Path: "path"}.get(hint, "text"), ()


def _documented(kind: type[Any]) -> dict[str, str]:
    """Texts below the fields of a dataclass; none where it has no source."""
    try:
        (made,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError):
        return {}
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, text in zip(made.body, made.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = str(text.value.value)
    return found


def _of_file(path: Path, known: Mapping[str, Setting], prog: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MmerError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # also of a number with too many digits
        raise MmerError(f"{path} is no TOML file: {brief(str(error))}") from error
    values = {}
    for key, given in table.items():
        name = key.replace("_", "-")
        if name not in known:
            meant = nearest(name, known) or f"; {prog} --help lists them"
            raise MmerError(f"{path}: no setting {brief(key)!r}{meant}")
        values[name] = known[name].value(given, f"{path}: ")
    return values


def _of_environment(known: Mapping[str, Setting]) -> dict[str, Any]:
    by_variable = {setting.variable: setting for setting in known.values()}
    values = {}
    for variable, text in os.environ.items():
        if not variable.startswith(_ENVIRONMENT) or variable in _OWN or not text:
            continue
        if variable in by_variable:
            values[by_variable[variable].name] = by_variable[variable].of_text(text)
        elif meant := nearest(variable, by_variable, cutoff=0.9):
            raise MmerError(f"no setting {brief(variable)}{meant}")
    return values


def nearest(name: str, known: Collection[str], prefix: str = "", cutoff: float = 0.6) -> str:
    """Suffix ": do you mean NAME?" for the one of ``known`` that ``name`` resembles; "" for none.

    ``cutoff`` is the least similarity, 0..1.
    """
    close = difflib.get_close_matches(name, known, 1, cutoff)
    return f": do you mean {prefix}{close[0]}?" if close else ""


def _with(arguments: T, path: Sequence[str], value: Any) -> T:
    """``arguments`` with another value of the field that ``path`` leads to."""
    first, *rest = path
    inner = value if not rest else _with(getattr(arguments, first), rest, value)
    return dataclasses.replace(arguments, **{first: inner})  # type: ignore[type-var]
