"""Feature cache: outputs of frozen encoders, one file an item, in a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.seen import file_digest
from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoder
from mmer.training.datasets.item import Item
from mmer.training.storage import make_folder


def encoder_key(kind: str, options: Mapping[str, Any], encoder: Encoder, steps: bool) -> str:
    """Cache key of an encoder: name, options, weights and preparation."""
    digest = hashlib.sha256(
        json.dumps(
            [kind, dict(options), encoder.preparation.settings(), steps],
            sort_keys=True,
            default=str,
        ).encode()
    )
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return f"{kind}-{digest.hexdigest()[:16]}"


def preparation_key(encoder: Encoder) -> str:
    """Cache key of an encoder's inputs."""
    settings = encoder.preparation.settings()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{settings['kind']}-{digest[:16]}"


PREPARED: Final = 2
"""Version of the preparation of items: 2, sound without silence at its ends."""


def item_key(item: Item, words: str) -> str:
    """Cache key of an item: the bytes of its file, the part of it, its text and past.

    Raises:
        MmerError: its file cannot be read.
    """
    content = item.pixels.tobytes().hex() if item.pixels is not None else ""
    try:
        file = f"{file_digest(item.path):016x}" if item.path is not None else ""
    except OSError as error:
        raise MmerError(f"{item.path} cannot be read: {error.strerror or error}") from error
    text = [item.text, item.past]
    whole = json.dumps([PREPARED, file, item.start_s, item.end_s, text, words, content])
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


class FeatureCache:
    """Arrays (steps, width) by item key, one file each, so that runs may share it.

    An item without the modality is cached as an empty array. A file is written whole or not at
    all: an interrupted run goes on where it stopped, and several may fill one cache.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = make_folder(folder / key)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> NDArray[Any] | None:
        """The cached array; None where it is not cached, or its file is damaged."""
        try:
            found = np.load(self._path(key), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return np.asarray(found)

    def put(self, key: str, values: NDArray[Any]) -> None:
        """Cache an array.

        Raises:
            MmerError: the folder cannot be written to.
        """
        path = self._path(key)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            path.parent.mkdir(exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, values)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise MmerError(f"cannot write {path}: {error.strerror}") from error
