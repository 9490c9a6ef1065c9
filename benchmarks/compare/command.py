"""`mmer-bench compare` and its options."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from mmer.benchmarks.harness.command import Flag, OptionalFile
from mmer.benchmarks.report.report import check_writable
from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from mmer.benchmarks.compare.figures import Figure

VERSION: Final = 1
"""``v`` of the comparison's JSON; it changes when a key changes its meaning or goes."""

Result = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE.json")]


@dataclass(frozen=True)
class Compare:
    """Two results of the same benchmark: b by a, figure by figure, with 95 % intervals.

    Reads what the other commands wrote with --json. Of the raw values behind each figure it takes
    the median and the 95th percentile and prints how many times the first run's the second's are;
    the interval is a block bootstrap's, so that neighbours that resemble each other count for less.
    Where it holds 1, no difference is shown. Runs of other clips or settings are refused.
    """

    a: Result
    """The first run: what the other is held against."""
    b: Result
    """The second run."""
    force: Flag = False
    """Compare also where clip or settings differ; never two different benchmarks."""
    json: OptionalFile = None
    """File for the comparison as JSON."""

    def measure(self, command: str) -> int:
        """Compare, show, write."""
        from rich.console import Console

        from mmer.benchmarks.compare.figures import compare
        from mmer.benchmarks.compare.stored import read_stored, refusals, warnings

        check_writable(self.json)
        a, b = read_stored(self.a), read_stored(self.b)
        refused = refusals(a, b)
        if refused and (not self.force or a.whole["kind"] != b.whole["kind"]):
            advice = "" if a.whole["kind"] != b.whole["kind"] else "; --force compares them anyway"
            raise MmerError(f"these are not of one measurement: {'; '.join(refused)}{advice}")
        warned = [*refused, *warnings(a, b)]
        found = compare(a, b)
        if not found:
            raise MmerError("the two have no figure with raw values in common")
        _show(found, warned, Console())
        if self.json is not None:
            whole = {
                "v": VERSION,
                "type": "comparison",
                "kind": a.whole["kind"],
                "command": command,
                "a": a.origin,
                "b": b.origin,
                "warnings": warned,
                "figures": [_finite(asdict(figure)) for figure in found],
            }
            self.json.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", "utf-8")
        return 0


def _show(found: Sequence[Figure], warned: Sequence[str], console: Any) -> None:
    from rich.table import Table

    table = Table(title="b by a", title_justify="left")
    for heading in ("what", "a, b", "b / a (95 %)", ""):
        table.add_column(heading, overflow="fold")
    styles = {"faster": "green", "better": "green", "slower": "bold red", "worse": "bold red"}
    for f in found:
        times = _number(f.ratio)
        if f.low is not None and f.high is not None:
            times += f" ({_number(f.low)} to {_number(f.high)})"
        table.add_row(
            f"{f.what}: {f.figure} of {f.sample}",
            f"{_number(f.a)}, {_number(f.b)}",
            times,
            f"[{styles.get(f.verdict, 'dim')}]{f.verdict}[/]",
        )
    console.print(table)
    for warning in warned:
        console.print(f"differs: {warning}", style="yellow", markup=False, highlight=False)
    judged = sum(f.low is not None for f in found)
    console.print(
        f"{judged} figures with an interval: by chance alone about {judged / 20:.0f} of them would "
        "show a difference",
        style="dim",
        highlight=False,
    )


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.3g}"


def _finite(figure: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None
        if isinstance(value, float) and not math.isfinite(value)
        else round(value, 6)
        if isinstance(value, float)
        else value
        for name, value in figure.items()
    }
