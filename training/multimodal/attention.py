"""Attention maps of a trained network on a few evaluated items, for its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.networks.encoders.head_table import HEADS
from mmer.models.networks.encoders.pooling import FirstPooling
from mmer.models.networks.encoders.text_cnn import TextCNN
from mmer.models.networks.encoders.text_transformer import TextTransformer
from mmer.models.networks.fusions.cross_modal import CrossModal
from mmer.models.networks.fusions.fusion import Part
from mmer.models.networks.multimodal import Branch, MultimodalNetwork
from mmer.models.preparation.preparation import stack
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import seconds_of
from mmer.training.multimodal.task import MultimodalTask
from mmer.training.report.attention import Example

EXAMPLES: Final = 6


@torch.no_grad()
def examples_of(
    network: MultimodalNetwork, task: MultimodalTask, device: torch.device, most: int = EXAMPLES
) -> list[Example]:
    """At most ``most`` evaluated items, evenly spread over those with the most modalities.

    Token weights of a text: the pooling's attention; else the last layer's, mean of the heads, in
    the row of the first token where that is the summary, else the mean of all rows (attention is no
    explanation: Jain and Wallace 2019); of a text CNN, the share of filters with their largest
    value there. Frame weights of a video: the pooling's attention where the head uses it; frames
    are taken to be spread evenly. Of several modalities, the fusion's shares, and the attention
    maps of ``CrossModal``.
    """
    network.eval()
    items = task.parts.evaluated
    count = sum(rows.present.astype(int) for rows in task.sets["evaluated"].values())
    best = np.flatnonzero(count == np.max(count))
    chosen = np.unique(np.linspace(0, len(best) - 1, min(most, len(best))).round().astype(int))
    with _uncached(network):
        return [_example(network, task, items[int(best[k])], device) for k in chosen]


@contextmanager
def _uncached(network: MultimodalNetwork) -> Iterator[None]:
    """Run frozen encoders, whose cached outputs may lack the steps."""
    branches = [branch for branch in network.branches.values() if isinstance(branch, Branch)]
    before = [branch.kept for branch in branches]
    for branch in branches:
        branch.kept = False
    try:
        yield
    finally:
        for branch, was in zip(branches, before, strict=True):
            branch.kept = was


def _example(
    network: MultimodalNetwork, task: MultimodalTask, item: Item, device: torch.device
) -> Example:
    found: dict[str, Any] = {}
    parts: list[Part] = []
    for m, source in task.sources.items():
        branch = network.branches[m]
        assert isinstance(branch, Branch)
        row = source.prepare(item)
        if row is None:
            parts.append(_absent(task.options.width, device))
            continue
        arrays = [torch.from_numpy(array).to(device) for array in stack([row])]
        pooled = not HEADS[source.choice.head].steps
        if m == "text":
            found |= _token_weights(branch.encoder, arrays, pooled)
        elif m == "face" and pooled:
            found |= _frame_weights(branch.encoder, arrays, item)
        parts.append(branch(*arrays))
    logits = parts[0].logits
    if network.fusion is not None:
        present = torch.stack([part.mask.amax(dim=1) for part in parts], dim=1)
        fused = network.fusion(parts, present)
        logits = fused.logits
        found["shares"] = dict(zip(task.sources, fused.shares[0].tolist(), strict=True))
        if isinstance(network.fusion, CrossModal):
            maps = network.fusion.attention(parts, present)
            found["maps"] = {names: m[0].cpu().numpy() for names, m in maps.items() if m.any()}
    predicted = EMOTIONS[int(logits[0].argmax())]
    return Example(f"{item.key}: {EMOTIONS[item.label]}, predicted {predicted}", **found)


def _absent(width: int, device: torch.device) -> Part:
    """The part of a modality that an item lacks."""
    row = torch.zeros(1, width, device=device)
    logits = torch.zeros(1, len(EMOTIONS), device=device)
    return Part(logits, row, row.unsqueeze(1), torch.zeros(1, 1, device=device))


def _token_weights(
    encoder: Encoder, arrays: Sequence[torch.Tensor], pooled: bool
) -> dict[str, Any]:
    """Tokens as text and their weights; empty where the encoder has none."""
    pool: Any = getattr(encoder, "pool", None)
    if pooled and hasattr(pool, "weights"):
        tokens, mask, _ = encoder(*arrays)
        weights = pool.weights(tokens, mask)[0]
    elif isinstance(encoder, TextTransformer):
        with _last_attention(encoder.transformer) as attended:
            encoder(*arrays)
        if not attended:  # it has none, or does not return it
            return {}
        heads = attended[0][0].mean(dim=0)
        weights = heads[0] if pooled and isinstance(pool, FirstPooling) else heads.mean(dim=0)
    elif isinstance(encoder, TextCNN) and pooled:
        values = encoder(*arrays).tokens[0]  # shape (T, filters), 0 or more
        largest = nn.functional.one_hot(values.argmax(dim=0), len(values))
        largest = largest[values.amax(dim=0) > 0]
        weights = largest.sum(dim=0) / max(1, len(largest))
    else:
        return {}
    names = encoder.preparation.names_of(arrays[0][0].tolist())  # type: ignore[attr-defined]
    return {"words": names, "token_weights": weights.cpu().numpy()}


@contextmanager
def _last_attention(transformer: Any) -> Iterator[list[torch.Tensor]]:
    """A list for the last layer's attention, (B, heads, T, T), in the forward pass within."""
    attended: list[torch.Tensor] = []

    def keep(module: nn.Module, given: Any, out: Any) -> None:
        if attentions := getattr(out, "attentions", None):
            attended.append(attentions[-1])

    config = transformer.config
    how, before = config._attn_implementation, config.output_attentions
    transformer.set_attn_implementation("eager")  # the others return none
    config.output_attentions = True
    hook = transformer.register_forward_hook(keep)
    try:
        yield attended
    finally:
        hook.remove()
        config.output_attentions = before
        transformer.set_attn_implementation(how)


def _frame_weights(encoder: Encoder, arrays: Sequence[torch.Tensor], item: Item) -> dict[str, Any]:
    """Times and weights of the frames; empty without attention pooling, or without a video."""
    pool: Any = getattr(encoder, "pool", None)
    if not hasattr(pool, "weights") or item.path is None or not item.path.is_file():
        return {}
    tokens, mask, _ = encoder(*arrays)
    weights = pool.weights(tokens, mask)[0].cpu().numpy()
    start, end = seconds_of(item)
    middles = (np.arange(len(weights)) + 0.5) / len(weights)
    return {"frame_times_s": start + middles * (end - start), "frame_weights": weights}
