"""What a recipe of the field's models says, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.networks.encoders import ENCODERS
from mmer.models.networks.encoders.head_table import HEADS
from mmer.models.networks.fusions import FUSIONS
from mmer.training.datasets.registry import corpus_names
from mmer.training.recipes.recipe import Recipe, from_table

WORDS = ("corpus", "recognizer")


@dataclass(frozen=True)
class EncoderChoice:
    """One modality's encoder and head, by name; ``options`` are the encoder's own."""

    kind: str
    head: str = "ffn"
    frozen: bool = False
    """Keep the encoder as it is: what it says of each item can be computed once."""
    rate: float = 1.0
    """What the recipe's learning rate is multiplied with for the encoder."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MultimodalOptions:
    """The options of a recipe whose task is "multimodal"."""

    corpus: str
    encoders: Mapping[str, EncoderChoice]
    """By modality: speech, text, face (faces or whole frames)."""
    train: Sequence[str] = ("train",)
    """Splits to train on, or, with ``folds``, to deal out."""
    development: str = "dev"
    folds: int = 0
    """Deal speakers (or dialogues) into so many folds: ``fold`` is judged, the one after it is the
    development data, the rest trains. 0: the corpus' own splits."""
    fold: int = 0
    root: str = ""
    """Folder of the corpus below the data folder; empty looks for its name."""
    words: str = "corpus"
    """Whose words the text is: the corpus' own, or a recognizer's."""
    fusion: str = "concat"
    """Where there are several modalities."""
    width: int = 128
    """Of every modality's embedding."""
    each_weight: float = 0.3
    """How much each modality's own answer counts in the loss beside the fused one."""
    drop_modalities: float = 0.0
    """How often a present modality is hidden in training, never all of an item's."""
    drop_twins: bool = False
    """Leave out of training the texts that the judged data has too."""
    memory_gb: float = 4.0
    """Prepared items are held in memory up to this size, the rest prepared anew each time."""
    limit: int = 0
    """So many items a split at most, spread evenly, for a trial run; 0 takes all."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those of the run, in the order of MODALITIES."""
        return tuple(m for m in MODALITIES if m in self.encoders)


def read_options(recipe: Recipe) -> MultimodalOptions:
    """The options of a recipe.

    Raises:
        MmerError: something is unknown, missing or contradictory.
    """
    where = f"recipe {recipe.name}: options"
    table = dict(recipe.options)
    chosen = table.pop("encoders", None)
    if not isinstance(chosen, Mapping) or not chosen:
        raise MmerError(f"{where}: name at least one encoder, as in [options.encoders.speech]")
    if unknown := sorted(set(chosen) - set(MODALITIES)):
        raise MmerError(
            f"{where}.encoders: unknown modality {', '.join(unknown)}; use {', '.join(MODALITIES)}"
        )
    encoders = {
        m: _choice(chosen[m], m, f"{where}.encoders.{m}") for m in MODALITIES if m in chosen
    }
    options = from_table(MultimodalOptions, {**table, "encoders": encoders}, where)
    if options.corpus not in corpus_names():
        known = ", ".join(corpus_names())
        raise MmerError(f"{where}: no corpus {options.corpus!r}; known are {known}")
    if options.fusion not in FUSIONS:
        raise MmerError(f"{where}: no fusion {options.fusion!r}; known are {', '.join(FUSIONS)}")
    if options.words not in WORDS:
        raise MmerError(f"{where}: words is {options.words!r}, use {' or '.join(WORDS)}")
    if options.folds and not (options.folds >= 3 and 0 <= options.fold < options.folds):
        raise MmerError(
            f"{where}: folds must be 3 or more (one to judge, one for development, the rest to "
            f"train) and fold below them, got {options.folds} and {options.fold}"
        )
    return options


def _choice(table: Any, modality: str, where: str) -> EncoderChoice:
    if not isinstance(table, Mapping):
        raise MmerError(f"{where} must be a table with a kind")
    choice = from_table(EncoderChoice, table, where)
    if choice.kind not in ENCODERS:
        raise MmerError(f"{where}: no encoder {choice.kind!r}; known are {', '.join(ENCODERS)}")
    if choice.head not in HEADS:
        raise MmerError(f"{where}: no head {choice.head!r}; known are {', '.join(HEADS)}")
    if (wants := ENCODERS[choice.kind].modality) != modality:
        raise MmerError(f"{where}: {choice.kind} is an encoder of {wants}, not of {modality}")
    return choice
