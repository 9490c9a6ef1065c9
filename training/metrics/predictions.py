"""Predictions of every evaluated item: the file that comparisons and reports read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.storage import read_npz, write_npz

FILE: Final = "predictions.npz"
"""File name in the folder of a run."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """N evaluated items, N at least 1.

    Raises:
        MmerError: shapes or values are not these.
    """

    ids: NDArray[np.str_]
    """(N,), each once: "corpus/split/key", the same for every model (see ``Item.id``)."""
    groups: NDArray[np.str_]
    """(N,): the speaker or dialogue, as in ``Item``; the id where neither is known."""
    labels: NDArray[np.int64]
    """(N,): indices into EMOTIONS."""
    log_probs: NDArray[np.float64]
    """(N, 7), normalised."""
    fold: NDArray[np.int64]
    """(N,): from 0 on, the fold of a cross-validation in which the item was held out; else -1."""
    what: str
    """The model and the data, in a few words."""

    def __post_init__(self) -> None:
        n, classes = len(self.labels), len(EMOTIONS)
        for name in ("ids", "groups", "labels", "fold"):
            if (shape := getattr(self, name).shape) != (n,):
                raise MmerError(f"{name} has the shape {shape}, expected ({n},)")
        if self.log_probs.shape != (n, classes) or n == 0:
            raise MmerError(
                f"log_probs has the shape {self.log_probs.shape}, expected ({max(n, 1)}, {classes})"
            )
        if len(set(self.ids.tolist())) < n:
            raise MmerError("an item occurs twice")
        if not ((self.labels >= 0) & (self.labels < classes)).all():
            raise MmerError(f"a label is not 0 to {classes - 1}")
        if not np.allclose(np.exp(self.log_probs).sum(axis=1), 1, atol=1e-3):
            raise MmerError("log_probs are not logarithms of probabilities")

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, rows: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> Predictions:
        """Some of the items, in the order of ``rows``."""
        picked = np.asarray(rows)
        return replace(self, **{name: getattr(self, name)[picked] for name in _ARRAYS})

    def save(self, path: Path) -> None:
        """Write an npz file, without pickles.

        Raises:
            MmerError: it cannot be written.
        """
        write_npz(path, {f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what ``save`` wrote; a folder stands for its predictions.npz.

        Raises:
            MmerError: there is no such file, or it holds something else.
        """
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise MmerError(
                f"no predictions at {file}: mmer-train leaves them in the folder of a run, and "
                "mmer-evaluate --predictions FILE writes them"
            )
        otherwise = f"{file} is not a file of predictions: write it anew"
        stored = read_npz(file, otherwise)
        try:
            return cls(
                ids=stored["ids"].astype(np.str_),
                groups=stored["groups"].astype(np.str_),
                labels=stored["labels"].astype(np.int64),
                log_probs=stored["log_probs"].astype(np.float64),
                fold=stored["fold"].astype(np.int64),
                what=str(stored["what"]),
            )
        except KeyError as error:
            raise MmerError(f"{file} is not a file of predictions: it lacks {error}") from error
        except (ValueError, TypeError) as error:
            raise MmerError(otherwise) from error
        except MmerError as error:
            raise MmerError(f"{file} is not valid: {error}; write it anew") from error


_ARRAYS: Final = tuple(f.name for f in fields(Predictions) if f.name != "what")
