"""`mmer-bench soak` and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.benchmarks.harness.command import Asr, Detector, Flag, PicturedOutputs, Provider


@dataclass(frozen=True, kw_only=True)
class Soak(PicturedOutputs):
    """Hours of one session: does memory grow, do sound and picture drift, is anything lost.

    The annotated clip is played over and over from one long file (240 MB an hour, deleted
    afterwards), with the threads and queues of a live session but a clock that runs --rate times as
    fast as the world. Every picture bears its number and every sentence begins at a known sample,
    so that the stamps of sound and picture can be held against the truth. Delays are judged with
    --real alone. Ctrl-C ends it with what was measured so far.
    """

    hours: float = 1.0
    """Hours of the clip; most is judged from half an hour on."""
    rate: float = 3.0
    """Times the world's pace; more than the machine can do shows as a session that ends late."""
    real: Flag = False
    """The world's pace: as many hours as the clip has."""
    asr: Asr = "moonshine"
    """Recognizer of words, as in mmer-live."""
    detector: Detector = "auto"
    """Face detector, as in mmer-live."""
    provider: Provider = "auto"
    """What runs the networks, as in mmer-live."""

    def measure(self, command: str) -> int:
        """Play, measure, show, write."""
        from rich.console import Console

        from mmer.benchmarks.soak.plot import draw_soak
        from mmer.benchmarks.soak.run import SoakSettings, run

        self.check()
        settings = SoakSettings(
            hours=self.hours,
            rate=1.0 if self.real else self.rate,
            asr=self.asr,
            detector=self.detector,
            provider=self.provider,
        )
        with Console(stderr=True).status("starting") as status:
            report = run(settings, command, status.update)
        self.write(report)
        if self.plot is not None:
            draw_soak(report, settings.rate, self.plot)
        return 0
