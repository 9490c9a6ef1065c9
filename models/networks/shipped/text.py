"""Text network: tokens of a dialogue to a BERT transformer, utterance by utterance."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.labels import EMOTIONS

PAD = 0
"""The token, and the turn, that fills up a batch's shorter rows."""

_FAR = -1e4
"""Added to the attention that must not be."""

EVENED = ("attend", "widen")
"""The linear layers whose input has a few channels much larger than the others."""


class Layer(nn.Module):
    """One transformer layer, normalised after each half (Devlin et al. 2019)."""

    attend_scale: torch.Tensor
    widen_scale: torch.Tensor

    def __init__(self, width: int, heads: int, wide: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attend = nn.Linear(width, 3 * width)  # query, key, value
        self.attended = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.widen = nn.Linear(width, wide)
        self.narrow = nn.Linear(wide, width)
        self.last_norm = nn.LayerNorm(width, eps=1e-12)
        self.drop = nn.Dropout(dropout)
        for name in EVENED:
            self.register_buffer(f"{name}_scale", torch.ones(width), persistent=False)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Tokens (B, T, width); ``bias`` (B, 1, T, T) keeps tokens (rows) from looking at some."""
        b, t, width = x.shape
        q, k, v = (
            part.reshape(b, t, self.heads, width // self.heads).transpose(1, 2)
            for part in self.attend(x * self.attend_scale).split(width, dim=2)
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        seen = seen.transpose(1, 2).reshape(b, t, width)
        x = self.norm(x + self.drop(self.attended(seen)))
        inner = F.gelu(self.widen(x * self.widen_scale))
        return self.last_norm(x + self.drop(self.narrow(inner)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def even_out(self, name: str, largest: torch.Tensor) -> None:
        """Scale down what enters a layer of ``EVENED`` where it is large, and its weights up.

        The answers stay; 8 bits hold them better (SmoothQuant, Xiao et al. 2023). ``largest``
        (width,): the largest absolute value of each channel.
        """
        linear, scale = getattr(self, name), getattr(self, f"{name}_scale")
        weights = linear.weight.abs().amax(dim=0)
        by = (largest / weights.clamp(min=1e-6)).sqrt().clamp(min=1e-3)
        scale /= by
        linear.weight *= by


class TextNetwork(nn.Module):
    """Word pieces of a stretch of dialogue in; logits and an embedding of its last utterance out.

    ``turns`` numbers the utterances 1, 2, ... in the order they were said. A token sees its own
    utterance and those before, never a later one, so that one pass over a dialogue teaches all
    its utterances, each with just the past it had. Each training corpus has a head of its own,
    since what one calls joy another calls neutral; without ``corpus`` the first head answers.
    """

    def __init__(
        self,
        vocabulary: int,
        positions: int,
        layers: int,
        width: int = 384,
        attention_heads: int = 12,
        wide: int = 1536,
        embedding: int = 128,
        dropout: float = 0.1,
        heads: int = 1,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(
            Layer(width, attention_heads, wide, dropout) for _ in range(layers)
        )
        self.drop = nn.Dropout(dropout)
        self.project = nn.Sequential(
            nn.Dropout(2 * dropout), nn.Linear(width, embedding), nn.Tanh(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(embedding, heads * len(EMOTIONS))

    def forward(
        self,
        tokens: torch.Tensor,
        turns: torch.Tensor,
        rows: torch.Tensor | None = None,
        asked: torch.Tensor | None = None,
        corpus: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and turns int64 (B, T); (B, 7) and (B, embedding) of each row's last turn.

        In training, ``rows``, ``asked`` and ``corpus`` int64 (M,) ask for utterances by row and
        turn, as the corpus sees them: (M, 7) and (M, embedding).
        """
        place = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.drop(self.norm(self.words(tokens) + self.positions(place)))
        # later utterances, and padding; padding itself may look at padding, lest it see nothing
        barred = (turns.unsqueeze(1) > turns.unsqueeze(2)) | (
            (turns == PAD).unsqueeze(1) & (turns != PAD).unsqueeze(2)
        )
        bias = torch.where(barred, _FAR, 0.0).to(x.dtype).unsqueeze(1)  # (B, 1, T, T)
        for layer in self.layers:
            x = layer(x, bias)
        if rows is not None and asked is not None:
            x, turns = x[rows], turns[rows]
        else:
            asked = turns.amax(dim=1)
        own = (turns == asked.unsqueeze(1)).to(x.dtype).unsqueeze(2)  # (M, T, 1)
        embedding = self.project((x * own).sum(dim=1) / own.sum(dim=1))
        logits = self.head(embedding)
        classes = len(EMOTIONS)
        if corpus is None:
            return logits[:, :classes], embedding
        each = torch.arange(len(logits), device=logits.device)
        return logits.reshape(len(logits), -1, classes)[each, corpus], embedding

    @torch.no_grad()
    def largest_inputs(
        self, batches: Iterable[tuple[torch.Tensor, ...]]
    ) -> list[tuple[Layer, str, torch.Tensor]]:
        """What enters the layers of ``EVENED``, largest absolute value by channel (width,).

        Batches are tokens and turns, int64 (B, T).
        """
        found: dict[tuple[int, str], torch.Tensor] = {}

        def look(key: tuple[int, str], x: torch.Tensor) -> None:
            largest = x.abs().flatten(0, -2).amax(dim=0)
            found[key] = torch.maximum(found.get(key, largest), largest)

        hooks = [
            getattr(layer, name).register_forward_pre_hook(
                lambda _, inputs, key=(number, name): look(key, inputs[0])
            )
            for number, layer in enumerate(self.layers)
            for name in EVENED
        ]
        for tokens, turns in batches:
            self(tokens, turns)
        for hook in hooks:
            hook.remove()
        return [(self.layers[k], name, largest) for (k, name), largest in found.items()]  # type: ignore[misc]
