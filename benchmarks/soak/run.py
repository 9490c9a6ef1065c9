"""Play the clip for hours, and say what was found; Ctrl-C ends with what was measured so far."""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.clip import describe, make_clip, repeated
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.process import watch
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.live.estimates import delays_ms
from mmer.benchmarks.report.report import Report
from mmer.benchmarks.report.statistics import thinned
from mmer.benchmarks.soak.drift import offsets_ms
from mmer.benchmarks.soak.findings import read_soak, rows
from mmer.benchmarks.soak.marks import mark_number
from mmer.models.errors import MmerError
from mmer.realtime.options import Options

ROUND_S: Final = 60
LEAST_PLAYED_S: Final = 2.0  # of the clip; there is nothing to tell of less


@dataclass(frozen=True)
class SoakSettings:
    """What is played, and how fast; raises MmerError for values that make no sense."""

    hours: float = 1.0  # of the clip
    rate: float = 3.0  # times the world's pace
    asr: str = "moonshine"
    detector: str = "auto"
    provider: str = "auto"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hours) and 0 < self.hours <= 48):
            raise MmerError(f"--hours is {self.hours:g}: it must be above 0 and at most 48")
        if not (math.isfinite(self.rate) and 0 < self.rate <= 100):
            raise MmerError(f"--rate is {self.rate:g}: it must be above 0 and at most 100")
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would

    @property
    def rounds(self) -> int:
        """How often the clip is played."""
        return math.ceil(self.hours * 3600 / ROUND_S)


def run(settings: SoakSettings, command: str, say: Callable[[str], None]) -> Report:
    """Play and measure; raises MmerError, and KeyboardInterrupt before there is anything to say."""
    machine = describe_machine()  # first: the load before our own
    say("assembling the clip")
    clip = make_clip(demo_utterances(), ROUND_S, mark=mark_number)
    _check_room(clip.path, settings.rounds)
    long = repeated(clip, settings.rounds)
    options = {
        "source": str(long.path),
        "asr": settings.asr,
        "detector": settings.detector,
        "provider": settings.provider,
        "offline": True,
    }
    about = {"options": options, "rate": settings.rate, "clip": str(clip.path)}
    minutes = long.seconds / settings.rate / 60
    say(f"playing {long.seconds / 3600:.2g} h in {minutes:.0f} minutes; Ctrl-C ends it early")
    with tempfile.TemporaryDirectory() as folder:
        output, notes = Path(folder, "soak.jsonl"), Path(folder, "soak.notes")
        try:
            watched = watch(
                (sys.executable, "-m", "mmer.benchmarks.soak.play", json.dumps(about),
                 str(output), str(notes)),
                ready=lambda: output.exists() and output.stat().st_size > 0,
                interruptible=True,
            )  # fmt: skip
        finally:
            if long.path != clip.path:
                long.path.unlink(missing_ok=True)  # hours of video are large
        if watched.ready_s is None:  # interrupted while it was loading
            raise KeyboardInterrupt
        soaked = read_soak(output, notes)
    if soaked.until < LEAST_PLAYED_S:
        raise KeyboardInterrupt
    recording = soaked.recording
    shown = [e for e in recording.estimates if not e.final and e.face_delay_s is not None]
    delays = list(zip([e.written for e in shown], delays_ms(shown), strict=True))
    played_h = soaked.until / 3600
    return Report(
        kind="soak",
        title=f"mmer-bench soak: {played_h:.2f} h of the clip at {settings.rate:g} times the "
        f"world's pace{', interrupted' if watched.interrupted else ''}",
        command=command,
        machine=machine,
        settings=asdict(settings) | {"played_s": round(soaked.until, 1)},
        clip=describe(clip) | {"rounds": settings.rounds},
        models=recording.session["models"],
        provider=recording.session["provider"],
        rows=rows(soaked, watched, long, ROUND_S, settings.rate),
        series={
            "memory_mb": thinned(watched.memory),
            "av_offset_ms": thinned(offsets_ms(soaked.onsets, soaked.frames)),
            "face_delay_ms": thinned(delays),
        },
    )


def _check_room(path: Path, rounds: int) -> None:
    """Refuse a clip that would not fit on the disk; raises MmerError."""
    needed = path.stat().st_size * rounds
    free = shutil.disk_usage(path.parent).free
    if needed > 0.9 * free:
        raise MmerError(
            f"the clip takes {needed / 1e9:.1f} GB in {path.parent}, where {free / 1e9:.1f} GB are "
            "free: ask for fewer --hours, or set TMPDIR to a larger disk"
        )
