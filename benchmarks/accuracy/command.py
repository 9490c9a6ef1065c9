"""`mmer-bench accuracy` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mmer.benchmarks.harness.command import Asr, Folder, OptionalFile, OptionalFolder
from mmer.benchmarks.report.report import check_folder


@dataclass(frozen=True)
class Accuracy:
    """Every accuracy figure of the README, from the data on disk: accuracy.json and ACCURACY.md.

    One Markdown table with the floor, 95 % intervals and what others published, with notes on why
    that is not the same measurement. What is not on disk is left out, with the reason; a row that
    fails does not stop the others, and ends the command with status 1.
    """

    data: Folder
    """Folder of the corpora: audio/ravdess, face/fer2013, text/meld, video, features ..."""
    output: Folder
    """Folder for the results; it must be there."""
    only: Annotated[str | None, tyro.conf.arg(metavar="GROUPS")] = None
    """Some of the groups speech, face, text, fused, with commas between; rows of the others stay as
    the output folder has them, where they are of the same weights."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    asr: Asr = "moonshine"
    """What recognizes the words of the clips."""
    runs: Folder = Path("runs")
    """Folder of trainings with one corpus left out (mmer-train speech-short --leave-out CORPUS)."""
    write_cards: OptionalFolder = None
    """Folder of model cards to store the figures in, as what was measured."""
    readme: OptionalFile = None
    """README to write the table into, between <!-- accuracy --> and <!-- /accuracy -->."""

    def measure(self, command: str) -> int:
        """Measure every row and write the files; 1 where a row failed."""
        from rich.console import Console

        from mmer.benchmarks.accuracy.cards import write_cards
        from mmer.benchmarks.accuracy.render import check_readme, readme_part, replace_part
        from mmer.benchmarks.accuracy.row import Setting
        from mmer.benchmarks.accuracy.run import choose, measure, report, with_stored, write
        from mmer.benchmarks.harness.machine import describe_machine

        for option, folder in (
            ("--data", self.data),
            ("--output", self.output),
            ("--write-cards", self.write_cards),
        ):
            check_folder(option, folder)
        check_readme(self.readme)
        rows = choose(self.only)
        setting = Setting(self.data, self.weights, self.asr, self.runs)
        machine = describe_machine()  # first: the load before our own
        console = Console(stderr=True, highlight=False, markup=False)
        with console.status("starting") as status:
            outcomes = measure(rows, setting, status.update, console.print)
        found = report(outcomes, self.weights, machine)
        if self.only is not None:
            found = with_stored(found, self.output)
        write(found, self.output)
        if self.write_cards is not None:
            write_cards(found, self.write_cards)
        if self.readme is not None:
            written = replace_part(self.readme.read_text(encoding="utf-8"), readme_part(found))
            self.readme.write_text(written, encoding="utf-8")
        failed = sum(bool(outcome.failed) for outcome in outcomes)
        skipped = sum(bool(outcome.skipped) for outcome in outcomes)
        print(
            f"{len(outcomes) - failed - skipped} measured, {skipped} skipped, {failed} failed: "
            f"{self.output / 'ACCURACY.md'}"
        )
        return 1 if failed else 0
