"""`mmer-bench curve` and its options."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.benchmarks.harness.command import Asr, Folder, OptionalFolder
from mmer.benchmarks.report.report import check_folder


@dataclass(frozen=True)
class Curve:
    """How right the label is after 0.5, 1 and 2 s of speech and at the end, with a picture.

    Measured are the voice (RAVDESS actors 17-20, cut short), voice, words and face through the
    replay pipeline (RAVDESS Actor_01; words that are known beside recognized ones), and words alone
    (MELD dev at a simulated rate of speech, with and without simulated errors). What is not on disk
    is left out, with the reason. Writes curve.png, curve.json and curve.md.
    """

    data: Folder
    """Folder of the corpora: audio/ravdess, video/ravdess_actor01_frames, text/meld."""
    output: Folder
    """Folder for the results; it must be there."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    asr: Asr = "moonshine"
    """What recognizes the words of the clips."""

    def measure(self, command: str) -> int:
        """Measure the curves, write them, and show the table."""
        from rich.console import Console
        from rich.markdown import Markdown

        from mmer.benchmarks.curve.run import CurveSettings, run

        check_folder("--data", self.data)
        check_folder("--output", self.output)
        settings = CurveSettings(self.data, self.output, self.weights, self.asr)
        with Console(stderr=True).status("starting") as status:
            curves = run(settings, status.update)
        Console().print(Markdown(curves.to_markdown("curve.png")))
        return 0
