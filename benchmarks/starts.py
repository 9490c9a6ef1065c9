"""`mmer-bench starts`: share of sessions that start with a part missing.

A fault that shows in one start of fifty shows in no test.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.harness.command import Outputs, Say, check_count
from mmer.benchmarks.harness.process import children_cpu_s
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.rows import number
from mmer.benchmarks.report.statistics import summarise
from mmer.models.errors import MmerError
from mmer.realtime.own_process import MMER_LIVE

PARTS: Final = ("words", "detector", "speech", "text", "face", "fusion")
"""Keys of ``models`` in the session line."""
COUNT: Final = 300
CLIP_S: Final = 2.0  # of the demo: its face, and enough of its first sentence for a transcript
TIMEOUT_S: Final = 300.0  # after which a start is taken to hang


@dataclass(frozen=True, kw_only=True)
class Starts(Outputs):
    """Number of sessions that start with a part missing.

    `mmer-live` on the first 2 s of the demo, again and again, each time in a fresh process. A
    start fails where the session line lacks a model, where there is a warning or an error, no
    transcript, no end, or an exit status other than 0.
    """

    count: int = COUNT
    """Starts, one after the other."""

    def check(self) -> None:
        super().check()
        check_count(self.count)

    def run(self, say: Say) -> Report:
        starts: list[Start] = []
        with tempfile.TemporaryDirectory(prefix="mmer-starts-") as folder:
            clip = Path(folder) / "clip.mp4"
            cut_demo(clip, CLIP_S)
            live = (*MMER_LIVE, str(clip), "--pace", "max", "--offline", "--quiet", "--output", "-")
            for k in range(self.count):
                failed = sum(bool(s.faults) for s in starts)
                say(f"start {k + 1} of {self.count}; {failed} failed")
                starts.append(start(live))
        return Report(
            kind="starts",
            title=f"mmer-bench starts: {self.count} sessions",
            settings={"count": self.count},
            clip={"seconds": CLIP_S},
            models=next((s.models for s in starts if s.models), {}),
            rows=rows(starts),
        )


@dataclass(frozen=True)
class Start:
    """One session: what was wrong with it (nothing, where it was right), and what it cost."""

    faults: tuple[str, ...]
    wall_s: float
    cpu_s: float
    models: Mapping[str, str | None] = field(default_factory=dict)


def start(command: Sequence[str], timeout_s: float = TIMEOUT_S) -> Start:
    """Run ``command``, which writes JSON lines on standard output, to its end."""
    began, spent = time.perf_counter(), children_cpu_s()
    models: dict[str, str | None] = {}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        faults = [f"no end within {timeout_s:g} s"]
    else:
        faults, models = faults_of(done.returncode, done.stdout)
    return Start(tuple(faults), time.perf_counter() - began, children_cpu_s() - spent, models)


def faults_of(status: int, output: bytes) -> tuple[list[str], dict[str, str | None]]:
    """Faults of a session by its exit status and lines, each once; and its models by part."""
    faults = [f"exit status {status}"] if status else []
    lines: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            faults.append("a line that is not JSON")
    by_type: dict[str, list[dict[str, Any]]] = {}
    for event in lines:
        by_type.setdefault(event["type"], []).append(event)
    session = by_type.get("session", [{}])[0]
    models = dict(session.get("models", {}))
    faults += [f"no {part}" for part in PARTS if models.get(part) is None]
    for notice in by_type.get("notice", []):
        if notice["level"] != "info":
            faults.append(f"{notice['level']} about {notice['about']}: {notice['text']}")
    if not any(utterance["text"] for utterance in by_type.get("utterance", [])):
        faults.append("no transcript")
    if "end" not in by_type:
        faults.append("no end line")
    return list(dict.fromkeys(faults)), models


def rows(starts: Sequence[Start]) -> list[Row]:
    """The count of failed starts with their faults, and the time that a start takes."""
    failed = [start for start in starts if start.faults]
    kinds = Counter(fault for start in failed for fault in start.faults)
    wall, cpu = [s.wall_s for s in starts], [s.cpu_s for s in starts]
    walls, cpus = summarise([1000 * s for s in wall]), summarise([1000 * s for s in cpu])
    return [
        Row(
            key="starts_failed",
            what="starts with a part missing, a warning or an error",
            measured=f"{len(failed)} of {len(starts)}",
            target="none",
            passed=not failed,
            note="; ".join(f"{n} times {fault}" for fault, n in kinds.most_common()),
            values={"failed": len(failed), "starts": len(starts)},
        ),
        Row(
            key="start_cpu_ms",
            what="processor time of a session, start to end",
            measured=f"p50 {number(cpus.p50)}, p95 {number(cpus.p95)} ms",
            note=f"by the clock p50 {number(walls.p50)}, p95 {number(walls.p95)} ms",
            values={"p50": cpus.p50, "p95": cpus.p95, "wall_p50": walls.p50, "wall_p95": walls.p95},
            samples={"cpu_s": cpu, "wall_s": wall},
        ),
    ]


def cut_demo(path: Path, seconds: float) -> None:
    """Write the begin of the demo clip, its packets copied; raises MmerError."""
    import av

    from mmer.realtime.demo import clip

    try:
        with av.open(str(clip())) as source, av.open(str(path), "w") as out:
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue  # the empty packet at the end of a stream
                if packet.pts * packet.time_base < seconds:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    except (av.FFmpegError, OSError) as error:
        raise MmerError(f"cannot cut the demo clip to {path}: {error}") from error
