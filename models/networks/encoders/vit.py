"""Vision transformer (ViT) encoder over images, one by one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder, masked_mean
from mmer.models.networks.encoders.hub import load
from mmer.models.networks.encoders.masking import per_image
from mmer.models.preparation.frames import Colours, Images, images_of


class Vit(Encoder):
    """ViT (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words"), its class token of each
    uniformly sampled image, and their mean.

    In: images float (B, T, 3, S, S), mask float (B, T); S is the ViT's. Out: a step an image
    (B, T, hidden size). Frozen and with a recurrent head it is ``VitBiLSTM`` whose images are
    looked at once.

    Args:
        model: a hub's name, or a folder with the model and its preprocessor_config.json.
        revision: of the hub's repository.
        sees: "frames" (whole images) or "faces" (crops aligned by the eyes).
        count: images a clip.
        layers: keep only the first so many layers.
        frozen: keep all weights as they are.
    """

    modality = "face"

    def __init__(
        self,
        model: str = "google/vit-base-patch16-224",
        revision: str | None = None,
        sees: str = "frames",
        count: int = 8,
        layers: int | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.sees = sees
        self.vit, self.preparation = open_vit(model, revision, sees, count, layers)
        self.width = self.vit.width
        if frozen:
            self.freeze()

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        images, mask = arrays
        steps = per_image(self.vit, images, mask, self.width)
        return Encoded(steps, mask, masked_mean(steps, mask))


class ClassToken(nn.Module):
    """A ViT as (N, 3, S, S) to what its class token has gathered, (N, ``width``)."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        vit.pooler = None  # part of a classifier, and not in every checkpoint
        self.body = vit
        self.width = int(vit.config.hidden_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        token: torch.Tensor = self.body(pixel_values=images).last_hidden_state[:, 0]
        return token


def open_vit(
    model: str, revision: str | None, sees: str, count: int, layers: int | None
) -> tuple[ClassToken, Images]:
    """A ViT of a hub or a folder, and what prepares its images; see ``Vit``.

    Raises:
        MmerError: it cannot be had, is not a ViT of square images, or a value is wrong.
    """
    processor = load("AutoImageProcessor", model, revision)
    vit = load("AutoModel", model, revision)
    config = vit.config
    if config.model_type != "vit":
        raise MmerError(f"{model} is a {config.model_type}; a vit is needed")
    if not isinstance(config.image_size, int):
        raise MmerError(f"{model} sees images of {config.image_size}; squares are needed")
    if layers is not None:
        if not 1 <= layers <= len(vit.layers):
            raise MmerError(f"layers is {layers}; {model} has 1 to {len(vit.layers)}")
        vit.layers = vit.layers[:layers]
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if processor.do_normalize:
        mean, std = _colours(processor.image_mean), _colours(processor.image_std)
    return ClassToken(vit), images_of(sees, count, config.image_size, mean, std)


def _colours(values: Any) -> Colours:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
