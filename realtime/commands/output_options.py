"""Command-line options of the outputs, made from their registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import tyro

from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.sinks.registry import (
    DEFAULT,
    OUTPUTS,
    STDOUT,
    Output,
    Settings,
    Target,
    parse_output,
)


def _option(name: str, entry: Output) -> tuple[str, Any, Any]:
    """Field of one output's option, for `make_dataclass`."""
    kind: Any
    default: Any = ()
    if entry.value == "required":
        kind, metavar = tyro.conf.UseAppendAction[tuple[str, ...]], entry.metavar
    elif entry.value == "optional":
        kind, metavar, default = tuple[str, ...] | None, f"[{entry.metavar}]", None
    else:
        kind, metavar, default = Flag, None, False
    shown = {} if metavar is None else {"metavar": metavar}
    help_text = entry.summary[0].upper() + entry.summary[1:] + "."
    annotated = Annotated[kind, tyro.conf.arg(help=help_text, **shown)]
    return name.replace("-", "_"), annotated, field(default=default)


def _setting(name: str, setting: str, values: tuple[str, ...]) -> tuple[str, Any, Any]:
    help_text = f"{setting.capitalize()} of --{name}."
    annotated = Annotated[Literal[values], tyro.conf.arg(help=help_text)]  # type: ignore[valid-type]
    return f"{name}_{setting}".replace("-", "_"), annotated, field(default=values[0])


def _fields(stdout: bool) -> Iterator[tuple[str, Any, Any]]:
    """Fields of the options; without ``stdout`` those that name standard output are left out."""
    for name, entry in OUTPUTS.items():
        if name != DEFAULT and (stdout or entry.default != STDOUT):
            yield _option(name, entry)
            for setting, values in entry.settings.items():
                yield _setting(name, setting, values)


if TYPE_CHECKING:
    OutputOptions: TypeAlias = Any
    ServerOutputOptions: TypeAlias = Any
else:
    OutputOptions = make_dataclass("OutputOptions", list(_fields(stdout=True)), frozen=True)
    """One field for each output's option and each of its settings."""
    ServerOutputOptions = make_dataclass(
        "ServerOutputOptions", list(_fields(stdout=False)), frozen=True
    )
    """The same without standard output, where a server's sessions could not be told apart."""


def chosen(
    output: tuple[str, ...], options: Any, *, has_source: bool = True
) -> tuple[tuple[Target, ...], Settings]:
    """Outputs that ``--output`` and ``options`` (of OutputOptions) name, and their settings.

    ``has_source``: whether the command has a SOURCE, which an option that may go without a value
    could take for its own. Raises MmerError for an address that cannot be meant.
    """
    targets = [parse_output(target) for target in output]
    settings: dict[str, dict[str, str]] = {}
    for name, entry in OUTPUTS.items():
        given = getattr(options, name.replace("-", "_"), None)
        if entry.value == "required":
            targets += [Target(name, address) for address in given or ()]
        elif entry.value == "optional" and given is not None:
            value = _one(name, given, has_source) if given else entry.default
            targets.append(Target(name, value))
        elif entry.value == "none" and given:
            targets.append(Target(name, entry.default))
        for setting in entry.settings:
            key = f"{name}_{setting}".replace("-", "_")
            settings.setdefault(name, {})[setting] = getattr(options, key)
    return tuple(targets), settings


def _one(name: str, given: tuple[str, ...], has_source: bool) -> str:
    """The value of an option that may go without; a SOURCE behind the option is not meant by it."""
    several = len(given) > 1
    if has_source and (several or any("://" in v or (v and Path(v).exists()) for v in given)):
        raise MmerError(
            f"--{name} {' '.join(given)}: put the source first, `mmer-live SOURCE --{name}`"
        )
    if several:
        raise MmerError(f"--{name} {' '.join(given)}: expected one value at most")
    return "".join(given)
