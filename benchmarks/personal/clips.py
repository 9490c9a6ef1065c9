"""Clips of people: the evidence of each, and its answers with and without a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.networks import hashes
from mmer.benchmarks.personal.sessions import Answers, Corpus
from mmer.models.cards.card import load_card, weights_dir
from mmer.models.cards.seen import digest64
from mmer.models.face_baseline import FaceBaseline
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.blocks.baseline import Baselined, KnownOffset
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.block import FusionConfig
from mmer.realtime.blocks.fusion.pooling import normalise, summarise
from mmer.realtime.calibration import Calibration
from mmer.realtime.messages import Evidence, Message
from mmer.training.datasets.item import Item
from mmer.training.datasets.registry import read
from mmer.training.storage import cached_arrays

CHUNK: Final = 8
"""Clips in a file of the cache."""
_CONFIG: Final = FusionConfig()
WHAT: Final = ("speech", "face", "fused")
OF_NEUTRAL: Final = "other neutral clips"
OF_HALF: Final = "other half of the clips"
"""What a file is made of."""


class _Echo(Block):
    def push(self, message: Message) -> Sequence[Message]:
        return (message,)


@dataclass(frozen=True, eq=False)
class Clip:
    """The evidence of one clip, in order, and its label."""

    label: int
    speaker: str
    seconds: float
    evidence: Sequence[Evidence]

    def of_utterance(self, evidence: Evidence) -> bool:
        """Whether the face counts in the answer: during speech and a moment around it."""
        said = [e for e in self.evidence if e.modality == "speech"]
        if evidence.modality != "face" or not said:
            return True
        margin_s = _CONFIG.face_margin_s
        return said[-1].t0 - margin_s <= evidence.t1 <= said[-1].t1 + margin_s


class Clips:
    """Clips of people: each modality's evidence corrected, pooled and fused as live."""

    def __init__(self, name: str, clips: Sequence[Clip], fusion: FusionModel) -> None:
        self._name = name
        self._clips = clips
        self._fusion = fusion
        self._learned = FaceBaseline.of(load_card(weights_dir() / "face.json"))

    def corpora(self) -> list[Corpus]:
        """One for the face, one for the voice and one for the fused answer."""
        speakers = np.array([c.speaker for c in self._clips])
        return [
            self._corpus(self._name, what, speakers, self._answers(what, adapt=True))
            for what in WHAT
        ]

    def from_files(self) -> list[Corpus]:
        """As ``corpora``, with a baseline from a file that is made of other clips of the person.

        Twice: of the other neutral ones, however few there are, and of the other half of all
        clips, of every emotion, as of somebody who reads aloud without an even voice.
        """
        labels = np.array([c.label for c in self._clips])
        speakers = np.array([c.speaker for c in self._clips])
        halves = np.array(
            [f"{s}, half {h}" for s, h in zip(speakers, _halves(labels), strict=True)]
        )
        neutral = labels == EMOTIONS.index("neutral")
        # by clip, those that its file is made of, shape (N, N)
        of_neutral = neutral[None] & ~np.eye(len(labels), dtype=np.bool_)
        of_half = halves[None] != halves[:, None]
        same = speakers[None] == speakers[:, None]
        found = []
        for name, groups, others in (
            (f"{self._name}, {OF_NEUTRAL}", speakers, of_neutral),
            (f"{self._name}, {OF_HALF}", halves, of_half),
        ):
            known = [self._known(np.flatnonzero(row)) for row in same & others]
            for what in WHAT:
                answers = np.array([self._read(r, what, k) for r, k in enumerate(known)])
                found.append(self._corpus(name, what, groups, partial(np.take, answers, axis=0)))
        return found

    def _corpus(self, name: str, what: str, speakers: NDArray[np.str_], adapted: Answers) -> Corpus:
        labels = np.array([c.label for c in self._clips])
        seconds = np.array([c.seconds for c in self._clips])
        by = "item" if len({c.speaker for c in self._clips}) == 1 else "speaker"
        plain = self._answers(what, adapt=False)
        return Corpus(name, what, labels, speakers, seconds, plain, adapted, by)

    def _known(self, rows: NDArray[np.int64]) -> dict[str, KnownOffset]:
        """What a file made of these clips would hold."""
        calibration = Calibration()
        for row in rows:
            for evidence in self._clips[row].evidence:
                calibration.add(evidence)
        offsets = calibration.offsets(least={"speech": 0.0, "face": 0.0})
        return {m: KnownOffset(o.value, o.seen) for m, o in offsets.items()}

    def _read(self, row: int, what: str, known: Mapping[str, KnownOffset]) -> NDArray[np.floating]:
        blocks = {m: Baselined(_Echo(), m, known=offset) for m, offset in known.items()}
        return self._answer(self._clips[row], what, blocks)

    def _answers(self, what: str, adapt: bool) -> Answers:
        def answers(rows: NDArray[np.int64]) -> NDArray[np.floating]:
            learned = {"speech": None, "face": self._learned}
            blocks = {m: Baselined(_Echo(), m, learned=learned[m]) for m in learned if adapt}
            return np.array([self._answer(self._clips[r], what, blocks) for r in rows])

        return answers

    def _answer(
        self, clip: Clip, what: str, blocks: Mapping[str, Baselined]
    ) -> NDArray[np.floating]:
        for block in blocks.values():
            block.next_stream()
        opinions = {}
        for modality in MODALITIES if what == "fused" else (what,):
            made: list[Evidence] = [e for e in clip.evidence if e.modality == modality]
            if modality in blocks:
                made = [corrected for e in made for corrected in _of(blocks[modality], e)]
            made = [e for e in made if clip.of_utterance(e)]
            if made:
                opinions[modality] = opinion(made, modality)
        if not opinions:
            return np.full(len(EMOTIONS), -np.log(len(EMOTIONS)))
        if what != "fused":
            return opinions[what].log_probs
        return self._fusion.fuse(opinions)[0]


