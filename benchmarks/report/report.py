"""Report of a benchmark: rows with verdicts, as a table in the terminal, JSON and Markdown."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from rich.console import Console

    from mmer.benchmarks.report.tables import Table

VERSION: Final = 2
"""``v`` of the JSON; it changes when a key changes its meaning or goes."""

_NUMBERS: Final = re.compile(r"\[\s+(?:(?:[-+.\deE]+|null),?\s+)+\]")
"""A list of numbers as ``json`` writes it, a line each: of thousands, one line will do."""


@dataclass(frozen=True)
class Row:
    """One finding: what was measured, what came out, and what it should be.

    ``passed`` is None where there is no target, or where this run is no proof (the note says why).
    ``samples`` are the raw values behind ``values``, in the order in which they were taken, the
    unit at the end of the name ("delay_ms"); infinity stands for what never came. `mmer-bench
    compare` makes its intervals from them; ``better`` tells it which of two is the better one.
    """

    key: str  # its name in the JSON
    what: str
    measured: str
    target: str = ""
    passed: bool | None = None
    note: str = ""
    values: Mapping[str, float | None] = field(default_factory=dict)
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    better: Literal["less", "more"] = "less"
    runs: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    """Of several runs, some of ``values`` as each run by itself has them."""

    def evaluated(self, passed: bool, enough: bool = True, otherwise: str = "") -> Row:
        """The row with its verdict; where the run is not ``enough``, without one, and why."""
        notes = (self.note, "" if enough else otherwise)
        note = "; ".join(text for text in notes if text)
        return replace(self, passed=passed if enough else None, note=note)

    @property
    def verdict(self) -> str:
        """ "pass", "miss", "not evaluated", or nothing without a target."""
        if not self.target:
            return ""
        return {True: "pass", False: "miss", None: "not evaluated"}[self.passed]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All findings, with what they were measured on and with."""

    kind: str  # the subcommand: "live", "encoders", ...
    title: str
    command: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any]
    clip: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    provider: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Row]
    series: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Values behind a row over time: (seconds, value) each."""
    draw: Callable[[Path], None] | None = field(default=None, repr=False, compare=False)
    """Draws the report's plot into a PNG file."""

    tables: Sequence[Table] = ()
    """Where there are some, they are shown instead of the rows without a target."""

    def to_json(self) -> str:
        """JSON, version 2; null stands for a figure that could not be had, or never came."""
        whole = {"v": VERSION, "type": "benchmark", **asdict(replace(self, draw=None))}
        del whole["draw"]
        for row in whole["rows"]:
            if not row["runs"]:
                del row["runs"]
        if not self.tables:
            del whole["tables"]
        text = json.dumps(rounded(whole), indent=1, allow_nan=False) + "\n"
        return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text)

    @property
    def shown(self) -> Sequence[Row]:
        """The rows that are shown by themselves."""
        return [row for row in self.rows if row.target] if self.tables else self.rows

    def to_markdown(self) -> str:
        """Tables, rows with their notes, and the machine, for a README."""
        parts = [f"**{self.title}**\n"] if self.tables else []
        parts += [table.to_markdown() for table in self.tables]
        if self.shown:
            lines = ["| what | measured | target | |", "|---|---|---|---|"]
            for row in self.shown:
                cells = (f"{row.what}", f"**{row.measured}**", row.target, row.verdict)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            notes = [f"- {row.what}: {row.note}." for row in self.shown if row.note]
            parts += [*lines, "", *notes, ""]
        return "\n".join([*parts, f"`{self.command}` on {self.where}.", ""])

    @property
    def where(self) -> str:
        """Machine, system and versions in one line."""
        m = self.machine
        used = {k: v for k, v in m["versions"].items() if v is not None}
        models = ", ".join(f"{part} {name}" for part, name in self.models.items() if name)
        providers = ", ".join(sorted(set(self.provider.values()))) or "none"
        return (
            f"{m['cpu']} ({m['cores_allowed'] or m['cores']} cores, {m['memory_gb']:g} GB; "
            f"load before {m['load_before']:g}), {m['system']}, Python {m['python']}, "
            + ", ".join(f"{name} {number}" for name, number in used.items())
            + f"; models: {models}; provider {providers}; commit {m['commit'] or 'unknown'}; "
            f"{m['date']}"
        )

    def show(self, console: Console) -> None:
        """Print the same."""
        from rich.table import Table as Printed

        for shown in self.tables:
            shown.show(console)
        if not self.shown:
            console.print(self.title)
            console.print(self.where, style="dim", highlight=False)
            return
        table = Printed(title=self.title, title_justify="left")
        for heading in ("what", "measured", "target", "verdict"):
            table.add_column(heading, overflow="fold")
        styles = {"pass": "green", "miss": "bold red"}
        for row in self.shown:
            style = styles.get(row.verdict, "dim")
            verdict = f"[{style}]{row.verdict}[/]" if row.verdict else ""
            table.add_row(row.what, row.measured, row.target, verdict)
        console.print(table)
        for row in self.shown:
            if row.note:
                console.print(f"{row.what}: {row.note}", style="dim", markup=False, highlight=False)
        console.print(self.where, style="dim", highlight=False)


def check_writable(path: Path | None) -> None:
    """Refuse, before hours are spent, a path that the result could not be written to."""
    if path is None:
        return
    if path.is_dir():
        raise MmerError(f"{path} is a folder: name a file to write the result to")
    if not path.absolute().parent.is_dir():
        raise MmerError(f"{path.parent} is not a folder: make it first, or name another file")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


def check_folder(option: str, folder: Path | None) -> None:
    """Refuse, before hours are spent, a folder that is not there."""
    if folder is not None and not folder.is_dir():
        raise MmerError(f"{option} {folder} is not a folder: make it first, or name another")


def rounded(value: Any, digits: int = 4) -> Any:
    """Plain data for JSON: floats rounded, and None where one is not finite."""
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v, digits) for v in value]
    return value
