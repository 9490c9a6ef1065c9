"""Network inputs from a file of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmer.models.engine.precision import Inputs
from mmer.models.errors import MmerError, described


def from_file(path: Path, names: Sequence[str]) -> list[Inputs]:
    """Inputs from an .npz file that holds, of each input and number N, one array NAME.N.

    Raises:
        MmerError: it cannot be read, or an array is missing.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen types; all mean this
        raise MmerError(f"cannot read the inputs {path}: {described(error)}") from error
    count = len(arrays) // len(names)
    expected = {f"{name}.{i}" for name in names for i in range(count)}
    if not count or set(arrays) != expected:
        raise MmerError(
            f"{path}: expected arrays {', '.join(f'{n}.0, {n}.1' for n in names)} and so on, got "
            f"{', '.join(sorted(arrays)[:4])}"
        )
    return [{name: arrays[f"{name}.{i}"] for name in names} for i in range(count)]
