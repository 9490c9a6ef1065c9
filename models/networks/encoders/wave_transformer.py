"""Speech transformer encoder: wav2vec 2.0 and its relatives, of any hub name or local folder."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.hub import load
from mmer.models.networks.encoders.masking import first_steps
from mmer.models.networks.encoders.pooling import make_pooling
from mmer.models.networks.encoders.text_transformer import keep_layers
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.waveform import Waveform

FAMILY: Final = ("wav2vec2", "hubert", "wavlm")


class WaveTransformer(Encoder):
    """A transformer over samples: wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021),
    WavLM (Chen et al. 2022).

    In: samples float (B, T) at 16 kHz, mask float (B, T). Out: a step each 20 ms (B, T', hidden
    size) and their mean or an attention over them.

    Padding changes nothing, which is more than transformers itself claims of the base models: their
    first convolution is normalised over the time of the whole row, padding included. Here the
    normalisation looks at what is there alone. Masking for augmentation (SpecAugment) and dropping
    of layers are off: several processes train together only where each weight has its gradient.

    Args:
        model: a hub's name, or a folder with the model and its preprocessor_config.json.
        revision: of the hub's repository.
        pooling: "mean" or "attention".
        frozen: keep all weights as they are.
        frozen_features: keep those of the convolutions, as is usual in fine-tuning.
        layers: keep only the first so many transformer layers.
        longest_s: of a longer recording the end counts.
    """

    modality = "speech"

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        pooling: str = "mean",
        frozen: bool = False,
        frozen_features: bool = True,
        layers: int | None = None,
        longest_s: float = 10.0,
    ) -> None:
        super().__init__()
        hears = load("AutoFeatureExtractor", model, revision)
        if hears.sampling_rate != SAMPLE_RATE:
            raise MmerError(f"{model} takes {hears.sampling_rate} Hz; here sound has {SAMPLE_RATE}")
        self.transformer = load("AutoModel", model, revision)
        config = self.transformer.config
        if config.model_type not in FAMILY:
            raise MmerError(f"{model} is a {config.model_type}; known are {', '.join(FAMILY)}")
        config.layerdrop = 0.0
        if layers is not None:
            keep_layers(self.transformer.encoder, layers)
        # parts of the pre-training that have no say here
        self.transformer.masked_spec_embed = None
        self.transformer.adapter = None
        self._steps = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.preparation = Waveform(bool(hears.do_normalize), longest_s, _field(self._steps))
        self.width = int(config.hidden_size)
        self.pool = make_pooling(pooling, self.width)
        if frozen_features:
            self.transformer.feature_extractor.requires_grad_(False)
        if frozen:
            if pooling == "attention":
                raise MmerError("a frozen encoder has no attention pooling to learn: take mean")
            self.freeze()

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        samples, mask = arrays
        features, frames = self._convolve(samples * mask, mask.long().sum(dim=1, keepdim=True))
        projected = self.transformer.feature_projection(features)
        if isinstance(projected, tuple):  # HuBERT's is the projection alone
            projected = projected[0]
        # an empty row looks at its first step, lest attention has nothing to look at
        seen = (frames > 0) | (torch.arange(features.shape[1], device=mask.device) == 0)
        steps = self.transformer.encoder(
            projected * seen.unsqueeze(2), attention_mask=seen
        ).last_hidden_state
        steps = steps * frames.unsqueeze(2)
        return Encoded(steps, frames, self.pool(steps, frames))

    def _convolve(
        self, samples: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, T) of so many (B, 1) that are there to features (B, T', C), mask (B, T')."""
        x = samples.unsqueeze(1)
        layers = self.transformer.feature_extractor.conv_layers
        for layer, (kernel, stride) in zip(layers, self._steps, strict=True):
            x = layer.conv(x)
            lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                x = _normalise_over_time(x, norm, first_steps(lengths, x.shape[2]))
            elif norm is not None:
                x = norm(x.transpose(1, 2)).transpose(1, 2)
            x = layer.activation(x)
        return x.transpose(1, 2), first_steps(lengths, x.shape[2])


def _normalise_over_time(x: torch.Tensor, norm: nn.GroupNorm, mask: torch.Tensor) -> torch.Tensor:
    """``norm``, whose groups are the channels one by one, over the steps that are there."""
    there = mask.unsqueeze(1)  # (B, 1, T)
    count = there.sum(dim=2, keepdim=True).clamp(min=1)
    mean = (x * there).sum(dim=2, keepdim=True) / count
    centred = (x - mean) * there
    variance = centred.square().sum(dim=2, keepdim=True) / count
    scaled: torch.Tensor = centred * (variance + norm.eps).rsqrt()
    return scaled * norm.weight[:, None] + norm.bias[:, None]


def _field(steps: tuple[tuple[int, int], ...]) -> int:
    """How many samples one step of the convolutions sees."""
    return 1 + sum(
        (kernel - 1) * math.prod(stride for _, stride in steps[:i])
        for i, (kernel, _) in enumerate(steps)
    )
