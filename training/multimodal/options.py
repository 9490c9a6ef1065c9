"""Options of multimodal recipes, validated."""

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
    """Do not train the encoder: its outputs are computed once for each item."""
    rate: float = 1.0
    """Factor on the recipe's learning rate for the encoder."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MultimodalOptions:
    """Options of a recipe whose task is "multimodal"."""

    corpus: str
    encoders: Mapping[str, EncoderChoice]
    """By modality: speech, text, face (faces or whole frames)."""
    train: Sequence[str] = ("train",)
    """Splits to train on or, with ``folds``, to deal into folds."""
    development: str = "dev"
    folds: int = 0
    """Number of folds of speakers (or dialogues): ``fold`` is evaluated, the next one is the
    development data, the rest is trained on. 0: the corpus' own splits."""
    fold: int = 0
    root: str = ""
    """Folder of the corpus below the data folder; empty looks for its name."""
    words: str = "corpus"
    """Source of the text: "corpus", or "recognizer" for transcripts by the ASR engine."""
    fusion: str = "concat"
    """Fusion of several modalities."""
    width: int = 128
    """Width of every modality's embedding."""
    each_weight: float = 0.3
    """Weight of each modality's own loss beside the fused one's."""
    drop_modalities: float = 0.0
    """Probability that a present modality is masked in training, never all of an item's."""
    drop_twins: bool = False
    """Leave out of training the texts that the evaluated data has too."""
    read_as: str = ""
    """Modality as which the corpus is read (speech, text, face; clip: sound and picture); by
    default by the encoders. The runs of an ablation all read the same items."""
    memory_gb: float = 4.0
    """Prepared items are cached in memory up to this size; the rest is prepared each time."""
    limit: int = 0
    """Largest number of items a split, spread evenly, for a trial run; 0 uses all."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the run, in the order of MODALITIES."""
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
    if options.read_as not in ("", *MODALITIES, "clip"):
        known = ", ".join((*MODALITIES, "clip"))
        raise MmerError(f"{where}: read_as is {options.read_as!r}, use {known}")
    if not 0 <= options.drop_modalities < 1:
        raise MmerError(f"{where}: drop_modalities must be 0 to below 1: {options.drop_modalities}")
    if options.words not in WORDS:
        raise MmerError(f"{where}: words is {options.words!r}, use {' or '.join(WORDS)}")
    if options.folds and not (options.folds >= 3 and 0 <= options.fold < options.folds):
        raise MmerError(
            f"{where}: folds must be 3 or more (one to evaluate, one for development, the rest to "
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
