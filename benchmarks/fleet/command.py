"""`mmer-bench fleet --simulate`: what many sessions would need, by a model held to measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import tyro

from mmer.benchmarks.fleet.process import Work, simulate
from mmer.benchmarks.fleet.replicas import Course, Fleet, run
from mmer.benchmarks.harness.command import Folder, Outputs, Say, check_ranges
from mmer.benchmarks.report.report import Report, Row
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.demo import clip

_THROUGHPUT_FPS: Final = 20.0
_THROUGHPUT_CORES: Final = 2
_VOICE_MS: Final = 20.0  # one analysis of the voice, and half of the time nobody speaks: 2 a second
_PLAY_S: Final = 120.0
_SEED: Final = 20


@dataclass(frozen=True, kw_only=True)
class FleetCommand(Outputs):
    """Delays, refusals, machines and money of many sessions, simulated.

    The model of one process is made from --measured, of which only a stream alone is used, and its
    predictions for more are shown beside what was measured. Nothing of the fleets is measured.
    """

    simulate: Flag = False
    """Say that a simulation is wanted: there is no fleet here to measure."""
    measured: Annotated[Folder, tyro.conf.arg(metavar="DIR")]
    """Folder with throughput.json and serve.json, as `mmer-bench` writes them."""
    sessions: str = "100,10000,1000000"
    """Sessions open at a time, on average, with commas between."""
    fps: float = 10.0
    """Pictures a second of a session."""
    target: int = 4
    """Sessions of a replica, on average; a replica has a core."""
    most: int = 7
    """Most sessions of a replica."""
    batch: int = 8
    """Most faces that run as one batch."""
    minutes: float = 5.0
    """Mean length of a session."""
    hours: float = 1.0
    """Simulated time."""
    failures: float = 0.01
    """Failures of one replica an hour."""
    start_s: float = 30.0
    """Until a new replica takes sessions, in seconds."""
    core_hour: float = 0.04
    """Price of a core for an hour: an assumption."""

    def check(self) -> None:
        super().check()
        if not self.simulate:
            raise MmerError("there is no fleet here to measure: --simulate makes one on paper")
        check_ranges(
            ("--fps", self.fps, 1, 60),
            ("--target", self.target, 1, self.most),
            ("--most", self.most, 1, 64),
            ("--batch", self.batch, 1, 1024),
            ("--minutes", self.minutes, 0.1, 1440),
            ("--hours", self.hours, 0.01, 1000),
            ("--failures", self.failures, 0, 1000),
            ("--start-s", self.start_s, 0, 86_400),
            ("--core-hour", self.core_hour, 0, 1000),
            *(("--sessions", count, 1, 10**8) for count in self.counts),
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of sessions; raises MmerError."""
        try:
            return tuple(int(number) for number in self.sessions.split(","))
        except ValueError:
            raise MmerError(f"--sessions is {self.sessions}: numbers, with commas") from None

    def run(self, say: Say) -> Report:
        from mmer.benchmarks.serve.players import Material

        throughput = _report(self.measured / "throughput.json", "throughput")
        served = _report(self.measured / "serve.json", "serve")
        work = work_of(throughput, decodes=False)
        say("the model of one process")
        rows = throughput_rows(throughput, work_of(throughput, decodes=True))
        rows.append(serve_row(served, work))
        say("decoding the demo")
        material = Material.of(clip(), self.fps)
        up = 256.0 + 8 * sum(len(data) for _, data in material.pictures) / 1000 / material.seconds
        rows.append(Row("up", "sound and pictures of a session", f"{up:.0f} kbit/s",
                        values={"kbit_per_s": up}))  # fmt: skip
        curve = self._curve(work)
        for count in self.counts:
            say(f"{count} sessions")
            fleet = Fleet(count, 60 * self.minutes, self.target, self.most, self.failures,
                          self.start_s)  # fmt: skip
            course = run(fleet, self.hours, np.random.default_rng(_SEED))
            rows.append(fleet_row(fleet, course, curve, up, self.core_hour))
        return Report(
            kind="fleet",
            title=f"mmer-bench fleet --simulate: {self.fps:g} pictures a second, {self.target} "
            f"sessions a replica, at most {self.most}",
            settings=self.settings(),
            rows=rows,
        )

    def _curve(self, work: Work) -> list[np.ndarray]:
        """Delays in ms of a replica with 1, 2, ... sessions."""
        made = []
        for count in range(1, self.most + 1):
            rng = np.random.default_rng(_SEED)
            waits = simulate(count, self.fps, work, _PLAY_S, rng, self.batch)
            made.append(waits.delays_ms(work.base_ms, rng))
        return made


def work_of(throughput: Mapping[str, Any], *, decodes: bool) -> Work:
    """A stream's work, from that of one alone; ``decodes``: its video is a file, not pictures."""
    alone = _row(throughput, "streams_1")
    cpu_ms = 1000 * float(alone["values"]["cpu_s_per_s_each"])
    if not decodes:
        cpu_ms -= 1000 * float(_row(throughput, "decoding")["values"]["cpu_s_per_s"])
    frame_ms = (cpu_ms - 2 * _VOICE_MS) / _THROUGHPUT_FPS
    return Work(frame_ms, _VOICE_MS, 0.6, alone["samples"]["frame_to_estimate_ms"])


