"""`mmer-bench live` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmer.benchmarks.command import Flag, OptionalFloat, OptionalFolder, Outputs


@dataclass(frozen=True, kw_only=True)
class Live(Outputs):
    """Speed, delays and memory of the live recognizer on an annotated clip, against targets.

    The clip is 60 s of 640x480 video with the bundled demo's face and 16 kHz sound, half of it
    sentences between silences; their begins and ends are known to the sample. Measured are:
    replay at --pace max, with words and without (seconds of clip a second, from process start to
    exit); a run at the world's pace (from capture of the newest video frame used to the written
    estimate; from the annotated end of a sentence to its written final label, hangover included:
    a sentence missed, split, merged or cut counts as never answered); from the command's start to
    its first label; growth of queue ages and delays; memory of the whole process. Every run is a
    fresh process that never uses the network. Ends with status 0 also where a target is missed.
    """

    asr: Literal["auto", "vosk", "pocketsphinx", "none"] = "pocketsphinx"
    """Recognizer of words, as in mmer-live; the targets are for pocketsphinx."""
    detector: Literal["auto", "blazeface", "mediapipe", "haar"] = "auto"
    """Face detector, as in mmer-live."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """What runs the networks, as in mmer-live."""
    minutes: OptionalFloat = None
    """Length of the run at the world's pace: the clip over and over; left out: once. Queues are
    judged from 10 on, steadiness of memory from 2 on."""
    seconds: int = 60
    """Length of the clip; replay is judged from 60 on."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    data: OptionalFolder = None
    """Folder with audio/ravdess: take the sentences from there instead of the demo."""
    noise_db: float = -60.0
    """White noise under the sound, in dB of full scale."""

    def measure(self, command: str) -> int:
        """Measure everything, show it, write it."""
        from rich.console import Console

        from mmer.benchmarks.live.run import LiveSettings, run

        self.check()
        settings = LiveSettings(
            asr=self.asr,
            detector=self.detector,
            provider=self.provider,
            seconds=20 if self.quick else self.seconds,
            minutes=self.minutes,
            data=self.data,
            noise_db=self.noise_db,
        )
        with Console(stderr=True).status("starting") as status:
            report = run(settings, command, status.update)
        self.write(report)
        return 0
