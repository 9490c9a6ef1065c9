"""`mmer-bench people`: person identification on composed videos with ground truth."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from mmer.benchmarks.harness.command import Detector, Folder, Outputs, Say
from mmer.benchmarks.harness.networks import shipped
from mmer.benchmarks.people.compose import Head, Role, compose, head, still
from mmer.benchmarks.people.measure import Identity, Speakers, identity, play, speakers
from mmer.benchmarks.people.scenes import SCENES, Scene
from mmer.benchmarks.report.report import Report, Row
from mmer.models.errors import MmerError
from mmer.models.store.store import Store
from mmer.realtime.choose import find_detector, load_detector
from mmer.realtime.shared_models import SharedModels

IDENTITY: Final = 0.95
SPEAKER: Final = 0.90
SECOND: Final = 1.40
"""Cost with two faces over that with one."""
_COSTS: Final = 3  # runs of which the median counts
_COST_S: Final = 12.0
# two are the same person, or may be
_PASSED_OVER: Final = ("sbia1a.mp4", "ravdess_actor01_frames")


@dataclass(frozen=True, kw_only=True)
class People(Outputs):
    """Identity of tracks, speakers of utterances, and the cost of a second face.

    Heads of real talking clips are cut out and put into one picture, two to four at once: they
    cross, leave, return, and speak in turn, each with the voice of its clip. So it is known in
    every frame who is where, and who speaks. Cost is CPU time in replay.
    """

    data: Folder
    """Folder with video/clips.csv and the clips that it names."""
    rounds: int = 2
    """How often each scene is played, each time with other heads."""
    detector: Detector = "auto"
    """Face detector with which the heads are cut out."""

    def check(self) -> None:
        super().check()
        if self.rounds < 1:
            raise MmerError(f"--rounds is {self.rounds}: it must be at least 1")

    def run(self, say: Say) -> Report:
        store = Store(offline=True)
        detector = load_detector(find_detector(self.detector, store)).made
        say("cutting out heads")
        heads = list(_heads(self.data / "video", detector))
        if len(heads) < 4:
            raise MmerError(f"{self.data}/video has {len(heads)} clips with a voice and a face")
        models = SharedModels(provider="cpu")
        found: list[tuple[Scene, Identity, Speakers]] = []
        with tempfile.TemporaryDirectory() as folder:
            for n, (scene, chosen) in enumerate(_casts(heads, self.rounds)):
                say(f"{scene.name}, {n + 1} of {self.rounds * len(SCENES)}")
                path = Path(folder) / f"{n}.mkv"
                truth = compose(path, scene.roles(chosen), scene.length_s)
                played = play(path, models)
                who = identity(truth, played.observed)
                found.append((scene, who, speakers(truth, played.finals, who.number_of)))
                path.unlink()
            say("the cost of a second face")
            costs = _costs(Path(folder), heads, models)
        return Report(
            kind="people",
            models=shipped(),
            title=f"mmer-bench people: {len(found)} composed scenes of {len(heads)} heads",
            settings=self.settings(),
            rows=[*rows(found), cost_row(costs)],
        )


def _heads(folder: Path, detector: Any) -> Iterator[Head]:
    """One head of each speaker whose clip has a voice and a face."""
    try:
        with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
            clips = list(csv.DictReader(file))
    except OSError as error:
        raise MmerError(f"cannot read {folder}/clips.csv: {error.strerror or error}") from error
    known: set[str] = set()
    for clip in clips:
        passed_over = clip["file"] in _PASSED_OVER or clip["set"] in _PASSED_OVER
        if clip["audio"] != "yes" or passed_over or clip["speaker"] in known:
            continue
        known.add(clip["speaker"])
        try:
            yield head(folder / clip["set"] / clip["file"], clip["speaker"], detector, 3.0)
        except MmerError:  # no face in its first frame
            continue


def _casts(heads: Sequence[Head], rounds: int) -> Iterator[tuple[Scene, list[Head]]]:
    """Scenes with their heads, which go round."""
    used = 0
    for _ in range(rounds):
        for scene in SCENES:
            yield scene, [heads[(used + i) % len(heads)] for i in range(scene.heads)]
            used += scene.heads


def _costs(folder: Path, heads: Sequence[Head], models: SharedModels) -> list[tuple[float, float]]:
    """CPU seconds with one face and with two: the same voice, the second person is silent."""
    speaker = Role(heads[0], still(300), (1.0, 6.0))
    paths = []
    for n, roles in enumerate(([speaker], [speaker, Role(heads[1], still(660))])):
        paths.append(folder / f"cost{n}.mkv")
        compose(paths[-1], roles, _COST_S)
    play(paths[0], models)  # warm
    return [(play(paths[0], models).cpu_s, play(paths[1], models).cpu_s) for _ in range(_COSTS)]


def rows(found: Sequence[tuple[Scene, Identity, Speakers]]) -> list[Row]:
    """Identity and speakers, of all scenes and of each."""
    made = []
    for name in (None, *(scene.name for scene in SCENES)):
        some = [(who, spoke) for scene, who, spoke in found if name in (None, scene.name)]
        visible = sum(who.visible for who, _ in some)
        seen = sum(who.found for who, _ in some)
        right = sum(who.right for who, _ in some)
        utterances = sum(spoke.utterances for _, spoke in some)
        given = sum(spoke.right for _, spoke in some)
        missed = sum(spoke.missed for _, spoke in some)
        key = "all" if name is None else name.replace(",", "").replace(" ", "_")
        who_row = Row(
            key=f"identity_{key}",
            what=f"faces under the number of their person, {name or 'all scenes'}",
            measured=f"{right / max(visible, 1):.1%}",
            target="" if name else f"{IDENTITY:.0%}",
            note=f"{right} of {visible} faces in frames; {seen / max(visible, 1):.1%} were found",
            values={"identity": right / max(visible, 1), "found": seen / max(visible, 1)},
            better="more",
        )
        spoke_row = Row(
            key=f"speaker_{key}",
            what=f"utterances given to the one who speaks, {name or 'all scenes'}",
            measured=f"{given / max(utterances, 1):.1%}",
            target="" if name else f"{SPEAKER:.0%}",
            note=f"{given} of {utterances}; {missed} more turns had no utterance: "
            f"{given / max(utterances + missed, 1):.1%} of all turns",
            values={
                "speaker": given / max(utterances, 1),
                "of_all_turns": given / max(utterances + missed, 1),
            },
            better="more",
        )
        if name is None:
            who_row = who_row.evaluated(right >= IDENTITY * visible)
            spoke_row = spoke_row.evaluated(given >= SPEAKER * utterances)
        made += [who_row, spoke_row]
    return made


def cost_row(costs: Sequence[tuple[float, float]]) -> Row:
    """Cost of a second face."""
    one, two = (median(cost[i] for cost in costs) / _COST_S for i in (0, 1))
    row = Row(
        key="second_face",
        what="CPU time with two faces over that with one, the median of three",
        measured=f"{two / one:.2f}",
        target=f"at most {SECOND:.2f}",
        note=f"{one:.3f} and {two:.3f} CPU seconds a second, words off, decoding included",
        values={"ratio": two / one, "one": one, "two": two},
        samples={"one_s": [c[0] for c in costs], "two_s": [c[1] for c in costs]},
    )
    return row.evaluated(two <= SECOND * one)
