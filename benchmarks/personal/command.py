"""`mmer-bench baseline`: gain and harm of the person's baseline, by corpus, modality and mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.compare import Stored, read_stored
from mmer.benchmarks.harness.command import (
    Asr,
    Folder,
    OptionalFile,
    OptionalFolder,
    Outputs,
    Say,
)
from mmer.benchmarks.harness.networks import shipped
from mmer.benchmarks.personal.clips import Clips, ravdess_clips
from mmer.benchmarks.personal.running import BASELINES, running_labels, stable
from mmer.benchmarks.personal.running import table as table_of_holds
from mmer.benchmarks.personal.sessions import (
    BALANCED,
    MINUTE,
    Change,
    Corpus,
    changes,
    once_each,
)
from mmer.benchmarks.personal.voices import READ, Voices, voices
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.tables import Table
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel
from mmer.models.labels import EMOTIONS
from mmer.realtime.blocks.baseline import SESSION, BaselineConfig
from mmer.realtime.commands.command_line import Flag

GAIN: Final = 8.0
"""Least points of recall added in the balanced mix, mean of the rows."""
NEUTRAL_LOSS: Final = 2.0
"""Most points of accuracy lost where 80 % is neutral, mean of the rows."""
SKEWED_LOSS: Final = 3.0
SKEWED_WORST: Final = 8.0
"""Most points of accuracy lost where 80 % is another emotion: mean of the rows, and any of them."""
SKEWED: Final = tuple(e for e in EMOTIONS if e != "neutral")

ONCE: Final = 30
"""Random orders of the clips of one actor, each clip once."""
LEAST_RECALL: Final[Mapping[str, float]] = {"face": 52.0, "fused": 74.0}
"""In percent, mean of these orders."""
MOST_BELOW: Final = 1.0
"""Points that the fused answer may lie below the better of voice and face, mean of these orders."""

CLIPS: Final = "RAVDESS actor 01"
NOT_HERE: Final = ["not here", "because"]

Changes = Mapping[str, Change]


@dataclass(frozen=True, kw_only=True)
class PersonalBaseline(Outputs):
    """What the person's baseline gains and what it harms, which decides its default.

    Sessions of 30 utterances of one person in random order, heard once, without labels: every
    emotion as often as any other, the first 60 s of speech of that, and 80 % of one emotion. Voices
    are of people whom the network was not trained on (for most corpora, one trained without them:
    --runs); the face and the fused answer are of the clips of one actor.
    """

    data: Folder
    """Folder of the corpora: audio/ravdess, audio/emodb ..., video."""
    runs: Folder = Path("runs")
    """Folder of trainings with one corpus left out (mmer-train speech-first and speech, each with
    --leave-out CORPUS)."""
    asr: Asr = "moonshine"
    """Speech recognizer for the clips."""
    orders: int = 3
    """Random sessions of each person and mix."""
    cache: OptionalFolder = None
    """Folder for the networks' answers, reused by later runs."""
    stored_voices: OptionalFile = None
    """An earlier result (--json) of the same speech network: voices whose runs are not here stay as
    they are in it."""
    study: Flag = False
    """A second table: other settings of the baseline, on the voices."""

    def check(self) -> None:
        super().check()
        if self.orders < 1:
            raise MmerError(f"--orders is {self.orders}: it must be at least 1")
        if not self.data.is_dir():
            raise MmerError(f"--data {self.data} is not a folder")
        if self.stored_voices is not None and self.study:
            raise MmerError("--study needs the voices themselves: leave --stored-voices out")

    def run(self, say: Say) -> Report:
        stored: dict[str, dict[tuple[str, str], Changes]] = {"session": {}, "file": {}}
        missing: list[str] = []
        voices_of = ""
        if self.stored_voices is not None:
            result = read_stored(self.stored_voices)
            stored, missing = stored_voices(result, self.orders)
            voices_of = result.whole["clip"].get("voices") or (
                f"commit {result.origin['commit']}, {result.origin['date']}"
            )
        heard, absent = voices(self.data, self.runs, self.cache, say)
        if self.stored_voices is None:
            missing = absent
        corpora = [v.corpus() for v in heard]
        actor: list[Row] = []
        holds: list[Table] = []
        known = [c for v in heard if (c := v.read_aloud()) is not None]
        if (self.data / "video").is_dir():
            say("clips")
            clips = Clips(CLIPS, ravdess_clips(self.data, self.asr, self.cache), FusionModel.load())
            of_clips = clips.corpora()
            corpora += of_clips
            known += clips.from_files()
            say(f"{ONCE} orders of the clips")
            actor = each_once({c.modality: once_each(c, ONCE) for c in of_clips})
            say("switches of the running label")
            running = {b: running_labels(self.data, b) for b in BASELINES}
            actor.append(stable(running))
            holds = [table_of_holds(running)]
        else:
            missing.append("clips: DATA/video is not there")
        alone = [c.name for c in corpora if len(c.people()) < 2 and c.resampled == "speaker"]
        missing += [f"{name}: fewer than two speakers show three emotions" for name in alone]
        anew = _all([c for c in corpora if c.name not in alone], self.orders, say)
        found = stored["session"] | anew
        old = [name for name, modality in stored["session"] if (name, modality) not in anew]
        anew = _all([c for c in known if c.name not in alone], self.orders, say)
        read = stored["file"] | anew
        if not found:
            raise MmerError(f"nothing to measure: {'; '.join(missing)}")
        tables = [
            _table(found, "Learned in the session (`--baseline session`)"),
            _table(
                read,
                f"From a file (`--baseline FILE`), of up to {READ} neutral items but where said",
            ),
        ]
        tables += holds
        if self.study:
            tables.append(_study([v for v in heard if v.name not in alone], self.orders, say))
        if old:
            lines = [[name, voices_of] for name in old]
            tables.append(
                Table(["voices that were not measured anew", "measured at"], lines, "", 2)
            )
        if missing:
            tables.append(Table(NOT_HERE, [m.split(": ", 1) for m in missing], "", 2))
        rows = [
            *evaluated(list(found.values())),
            *actor,
            *map(_row, found.items(), ["session"] * len(found)),
        ]
        rows += map(_row, read.items(), ["file"] * len(read))
        return Report(
            kind="baseline",
            title="mmer-bench baseline: what the person's baseline changes, in percentage points",
            settings=self.settings(runs="RUNS", cache=None, stored_voices=None),
            clip={"corpora": len(found)} | ({"voices": voices_of} if voices_of else {}),
            models=shipped(),
            rows=rows,
            tables=tables,
        )


