"""Training-set fingerprint of a model, by which an evaluation detects leaks."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError, brief
from mmer.models.files import check_regular

LARGEST: Final = 1_000_000_000
"""Bytes that the archive may unpack to."""
_NO_ARCHIVE: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def _none() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


def digest64(content: bytes) -> int:
    """The first 8 bytes of the SHA-256, big-endian."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def file_digest(path: Path) -> int:
    """``digest64`` of a file's bytes."""
    return int(sha256_of(path)[:16], 16)


def as_keys(values: Iterable[int]) -> NDArray[np.uint64]:
    """Digests, sorted and each once."""
    return np.unique(np.fromiter(values, np.uint64))


@dataclass(frozen=True, eq=False)
class Seen:
    """NAME.seen.npz beside a card.

    ``groups``: speakers, dialogues or files that must not be on both sides, keyed by
    corpus, and by split where the corpus' ids restart: "ravdess/12" (a speaker), "meld/train/309"
    (a dialogue).
    ``files``: ``file_digest`` of each recording or image file, uint64, sorted.
    ``texts``: ``digest64`` of each normalised text; ``images``: perceptual hash of each image.
    """

    groups: frozenset[str]
    files: NDArray[np.uint64] = field(default_factory=_none)
    texts: NDArray[np.uint64] = field(default_factory=_none)
    images: NDArray[np.uint64] = field(default_factory=_none)

    def save(self, path: Path) -> None:
        """Write the archive."""
        np.savez_compressed(
            path,
            groups=np.array(sorted(self.groups), dtype=np.str_),
            files=self.files,
            texts=self.texts,
            images=self.images,
        )

    @classmethod
    def load(cls, path: Path) -> Seen:
        """Read the archive.

        Raises:
            MmerError: it is missing or not valid.
        """
        try:
            check_regular(path)
            with zipfile.ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size > LARGEST:
                raise ValueError(f"it unpacks to {size / 1e6:.0f} MB")
            with np.load(path, allow_pickle=False) as data:
                groups = frozenset(str(g) for g in data["groups"])
                return cls(
                    groups, *(data[k].astype(np.uint64) for k in ("files", "texts", "images"))
                )
        except (
            MmerError,
            OSError,
            ValueError,
            KeyError,
            EOFError,
            TypeError,
            *_NO_ARCHIVE,
        ) as error:
            raise MmerError(
                f"cannot read what the model was trained on, {path}: {brief(str(error))}"
            ) from error
