"""`mmer-bench soak`: hours of one session; memory, drift of sound against video, losses."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.clip import describe, make_clip, repeated
from mmer.benchmarks.harness.command import Say, SessionOptions
from mmer.benchmarks.harness.play import record
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.live.estimates import delays_ms
from mmer.benchmarks.report.report import Report
from mmer.benchmarks.report.statistics import thinned
from mmer.benchmarks.soak.counted import rounds_row
from mmer.benchmarks.soak.counted import rows as counted_rows
from mmer.benchmarks.soak.devices import run_on_devices
from mmer.benchmarks.soak.findings import SoakRecording, offsets_ms, rows
from mmer.benchmarks.soak.marks import mark_number
from mmer.benchmarks.soak.virtual import ROUND_S as VIRTUAL_ROUND_S
from mmer.benchmarks.soak.virtual import run_virtual
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.own_process import own_environment

ROUND_S: Final = 60
LEAST_PLAYED_S: Final = 2.0  # of the clip; of less there is no figure
PANELS: Final = {
    "memory_mb": "memory, MB",
    "av_offset_ms": "sound stamped later\nthan the frame, ms",
    "face_delay_ms": "newest video frame to\nestimate written, ms of the clip",
}


@dataclass(frozen=True, kw_only=True)
class Soak(SessionOptions):
    """Hours of one session: does memory grow, do sound and video drift, is anything lost.

    The annotated clip is played over and over from one long file (240 MB an hour, deleted
    afterwards), with the threads and queues of a live session but a clock that runs --rate times as
    fast as the world. Every frame bears its number and every sentence begins at a known sample, so
    that the stamps of sound and video can be compared with the truth. Delays are evaluated with
    --real alone. Ctrl-C ends it with what was measured so far.
    """

    hours: float = 1.0
    """Hours of the clip; most is evaluated from half an hour on."""
    rate: float = 3.0
    """Multiple of real time; more than the machine can do shows as a session that ends late."""
    real: Flag = False
    """Real time: as many hours as the clip has."""
    devices: Flag = False
    """`mmer-live` itself on a virtual microphone (PulseAudio) and camera, in real time."""
    virtual: Flag = False
    """Replay of synthesized sound and frames, as fast as it goes: a day in some twenty minutes."""

    @property
    def rounds(self) -> int:
        """Number of times that the clip is played."""
        return math.ceil(self.hours * 3600 / ROUND_S)

    @property
    def pace(self) -> float:
        """Multiple of real time."""
        return 1.0 if self.real else self.rate

    def check(self) -> None:
        super().check()
        if not (math.isfinite(self.hours) and 0 < self.hours <= 48):
            raise MmerError(f"--hours is {self.hours:g}: it must be above 0 and at most 48")
        if not (math.isfinite(self.pace) and 0 < self.pace <= 100):
            raise MmerError(f"--rate is {self.pace:g}: it must be above 0 and at most 100")
        if self.devices and self.virtual:
            raise MmerError("--devices and --virtual are two kinds of session: choose one")
        if self.plot is not None and (self.devices or self.virtual):
            raise MmerError("--plot draws a session on the clip: leave out --devices and --virtual")

    def run(self, say: Say) -> Report:
        """Play and measure; raises MmerError, and KeyboardInterrupt before there is a figure."""
        if self.devices:
            return self._on_devices(say)
        if self.virtual:
            return self._virtual(say)
        say("assembling the clip")
        clip = make_clip(demo_utterances(), ROUND_S, mark=mark_number)
        _check_room(clip.path, self.rounds)
        long = repeated(clip, self.rounds)
        minutes = long.seconds / self.pace / 60
        say(f"playing {long.seconds / 3600:.2g} h in {minutes:.0f} minutes; Ctrl-C ends it early")
        options = self.recognizer(long.path)
        about = {"options": options, "rate": self.pace, "clip": str(clip.path)}
        try:
            recording, watched = record(
                "mmer.benchmarks.soak.play",
                (json.dumps(about),),
                SoakRecording(),
                interruptible=True,
                env=own_environment(),
            )
        finally:
            if long.path != clip.path:
                long.path.unlink(missing_ok=True)  # hours of video are large
        if recording.until < LEAST_PLAYED_S:
            raise KeyboardInterrupt
        shown = [
            e for e in recording.estimates if not e.of_utterance and e.face_delay_s is not None
        ]
        delays = list(zip([e.written for e in shown], delays_ms(shown), strict=True))
        series = {
            "memory_mb": thinned(watched.memory),
            "av_offset_ms": thinned(offsets_ms(recording.onset_stamps, recording.frame_stamps)),
            "face_delay_ms": thinned(delays),
        }
        return Report(
            kind="soak",
            title=f"mmer-bench soak: {recording.until / 3600:.2f} h of the clip at {self.pace:g} "
            f"times real time{', interrupted' if watched.interrupted else ''}",
            settings={**self.settings(rate=self.pace), "played_s": round(recording.until, 1)},
            clip=describe(clip) | {"rounds": self.rounds},
            models=recording.models,
            provider=recording.provider,
            rows=rows(recording, watched, long, ROUND_S, self.pace),
            series=series,
            draw=lambda path: draw_soak(series, self.pace, path),
        )

    def _on_devices(self, say: Say) -> Report:
        say("assembling the clip")
        clip = make_clip(demo_utterances(), ROUND_S)
        say(f"playing {self.hours:.2g} h in real time; Ctrl-C ends it early")
        seconds = self.hours * 3600
        counted, watched = run_on_devices(clip, self.parts, seconds)
        if counted.end is None:
            raise MmerError("the session was cut off: its last line is not the end")
        played = float(counted.end["t"])
        return Report(
            kind="soak",
            title=f"mmer-bench soak: {played / 3600:.2f} h of virtual devices in real time",
            settings={**self.settings(rate=1.0), "played_s": round(played, 1)},
            clip=describe(clip),
            models=counted.models,
            provider=counted.provider,
            rows=counted_rows(counted, watched, 1.0, played),
            series={"memory_mb": thinned(watched.memory)},
        )

    def _virtual(self, say: Say) -> Report:
        rounds = max(1, round(self.hours * 3600 / VIRTUAL_ROUND_S))
        say(f"recognizing {self.hours:.2g} virtual hours")
        counted, watched, resources = run_virtual(rounds, self.parts)
        seconds = float(rounds * VIRTUAL_ROUND_S)
        rate = seconds / (watched.wall_s - (watched.ready_s or 0.0))
        found = counted_rows(counted, watched, rate, seconds, resources)
        return Report(
            kind="soak",
            title=f"mmer-bench soak: {seconds / 3600:.2f} virtual hours in "
            f"{watched.wall_s / 60:.0f} minutes",
            settings={**self.settings(rate=rate), "played_s": seconds},
            clip={"seconds": VIRTUAL_ROUND_S, "rounds": rounds},
            models=counted.models,
            provider=counted.provider,
            rows=[rounds_row(counted, rounds, VIRTUAL_ROUND_S), *found],
            series={"memory_mb": thinned(watched.memory)},
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


def draw_soak(series: Mapping[str, Sequence[tuple[float, float]]], rate: float, path: Path) -> None:
    """A panel a series, over hours of the clip; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), layout="constrained")
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    for axis, (name, label) in zip(axes, PANELS.items(), strict=True):
        # memory is watched from outside, in the world's time
        faster = rate if name == "memory_mb" else 1.0
        points = series[name]
        axis.plot([t * faster / 3600 for t, _ in points], [value for _, value in points], ".",
                  markersize=2)  # fmt: skip
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    offsets = [abs(ms) for _, ms in series["av_offset_ms"]]
    axes[1].set_ylim(-max([1.0, *offsets]), max([1.0, *offsets]))  # no noise blown up
    axes[-1].set_xlabel("hours of the clip")
    figure.savefig(path, dpi=120, metadata={"Software": None})