VARIANTS: Final[Mapping[str, BaselineConfig]] = {
    "as it is": SESSION["speech"],
    "plain mean (evenness 1)": BaselineConfig(prior=4.0, evenness=1.0),
    "evenness 0.5": BaselineConfig(prior=4.0, evenness=0.5),
    "usual 0.5": BaselineConfig(prior=4.0, usual=0.5),
    "usual 0.9": BaselineConfig(prior=4.0, usual=0.9),
    "prior 2": BaselineConfig(prior=2.0),
    "prior 8": BaselineConfig(prior=8.0),
    "prior 16": BaselineConfig(prior=16.0),
    "prior 32": BaselineConfig(prior=32.0),
}
"""Settings of the study."""


def _study(heard: Sequence[Voices], orders: int, say: Say) -> Table:
    """Points by setting: means over the corpora, and the worst of all."""
    lines = []
    for name, config in VARIANTS.items():
        found = _all([v.corpus(config) for v in heard], orders, say)
        rows = evaluated(list(found.values()))[:5]
        lines.append([name, *(row.measured for row in rows)])
    headings = ["setting", "balanced", "first minute", "80 % neutral", "80 % another", "worst"]
    return Table(headings, lines, "Voices, other settings (means over the corpora)")


def _all(corpora: Sequence[Corpus], orders: int, say: Say) -> dict[tuple[str, str], Changes]:
    """Changes by corpus and modality."""
    found: dict[tuple[str, str], Changes] = {}
    for corpus in corpora:
        say(f"sessions: {corpus.name}, {corpus.modality}")
        found[corpus.name, corpus.modality] = changes(corpus, orders)
    return found


def stored_voices(
    result: Stored, orders: int
) -> tuple[dict[str, dict[tuple[str, str], Changes]], list[str]]:
    """Changes of voices in an earlier result, by what taught the baseline, and what it had not.

    Raises:
        MmerError: it is of another command, speech network or number of sessions.
    """
    whole = result.whole
    if whole["kind"] != "baseline":
        raise MmerError(f"{result.path} is of `mmer-bench {whole['kind']}`, not of baseline")
    if whole["models"]["speech"] != shipped()["speech"]:
        raise MmerError(f"{result.path} is of another speech network: measure its voices anew")
    if (theirs := whole["settings"]["orders"]) != orders:
        raise MmerError(f"{result.path} has {theirs} sessions a person and mix, not {orders}")
    found: dict[str, dict[tuple[str, str], Changes]] = {"session": {}, "file": {}}
    for key, row in result.rows.items():
        how, _, of = key.partition(" ")
        modality, _, name = of.partition(" ")
        if how not in found or modality != "speech" or name.startswith(CLIPS):
            continue
        found[how][name, modality] = mixes_of(row["values"])
    lines = [t["lines"] for t in whole["tables"] if t["headings"] == NOT_HERE]
    return found, [": ".join(line) for of in lines for line in of if line[0] != "clips"]


def mixes_of(values: Mapping[str, float]) -> Changes:
    """A stored row's values, "MIX PART" each, as changes by mix."""
    mixes: dict[str, dict[str, float]] = {}
    for what, value in values.items():
        mix, _, part = what.rpartition(" ")
        mixes.setdefault(mix, {})[part] = value
    return {mix: Change(**parts) for mix, parts in mixes.items()}


