"""What a trained network looked at in a few judged items: the attention maps of its report."""

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
    """At most ``most`` judged items, evenly spread over those that have the most modalities.

    Of a text, how much each token counted: in the pooling's attention; else in the last layer's,
    mean of the heads, as the first token sees it where that is the summary, else mean of all tokens
    (what attention shows is no proof of what decided: Jain and Wallace 2019); of a text CNN, the
    share of filters whose largest value is there. Of a video's pictures, the pooling's attention
    where there is one that the head looks at; pictures of faces are taken to be spread evenly. Of
    several modalities, the fusion's shares, and of ``CrossModal`` who looked at whom.
    """
    network.eval()
    items = task.parts.judged
    count = sum(rows.there.astype(int) for rows in task.sets["judged"].values())
    best = np.flatnonzero(count == np.max(count))
    chosen = np.unique(np.linspace(0, len(best) - 1, min(most, len(best))).round().astype(int))
    with _encoders_in_place(network):
        return [_example(network, task, items[int(best[k])], device) for k in chosen]


@contextmanager
def _encoders_in_place(network: MultimodalNetwork) -> Iterator[None]:
    """Frozen encoders are asked anew: of what is kept of them there may be no steps."""
    branches = [branch for branch in network.branches.values() if isinstance(branch, Branch)]
    kept = [branch.kept for branch in branches]
    for branch in branches:
        branch.kept = False
    try:
        yield
    finally:
        for branch, was in zip(branches, kept, strict=True):
            branch.kept = was


def _example(
    network: MultimodalNetwork, task: MultimodalTask, item: Item, device: torch.device
) -> Example:
    told: dict[str, Any] = {}
    parts: list[Part] = []
    for m, source in task.sources.items():
        branch = network.branches[m]
        assert isinstance(branch, Branch)
        row = source.prepare(item)
        if row is None:
            parts.append(_nothing(task.options.width, device))
            continue
        arrays = [torch.from_numpy(array).to(device) for array in stack([row])]
        pooled = not HEADS[source.choice.head].steps
        if m == "text":
            told |= _words(branch.encoder, arrays, pooled)
        elif m == "face" and pooled:
            told |= _pictures(branch.encoder, arrays, item)
        parts.append(branch(*arrays))
    logits = parts[0].logits
    if network.fusion is not None:
        present = torch.stack([part.mask.amax(dim=1) for part in parts], dim=1)
        fused = network.fusion(parts, present)
        logits = fused.logits
        told["shares"] = dict(zip(task.sources, fused.shares[0].tolist(), strict=True))
        if isinstance(network.fusion, CrossModal):
            maps = network.fusion.attention(parts, present)
            told["maps"] = {names: m[0].cpu().numpy() for names, m in maps.items() if m.any()}
    judged = EMOTIONS[int(logits[0].argmax())]
    return Example(f"{item.key}: {EMOTIONS[item.label]}, judged {judged}", **told)


def _nothing(width: int, device: torch.device) -> Part:
    """A modality that an item has not."""
    row = torch.zeros(1, width, device=device)
    logits = torch.zeros(1, len(EMOTIONS), device=device)
    return Part(logits, row, row.unsqueeze(1), torch.zeros(1, 1, device=device))


def _words(encoder: Encoder, arrays: Sequence[torch.Tensor], pooled: bool) -> dict[str, Any]:
    """Tokens as text and how much each counted; empty where nothing tells."""
    pool: Any = getattr(encoder, "pool", None)
    if pooled and hasattr(pool, "weights"):
        tokens, mask, _ = encoder(*arrays)
        weights = pool.weights(tokens, mask)[0]
    elif isinstance(encoder, TextTransformer):
        with _last_attention(encoder.transformer) as seen:
            encoder(*arrays)
        if not seen:  # it has none, or does not tell
            return {}
        heads = seen[0][0].mean(dim=0)
        weights = heads[0] if pooled and isinstance(pool, FirstPooling) else heads.mean(dim=0)
    elif isinstance(encoder, TextCNN) and pooled:
        found = encoder(*arrays).tokens[0]  # shape (T, filters), 0 or more
        there = nn.functional.one_hot(found.argmax(dim=0), len(found))[found.amax(dim=0) > 0]
        weights = there.sum(dim=0) / max(1, len(there))
    else:
        return {}
    names = encoder.preparation.names_of(arrays[0][0].tolist())  # type: ignore[attr-defined]
    return {"words": names, "token_weights": weights.cpu().numpy()}


@contextmanager
def _last_attention(transformer: Any) -> Iterator[list[torch.Tensor]]:
    """In a list what the last layer attends to, (B, heads, T, T), of the forward pass within."""
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, given: Any, out: Any) -> None:
        if attentions := getattr(out, "attentions", None):
            seen.append(attentions[-1])

    config = transformer.config
    how, told = config._attn_implementation, config.output_attentions
    transformer.set_attn_implementation("eager")  # the others do not tell
    config.output_attentions = True
    hook = transformer.register_forward_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()
        config.output_attentions = told
        transformer.set_attn_implementation(how)


def _pictures(encoder: Encoder, arrays: Sequence[torch.Tensor], item: Item) -> dict[str, Any]:
    """When each picture was, and how much it counted; empty where no pooling tells, or no video."""
    pool: Any = getattr(encoder, "pool", None)
    if not hasattr(pool, "weights") or item.path is None or not item.path.is_file():
        return {}
    tokens, mask, _ = encoder(*arrays)
    weights = pool.weights(tokens, mask)[0].cpu().numpy()
    start, end = seconds_of(item)
    middles = (np.arange(len(weights)) + 0.5) / len(weights)
    return {"frame_times_s": start + middles * (end - start), "frame_weights": weights}
