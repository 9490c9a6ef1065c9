"""Multimodal network: an encoder and head a modality, and their fusion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.heads import Head
from mmer.models.networks.fusions.fusion import Fusion, Part


class Branch(nn.Module):
    """One modality: an encoder, and the head that makes a ``Part`` of its output.

    ``uses`` is what the fusion inputs ("logits", "embedding" or "tokens"), which is brought to
    ``width`` where it is not so wide; "logits" where there is no fusion.

    ``kept``: it inputs the cached output of its frozen encoder, float (B, 1 + T,
    encoder.width) with the summary as the first step, and the mask, in place of its own inputs.
    """

    def __init__(self, encoder: Encoder, head: Head, width: int, uses: str) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.uses = uses
        own = {"embedding": head.width, "tokens": encoder.width}.get(uses, width)
        self.project = nn.Linear(own, width) if own != width else nn.Identity()
        self.kept = False

    @property
    def inputs(self) -> int:
        """How many arrays it takes, the mask included."""
        return 2 if self.kept else len(self.encoder.preparation.names) + 1

    def forward(self, *arrays: torch.Tensor) -> Part:
        """See the class; otherwise the arrays of the encoder's preparation, and the mask."""
        if self.kept:
            steps, mask = arrays
            encoded = Encoded(steps[:, 1:], mask[:, 1:], steps[:, 0])
        else:
            encoded = self.encoder(*arrays)
        logits, embedding = self.head(encoded)
        if self.uses == "tokens":
            return Part(logits, embedding, self.project(encoded.tokens), encoded.mask)
        if self.uses == "embedding":
            embedding = self.project(embedding)
        return Part(logits, embedding, embedding.unsqueeze(1), torch.ones_like(embedding[:, :1]))


class MultimodalNetwork(nn.Module):
    """Branches by modality, in one order, and their fusion; a single branch needs none.

    Inputs the arrays of each branch one after another and, where there is a fusion, ``present``
    float (B, modalities). Gives logits (B, classes) and, with a fusion, each modality's share in
    them (B, modalities), else the embedding (B, width). In training the logits of each branch,
    (modalities, B, classes), come third.
    """

    def __init__(self, branches: Mapping[str, Branch], fusion: Fusion | None) -> None:
        super().__init__()
        if fusion is None and len(branches) != 1:
            raise ValueError("several modalities need a fusion")
        self.branches = nn.ModuleDict(branches)
        self.fusion = fusion

    def parts(self, *arrays: torch.Tensor) -> list[Part]:
        """Each branch's part, in the order of the branches."""
        parts, start = [], 0
        for branch in self.branches.values():
            assert isinstance(branch, Branch)
            parts.append(branch(*arrays[start : start + branch.inputs]))
            start += branch.inputs
        return parts

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = self.parts(*arrays)
        if self.fusion is None:
            out = (parts[0].logits, parts[0].embedding)
        else:
            out = tuple(self.fusion(parts, arrays[-1]))
        return (*out, torch.stack([part.logits for part in parts])) if self.training else out