def evaluated(found: Sequence[Changes]) -> list[Row]:
    """What decides the default: means over the rows of the table, and the worst of them."""
    gain = float(np.mean([c[BALANCED].points for c in found]))
    begin = float(np.mean([c[MINUTE].points for c in found]))
    neutral = float(np.mean([c["neutral"].points for c in found if "neutral" in c]))
    skewed = [[c[e].points for e in SKEWED if e in c] for c in found]
    mean = float(np.mean([np.mean(points) for points in skewed]))
    worst = float(np.min([np.min(points) for points in skewed]))
    table = (
        ("gain", "balanced: recall", gain, f"at least {GAIN:+g}", gain >= GAIN),
        ("begin", "the first minute of it: recall", begin, "", None),
        (
            "neutral",
            "80 % neutral: accuracy",
            neutral,
            f"at least {-NEUTRAL_LOSS:+g}",
            neutral >= -NEUTRAL_LOSS,
        ),
        (
            "skewed",
            "80 % of another emotion: accuracy, mean",
            mean,
            f"at least {-SKEWED_LOSS:+g}",
            mean >= -SKEWED_LOSS,
        ),
        (
            "worst",
            "80 % of another emotion: accuracy, worst of all",
            worst,
            f"at least {-SKEWED_WORST:+g}",
            worst >= -SKEWED_WORST,
        ),
    )
    rows = [
        Row(key, what, f"{points:+.1f}", target, passed, values={"points": points}, better="more")
        for key, what, points, target, passed in table
    ]
    default = "session" if all(row.passed is not False for row in rows) else "none"
    musts = "all of the above" if default == "session" else "not all of the above"
    return [*rows, Row("default", "default of --baseline", default, musts, default == "session")]


def each_once(recalls: Mapping[str, NDArray[np.float64]]) -> list[Row]:
    """Recall by modality over random orders of an actor's clips; the fused against the better."""
    rows = []
    for modality, recall in recalls.items():
        least = LEAST_RECALL.get(modality)
        rows.append(
            Row(
                f"once {modality}",
                f"{CLIPS}, each clip once in {len(recall)} orders, {modality}: recall",
                f"{recall.mean():.1f} ({recall.min():.1f} to {recall.max():.1f})",
                "" if least is None else f"at least {least:g}",
                None if least is None else bool(recall.mean() >= least),
                values={"mean": recall.mean(), "least": recall.min(), "most": recall.max()},
                better="more",
            )
        )
    above = recalls["fused"] - np.maximum(recalls["speech"], recalls["face"])
    below = float(np.mean(above < -MOST_BELOW))
    rows.append(
        Row(
            "once difference",
            "the same, fused less the better of voice and face in each order",
            f"{above.mean():+.1f} ({above.min():+.1f} to {above.max():+.1f})",
            f"at least {-MOST_BELOW:+g}",
            bool(above.mean() >= -MOST_BELOW),
            f"more than {MOST_BELOW:g} point below in {below:.0%} of the orders",
            values={"mean": above.mean(), "least": above.min(), "below": below},
            better="more",
        )
    )
    return rows


def _row(of: tuple[tuple[str, str], Changes], how: str) -> Row:
    (name, modality), mixes = of
    values: dict[str, float] = {}
    for mix, c in mixes.items():
        values |= {f"{mix} plain": c.plain, f"{mix} adapted": c.adapted}
        values |= {f"{mix} low": c.low, f"{mix} high": c.high}
    points = mixes[BALANCED].points
    return Row(f"{how} {modality} {name}", f"{how}: {name}, {modality}", f"{points:+.1f}",
               values=values, better="more")  # fmt: skip


def _table(found: Mapping[tuple[str, str], Changes], caption: str) -> Table:
    headings = [
        "people", "of", "balanced, without", "with", "", "first minute", "80 % neutral",
        "80 % another: mean", "worst",
    ]  # fmt: skip
    lines = []
    for (name, modality), mixes in found.items():
        balanced = mixes[BALANCED]
        skewed = {e: mixes[e].points for e in SKEWED if e in mixes}
        worst = min(skewed, key=lambda e: skewed[e])
        neutral = _points(mixes["neutral"]) if "neutral" in mixes else "-"
        lines.append([
            name, modality, f"{balanced.plain:.1f}", f"{balanced.adapted:.1f}", _points(balanced),
            _points(mixes[MINUTE]), neutral, f"{np.mean(list(skewed.values())):+.1f}",
            f"{_points(mixes[worst])} {worst}",
        ])  # fmt: skip
    return Table(headings, lines, caption, 2)


def _points(change: Change) -> str:
    return f"{change.points:+.1f} ({change.low:+.1f} to {change.high:+.1f})"
