"""dlib's face-recognition ResNet, which the face network starts from."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.networks.shipped.dlib_resnet import DlibResNet

NAME: Final = (
    "dlib's face-recognition ResNet (public domain, by its author's statement; King 2017), its "
    "first stages, by the package face-recognition-models 0.3.0 (CC0)"
)
SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
FILE: Final = "dlib_face_recognition_resnet_model_v1.dat"
_LAYER: Final = re.compile(
    rb"\x01[\x04\x05\x07](con_4|affine_|fc_2)(?:\x01\x80\x02\x00\x01)?\x01\x02"
)
"""A layer's name with its length (and a product's sizes, 128 and 256), before its parameters: a
tensor of version 2."""


def model_file() -> Path:
    """dlib's file in the installed package, checked by sha256. The package is not imported.

    Raises:
        MmerError: it is not installed, or holds another file.
    """
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise MmerError(
            "the face network starts from dlib's: "
            "pip install --no-deps face-recognition-models==0.3.0"
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / FILE
    if not path.is_file() or sha256_of(path) != SHA256:
        raise MmerError(
            f"{path} is not dlib's face network as expected (sha256 {SHA256[:12]}...): "
            "pip install --no-deps face-recognition-models==0.3.0"
        )
    return path


def read_dlib(path: Path) -> list[tuple[str, NDArray[np.float32]]]:
    """Name and parameters, flat, of each layer that has any, from the input up.

    Of a serialized network, its convolutions ("con_4"), scales ("affine_") and products ("fc_2").

    Raises:
        MmerError: the file is damaged, or holds none.
    """
    content = path.read_bytes()
    layers, end = [], 0
    try:
        while found := _LAYER.search(content, end):
            shape, begin = [], found.end()
            for _ in range(4):
                size, begin = _integer(content, begin)
                shape.append(size)
            array = np.frombuffer(content, "<f4", int(np.prod(shape)), begin)
            end = begin + array.nbytes
            layers.append((found[1].decode().rstrip("_0123456789"), array))
    except (ValueError, IndexError) as error:
        raise MmerError(f"{path} is not a valid dlib file: {error}") from error
    if not layers:
        raise MmerError(f"{path} is not a valid dlib file: no layers in it")
    return layers


def _integer(content: bytes, begin: int) -> tuple[int, int]:
    """dlib's integer: how many bytes (and a bit for the sign), then they; and where it ends."""
    count = content[begin]
    if not 1 <= count <= 8:
        raise ValueError(f"an integer of {count} bytes")
    end = begin + 1 + count
    return int.from_bytes(content[begin + 1 : end], "little"), end


def fill(network: DlibResNet, path: Path) -> None:
    """Copy the pretrained weights into ``network``, its blocks from below.

    A convolution and the scale and shift of its channels become one convolution, and what is added
    is left to its normalisation, which divides by one; the colours of the first are summed.

    Raises:
        MmerError: the file is damaged, or of another network.
    """
    layers = read_dlib(path)
    parts: list[nn.Sequential] = [network.stem]
    for block in network.blocks:
        parts += [block.first, block.second]  # type: ignore[list-item]
    try:
        for k, part in enumerate(parts):
            (kind, filters), (scaling, scales) = layers[2 * k : 2 * k + 2]
            if (kind, scaling) != ("con", "affine"):
                raise ValueError(f"{kind} and {scaling} where con and affine were expected")
            ours, norm = part
            assert isinstance(ours, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            count, size = ours.out_channels, ours.kernel_size[0]
            colours = 3 if part is network.stem else ours.in_channels
            weight = filters[:-count].reshape(-1, colours, size, size)
            scale, shift = scales.reshape(2, count)
            if part is network.stem:
                weight = weight.sum(axis=1, keepdims=True)
            weight = weight * scale[:, None, None, None]
            ours.load_state_dict({"weight": torch.from_numpy(weight)})
            norm.reset_parameters()
            nn.init.constant_(norm.running_var, 1 - norm.eps)  # type: ignore[arg-type]
            norm.bias.data = torch.from_numpy(filters[-count:] * scale + shift)
    except (ValueError, RuntimeError) as error:
        raise MmerError(f"{path} does not fit the network: {error}") from error


@torch.no_grad()
def measure(network: DlibResNet, images: torch.Tensor) -> None:
    """Give every normalisation the statistics of ``images`` (B, 1, S, S), answers unchanged.

    dlib's file has none, and training would divide by those of each batch: its pretrained weights
    would be worth nothing.
    """

    def normalise(norm: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(gain * (mean - norm.running_mean))
        norm.weight.copy_(gain * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(normalise) for norm in norms]
    network(images)
    for hook in hooks:
        hook.remove()
