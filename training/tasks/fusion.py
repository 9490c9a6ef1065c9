"""Fusion task: late fusion trained on encoder outputs, paired by label across three corpora."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys, digest64
from mmer.models.errors import MmerError
from mmer.models.fusion import CONTEXT, INPUTS
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.networks.shipped.fusion import FusionNetwork
from mmer.training.datasets.corpora import training_data
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks.fusion_outputs import EncoderOutputs, encoders, read
from mmer.training.tasks.fusion_pairing import Corruption, Moments, Pairing, drop_some, keep_only
from mmer.training.tasks.task import Arrays, Task

CORRUPTED: Final = "life: spoilt, aged, misleading or absent as in training"
ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "voice and words": ("speech", "text"),
    "voice and face": ("speech", "face"),
    "words and face": ("text", "face"),
    "voice alone": ("speech",),
    "words alone": ("text",),
    "face alone": ("face",),
}
"""The modalities present in each of the other conditions."""
DEVELOPMENT_MOMENTS: Final = 2100


@dataclass(frozen=True)
class FusionOptions:
    """The fusion recipe's own settings."""

    weights: str = ""
    """Folder of the three encoders; empty for the shipped ones."""
    draws: int = 20_000
    """Moments an epoch."""
    per_class: int = 200
    """Items of each emotion and modality, at most."""
    half: int = 0
    """Which half of the held-out items trains, 0 or 1; the other is the development data."""
    modalities: Sequence[str] = MODALITIES
    """Modalities that are present in training; the others never are."""
    life: Mapping[str, Any] = field(default_factory=dict)


def half_of(outputs: EncoderOutputs, half: int) -> EncoderOutputs:
    """Half of the items: whole speakers and dialogues, and images by their content.

    RAVDESS actors 17 and 18 against 19 and 20 (a man and a woman each), the others by a digest of
    the group's name.
    """
    side = np.array([_side(str(group)) for group in outputs.groups])
    return outputs.subset(side == half)


def _side(group: str) -> int:
    corpus, name = group.split("/", 1)
    return int(name > "18") if corpus == "ravdess" else digest64(group.encode()) % 2


