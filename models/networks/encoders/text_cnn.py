"""Text CNN encoder: parallel convolutions over token embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.hub import load
from mmer.models.networks.encoders.masking import MaskedBatchNorm
from mmer.models.networks.encoders.text_transformer import prepare_text


class TextCNN(Encoder):
    """Parallel convolutions, each of another length, over the embeddings of tokens.

    Kim 2014, "Convolutional Neural Networks for Sentence Classification", with batch normalisation.
    In: tokens int64 (B, T), mask float (B, T). Out: for each token the filters' outputs around it,
    (B, T, len(kernels) filters), and the largest of each over time, with dropout.

    Args:
        model: a hub's name or a folder: its fast tokenizer, and its table of embeddings.
        revision: of the hub's repository.
        embeddings: "pretrained" (the model's table) or "scratch" (the tokenizer alone is used).
        width: of an embedding from scratch.
        static: keep the pretrained table as it is.
        filters: of each length.
        kernels: lengths in tokens.
        dropout: of the pooled.
        max_tokens: of the utterance and what was said before, special ones included.
        past: how many of the utterances before are input too.
    """

    modality = "text"

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        embeddings: str = "pretrained",
        width: int = 128,
        static: bool = False,
        filters: int = 100,
        kernels: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
        max_tokens: int = 128,
        past: int = 0,
    ) -> None:
        super().__init__()
        tokenizer = load("AutoTokenizer", model, revision)
        self.preparation = prepare_text(tokenizer, model, max_tokens, past)
        if embeddings == "pretrained":
            table = load("AutoModel", model, revision).get_input_embeddings()
            self.words = nn.Embedding(*table.weight.shape)
            self.words.load_state_dict({"weight": table.weight})
            self.words.requires_grad_(not static)
        elif embeddings == "scratch":
            self.words = nn.Embedding(len(tokenizer), width)
        else:
            raise MmerError(f"no embeddings {embeddings!r}; known are pretrained, scratch")
        inputs = self.words.embedding_dim
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0),
                nn.Conv1d(inputs, filters, kernel, bias=False),
            )
            for kernel in kernels
        )
        self.width = filters * len(kernels)
        self.norm = MaskedBatchNorm(self.width)
        self.drop = nn.Dropout(dropout)

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        tokens, mask = arrays
        x = (self.words(tokens) * mask.unsqueeze(2)).transpose(1, 2)  # (B, width, T)
        found = torch.cat([convolution(x) for convolution in self.convolutions], dim=1)
        found = torch.relu(self.norm(found, mask.unsqueeze(1)))  # 0 where padding is
        return Encoded(found.transpose(1, 2), mask, self.drop(found.amax(dim=2)))
