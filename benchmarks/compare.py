"""`mmer-bench compare`: two results of one benchmark, figure by figure, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from mmer.benchmarks.harness.command import OptionalFile
from mmer.benchmarks.report.report import VERSION, check_writable, rounded
from mmer.benchmarks.report.statistics import LEAST, percentile, ratio
from mmer.models.errors import MmerError
from mmer.models.whole_file import write_whole
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.sinks.output import refuse_input

COMPARISON_VERSION: Final = 1
"""``v`` of the comparison's JSON; it changes when a key changes its meaning or goes."""
LENGTHS: Final = ("minutes", "hours", "played_s", "runs")
"""Settings of the length: another one makes an interval wider, not wrong."""
PLACES: Final = ("data",)
"""Settings of a place: its content shows in the clip."""
PERCENTS: Final = (50, 95)
TIMES: Final = ("_ms", "_s", "_us")
"""Endings of samples of which less is faster; a cost a second ("cpu_s_per_s") is none."""
MACHINE: Final = ("cpu", "cores_allowed", "memory_gb", "system", "python")
BUSY: Final = 0.5  # load before the run, by core, from which on the machine was not its own
_NEEDED: Final = {"kind": str, "command": str, "machine": dict, "clip": dict, "settings": dict,
                  "models": dict, "provider": dict, "rows": list}  # fmt: skip
Result = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE.json")]


@dataclass(frozen=True)
class Stored:
    """The result of one run."""

    path: Path
    whole: Mapping[str, Any]

    @property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """Rows by key."""
        return {row["key"]: row for row in self.whole["rows"]}

    @property
    def origin(self) -> dict[str, Any]:
        """Origin of the run, for the comparison's own JSON."""
        machine = self.whole["machine"]
        return {
            "path": str(self.path),
            "command": self.whole["command"],
            "commit": machine["commit"],
            "date": machine["date"],
        }


def read_stored(path: Path) -> Stored:
    """Read what `mmer-bench ... --json` wrote; raises MmerError for anything else."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MmerError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise MmerError(f"{path} is not JSON: give what `mmer-bench ... --json` wrote") from error
    if not isinstance(whole, dict) or whole.get("type") != "benchmark":
        raise MmerError(
            f"{path} is not a result with raw values: give what `mmer-bench live --json` (or "
            "encoders, throughput, soak, against) wrote"
        )
    if whole.get("v") != VERSION:
        raise MmerError(
            f"{path} is of version {whole.get('v')} of the format, this program reads {VERSION}: "
            "measure again"
        )
    missing = [key for key in _NEEDED if not isinstance(whole.get(key), _NEEDED[key])]
    if missing:
        raise MmerError(f"{path} is damaged: it has no {', no '.join(missing)}; measure again")
    return Stored(path, whole)


def samples_of(row: Mapping[str, Any]) -> dict[str, list[float]]:
    """A row's raw values; null is what never came."""
    return {
        name: [math.inf if value is None else float(value) for value in values]
        for name, values in row["samples"].items()
        if values
    }


def refusals(a: Stored, b: Stored) -> list[str]:
    """Reasons why the two are not of the same measurement; empty if they are."""
    kinds = a.whole["kind"], b.whole["kind"]
    if kinds[0] != kinds[1]:
        return [f"{a.path} is of `mmer-bench {kinds[0]}`, {b.path} of `mmer-bench {kinds[1]}`"]
    clips = _different(a.whole["clip"], b.whole["clip"])
    found = [f"the clips differ in their {name}" for name, *_ in clips if name != "rounds"]
    for name, x, y in _different(a.whole["settings"], b.whole["settings"]):
        if name not in (*LENGTHS, *PLACES):
            found.append(f"{name} is {x} and {y}")
    return found


