"""`mmer-bench fusion`: whether the fused answer is ever worse than the best modality alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.command import Asr, Folder, OptionalFolder, Outputs, Say
from mmer.benchmarks.harness.networks import hashes
from mmer.benchmarks.personal.clips import Clip, opinion, ravdess_clips
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.tables import Table
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import AudioBlock, Message, VideoFrame

if TYPE_CHECKING:
    from mmer.training.tasks.fusion_outputs import EncoderOutputs

MOST_BELOW: Final = 1.0
"""Points of recall that the worst cell may lie below the best modality alone."""
NAMES: Final = {"speech": "voice", "text": "words", "face": "face"}
NOISE: Final = 650.0
"""Deviation of the white noise, in units of int16: 34 dB below full scale."""
LIGHT: Final = 0.1
RESAMPLES: Final = 2000
MOMENTS: Final = 1400

Moments = Sequence[Mapping[str, Opinion]]
Change = Callable[[Message], Message]


@dataclass(frozen=True)
class Cell:
    """Recall in percent of the fused answer and of the best modality in it; their difference."""

    data: str
    state: str
    present: tuple[str, ...]
    fused: float
    best: float
    which: str
    low: float
    high: float

    @property
    def points(self) -> float:
        """Points that the fused answer lies above the best modality alone."""
        return self.fused - self.best


@dataclass(frozen=True, kw_only=True)
class Fusion(Outputs):
    """Whether adding a modality ever makes the answer worse than the best one alone.

    Every choice of two and three modalities, as they are and each corrupted in turn: the voice in
    white noise, in darkness, with misrecognized words. On the clips of one actor, who says
    the same two sentences in every emotion, so that words can only mislead, and on moments paired
    by label from held-out items. The best modality is the one with the highest recall there.
    """

    data: Folder
    """Folder of the corpora: video, and for the paired moments audio/ravdess, text, face."""
    asr: Asr = "moonshine"
    """Speech recognizer for the clips."""
    cache: OptionalFolder = None
    """Folder for the encoders' outputs of the paired moments."""

    def run(self, say: Say) -> Report:
        fusion = FusionModel.load()
        cells: list[Cell] = []
        for name, state, moments, labels in self._sets(say):
            cells += measured(fusion, name, state, moments, labels)
        if not cells:
            raise MmerError(f"--data {self.data} has neither video nor the corpora of the fusion")
        worst = min(cells, key=lambda cell: cell.points)
        row = Row(
            "worst",
            f"worst cell ({worst.data}, {worst.state}, {_names(worst.present)})",
            f"{worst.points:+.1f} ({worst.low:+.1f} to {worst.high:+.1f})",
            f"at least {-MOST_BELOW:+g}",
            worst.points >= -MOST_BELOW,
            values={"points": worst.points},
            better="more",
        )
        return Report(
            kind="fusion",
            title="mmer-bench fusion: recall of the fused answer against the best modality alone",
            settings=self.settings(cache=None),
            clip={"cells": len(cells)},
            models={name: sha256[:12] for name, sha256 in hashes(None).items()},
            rows=[row, *map(_row, cells)],
            tables=[_table(cells)],
        )

    def _sets(self, say: Say) -> Iterator[tuple[str, str, Moments, NDArray[np.int64]]]:
        if (self.data / "video").is_dir():
            yield from self._clips(say)
        if all((self.data / place).is_dir() for place in ("audio/ravdess", "text", "face")):
            yield from self._paired(say)

    def _clips(self, say: Say) -> Iterator[tuple[str, str, Moments, NDArray[np.int64]]]:
        clips = {}
        for state, change in (
            ("", None),
            ("voice and words in noise", noisy(np.random.default_rng(0))),
            ("face in darkness", dark),
        ):
            say(f"clips, {state or 'as they are'}")
            found = ravdess_clips(self.data, self.asr, self.cache, state, change)
            labels = np.array([clip.label for clip in found])
            clips[state or "as they are"] = labels, [of_clip(clip) for clip in found]
        for state, (labels, moments) in clips.items():
            yield "RAVDESS Actor_01", state, moments, labels

    def _paired(self, say: Say) -> Iterator[tuple[str, str, Moments, NDArray[np.int64]]]:
        try:
            from mmer.training.tasks.fusion import half_of
            from mmer.training.tasks.fusion_outputs import read
            from mmer.training.tasks.fusion_pairing import Pairing
        except ImportError as error:
            raise MmerError(f"{error}: pip install 'mmer-live[train]'") from error
        say("moments paired by label")
        outputs = {m: half_of(o, 1) for m, o in read(self.data, None, self.cache, 200).items()}
        corrupted = {"speech": "noise 0 dB", "text": "bare, 30 % wrong", "face": "dark"}
        for which in (None, *MODALITIES):
            states = {m: corrupted[m] if m == which else outputs[m].states[0] for m in MODALITIES}
            chosen = {m: _only(outputs[m], states[m]) for m in MODALITIES}
            drawn = Pairing(chosen).draw(MOMENTS, np.random.default_rng(0))
            name = "as they are" if which is None else f"{NAMES[which]}: {corrupted[which]}"
            yield "paired by label", name, list(_opinions(drawn.inputs)), drawn.labels


