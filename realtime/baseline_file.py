"""Baseline file: one person's offsets of voice and face, by the networks they were measured with.

JSON, version 1; no sound, picture or word::

    {"v": 1, "type": "baseline", "networks": {"speech": sha256, "face": sha256},
     "speech": {"offset": [7 numbers], "utterances": 14}, "face": {"offset": [...], "seconds": 55}}
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.bounded_json import read_json
from mmer.models.cards.card import load_card, weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.whole_file import whole_file
from mmer.realtime.blocks.baseline import (
    MODALITIES_WITH_BASELINE,
    BaselineConfig,
    KnownOffset,
    Offset,
)

VERSION: Final = 1
UNITS: Final = {"speech": "utterances", "face": "seconds"}
LARGEST: Final = BaselineConfig(prior=1.0).largest
"""Of an offset in a file, either way."""


def network_hashes(weights: Path | None) -> dict[str, str]:
    """sha256 of the networks of voice and face in ``weights``, or of the shipped ones."""
    found = {}
    for modality in MODALITIES_WITH_BASELINE:
        own = None if weights is None else weights / f"{modality}.json"
        path = own if own is not None and own.is_file() else weights_dir() / f"{modality}.json"
        found[modality] = load_card(path).sha256
    return found


def save_baseline(path: Path, offsets: Mapping[str, Offset], networks: Mapping[str, str]) -> None:
    """Write the offsets by modality; only the user may read the file.

    Raises:
        MmerError: it cannot be written; an older file is then as it was.
    """
    content: dict[str, Any] = {"v": VERSION, "type": "baseline"}
    content["networks"] = {m: networks[m] for m in offsets}
    for modality, offset in offsets.items():
        content[modality] = {
            "offset": [round(float(v), 4) for v in offset.value],
            UNITS[modality]: round(offset.seen),
        }
    with whole_file(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=1) + "\n")


def load_baseline(path: Path, networks: Mapping[str, str]) -> dict[str, KnownOffset]:
    """Offsets by modality, of those that the file has.

    Args:
        path: the file.
        networks: sha256 of the networks in use, by modality.

    Raises:
        MmerError: it cannot be read, is no baseline, or was made with other networks.
    """
    again = "make it again: mmer-live --calibrate FILE"
    try:
        content = read_json(path)
    except OSError as error:
        raise MmerError(f"--baseline {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise MmerError(f"--baseline {path} is no baseline ({error}); {again}") from error
    if not isinstance(content, dict) or content.get("type") != "baseline":
        raise MmerError(f"--baseline {path} is no baseline; {again}")
    if content.get("v") != VERSION:
        raise MmerError(f"--baseline {path} is of version {content.get('v')!r}; {again}")
    made_with = content.get("networks")
    found = {}
    for modality in MODALITIES_WITH_BASELINE:
        if modality not in content:
            continue
        sha256 = made_with.get(modality) if isinstance(made_with, dict) else None
        if sha256 != networks.get(modality):
            raise MmerError(
                f"--baseline {path} was made with another network of {modality}; {again}"
            )
        found[modality] = _offset(content[modality], UNITS[modality], f"{path}: {modality}", again)
    if not found:
        raise MmerError(f"--baseline {path} has neither speech nor face; {again}")
    return found


def _offset(table: Any, unit: str, where: str, again: str) -> KnownOffset:
    values = table.get("offset") if isinstance(table, dict) else None
    seen = table.get(unit) if isinstance(table, dict) else None
    sound = isinstance(values, list) and len(values) == len(EMOTIONS) and all(map(_number, values))
    if not (sound and seen is not None and _number(seen) and seen >= 0):
        raise MmerError(f"--baseline {where} is not {len(EMOTIONS)} numbers and {unit}; {again}")
    value = np.array(values, np.float64)
    if np.abs(value).max() > LARGEST:
        raise MmerError(f"--baseline {where} is beyond {LARGEST:g}; {again}")
    return KnownOffset(value, float(seen))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