def warnings(a: Stored, b: Stored) -> list[str]:
    """Further differences, which may explain a difference in the figures."""
    machines = a.whole["machine"], b.whole["machine"]
    differing = [d for d in _different(*machines) if d[0] in MACHINE]
    differing += _different(machines[0]["versions"], machines[1]["versions"])
    for part in ("models", "provider"):
        parts = _different(a.whole[part], b.whole[part])
        differing += [(f"{part}, {name}", x, y) for name, x, y in parts]
    found = [f"{name}: {x} and {y}" for name, x, y in differing]
    for stored, machine in zip((a, b), machines, strict=True):
        load, cores = machine["load_before"], machine["cores_allowed"] or machine["cores"]
        if load > BUSY * cores:
            found.append(f"{stored.path}: the machine was busy before (load {load:g})")
    settings = _different(a.whole["settings"], b.whole["settings"])
    found += [f"{name}: {x} and {y}" for name, x, y in settings if name in LENGTHS]
    if lone := a.rows.keys() ^ b.rows.keys():
        found.append(f"in one of them alone: {', '.join(sorted(lone))}")
    return found


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = dict.fromkeys((*one, *other))
    return [(n, one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)]


@dataclass(frozen=True)
class Figure:
    """One percentile of one sample in both runs.

    ``ratio`` is b / a, with its 95 % interval (None where there are too few values for one).
    """

    key: str
    what: str
    sample: str
    figure: str  # "p50", "p95", or "value" of a single one
    a: float
    b: float
    ratio: float
    low: float | None
    high: float | None
    verdict: str


def compare(a: Stored, b: Stored) -> list[Figure]:
    """Every figure that both have raw values of; signed ones have no ratio and are left out."""
    found = []
    theirs = b.rows
    for key, row in a.rows.items():
        if key not in theirs:
            continue
        others = samples_of(theirs[key])
        for name, values in samples_of(row).items():
            if name in others and min(*values, *others[name]) >= 0:
                found += _figures(row, name, values, others[name])
    return found


def _figures(
    row: Mapping[str, Any], name: str, a: Sequence[float], b: Sequence[float]
) -> list[Figure]:
    few = min(len(a), len(b)) < LEAST
    out = []
    for percent in PERCENTS[:1] if few else PERCENTS:
        one, other = percentile(sorted(a), percent), percentile(sorted(b), percent)
        found = ratio(a, b, percent)
        single = max(len(a), len(b)) == 1
        out.append(
            Figure(
                key=row["key"],
                what=row["what"],
                sample=name,
                figure="value" if single else f"p{percent}",
                a=one,
                b=other,
                ratio=found.value,
                low=found.low,
                high=found.high,
                verdict=_verdict(found.value, found.low, found.high, name, row["better"]),
            )
        )
    return out


def _verdict(value: float, low: float | None, high: float | None, name: str, better: str) -> str:
    if math.isnan(value):
        return "neither came" if not name.endswith("_per_s") else "both 0"
    if low is None or high is None:
        return "too few values to tell"
    if low <= 1 <= high:
        return "no difference shown"
    less = high < 1
    if name.endswith(TIMES) and not name.endswith("_per_s"):
        return "faster" if less else "slower"
    return "better" if less == (better == "less") else "worse"


@dataclass(frozen=True)
class Compare:
    """Two results of the same benchmark: b by a, figure by figure, with 95 % intervals.

    Reads what the other commands wrote with --json. Of the raw values behind each figure it takes
    the median and the 95th percentile and prints how many times the first run's the second's are;
    the interval is a block bootstrap's, so that neighbours that resemble each other count for less.
    Where it holds 1, no difference is shown. Runs of other clips or settings are refused.
    """

    a: Result
    """Baseline run."""
    b: Result
    """The second run."""
    force: Flag = False
    """Compare also where clip or settings differ; never two different benchmarks."""
    json: OptionalFile = None
    """File for the comparison as JSON."""

    def measure(self, command: str) -> int:
        """Compare, show, write."""
        from rich.console import Console

        check_writable(self.json)
        if self.json is not None:
            refuse_input(self.json, self.a, self.b)
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
                "v": COMPARISON_VERSION,
                "type": "comparison",
                "kind": a.whole["kind"],
                "command": command,
                "a": a.origin,
                "b": b.origin,
                "warnings": warned,
                "figures": rounded([asdict(figure) for figure in found], 6),
            }
            write_whole(self.json, json.dumps(whole, indent=1, allow_nan=False) + "\n")
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
    intervals = sum(f.low is not None for f in found)
    console.print(
        f"{intervals} figures with an interval: by chance alone about {intervals / 20:.0f} of "
        "them would show a difference",
        style="dim",
        highlight=False,
    )


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.3g}"
