"""`mmer-bench live`: delays, cost and memory of a session against targets; each run a process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.clip import (
    AnnotatedClip,
    describe,
    make_clip,
    over_and_over,
    repeated,
    rounds_of,
)
from mmer.benchmarks.harness.command import (
    OptionalFloat,
    OptionalFolder,
    Say,
    SessionOptions,
    check_ranges,
)
from mmer.benchmarks.harness.media import read_media
from mmer.benchmarks.harness.play import record_session
from mmer.benchmarks.harness.process import Watched, has_content, time_to_labels, watch
from mmer.benchmarks.harness.ravdess import ravdess_utterances
from mmer.benchmarks.harness.trace import Recording
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.live import estimates, trends
from mmer.benchmarks.live.finals import final_rows, provisional_rows, stable_rows
from mmer.benchmarks.live.runs import over_runs, together
from mmer.benchmarks.live.stages import draw_stages, find_stages, stage_rows
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.statistics import thinned
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.options import Options
from mmer.realtime.own_process import MMER_LIVE

FIRST_LABEL_RUNS: Final = 3
LEAST_S: Final = 15  # of the clip
LEAST_WITH_ASR: Final = 4.0  # times real time
LEAST_WITHOUT: Final = 4.0
RAVDESS_CLIPS: Final = 40  # more than fit into the clip


@dataclass(frozen=True, kw_only=True)
class Live(SessionOptions):
    """Delays, their parts, cost and memory of the live recognizer on an annotated clip.

    The clip is 90 s of 640x480 video with the bundled demo's face and 16 kHz sound, half of it
    sentences between silences; their onsets and ends are known to the sample. Measured are:
    replay at --pace max, with ASR and without; runs in real time (capture to
    estimate, end of speech to final label, onset to the first label that stays, each apart into
    waiting and work; wait and work of every stage; queues, processor time, memory, trends); the
    same without ASR; from the command's start to its first label. benchmarks/README.md
    defines every figure. Every run is a fresh process that never uses the network. Ends with
    status 0 also where a target is missed.
    """

    minutes: OptionalFloat = None
    """Length of a run in real time: the clip over and over; left out: once. Slopes of
    delays are evaluated from 30 on, that of memory from 2 on."""
    runs: int = 1
    """Runs in real time, with ASR and without: percentiles are of the values of all runs,
    and beside them stand the lowest and the highest of one run."""
    seconds: int = 90
    """Length of the clip: its utterances are evaluated from 20 on, replay from 60 s on."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    data: OptionalFolder = None
    """Folder with RAVDESS' videos below video/, or its sound in audio/ravdess: take the sentences
    from there instead of the demo."""
    noise_db: float = -60.0
    """White noise under the sound, in dB of full scale."""
    hangover_s: float | None = Options.hangover_s
    """Pause that ends an utterance, as in mmer-live."""

    @property
    def clip_s(self) -> int:
        """Length of the clip."""
        return 20 if self.quick else self.seconds

    @property
    def rounds(self) -> int:
        """How often the run in real time plays the clip."""
        return rounds_of(self.minutes, self.clip_s)

    def check(self) -> None:
        super().check()
        if not LEAST_S <= self.clip_s <= 3600:
            raise MmerError(f"a clip of {self.clip_s} s: it must last {LEAST_S} to 3600 s")
        rounds_of(self.minutes, self.clip_s)  # refuses what is no length
        check_ranges(("--noise-db", self.noise_db, -100, -20), ("--runs", self.runs, 1, 100))
        Options(source="clip", hangover_s=self.hangover_s)  # refuses what the recognizer would

    def run(self, say: Say) -> Report:
        say("assembling the clip")
        clip = self.assemble()
        frames = len(frame_times(clip.path))
        long = repeated(clip, self.rounds)
        with tempfile.TemporaryDirectory() as folder:
            first = self.first_label(clip, say)
            replayed_rows, replayed = self.replay(clip, frames, Path(folder), say)
            recordings, watched = self.play(long, self.asr, say)
            asr = recordings[0].models.get("words")
            cost_rows = [self.cpu_row(watched, long.seconds, trends.engine(asr))]
            if asr is not None:
                _, without = self.play(clip, "none", say)
                cost_rows.append(self.cpu_row(without, clip.seconds, "none"))
        recording = together(recordings, long.seconds)
        every = over_and_over(long, long.path, self.runs)
        delay_rows = over_runs(
            self.delay_rows(recording, every), [self.delay_rows(r, long) for r in recordings]
        )
        stages = find_stages([r.stages for r in recordings], every.seconds)
        largest = max(watched, key=lambda run: run.peak_mb)
        delays = [(e.written, 1000 * e.face_delay_s) for e in recording.estimates if e.face_delay_s]
        return Report(
            kind="live",
            title=f"mmer-bench live: {clip.seconds} s clip, {len(clip.spans)} utterances, "
            f"{clip.speech_s:.0f} s of speech",
            settings=self.settings(seconds=self.clip_s),
            clip=describe(clip) | {"rounds": self.rounds},
            models=recording.models,
            provider=recording.provider,
            rows=[
                *replayed_rows,
                *delay_rows,
                first,
                *trends.slope_rows(recordings[0], long),
                trends.queue_row(recording),
                *trends.memory_rows(largest, replayed, asr),
                *cost_rows,
                *stage_rows(stages),
            ],
            series={"memory_mb": largest.memory, "face_delay_ms": thinned(delays)},
            draw=lambda path: draw_stages(stages, cost_rows[0].values, path),
        )

    def play(
        self, clip: AnnotatedClip, asr: str, say: Say
    ) -> tuple[list[Recording], list[Watched]]:
        """The clip in real time, ``runs`` times."""
        options = self.recognizer(clip.path) | {"hangover_s": self.hangover_s, "asr": asr}
        recordings, watched = [], []
        for n in range(self.runs):
            of = f", run {n + 1} of {self.runs}" if self.runs > 1 else ""
            say(f"playing {clip.seconds} s in real time, --asr {asr}{of}")
            recording, run = record_session(options)
            recordings.append(recording)
            watched.append(run)
        return recordings, watched

    def delay_rows(self, recording: Recording, clip: AnnotatedClip) -> list[Row]:
        """Rows of the estimates and utterances of one run, or of all together."""
        written = estimates.while_playing(recording.estimates, clip.seconds)
        return [
            estimates.face_delay_row(written),
            estimates.analysed_row(recording, clip.seconds),
            *provisional_rows(recording, clip),
            *final_rows(recording, clip, self.hangover_s),
            *stable_rows(recording, clip),
        ]

    def cpu_row(self, watched: Sequence[Watched], seconds: float, asr: str) -> Row:
        """Processor time of all runs, with that of each."""
        every = trends.cpu_row(watched, seconds, asr)
        (row,) = over_runs([every], [[trends.cpu_row([one], seconds, asr)] for one in watched])
        return row

    def assemble(self) -> AnnotatedClip:
        """The clip: sentences of the demo, or of RAVDESS in ``data``; raises MmerError."""

        if self.data is None:
            utterances = demo_utterances()
        else:
            utterances = ravdess_utterances(self.data, RAVDESS_CLIPS)
        return make_clip(utterances, self.clip_s, self.noise_db)

    def first_label(self, clip: AnnotatedClip, say: Say) -> Row:
        """`mmer-live CLIP --offline --output -`, from process start; warms the disk's cache."""

        command = self._mmer_live(clip, self.asr, "--output", "-", "--quiet")
        times = []
        for i in range(FIRST_LABEL_RUNS):
            say(f"start to first label, run {i + 1} of {FIRST_LABEL_RUNS}")
            times.append(time_to_labels(command))
        return trends.first_label_row(times)

    def replay(
        self, clip: AnnotatedClip, frames: int, folder: Path, say: Say
    ) -> tuple[list[Row], Watched | None]:
        """`mmer-live CLIP --pace max`, with ASR and without; the run with it as well."""

        rows, with_asr = [], None
        for asr in dict.fromkeys((self.asr, "none")):
            say(f"replay at --pace max, --asr {asr}")
            output = folder / f"replay-{asr}.jsonl"
            more = ("--output", str(output), "--quiet", "--pace", "max")
            watched = watch(self._mmer_live(clip, asr, *more), ready=partial(has_content, output))
            least = LEAST_WITHOUT if asr == "none" else LEAST_WITH_ASR
            with output.open(encoding="utf-8") as lines:
                used = trends.engine(json.loads(next(lines))["models"].get("words"))
            rows.append(trends.replay_row(used, watched, clip.seconds, frames, least))
            with_asr = watched if asr != "none" else with_asr
        return rows, with_asr

    def _mmer_live(self, clip: AnnotatedClip, asr: str, *more: str) -> tuple[str, ...]:
        return (
            *MMER_LIVE, str(clip.path), "--offline", "--asr", asr,
            "--detector", self.detector, "--provider", self.provider, *more,
        )  # fmt: skip


def frame_times(path: Path) -> list[float]:
    """Capture times of the frames that the thinning of a file leaves, by its timestamps."""
    from mmer.realtime.messages import VideoFrame

    frames = read_media(path, "video", video_fps=Options.video_fps)
    return [message.t for message in frames if isinstance(message, VideoFrame)]
