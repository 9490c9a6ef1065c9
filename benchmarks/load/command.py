"""`mmer-bench load`: delays of a live session before, beside and after busy processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.clip import describe, make_clip
from mmer.benchmarks.harness.command import Outputs, Say
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.process import has_content
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.harness.virtual_devices import MjpegCamera, VirtualMicrophone, write_wav
from mmer.benchmarks.load.findings import rows
from mmer.benchmarks.report.report import Report
from mmer.benchmarks.soak.devices import played
from mmer.models.errors import MmerError
from mmer.realtime.own_process import MMER_LIVE

BUSY: Final = (sys.executable, "-c", "while True: pass")
CLIP_S: Final = 60
START_S: Final = 60.0  # the program must be running by then
AFTER_S: Final = 12.0


@dataclass(frozen=True, kw_only=True)
class Load(Outputs):
    """Delays of `mmer-live` before, beside and after busy processes.

    The program runs on a virtual microphone and camera; the busy processes do nothing but keep the
    processors from it.
    """

    processes: int = 4
    """Busy processes."""
    seconds: float = 30.0
    """How long they run."""
    before: float = 15.0
    """Seconds of the session before them."""

    def check(self) -> None:
        super().check()
        if self.processes < 1:
            raise MmerError(f"--processes is {self.processes}: it must be at least 1")
        if not (1 <= self.seconds <= 3600 and 1 <= self.before <= 3600):
            raise MmerError("--seconds and --before must lie between 1 and 3600")

    def run(self, say: Say) -> Report:
        say("assembling the clip")
        clip = make_clip(demo_utterances(), CLIP_S)
        with tempfile.TemporaryDirectory(prefix="mmer-load-") as folder:
            sound, output = Path(folder) / "sound.wav", Path(folder) / "lines.jsonl"
            write_wav(sound, read_sound(clip.path))
            with VirtualMicrophone() as microphone, MjpegCamera(clip.path) as camera:
                command = (*MMER_LIVE, "--video", camera.url, "--offline", "--quiet", "--output",
                           str(output))  # fmt: skip
                with played(microphone, sound), running(command, output, microphone.env):
                    say("the session alone")
                    time.sleep(self.before)
                    say(f"beside {self.processes} busy processes")
                    began = time.time()
                    with busy(self.processes):
                        time.sleep(self.seconds)
                    ended = time.time()
                    say("the session alone")
                    time.sleep(AFTER_S)
            lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        session = lines[0]
        zero = datetime.fromisoformat(session["utc"]).timestamp()
        return Report(
            kind="load",
            title=f"mmer-bench load: {self.processes} busy processes for {self.seconds:g} s",
            settings=self.settings(),
            clip=describe(clip),
            models=session["models"],
            provider=session["provider"],
            rows=rows(lines, began - zero, ended - zero),
        )


@contextmanager
def running(command: tuple[str, ...], output: Path, env: dict[str, str]) -> Iterator[None]:
    """The program, from its first line to its end in order; raises MmerError."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            until = time.monotonic() + START_S
            while not has_content(output) and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            status = process.wait(30)
        if status:
            errors.seek(0)
            text = errors.read().decode("utf-8", "replace").strip()[-2000:]
            raise MmerError(f"mmer-live failed (status {status})\n{text}")


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that never rest."""
    started = [subprocess.Popen(BUSY, stdin=subprocess.DEVNULL) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
