"""`mmer-bench asr` and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.benchmarks.harness.command import Asr, Flag, Folder, Outputs


@dataclass(frozen=True, kw_only=True)
class SpeechRecognition(Outputs):
    """How many words the speech recognizers get wrong, and what they cost.

    Word error rate on acted sentences (RAVDESS, clean and in noise) and read commands (GRID), text
    on sounds that are no speech (ESC-10), CPU time. Cost is CPU time, so other work on the machine
    changes it little. Nothing is downloaded.
    """

    data: Folder
    """Folder with audio/ravdess, audio/esc10 and, where it is there, video/grid."""
    asr: Asr = "auto"
    """Engine; auto: every one that is on this machine."""
    threshold_study: Flag = False
    """Measure the no-speech threshold of Moonshine instead, on the training actors."""

    def measure(self, command: str) -> int:
        """Decode, show, write."""
        from rich.console import Console

        from mmer.benchmarks.asr.run import AsrSettings, run
        from mmer.benchmarks.asr.threshold import study

        self.check()
        settings = AsrSettings(self.data, self.asr)
        with Console(stderr=True).status("starting") as status:
            if self.threshold_study:
                report = study(settings.data, command, status.update)
            else:
                report = run(settings, command, status.update)
        self.write(report)
        return 0
