"""`mmer-bench batch`: speed of a corpus by workers, and its rows after every way to be killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.command import Asr, Outputs, Say, check_ranges
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.networks import shipped
from mmer.benchmarks.harness.virtual_devices import write_wav
from mmer.benchmarks.report.report import Report, Row
from mmer.models.errors import MmerError
from mmer.realtime.demo import clip
from mmer.realtime.messages import SAMPLE_RATE
from mmer.realtime.sinks.extras import load_package

SPEED_UP: Final = 1.7
_COMMAND: Final = (sys.executable, "-c", "from mmer.realtime.commands.batch import main; main()")
_SHORT_S: Final = 4.0
_SOUNDS: Final = 4  # as many as recordings: a kill should find some done and some not
_LONGEST_S: Final = 3600.0  # for one batch


@dataclass(frozen=True, kw_only=True)
class Batch(Outputs):
    """Speed of mmer-batch with one worker and with several, and its rows after it was killed.

    For the speed the corpus is the demo clip, so many times; for the kills it is pieces of its
    sound. Each kill is SIGKILL at a random moment of a new batch, every second time of the parent
    alone; the same command then ends it, and its tables and lines are compared, byte by byte, with
    those of a batch that nobody disturbed.
    """

    recordings: int = 16
    """Recordings of the corpus."""
    workers: int = 2
    """Processes to compare with one."""
    asr: Asr = "none"
    """Speech recognizer, as in mmer-live."""
    kills: int = 20
    """Random moments at which it is killed."""
    seed: int = 20
    """Of the random moments."""

    def check(self) -> None:
        super().check()
        check_ranges(
            ("--recordings", self.recordings, 2, 10_000),
            ("--workers", self.workers, 2, 256),
            ("--kills", self.kills, 0, 10_000),
        )
        load_package("pyarrow.parquet", "export", "mmer-bench batch")

    def run(self, say: Say) -> Report:
        with tempfile.TemporaryDirectory(prefix="mmer-batch-") as folder:
            place = Path(folder)
            rows = [self._speed(say, place)]
            if self.kills:
                rows.append(self._killed(say, place))
        return Report(
            kind="batch",
            models=shipped(),
            title=f"mmer-bench batch: {self.recordings} recordings, asr: {self.asr}",
            settings=self.settings(),
            clip={"recordings": self.recordings},
            rows=rows,
        )

    def _speed(self, say: Say, place: Path) -> Row:
        corpus = place / "corpus"
        corpus.mkdir()
        content = clip().read_bytes()
        for k in range(self.recordings):
            (corpus / f"{k:04d}.mp4").write_bytes(content)
        took: dict[int, float] = {}
        for workers in (1, self.workers):
            say(f"{self.recordings} recordings by {workers}")
            began = time.monotonic()
            _finish(_start(corpus, place / f"by{workers}", workers, "--asr", self.asr))
            took[workers] = time.monotonic() - began
        times = took[1] / took[self.workers]
        return Row(
            "speed_up",
            f"{self.workers} workers against one, {self.recordings} recordings",
            f"{times:.2f} times as fast",
            f"at least {SPEED_UP} times" if self.workers == 2 else "",
            times >= SPEED_UP if self.workers == 2 else None,
            f"{took[1]:.1f} s and {took[self.workers]:.1f} s, the loading of the networks in both",
            {"times": times, "one_s": took[1], "several_s": took[self.workers]},
            better="more",
        )

    def _killed(self, say: Say, place: Path) -> Row:
        corpus = place / "sounds"
        corpus.mkdir()
        count = _SOUNDS * self.recordings
        _write_sounds(corpus, count)
        options = ("--modalities", "speech", "--asr", "none")
        began = time.monotonic()
        _finish(_start(corpus, place / "undisturbed", self.workers, *options))
        length_s = time.monotonic() - began
        expected = content_of(place / "undisturbed")
        rng = random.Random(self.seed)
        same = midway = 0
        for k in range(self.kills):
            say(f"kill {k + 1} of {self.kills}")
            out = place / f"killed{k}"
            # what is left of it complains of leaked semaphores
            process = _start(corpus, out, self.workers, *options, stderr=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.0, length_s))
            except subprocess.TimeoutExpired:
                if k % 2:
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            found = len(list(out.rglob("*.jsonl"))) if out.is_dir() else 0
            midway += 0 < found < count
            _finish(_start(corpus, out, self.workers, *options))
            same += content_of(out) == expected
        return killed_row(same, midway, self.kills, len(expected))


def killed_row(same: int, midway: int, kills: int, files: int) -> Row:
    """The finding of ``kills`` batches of which ``same`` ended with the bytes of an undisturbed."""
    return Row(
        "killed",
        f"batches killed at {kills} random moments that end with the very bytes",
        f"{same} of {kills}",
        f"{kills} of {kills}",
        same == kills,
        f"{midway} of them with some recordings done and some not; {files} files compared",
        {"same": same, "kills": kills, "midway": midway},
        better="more",
    )


def content_of(folder: Path) -> Mapping[str, bytes]:
    """Every file of a finished batch but its lock, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def _start(
    corpus: Path, out: Path, workers: int, *options: str, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    arguments: Sequence[str] = (str(corpus), "--output", str(out), "--workers", str(workers))
    return subprocess.Popen(
        [*_COMMAND, *arguments, *options, "--offline"],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


def _finish(process: subprocess.Popen[bytes]) -> None:
    try:
        status = process.wait(_LONGEST_S)
    except BaseException:
        process.kill()
        raise
    if status:
        raise MmerError(f"mmer-batch ended with status {status}: its message is above")


def _write_sounds(folder: Path, count: int) -> None:
    """Pieces of the demo's sound as WAV files."""
    sound = read_sound(clip())
    size = round(_SHORT_S * SAMPLE_RATE)
    for k in range(count):
        begin = k * SAMPLE_RATE % (len(sound) - size)
        write_wav(folder / f"{k:04d}.wav", sound[begin : begin + size])
