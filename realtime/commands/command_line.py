"""Command line of a program: parsed by tyro, completed by settings, each mistake in one line."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Annotated, Final, TypeVar

import tyro

from mmer.models.errors import MmerError
from mmer.realtime.commands.settings import Setting, completed, nearest, settings_of

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""Type of an option without a value, which there is not as ``--no-name``."""
T = TypeVar("T")

_RULE: Final = re.compile(r"[─-]{5,}")
_UNRECOGNIZED: Final = re.compile(r"Unrecognized (?:options|arguments):(.*)")
_HELP: Final = ("-h", "--help")


class Unrecognized(MmerError):
    """Values that belong to no argument; ``options`` where one of them is an option."""

    options = False


def parse(kind: type[T], prog: str, argv: Sequence[str]) -> T:
    """``argv`` as an instance of ``kind``, completed by environment and config file.

    The command line goes before the environment (``MMER_NAME``), that before the file of
    ``--config``, that before the defaults. ``--help`` prints and raises SystemExit.

    Raises:
        MmerError: an unknown option, or a value that cannot be, in one line.
    """
    settings = settings_of(kind)
    named = _named(argv)
    known = [spelling for setting in settings for spelling in setting.spellings]
    for name in named:
        if name not in {"help", "h", *known}:
            meant = nearest(name, known, prefix="--")
            raise MmerError(f"no option --{name}{meant}; see {prog} --help")
    _check_values(argv, settings, prog)
    return completed(_parsed(kind, prog, argv), settings, named, prog)


def _named(argv: Sequence[str]) -> list[str]:
    """Names of the options in ``argv``, with dashes."""
    names = []
    for token in argv:
        if token == "--":
            break
        if token.startswith("--"):
            names.append(token[2:].partition("=")[0].replace("_", "-"))
    return names


def _check_values(argv: Sequence[str], settings: Sequence[Setting], prog: str) -> None:
    """Refuse a value that is no number or no choice of its option, which tyro tells at length."""
    by_spelling = {spelling: setting for setting in settings for spelling in setting.spellings}
    for token, following in zip(argv, [*argv[1:], ""], strict=False):
        if token == "--":
            break
        name, has_value, value = token.partition("=")
        setting = by_spelling.get(name[2:].replace("_", "-")) if name.startswith("--") else None
        if setting is None or not (setting.kind in ("number", "whole") or setting.choices):
            continue
        given = value if has_value else following
        if given and (has_value or not given.startswith("--")):
            try:
                setting.of_text(given, "")
            except MmerError as error:
                raise MmerError(f"--{error}; see {prog} --help") from error


def _parsed(kind: type[T], prog: str, argv: Sequence[str]) -> T:
    if any(flag in argv for flag in _HELP):
        return tyro.cli(kind, prog=prog, args=argv)
    shown = io.StringIO()
    try:
        with redirect_stdout(shown), redirect_stderr(shown):
            return tyro.cli(kind, prog=prog, args=argv)
    except SystemExit as stop:
        report = shown.getvalue()
        text = f"{_missing(report) or _message(report)}; see {prog} --help"
        if found := _UNRECOGNIZED.search(report):
            error = Unrecognized(text)
            error.options = any(word.startswith("-") for word in found[1].split())
            raise error from stop
        raise MmerError(text) from stop


def _missing(shown: str) -> str:
    """Which arguments a report of missing ones names, without their help; "" for other reports.

    Their names stand furthest to the left below "Missing from PROG:", the help is indented.
    """
    _, found, below = shown.partition("Missing from ")
    body = itertools.takewhile(lambda line: not _RULE.search(line), below.splitlines()[1:])
    lines = [inner.rstrip() for line in body if (inner := line.strip("│|")).strip()]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    if not found or not indents:
        return ""
    names = [line.strip() for line, n in zip(lines, indents, strict=True) if n == min(indents)]
    return f"missing: {', '.join(names)}"


def _message(shown: str) -> str:
    """What tyro's report says in its body, in one line.

    Its title stands in the frame where there is one, else in a part of its own.
    """
    lines = [line.strip() for line in shown.splitlines()]
    framed = any(line.startswith(("╭", "+-")) for line in lines)
    parts: list[list[str]] = [[]]
    for line in lines:
        inner = line.strip("│| ")
        if line.startswith(("╭", "╰", "+-")) or not inner:
            continue
        if _RULE.fullmatch(inner):
            parts.append([])
        else:
            parts[-1].append(inner)
    bodies = [" ".join(" ".join(part).split()) for part in parts if part]
    if not framed and len(bodies) > 1:
        del bodies[0]
    return bodies[0].rstrip(".;") if bodies else "the command line cannot be understood"