class FusionTask(Task):
    """The task of ``FusionNetwork``; inputs: ``models.fusion.INPUTS`` and its context."""

    modality = "fusion"
    development_data = (
        "moments paired by label from half of the encoders' development data that the fusion was "
        "not trained on (voices of RAVDESS actors 19 and 20, words of MELD dev, faces of FER+ "
        "public test), every emotion as often, nothing spoilt or absent"
    )
    conditions = (CORRUPTED, *ONLY)
    outputs = ("logits", "shares")
    known_failures = (
        "Where voice, words and face disagree for a reason (irony, a polite smile) it has no idea "
        "of the reason: it goes by the reliability of each.",
        "People who talk with a still face: the face's 'neutral' has little weight, so a truly "
        "neutral person is found by the voice and the words rather than by the face.",
    )

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None, weights: Path | None = None
    ) -> None:
        where = f"recipe {recipe.name}: options"
        self.recipe = recipe
        self._options = options = from_table(FusionOptions, recipe.options, where)
        self._corruption = from_table(Corruption, options.life, f"{where}.life")
        if not options.modalities or not set(options.modalities) <= set(MODALITIES):
            raise MmerError(f"{where}: modalities must be of {', '.join(MODALITIES)}")
        if options.half not in (0, 1):
            raise MmerError(f"{where}: half must be 0 or 1, got {options.half}")
        self._weights = weights or (Path(options.weights) if options.weights else None)
        outputs = read(data, self._weights, cache, options.per_class)
        self._train = {m: half_of(p, options.half) for m, p in outputs.items()}
        self._held_out = {m: half_of(p, 1 - options.half) for m, p in outputs.items()}
        self._pairing = Pairing(self._train)
        held_out_pairs = Pairing(self._held_out)
        clean, apart = (
            held_out_pairs.draw(DEVELOPMENT_MOMENTS, np.random.default_rng(k)) for k in (1, 2)
        )
        corrupted = held_out_pairs.draw(
            DEVELOPMENT_MOMENTS, np.random.default_rng(1), self._corruption
        )
        some = drop_some(corrupted.inputs, np.random.default_rng(3), MODALITIES)
        # the same moments clean and corrupted: the temperature is fitted to both
        shown = np.all([i["present"].any(axis=1) for i in (clean.inputs, some)], axis=0)
        self._development: dict[str | None, Moments] = {
            None: _rows_of(clean, shown),
            CORRUPTED: _rows_of(corrupted._replace(inputs=some), shown),
        }
        for condition, present in ONLY.items():
            inputs = keep_only(apart.inputs, present)
            self._development[condition] = apart._replace(inputs=inputs)
        self.class_shares = np.full(len(EMOTIONS), 1 / len(EMOTIONS))
        self.batches_per_epoch = options.draws // recipe.batch

    def network(self) -> nn.Module:
        return FusionNetwork(len(MODALITIES), len(EMOTIONS), len(CONTEXT))

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Corrupted moments, with any choice of the modalities."""
        for _ in range(self.batches_per_epoch):
            moments = self._pairing.draw(self.recipe.batch, rng, self._corruption)
            inputs = drop_some(moments.inputs, rng, self._options.modalities)
            yield _not_empty(inputs, np.eye(len(EMOTIONS), dtype=np.float32)[moments.labels])

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        moments = self._development[condition]
        yield _not_empty(moments.inputs, moments.labels)

    def same_items(self, condition: str) -> bool:
        return condition == CORRUPTED

    def development_groups(self) -> list[str]:
        """The speaker in each moment: the other two modalities have many groups."""
        rows = self._development[None].rows[:, MODALITIES.index("speech")]
        return [str(group) for group in self._held_out["speech"].groups[rows]]

    def speech_clips(self, condition: str | None = None) -> np.ndarray:
        """The key of the speech clip in each moment of ``development``, uint64 (N,).

        There are fewest of them, so each is in many moments.
        """
        moments = self._development[condition]
        present = moments.inputs["present"].any(axis=1)
        rows = moments.rows[present, MODALITIES.index("speech")]
        return self._held_out["speech"].contents[rows]

    def without_others(self, modalities: Sequence[str]) -> FusionTask:
        """The same data with only ``modalities`` present in training."""
        other = copy(self)
        other._options = replace(self._options, modalities=tuple(modalities))
        return other

    def seen(self) -> Seen:
        parts = self._train
        return Seen(
            frozenset(str(g) for m in ("speech", "text") for g in parts[m].groups),
            files=as_keys(int(k) for k in parts["speech"].contents),
            texts=as_keys(int(k) for k in parts["text"].contents),
            images=as_keys(int(k) for k in parts["face"].contents),
        )

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        return {name: {0: "batch"} for name in (*INPUTS, "context")}

    def preprocessing(self) -> dict[str, Any]:
        table = {"modalities": list(MODALITIES), "context": list(CONTEXT)}
        return {**table, "encoders": encoders(self._weights)}

    def training_data(self) -> tuple[TrainingData, ...]:
        splits = {
            "speech": "actors 17 and 18, development speakers of the voice's network",
            "text": "half of the dialogues of dev",
            "face": "half of public test",
        }
        corpora = {"speech": "ravdess", "text": "meld", "face": "fer2013"}
        return tuple(training_data(corpora[m], splits[m], len(self._train[m])) for m in MODALITIES)

    def notes(self) -> tuple[str, ...]:
        c = self._corruption
        return (
            "No corpus that may be trained on has voice, words and face of one moment: held-out "
            "items were paired by label across corpora. Given the emotion the three are then "
            "independent, which flatters any fusion.",
            "Assumed, not learned: in so many moments a modality is neutral whatever is felt "
            f"({_shares(c.masked)}) or shows another emotion ({_shares(c.wrong)}). Those of words "
            "and talking faces were chosen by the clips of RAVDESS Actor_01: their figures are of "
            "development data.",
            f"So are faces of people who talk: {100 * c.still:.0f} % of them are neutral. "
            f"{100 * c.strange:.0f} % of voices and faces are of people who look or sound to the "
            "network otherwise than everybody, as far as their baseline does not take it off.",
            "Evidence loses its worth with age as emotions change between a speaker's utterances "
            f"in MELD train: of the agreement above chance 1/e is left after "
            f"{c.persistence_s:g} s.",
            "Every emotion was as frequent as any other: it has no belief in what people mostly "
            "feel.",
        )


def _shares(table: Mapping[str, float]) -> str:
    return ", ".join(f"{m} {100 * share:.0f} %" for m, share in table.items())


def _rows_of(moments: Moments, rows: np.ndarray) -> Moments:
    """The moments whose row, bool (N,), is set."""
    inputs = {name: array[rows] for name, array in moments.inputs.items()}
    return Moments(inputs, moments.labels[rows], moments.rows[rows])


def _not_empty(inputs: Arrays, answers: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """Without the moments in which nothing is present: their label is null by rule."""
    present = inputs["present"].any(axis=1)
    return {name: array[present] for name, array in inputs.items()}, answers[present]
