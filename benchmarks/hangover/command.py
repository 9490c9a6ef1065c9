"""`mmer-bench hangover` and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.benchmarks.harness.command import OptionalFolder, Outputs


@dataclass(frozen=True, kw_only=True)
class Hangover(Outputs):
    """What a shorter wait for the pause would save, and how many sentences it would cut.

    The voice activity alone, with hangovers from 140 to 500 ms, on sentences with known ends
    between silences, under two levels of noise. Nothing is timed, so any machine gives the same.
    What a hangover makes of the whole delay: `mmer-bench live --hangover-s`.
    """

    data: OptionalFolder = None
    """Folder with audio/ravdess: people's sentences instead of the demo's synthetic ones."""
    count: int = 200
    """Sentences taken from it."""

    def measure(self, command: str) -> int:
        """Hear, show, write."""
        from rich.console import Console

        from mmer.benchmarks.hangover.run import HangoverSettings, run

        self.check()
        settings = HangoverSettings(self.data, self.count)
        with Console(stderr=True).status("starting") as status:
            report = run(settings, command, status.update)
        self.write(report)
        return 0
