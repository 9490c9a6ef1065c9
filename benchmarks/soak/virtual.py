"""Days of a session in minutes: the replay runner on sound and frames that are made in memory.

The process of `mmer-bench soak --virtual` (``python -m mmer.benchmarks.soak.virtual``): every block
and network, on the file's clock, as fast as the machine is. One round of ten minutes is repeated.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip import lay_out, mix
from mmer.benchmarks.harness.clip_format import FPS
from mmer.benchmarks.harness.clip_frames import there_and_back
from mmer.benchmarks.harness.process import (
    Watched,
    has_content,
    threads_and_files,
    watch,
)
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.soak.counted import Counted
from mmer.models.command import run_command
from mmer.realtime.clock import Clock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, SessionEnd, Stream, VideoFrame
from mmer.realtime.own_process import own_environment
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sources.source import Source

ROUND_S: Final = 600
SPOKEN: Final = 0.015  # share of the time: people who work alone speak little
BLOCK: Final = SAMPLE_RATE // 10
FRAME_EVERY_S: Final = 4.0
HOP_S: Final = 1.0  # so that a day takes minutes
FRAMES: Final = 60  # different ones


class Repeated(Source):
    """``rounds`` of ten minutes of a synthetic voice, and of the demo's face every four seconds."""

    live = False
    name = "synthesized sound and frames"
    streams: frozenset[Stream] = frozenset({"audio", "video"})

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._stopped = False

    @property
    def duration_s(self) -> float:
        return float(self._rounds * ROUND_S)

    def open(self, clock: Clock) -> None:
        utterances = demo_utterances()
        spans = lay_out(utterances, ROUND_S, SPOKEN)
        self._sound = mix(spans, utterances, ROUND_S, -60.0)
        self._frames = _frames()

    def messages(self) -> Iterator[AudioBlock | VideoFrame]:
        per_frame = round(FRAME_EVERY_S * SAMPLE_RATE)
        for n in range(self._rounds):
            for begin in range(0, len(self._sound), BLOCK):
                if self._stopped:
                    return
                t = n * ROUND_S + begin / SAMPLE_RATE
                if begin % per_frame == 0:
                    yield VideoFrame(t, self._frames[begin // per_frame % len(self._frames)])
                yield AudioBlock(t, self._sound[begin : begin + BLOCK])

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Nothing is open."""


def _frames() -> list[NDArray[np.uint8]]:
    import cv2

    frame_at = there_and_back()
    step = round(FRAME_EVERY_S * FPS)
    numbers = range(0, FRAMES * step, step)
    return [
        np.asarray(cv2.cvtColor(frame_at(n), cv2.COLOR_YUV2BGR_I420), np.uint8) for n in numbers
    ]


def run_virtual(
    rounds: int, options: Mapping[str, Any]
) -> tuple[Counted, Watched, list[tuple[str, int, int]]]:
    """``rounds`` in a process of their own: counts of the lines, cost, threads and open files.

    Raises MmerError where it failed.
    """
    with tempfile.TemporaryDirectory(prefix="mmer-soak-") as folder:
        output, notes = Path(folder) / "lines.jsonl", Path(folder) / "notes.json"
        settings = json.dumps({"rounds": rounds, "options": dict(options)})
        command = (sys.executable, "-m", __name__, settings, str(output), str(notes))
        watched = watch(command, partial(has_content, output), env=own_environment())
        resources = json.loads(notes.read_text(encoding="utf-8"))
        with output.open(encoding="utf-8") as file:
            return Counted.of(json.loads(line) for line in file), watched, resources


def play(settings: Mapping[str, Any], output: Path, notes: Path) -> None:
    """Write the lines of the session of ``settings``, and what the process holds around it."""
    resources = [("begin", *threads_and_files())]
    source = Repeated(int(settings["rounds"]))
    with Recognizer(
        source, pace="max", hop_s=HOP_S, offline=True, **settings["options"]
    ) as recognizer:
        sink, end = JsonLines(str(output)), None
        sink.open(recognizer.info)
        for event in recognizer.events():
            if isinstance(event, SessionEnd):
                end = event
            else:
                sink.write(event, None)
        sink.close(end)
    del recognizer, source
    gc.collect()  # what lies in cycles holds threads and files until then
    resources.append(("closed", *threads_and_files()))
    notes.write_text(json.dumps(resources), encoding="utf-8")


def main() -> None:
    """Run as ``python -m ... SETTINGS OUTPUT NOTES``, the settings as JSON."""
    settings, output, notes = sys.argv[1:]
    play(json.loads(settings), Path(output), Path(notes))


if __name__ == "__main__":
    run_command("session", main)
