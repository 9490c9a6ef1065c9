"""`mmer-bench live` and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.benchmarks.harness.command import (
    Asr,
    Detector,
    Flag,
    OptionalFloat,
    OptionalFolder,
    PicturedOutputs,
    Provider,
)
from mmer.realtime.options import Options


@dataclass(frozen=True, kw_only=True)
class Live(PicturedOutputs):
    """Delays, their parts, cost and memory of the live recognizer on an annotated clip.

    The clip is 60 s of 640x480 video with the bundled demo's face and 16 kHz sound, half of it
    sentences between silences; their begins and ends are known to the sample. Measured are:
    replay at --pace max, with words and without; a run at the world's pace (capture to estimate,
    end of speech to final label, onset to the first label that stays, each apart into waiting and
    work; wait and work of every stage; queues, processor time, memory, growth); the same without
    words; from the command's start to its first label. benchmarks/README.md defines every figure.
    Every run is a fresh process that never uses the network. Ends with status 0 also where a
    target is missed.
    """

    asr: Asr = "moonshine"
    """Recognizer of words, as in mmer-live; the targets are for moonshine."""
    detector: Detector = "auto"
    """Face detector, as in mmer-live."""
    provider: Provider = "auto"
    """What runs the networks, as in mmer-live."""
    minutes: OptionalFloat = None
    """Length of the run at the world's pace: the clip over and over; left out: once. Slopes of
    delays are judged from 30 on, that of memory from 2 on."""
    seconds: int = 60
    """Length of the clip; replay is judged from 60 on."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    data: OptionalFolder = None
    """Folder with RAVDESS' videos below video/, or its sound in audio/ravdess: take the sentences
    from there instead of the demo."""
    noise_db: float = -60.0
    """White noise under the sound, in dB of full scale."""
    hangover_s: float = Options.hangover_s
    """Pause that ends an utterance, as in mmer-live."""

    def measure(self, command: str) -> int:
        """Measure everything, show it, write it."""
        from rich.console import Console

        from mmer.benchmarks.live.plot import draw_stages
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
            hangover_s=self.hangover_s,
        )
        with Console(stderr=True).status("starting") as status:
            found = run(settings, command, status.update)
        self.write(found.report)
        if self.plot is not None:
            draw_stages(found.stages, found.cpu, self.plot)
        return 0
