"""ViT and BiLSTM encoder over images in order, with attention pooling."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.masking import per_image
from mmer.models.networks.encoders.pooling import MultiHeadPooling
from mmer.models.networks.encoders.recurrent import MaskedLSTM
from mmer.models.networks.encoders.vit import open_vit


class VitBiLSTM(Encoder):
    """ViT (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words") over uniformly sampled
    images, its class token of each to a BiLSTM (Graves and Schmidhuber 2005), pooled by
    multi-head attention.

    In: images float (B, T, 3, S, S), mask float (B, T); S is the ViT's. Out: a step an image
    (B, T, 2 ``hidden``) and their summary (B, 2 ``hidden``). ``pool.weights(tokens, mask)`` tells
    how much each image counted.

    Args:
        model: a hub's name, or a folder with the model and its preprocessor_config.json.
        revision: of the hub's repository.
        sees: "frames" (whole images) or "faces" (crops aligned by the eyes).
        count: images a clip.
        hidden: width of the LSTM, each way.
        heads: of the pooling.
        dropout: of what goes into the LSTM.
        frozen_vit: keep the ViT's weights as they are.
        layers: keep only the ViT's first so many layers.
    """

    modality = "face"

    def __init__(
        self,
        model: str = "google/vit-base-patch16-224",
        revision: str | None = None,
        sees: str = "frames",
        count: int = 8,
        hidden: int = 256,
        heads: int = 4,
        dropout: float = 0.2,
        frozen_vit: bool = False,
        layers: int | None = None,
    ) -> None:
        super().__init__()
        self.sees = sees
        self.vit, self.preparation = open_vit(model, revision, sees, count, layers)
        self.drop = nn.Dropout(dropout)
        self.lstm = MaskedLSTM(self.vit.width, hidden, bidirectional=True)
        self.width = self.lstm.width
        self.pool = MultiHeadPooling(self.width, heads)
        self._frozen_vit = frozen_vit
        if frozen_vit:
            self.vit.requires_grad_(False)
            self.vit.eval()

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        images, mask = arrays
        seen = per_image(self.vit, images, mask, self.vit.width)
        steps, _ = self.lstm(self.drop(seen), mask)
        return Encoded(steps, mask, self.pool(steps, mask))

    def train(self, mode: bool = True) -> VitBiLSTM:
        """As ``Encoder.train``; a frozen ViT stays in evaluation mode."""
        super().train(mode)
        if self._frozen_vit:
            self.vit.eval()
        return self