def _of(block: Baselined, evidence: Evidence) -> list[Evidence]:
    return [made for made in block.push(evidence) if isinstance(made, Evidence)]


def opinion(evidence: Sequence[Evidence], modality: str) -> Opinion:
    """One modality's evidence of an utterance, pooled as the fusion block does at its end."""
    newest = evidence[-1]
    last = evidence if modality == "face" else evidence[-1:]
    log_probs = normalise(np.stack([e.log_probs for e in last]))
    t = np.array([e.t1 for e in last])
    quality = np.array([e.quality for e in last])
    pooled = summarise(t, quality, log_probs, None, _CONFIG.tau_s[modality])
    return replace(
        pooled,
        punctuated=float(newest.punctuated),
        talking=float(modality == "face"),
        baseline=newest.baseline,
    )


def _halves(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A random half, 0 or 1, of each item; every emotion's are in both as often, but for one."""
    rng = np.random.default_rng(0)
    halves = np.zeros(len(labels), np.int64)
    for k, emotion in enumerate(np.unique(labels)):
        rows = rng.permutation(np.flatnonzero(labels == emotion))
        halves[rows] = (np.arange(len(rows)) + k) % 2
    return halves


def ravdess_clips(
    data: Path,
    asr: str,
    cache: Path | None = None,
    state: str = "",
    change: Callable[[Message], Message] | None = None,
) -> Sequence[Clip]:
    """The evidence of the clips of RAVDESS below ``data``/video, each message changed first.

    ``state`` describes the change, with its parameters, in the cache, which is written ``CHUNK``
    clips at a time: an interrupted run goes on where it stopped.
    """
    items = read("ravdess", data / "video", "clip", "all").items
    key = digest64(f"{hashes(None)} {asr} {state} {[i.id for i in items]}".encode())
    out: list[Clip] = []
    answerer: list[Any] = []  # opened when it is needed
    for first in range(0, len(items), CHUNK):
        part = items[first : first + CHUNK]
        path = None if cache is None else cache / f"clips-{key:016x}-{first}.npz"
        arrays = cached_arrays(path, partial(_evidence, part, asr, change, answerer))
        for k, item in enumerate(part):
            evidence = _clip_evidence(arrays, k)
            t1 = max((e.t1 for e in evidence), default=0.0)
            out.append(Clip(item.label, item.speaker, t1, evidence))
    return out


def _evidence(
    items: Sequence[Item],
    asr: str,
    change: Callable[[Message], Message] | None,
    answerer: list[Any],
) -> Mapping[str, Any]:
    """The evidence of clips as arrays: a row each, with the number of its clip."""
    from mmer.training.evaluation.clip import ClipAnswerer
    from mmer.training.evaluation.settings import Settings

    if not answerer:
        answerer.append(ClipAnswerer(None, Settings(asr=asr, offline=True)))
    rows = [(k, e) for k, item in enumerate(items) for e in answerer[0].evidence(item, change)]
    return {
        "clip": np.array([k for k, _ in rows]),
        "modality": np.array([e.modality for _, e in rows], np.str_),
        "log_probs": np.array([e.log_probs for _, e in rows], np.float32).reshape(-1, 7),
        "numbers": np.array(
            [
                (e.t0, e.t1, e.quality, e.partial, -1 if e.track is None else e.track, e.punctuated)
                for _, e in rows
            ],
            np.float64,
        ).reshape(-1, 6),
    }


def _clip_evidence(arrays: Mapping[str, NDArray[Any]], clip: int) -> list[Evidence]:
    found = []
    for row in np.flatnonzero(arrays["clip"] == clip):
        t0, t1, quality, part, track, punctuated = arrays["numbers"][row].tolist()
        found.append(
            Evidence(
                str(arrays["modality"][row]),  # type: ignore[arg-type]
                t0,
                t1,
                arrays["log_probs"][row],
                quality,
                bool(part),
                utterance=1,
                track=None if track < 0 else int(track),
                punctuated=bool(punctuated),
            )
        )
    return found
