"""`mmer-bench live`: how fast, how late, how large, against targets; each run a fresh process."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.clip import AnnotatedClip, describe, make_clip, repeated
from mmer.benchmarks.live import findings
from mmer.benchmarks.machine import describe_machine
from mmer.benchmarks.paced import Recording, read
from mmer.benchmarks.process import MMER_LIVE, Watched, time_to_labels, watch
from mmer.benchmarks.report import Report, Row
from mmer.benchmarks.utterances import demo_utterances, ravdess_utterances
from mmer.models.errors import MmerError
from mmer.realtime.options import Options

FIRST_LABEL_RUNS: Final = 3
LEAST_WITH_WORDS: Final = 1.5  # times real time
LEAST_WITHOUT_WORDS: Final = 4.0
RAVDESS_CLIPS: Final = 40  # more than fit into a minute


@dataclass(frozen=True)
class LiveSettings:
    """What is measured; raises MmerError for values that make no sense."""

    asr: str = "pocketsphinx"
    detector: str = "auto"
    provider: str = "auto"
    seconds: int = 60  # of the clip
    minutes: float | None = None  # of the paced run; None: the clip once
    data: Path | None = None
    noise_db: float = -60.0  # dBFS

    def __post_init__(self) -> None:
        if not 15 <= self.seconds <= 3600:
            raise MmerError(f"a clip of {self.seconds} s: it must last 15 to 3600 s")
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise MmerError(f"--minutes is {self.minutes:g}: it must be above 0")
        if not -100 <= self.noise_db <= -20:
            raise MmerError(f"--noise-db is {self.noise_db:g}: it must lie between -100 and -20")

    @property
    def rounds(self) -> int:
        """How often the paced run plays the clip."""
        return 1 if self.minutes is None else max(1, math.ceil(self.minutes * 60 / self.seconds))


def run(settings: LiveSettings, command: str, say: Callable[[str], None]) -> Report:
    """Measure everything; ``say`` hears what is going on. Raises MmerError."""
    machine = describe_machine()  # first: the load before our own
    say("assembling the clip")
    clip = assemble_clip(settings)
    long = repeated(clip, settings.rounds)
    bench = Bench(settings, clip)
    with tempfile.TemporaryDirectory() as folder:
        first = bench.first_label(say)
        replays, replayed = bench.replay(Path(folder), say)
        say(f"playing {long.seconds} s at the world's pace")
        recording, watched = bench.paced(long, Path(folder))
    words = recording.session["models"].get("words")
    hangover_s = Options(source="clip").hangover_s
    rows = [
        *replays,
        findings.face_delay_row(recording.estimates),
        findings.analysed_row(recording, long.seconds),
        *findings.final_rows(recording, long, hangover_s),
        first,
        *findings.growth_rows(recording, long.seconds),
        *findings.memory_rows(watched, replayed, words),
        findings.cpu_row(watched, long.seconds),
    ]
    return Report(
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
        series={
            "memory_mb": watched.memory,
            "queue_age_ms": findings.oldest_waiting_ms(recording),
        },
    )


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

    def first_label(self, say: Callable[[str], None]) -> Row:
        """`mmer-live CLIP --offline --output -`, from process start; warms the disk's cache."""
        command = self._command("--output", "-", "--quiet", asr=self._settings.asr)
        times = []
        for i in range(FIRST_LABEL_RUNS):
            say(f"start to first label, run {i + 1} of {FIRST_LABEL_RUNS}")
            times.append(time_to_labels(command))
        return findings.first_label_row(times)

    def replay(self, folder: Path, say: Callable[[str], None]) -> tuple[list[Row], Watched | None]:
        """`mmer-live CLIP --pace max`, with words and without; the run with words as well."""
        frames = self._frames()
        rows, with_words = [], None
        for asr in dict.fromkeys((self._settings.asr, "none")):
            say(f"replay at --pace max, words: {asr}")
            output = folder / f"replay-{asr}.jsonl"
            command = self._command("--output", str(output), "--quiet", "--pace", "max", asr=asr)
            watched = watch(command, ready=partial(_has_content, output))
            least = LEAST_WITHOUT_WORDS if asr == "none" else LEAST_WITH_WORDS
            with output.open(encoding="utf-8") as lines:
                words = json.loads(next(lines))["models"].get("words") or "none"
            rows.append(
                findings.replay_row(words.split()[0], watched, self._clip.seconds, frames, least)
            )
            with_words = watched if asr != "none" else with_words
        return rows, with_words

    def paced(self, clip: AnnotatedClip, folder: Path) -> tuple[Recording, Watched]:
        """``clip`` through the live session, recorded."""
        options = {
            "source": str(clip.path),
            "asr": self._settings.asr,
            "detector": self._settings.detector,
            "provider": self._settings.provider,
            "offline": True,
        }
        output, notes = folder / "paced.jsonl", folder / "paced.notes"
        watched = watch(
            (sys.executable, "-m", "mmer.benchmarks.paced", json.dumps(options),
             str(output), str(notes))
        )  # fmt: skip
        return read(output, notes), watched

    def _command(self, *more: str, asr: str) -> tuple[str, ...]:
        return (
            *MMER_LIVE, str(self._clip.path), "--offline", "--asr", asr,
            "--detector", self._settings.detector, "--provider", self._settings.provider, *more,
        )  # fmt: skip

    def _frames(self) -> int:
        """How many of the clip's pictures a replay analyses: all that the thinning leaves."""
        from mmer.realtime.clock import ManualClock
        from mmer.realtime.messages import VideoFrame
        from mmer.realtime.sources.media import MediaFile

        options = Options(source=str(self._clip.path))
        source = MediaFile(
            str(self._clip.path), video_fps=options.video_fps, wanted=frozenset({"video"})
        )
        source.open(ManualClock())
        try:
            return sum(isinstance(message, VideoFrame) for message in source.messages())
        finally:
            source.close()


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}