def throughput_rows(throughput: Mapping[str, Any], work: Work) -> list[Row]:
    """Predictions for several streams on two cores, beside `mmer-bench throughput`."""
    rows = []
    for measured in throughput["rows"]:
        if not measured["key"].startswith("streams_"):
            continue
        count = int(measured["key"].removeprefix("streams_"))
        rng = np.random.default_rng(_SEED)
        inside = max(1, -(-count // _THROUGHPUT_CORES))
        waits = simulate(inside, _THROUGHPUT_FPS, work, _PLAY_S, rng)
        values = measured["values"]
        rows.append(
            compared(
                measured["key"],
                f"{count} stream{'s' * (count > 1)} on {_THROUGHPUT_CORES} cores",
                waits.delays_ms(work.base_ms, rng),
                (values["face_p50"], values["face_p95"]),
                f"{_THROUGHPUT_FPS * (1 - waits.dropped):.1f} frames/s, measured "
                f"{values['frames_per_s']:.1f}",
            )
        )
    return rows


def serve_row(served: Mapping[str, Any], work: Work) -> Row:
    """Prediction for the sessions of one server process, beside `mmer-bench serve`."""
    count, fps = int(served["settings"]["sessions"]), float(served["settings"]["fps"])
    rng = np.random.default_rng(_SEED)
    waits = simulate(count, fps, work, _PLAY_S, rng)
    values = _row(served, "capture_to_line")["values"]
    cpu = float(_row(served, "cpu")["values"]["cpu_s_per_s"])
    return compared(
        "serve",
        f"{count} sessions of {fps:g} pictures a second in one mmer-serve",
        waits.delays_ms(work.base_ms, rng),
        (values["p50"], values["p95"]),
        f"{waits.busy:.2f} CPU s/s, measured {cpu:.2f}",
    )


def compared(
    key: str, what: str, delays: np.ndarray, measured: tuple[float, float], more: str
) -> Row:
    """A prediction beside a measurement; no target, for a model proves nothing."""
    p50, p95 = (float(ms) for ms in np.percentile(delays, (50, 95), method="inverted_cdf"))
    beside = f"measured {measured[0]:.0f}, {measured[1]:.0f} ms"
    return Row(
        f"model_{key}",
        f"model of {what}",
        f"p50 {p50:.0f}, p95 {p95:.0f} ms; {beside}; {more}",
        values={"p50": p50, "p95": p95, "measured_p50": measured[0], "measured_p95": measured[1]},
    )


def fleet_row(
    fleet: Fleet, course: Course, curve: Sequence[np.ndarray], up_kbit: float, core_hour: float
) -> Row:
    """What one size of fleet needs, and how it fares."""
    p50, p95 = mixed(curve, course.held)
    refused = course.refused / max(course.came, 1)
    per_hour = fleet.cells / course.hours
    gbit = fleet.sessions * up_kbit / 1e6
    return Row(
        f"fleet_{fleet.sessions}",
        f"{fleet.sessions} sessions, simulated",
        f"{fleet.replicas} replicas; p50 {p50:.0f}, p95 {p95:.0f} ms; "
        f"{100 * refused:.2f} % refused",
        note=f"{course.interrupted * per_hour:.0f} sessions an hour go on in another replica and "
        f"{course.lost * per_hour:.0f} are lost; {gbit:.3g} Gbit/s come in; "
        f"{fleet.replicas * core_hour:.0f} an hour at {core_hour:g} a core"
        + (f"; one of {fleet.cells} equal cells was simulated" if fleet.cells > 1 else ""),
        values={
            "replicas": fleet.replicas, "p50": p50, "p95": p95, "refused": refused,
            "interrupted_per_hour": course.interrupted * per_hour,
            "lost_per_hour": course.lost * per_hour, "gbit_per_s": gbit,
            "money_per_hour": fleet.replicas * core_hour,
        },
    )  # fmt: skip


def mixed(curve: Sequence[np.ndarray], held: np.ndarray) -> tuple[float, float]:
    """p50 and p95 of all lines: of each number of sessions as much as it occurs.

    ``held`` (most + 1,) are shares of session time; every session has as many lines.
    """
    delays = np.concatenate(curve)
    weights = np.concatenate(
        [np.full(len(d), share / len(d)) for d, share in zip(curve, held[1:], strict=True)]
    )
    order = np.argsort(delays)
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.array((0.5, 0.95)) * reached[-1])
    p50, p95 = delays[order][np.minimum(places, len(delays) - 1)]
    return float(p50), float(p95)


def _report(path: Path, kind: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MmerError(f"--measured: {path} cannot be read ({error})") from error
    if not isinstance(found, dict) or found.get("kind") != kind:
        raise MmerError(f"--measured: {path} is not a result of mmer-bench {kind}")
    return found


def _row(report: Mapping[str, Any], key: str) -> dict[str, Any]:
    for row in report["rows"]:
        if row["key"] == key:
            return dict(row)
    raise MmerError(f"--measured: the {report['kind']} report has no row {key}")
