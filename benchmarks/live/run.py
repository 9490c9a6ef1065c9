"""`mmer-bench live`: how fast, how late, how large, against targets; each run a fresh process."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.harness.clip import AnnotatedClip, describe, make_clip, repeated, rounds_of
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.process import MMER_LIVE, Watched, time_to_labels, watch
from mmer.benchmarks.harness.realtime_run import Recording, read
from mmer.benchmarks.harness.utterances import demo_utterances, ravdess_utterances
from mmer.benchmarks.live import estimates, replays, trends
from mmer.benchmarks.live.finals import final_rows
from mmer.benchmarks.live.stable import stable_rows
from mmer.benchmarks.live.stages import StageFinding, find_stages, stage_rows
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.statistics import thinned
from mmer.models.errors import MmerError
from mmer.realtime.options import Options

FIRST_LABEL_RUNS: Final = 3
LEAST_WITH_WORDS: Final = 4.0  # times real time
LEAST_WITHOUT_WORDS: Final = 4.0
RAVDESS_CLIPS: Final = 40  # more than fit into a minute


@dataclass(frozen=True)
class LiveSettings:
    """What is measured; raises MmerError for values that make no sense."""

    asr: str = "moonshine"
    detector: str = "auto"
    provider: str = "auto"
    seconds: int = 60  # of the clip
    minutes: float | None = None  # of the paced run; None: the clip once
    data: Path | None = None
    noise_db: float = -60.0  # dBFS
    hangover_s: float = Options.hangover_s

    def __post_init__(self) -> None:
        if not 15 <= self.seconds <= 3600:
            raise MmerError(f"a clip of {self.seconds} s: it must last 15 to 3600 s")
        rounds_of(self.minutes, self.seconds)  # refuses what is no length
        if not -100 <= self.noise_db <= -20:
            raise MmerError(f"--noise-db is {self.noise_db:g}: it must lie between -100 and -20")
        # refuses what the recognizer would
        Options(source="clip", asr=self.asr, hangover_s=self.hangover_s)

    @property
    def rounds(self) -> int:
        """How often the paced run plays the clip."""
        return rounds_of(self.minutes, self.seconds)


@dataclass(frozen=True)
class Found:
    """The report, and what its picture is drawn from."""

    report: Report
    stages: list[StageFinding]
    cpu: Mapping[str, float | None]  # a second of clip


def run(settings: LiveSettings, command: str, say: Callable[[str], None]) -> Found:
    """Measure everything; ``say`` hears what is going on. Raises MmerError."""
    machine = describe_machine()  # first: the load before our own
    say("assembling the clip")
    clip = assemble_clip(settings)
    long = repeated(clip, settings.rounds)
    bench = Bench(settings, clip)
    with tempfile.TemporaryDirectory() as folder:
        first = bench.first_label(say)
        replayed_rows, replayed = bench.replay(Path(folder), say)
        say(f"playing {long.seconds} s at the world's pace")
        recording, watched = bench.paced(long, Path(folder), settings.asr)
        words = recording.session["models"].get("words")
        cost_rows = [trends.cpu_row(watched, long.seconds, _first_word(words))]
        if words is not None:
            say(f"playing {clip.seconds} s at the world's pace, words off")
            _, without = bench.paced(clip, Path(folder), "none")
            cost_rows.append(trends.cpu_row(without, clip.seconds, "none"))
    stages = find_stages(recording.stages, long.seconds)
    written = estimates.while_playing(recording.estimates, long.seconds)
    delays = [(e.written, 1000 * e.face_delay_s) for e in written if e.face_delay_s]
    rows = [
        *replayed_rows,
        *estimates.face_delay_rows(written, bench.frame_times(long), Options.hop_s),
        estimates.analysed_row(recording, long.seconds),
        *final_rows(recording, long, settings.hangover_s),
        *stable_rows(recording, long),
        first,
        *trends.slope_rows(recording, long),
        trends.queue_row(recording),
        *trends.memory_rows(watched, replayed, words),
        *cost_rows,
        *stage_rows(stages),
    ]
    report = Report(
        kind="live",
        title=f"mmer-bench live: {clip.seconds} s clip, {len(clip.spans)} utterances, "
        f"{clip.speech_s:.0f} s of speech",
        command=command,
        machine=machine,
        settings=_plain(asdict(settings)),
        clip=describe(clip) | {"rounds": settings.rounds},
        models=recording.session["models"],
        provider=recording.session["provider"],
        rows=rows,
        series={"memory_mb": watched.memory, "face_delay_ms": thinned(delays)},
    )
    return Found(report, stages, cost_rows[0].values)


def assemble_clip(settings: LiveSettings) -> AnnotatedClip:
    """The clip that ``settings`` ask for: sentences of the demo, or of RAVDESS in ``data``."""
    if settings.data is None:
        utterances = demo_utterances()
    else:
        utterances = ravdess_utterances(settings.data, RAVDESS_CLIPS)
    return make_clip(utterances, settings.seconds, settings.noise_db)


class Bench:
    """The single measurements on one clip."""

    def __init__(self, settings: LiveSettings, clip: AnnotatedClip) -> None:
        self._settings = settings
        self._clip = clip
        self._frames = _frame_times(clip.path)

    def first_label(self, say: Callable[[str], None]) -> Row:
        """`mmer-live CLIP --offline --output -`, from process start; warms the disk's cache."""
        command = self._command("--output", "-", "--quiet", asr=self._settings.asr)
        times = []
        for i in range(FIRST_LABEL_RUNS):
            say(f"start to first label, run {i + 1} of {FIRST_LABEL_RUNS}")
            times.append(time_to_labels(command))
        return replays.first_label_row(times)

    def replay(self, folder: Path, say: Callable[[str], None]) -> tuple[list[Row], Watched | None]:
        """`mmer-live CLIP --pace max`, with words and without; the run with words as well."""
        rows, with_words = [], None
        for asr in dict.fromkeys((self._settings.asr, "none")):
            say(f"replay at --pace max, words: {asr}")
            output = folder / f"replay-{asr}.jsonl"
            command = self._command("--output", str(output), "--quiet", "--pace", "max", asr=asr)
            watched = watch(command, ready=partial(_has_content, output))
            least = LEAST_WITHOUT_WORDS if asr == "none" else LEAST_WITH_WORDS
            with output.open(encoding="utf-8") as lines:
                words = json.loads(next(lines))["models"].get("words")
            rows.append(
                replays.replay_row(
                    _first_word(words), watched, self._clip.seconds, len(self._frames), least
                )
            )
            with_words = watched if asr != "none" else with_words
        return rows, with_words

    def paced(self, clip: AnnotatedClip, folder: Path, asr: str) -> tuple[Recording, Watched]:
        """``clip`` through the live session, recorded."""
        options = {
            "source": str(clip.path),
            "asr": asr,
            "detector": self._settings.detector,
            "provider": self._settings.provider,
            "hangover_s": self._settings.hangover_s,
            "offline": True,
        }
        output, notes = folder / f"paced-{asr}.jsonl", folder / f"paced-{asr}.notes"
        watched = watch(
            (sys.executable, "-m", "mmer.benchmarks.harness.realtime_run", json.dumps(options),
             str(output), str(notes)),
            ready=partial(_has_content, output),
        )  # fmt: skip
        return read(output, notes), watched

    def frame_times(self, clip: AnnotatedClip) -> list[float]:
        """When the pictures of ``clip``, which is this one repeated, are captured: those taken."""
        rounds = clip.seconds // self._clip.seconds
        return [t + n * self._clip.seconds for n in range(rounds) for t in self._frames]

    def _command(self, *more: str, asr: str) -> tuple[str, ...]:
        return (
            *MMER_LIVE, str(self._clip.path), "--offline", "--asr", asr,
            "--detector", self._settings.detector, "--provider", self._settings.provider, *more,
        )  # fmt: skip


def _frame_times(path: Path) -> list[float]:
    """When the pictures are captured that the thinning of a file leaves, by its timestamps."""
    from mmer.realtime.clock import ManualClock
    from mmer.realtime.messages import VideoFrame
    from mmer.realtime.sources.media import MediaFile

    source = MediaFile(str(path), video_fps=Options.video_fps, wanted=frozenset({"video"}))
    source.open(ManualClock())
    try:
        return [m.t for m in source.messages() if isinstance(m, VideoFrame)]
    finally:
        source.close()


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Without this machine's paths: what lay there shows in the clip."""
    return {k: "DATA" if isinstance(v, Path) else v for k, v in settings.items()}


def _first_word(words: str | None) -> str:
    """The recognizer's name alone: "moonshine" of "moonshine (tiny-en)"."""
    return "none" if words is None else words.split()[0]
