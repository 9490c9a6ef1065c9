"""Hours of `mmer-live` itself on a virtual microphone and camera, in real time."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.process import Watched, has_content, watch
from mmer.benchmarks.harness.virtual_devices import MjpegCamera, VirtualMicrophone, write_wav
from mmer.benchmarks.soak.counted import Counted
from mmer.realtime.own_process import MMER_LIVE


def run_on_devices(
    clip: AnnotatedClip, options: Mapping[str, Any], seconds: float
) -> tuple[Counted, Watched]:
    """Play ``clip`` into the devices over and over for ``seconds``; counts of the lines, and cost.

    Raises MmerError where there is no PulseAudio, or the program failed.
    """
    with tempfile.TemporaryDirectory(prefix="mmer-soak-") as folder:
        sound, output = Path(folder) / "sound.wav", Path(folder) / "lines.jsonl"
        write_wav(sound, read_sound(clip.path))
        arguments = [f"--{k}={v}" for k, v in options.items()]
        with VirtualMicrophone() as microphone, MjpegCamera(clip.path) as camera:
            command = (*MMER_LIVE, "--video", camera.url, "--offline", "--quiet", *arguments,
                       "--output", str(output))  # fmt: skip
            with played(microphone, sound):
                watched = watch(
                    command, partial(has_content, output), True, env=microphone.env, seconds=seconds
                )
        with output.open(encoding="utf-8") as file:
            return Counted.of(json.loads(line) for line in file), watched


@contextmanager
def played(microphone: VirtualMicrophone, sound: Path) -> Iterator[None]:
    """``sound`` in the microphone, again and again."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            player = microphone.play(sound)
            while player.poll() is None and not over.wait(0.02):
                pass
            player.terminate()
            player.wait()

    thread = threading.Thread(target=work, name="player")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