def of_clip(clip: Clip) -> dict[str, Opinion]:
    """A clip's opinions as the fusion block has them at the utterance's end."""
    found = {}
    for modality in MODALITIES:
        evidence = [e for e in clip.evidence if e.modality == modality and clip.of_utterance(e)]
        if evidence:
            found[modality] = opinion(evidence, modality)
    return found


def _only(outputs: EncoderOutputs, state: str) -> EncoderOutputs:
    """The same items in one of their states."""
    k = outputs.states.index(state)
    return replace(
        outputs,
        states=(state,),
        log_probs=outputs.log_probs[:, [k]],
        quality=outputs.quality[:, [k]],
    )


def _opinions(inputs: Mapping[str, NDArray[np.float32]]) -> Iterator[dict[str, Opinion]]:
    for n in range(len(inputs["present"])):
        found = {}
        for k, modality in enumerate(MODALITIES):
            if inputs["present"][n, k]:
                logs = inputs["log_probs"][n, k].astype(np.float64)
                punctuated = float(inputs["context"][n, k, 0])
                quality = float(inputs["quality"][n, k])
                found[modality] = Opinion(logs, quality, 0.0, punctuated=punctuated)
        yield found


def noisy(rng: np.random.Generator) -> Change:
    """White noise added to the sound."""

    def change(message: Message) -> Message:
        if not isinstance(message, AudioBlock):
            return message
        mixed = message.samples + NOISE * rng.standard_normal(len(message.samples))
        return replace(message, samples=np.clip(mixed, -32_768, 32_767).astype(np.int16))

    return change


def dark(message: Message) -> Message:
    """A tenth of the light."""
    if not isinstance(message, VideoFrame):
        return message
    return replace(message, image=(message.image * LIGHT).astype(np.uint8))


def measured(
    fusion: FusionModel, data: str, state: str, moments: Moments, labels: NDArray[np.int64]
) -> list[Cell]:
    """A cell for every choice of two or three modalities, over the moments that have them all."""
    cells = []
    for size in (2, 3):
        for present in combinations(MODALITIES, size):
            rows = [k for k, moment in enumerate(moments) if set(present) <= set(moment)]
            if len({int(labels[k]) for k in rows}) < len(EMOTIONS):
                continue
            answers = {
                m: np.array([moments[k][m].log_probs.argmax() for k in rows]) for m in present
            }
            fused = [fusion.fuse({m: moments[k][m] for m in present})[0].argmax() for k in rows]
            cells.append(_cell(data, state, present, np.array(fused), answers, labels[rows]))
    return cells


def _cell(
    data: str,
    state: str,
    present: tuple[str, ...],
    fused: NDArray[np.int64],
    answers: Mapping[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
) -> Cell:
    recalls = {m: _recall(answers[m] == labels, labels) for m in present}
    which = max(recalls, key=lambda m: recalls[m])
    rng = np.random.default_rng(0)
    by_label = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(of, len(of)) for of in by_label])
        differ = (fused[rows] == labels[rows]).astype(float) - (
            answers[which][rows] == labels[rows]
        )
        drawn.append(_recall(differ, labels[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Cell(data, state, present, _recall(fused == labels, labels), recalls[which], which,
                float(low), float(high))  # fmt: skip


def _recall(hits: NDArray[np.floating] | NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    """Mean over the emotions of the mean of ``hits``, in percent."""
    return float(100 * np.mean([hits[labels == c].mean() for c in np.unique(labels)]))


def _names(present: Sequence[str]) -> str:
    return ", ".join(NAMES[m] for m in present)


def _row(cell: Cell) -> Row:
    values = {"fused": cell.fused, "best": cell.best, "low": cell.low, "high": cell.high}
    key = f"{cell.data} {cell.state} {'+'.join(cell.present)}"
    return Row(key, key, f"{cell.points:+.1f}", values=values, better="more")


def _table(cells: Sequence[Cell]) -> Table:
    headings = ["data", "state", "present", "best alone", "recall", "fused", "difference"]
    lines = [
        [
            c.data, c.state, _names(c.present), NAMES[c.which], f"{c.best:.1f}", f"{c.fused:.1f}",
            f"{c.points:+.1f} ({c.low:+.1f} to {c.high:+.1f})",
        ]
        for c in cells
    ]  # fmt: skip
    return Table(headings, lines, words=4)
