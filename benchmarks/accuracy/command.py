"""`mmer-bench accuracy`: every row of the accuracy table; one that fails stops no other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from mmer.benchmarks.accuracy.anchors import ANCHORS
from mmer.benchmarks.accuracy.cards import NETWORKS_OF, write_cards
from mmer.benchmarks.accuracy.face import FACE_ROWS
from mmer.benchmarks.accuracy.fused import FUSED_ROWS
from mmer.benchmarks.accuracy.render import check_readme, page, readme_part, replace_part
from mmer.benchmarks.accuracy.row import GROUPS, NotHere, Outcome, Row, Setting
from mmer.benchmarks.accuracy.speech import SPEECH_ROWS
from mmer.benchmarks.accuracy.text import TEXT_ROWS
from mmer.benchmarks.harness.command import Asr, Folder, OptionalFile, OptionalFolder, some_of
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.networks import hashes
from mmer.benchmarks.report.report import check_folder
from mmer.models.errors import MmerError
from mmer.models.whole_file import write_whole

VERSION: Final = 1
"""``v`` of the JSON; it changes when a key changes its meaning or goes."""
ROWS: Final = (*SPEECH_ROWS, *FACE_ROWS, *TEXT_ROWS, *FUSED_ROWS)


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
    """Speech recognizer for the clips."""
    runs: Folder = Path("runs")
    """Folder of trainings with one corpus left out (mmer-train speech-first and speech, each with
    --leave-out CORPUS)."""
    write_cards: OptionalFolder = None
    """Folder of model cards to store the figures in, as what was measured."""
    readme: OptionalFile = None
    """README to write the table into, between <!-- accuracy --> and <!-- /accuracy -->."""

    def measure(self, command: str) -> int:
        """Measure every row and write the files; 1 where a row failed."""
        from rich.console import Console

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
            write_whole(self.readme, written)
        failed = sum(bool(outcome.failed) for outcome in outcomes)
        skipped = sum(bool(outcome.skipped) for outcome in outcomes)
        print(
            f"{len(outcomes) - failed - skipped} measured, {skipped} skipped, {failed} failed: "
            f"{self.output / 'ACCURACY.md'}"
        )
        return 1 if failed else 0


def choose(only: str | None) -> tuple[Row, ...]:
    """The rows of the groups that ``only`` names ("speech,face"); all where it is None.

    Raises:
        MmerError: a name is no group.
    """
    names = some_of("--only", only, tuple(GROUPS))
    return tuple(row for row in ROWS if row.group in names)


def measure(
    rows: Sequence[Row], setting: Setting, begin: Callable[[str], None], end: Callable[[str], None]
) -> list[Outcome]:
    """The outcome of every row: a row that cannot be measured does not stop the others.

    ``begin`` gets a line before each row, ``end`` one with its outcome.
    """
    outcomes = []
    for number, row in enumerate(rows, 1):
        row = replace(row, command=row.command.replace("ASR", setting.asr))
        what = f"{number} of {len(rows)}: {row.data}, {row.condition}"
        begin(what)
        outcomes.append(_measure(row, setting))
        end(f"{what}: {outcomes[-1].summary}")
    return outcomes


def _measure(row: Row, setting: Setting) -> Outcome:
    missing = [place for place in row.needs if not (setting.data / place).exists()]
    if missing:
        return Outcome(row, skipped=f"DATA/{missing[0]} is not there")
    begun = time.perf_counter()
    try:
        figures = row.measure(setting)
    except NotHere as why:
        return Outcome(row, skipped=str(why))
    except Exception as problem:  # noqa: BLE001 (reported in the table, and by the exit status)
        text = f"{type(problem).__name__}: {problem}".replace(str(setting.data), "DATA")
        return Outcome(row, failed=" ".join(text.split()))
    return Outcome(row, figures=figures, seconds=time.perf_counter() - begun)


def report(
    outcomes: Sequence[Outcome], weights: Path | None, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything for JSON, version 1; fractions, rounded to four digits."""
    return {
        "v": VERSION,
        "type": "accuracy",
        "machine": machine,
        "models": hashes(weights),
        "rows": [_row(outcome) for outcome in outcomes],
        "anchors": {name: [asdict(a) for a in beside] for name, beside in ANCHORS.items()},
    }


def with_stored(found: dict[str, Any], output: Path) -> dict[str, Any]:
    """The report with the stored rows of the groups that it does not measure.

    ``kept`` has commit and date of these by group. Rows of other weights than today's are left out.

    Raises:
        MmerError: the stored report cannot be read.
    """
    path = output / "accuracy.json"
    if not path.is_file():
        return found
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        measured = {row["group"] for row in found["rows"]}
        same = {
            group
            for group, networks in NETWORKS_OF.items()
            if all(stored["models"].get(n) == found["models"].get(n) for n in networks)
        }
        rows = [r for r in stored["rows"] if r["group"] in same - measured]
        at = {name: stored["machine"][name] for name in ("commit", "date")}
        kept = {r["group"]: stored.get("kept", {}).get(r["group"], at) for r in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MmerError(f"{path} cannot be added to: {error}; leave --only out") from error
    order = list(GROUPS)
    every = sorted([*found["rows"], *rows], key=lambda r: order.index(r["group"]))
    return found | {"rows": every, "kept": kept}


def _row(outcome: Outcome) -> dict[str, Any]:
    row = outcome.row
    shown = {
        name: getattr(row, name)
        for name in ("key", "group", "data", "condition", "kind", "headline", "in_readme",
                     "anchors", "command", "note")
    }  # fmt: skip
    if outcome.figures is not None:
        return shown | {"status": "measured", "why": "", "figures": outcome.figures}
    status = "skipped" if outcome.skipped else "failed"
    return shown | {"status": status, "why": outcome.skipped or outcome.failed, "figures": None}


def write(found: dict[str, Any], output: Path) -> None:
    """accuracy.json and ACCURACY.md in the folder ``output``."""
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(output / "accuracy.json", text)
    write_whole(output / "ACCURACY.md", page(found))
