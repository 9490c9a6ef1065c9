"""Data folder: the folder of the corpora."""

from __future__ import annotations

import os
from pathlib import Path

from mmer.models.errors import MmerError


def data_dir(given: Path | None) -> Path:
    """The folder of the corpora: the given one, else that of ``MMER_DATA``.

    Raises:
        MmerError: neither is set, or there is no such folder.
    """
    named = given or (Path(os.environ["MMER_DATA"]) if os.environ.get("MMER_DATA") else None)
    if named is None:
        raise MmerError("no data folder: give --data DIR or set MMER_DATA")
    if not named.is_dir():
        raise MmerError(f"the data folder {named} does not exist")
    return named


def need(path: Path) -> Path:
    """The path, checked to exist.

    Raises:
        MmerError: it is missing.
    """
    if not path.exists():
        raise MmerError(f"{path} is missing: is this the data folder that training expects?")
    return path
