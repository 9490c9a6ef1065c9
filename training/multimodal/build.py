"""Builders of a recipe's encoders, fusion, network and sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from mmer.models.labels import EMOTIONS
from mmer.models.networks.encoders import build_encoder
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.networks.encoders.head_table import HEADS, build_head
from mmer.models.networks.fusions import build_fusion
from mmer.models.networks.fusions.fusion import Fusion
from mmer.models.networks.multimodal import Branch, MultimodalNetwork
from mmer.training.multimodal.options import read_options
from mmer.training.multimodal.sources import Source, open_source
from mmer.training.recipes.recipe import Recipe

CLASSES: Final = len(EMOTIONS)


def build_encoders(recipe: Recipe) -> dict[str, Encoder]:
    """The encoder of each modality; weights that are not pretrained start alike in every run.

    Raises:
        MmerError: an option is unknown, or a file or package of an encoder is missing.
    """
    encoders = {}
    for modality, choice in read_options(recipe).encoders.items():
        where = f"recipe {recipe.name}: options.encoders.{modality}"
        torch.manual_seed(recipe.seed)
        encoders[modality] = build_encoder(choice.kind, choice.options, where)
        if choice.frozen:
            encoders[modality].freeze()
    return encoders


def open_fusion(recipe: Recipe) -> Fusion | None:
    """The recipe's fusion, untrained; None for a single modality."""
    options = read_options(recipe)
    if len(options.modalities) == 1:
        return None
    where = f"recipe {recipe.name}: options"
    return build_fusion(options.fusion, options.modalities, options.width, CLASSES, where)


def build_network(recipe: Recipe, encoders: Mapping[str, Encoder]) -> MultimodalNetwork:
    """Branches on the given encoders, and the fusion; frozen encoders' branches are ``kept``."""
    options = read_options(recipe)
    fusion = open_fusion(recipe)
    branches = {}
    for modality, encoder in encoders.items():
        choice = options.encoders[modality]
        head = build_head(choice.head, encoder.width, CLASSES, recipe.name)
        uses = fusion.uses if fusion else "logits"
        branches[modality] = Branch(encoder, head, options.width, uses)
        branches[modality].kept = choice.frozen
    return MultimodalNetwork(branches, fusion)


def sources_of(
    recipe: Recipe, cache: Path | None, encoders: Mapping[str, Encoder] | None = None
) -> dict[str, Source]:
    """The source of each modality's rows; ``cache`` is a folder for frozen encoders' outputs."""
    options = read_options(recipe)
    fusion = open_fusion(recipe)
    tokens = fusion is not None and fusion.uses == "tokens"
    return {
        m: open_source(m, e, options, tokens or HEADS[options.encoders[m].head].steps, cache)
        for m, e in (encoders or build_encoders(recipe)).items()
    }
