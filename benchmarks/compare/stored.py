"""A benchmark's JSON read back, and whether two of them may be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.report.report import VERSION
from mmer.models.errors import MmerError

LENGTHS: Final = ("minutes", "hours", "played_s")
"""Settings that say how long was measured: another length makes an interval wider, not wrong."""
PLACES: Final = ("data",)
"""Settings that say where something lay: what it was shows in the clip."""
BUSY: Final = 0.5  # load before the run, by core, from which on the machine was not its own


@dataclass(frozen=True)
class Stored:
    """The result of one run."""

    path: Path
    whole: Mapping[str, Any]

    @property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """By key."""
        return {row["key"]: row for row in self.whole["rows"]}

    @property
    def origin(self) -> dict[str, Any]:
        """Where it is from, for the comparison's own JSON."""
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
        raise MmerError(f"{path} is no JSON: give what `mmer-bench ... --json` wrote") from error
    if not isinstance(whole, dict) or whole.get("type") != "benchmark":
        raise MmerError(
            f"{path} is no result with raw values: give what `mmer-bench live --json` (or "
            "encoders, throughput, soak, against) wrote"
        )
    if whole.get("v") != VERSION:
        raise MmerError(
            f"{path} is of version {whole.get('v')} of the format, this program reads {VERSION}: "
            "measure again"
        )
    return Stored(path, whole)


def samples_of(row: Mapping[str, Any]) -> dict[str, list[float]]:
    """A row's raw values; null is what never came."""
    return {
        name: [math.inf if value is None else float(value) for value in values]
        for name, values in row["samples"].items()
        if values
    }


def refusals(a: Stored, b: Stored) -> list[str]:
    """Why the two are not of the same measurement; empty if they are."""
    kinds = a.whole["kind"], b.whole["kind"]
    if kinds[0] != kinds[1]:
        return [f"{a.path} is of `mmer-bench {kinds[0]}`, {b.path} of `mmer-bench {kinds[1]}`"]
    found = [
        f"the clips differ in their {name}"
        for name in _different(a.whole["clip"], b.whole["clip"])
        if name != "rounds"
    ]
    settings = a.whole["settings"], b.whole["settings"]
    for name in _different(*settings):
        if name not in (*LENGTHS, *PLACES):
            found.append(f"{name} is {settings[0].get(name)} and {settings[1].get(name)}")
    return found


def warnings(a: Stored, b: Stored) -> list[str]:
    """What else differs, that may be the reason of a difference in the figures."""
    machines = a.whole["machine"], b.whole["machine"]
    found = []
    for name in ("cpu", "cores_allowed", "memory_gb", "system", "python"):
        if machines[0].get(name) != machines[1].get(name):
            found.append(f"{name}: {machines[0].get(name)} and {machines[1].get(name)}")
    for name in _different(machines[0]["versions"], machines[1]["versions"]):
        ours = (machine["versions"].get(name) for machine in machines)
        found.append(f"{name}: {' and '.join(str(version) for version in ours)}")
    for part in ("models", "provider"):
        for name in _different(a.whole[part], b.whole[part]):
            ours = (side.whole[part].get(name) for side in (a, b))
            found.append(f"{part}, {name}: {' and '.join(str(value) for value in ours)}")
    for stored, machine in zip((a, b), machines, strict=True):
        load, cores = machine["load_before"], machine["cores_allowed"] or machine["cores"]
        if load > BUSY * cores:
            found.append(f"{stored.path}: the machine was busy before (load {load:g})")
    settings = a.whole["settings"], b.whole["settings"]
    for name in _different(*settings):
        if name in LENGTHS:
            found.append(f"{name}: {settings[0].get(name)} and {settings[1].get(name)}")
    lone = a.rows.keys() ^ b.rows.keys()
    if lone:
        found.append(f"in one of them alone: {', '.join(sorted(lone))}")
    return found


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> Sequence[str]:
    return [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
