"""Preparations by their name in a card."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Preparation

PREPARATIONS: Final[Mapping[str, str]] = {
    "text-tokens": "text_tokens:TextTokens",
    "waveform": "waveform:Waveform",
    "mfcc": "mfcc:Mfcc",
    "log-mel": "logmel_frames:LogMelFrames",
    "descriptors": "descriptors:Descriptors",
    "egemaps": "egemaps:Egemaps",
    "frames": "frames:WholeFrames",
    "faces": "frames:FaceCrops",
}
"""``kind`` to "module:Class" of this package; the class's ``open(settings, folder)`` makes one."""


def open_preparation(settings: Mapping[str, Any], folder: Path) -> Preparation[Any]:
    """The preparation whose ``settings()`` these are; its files lie in ``folder``.

    Raises:
        MmerError: no such kind or setting, a wrong value, a file missing or damaged, a package
            that is not installed.
    """
    kind = settings.get("kind")
    if not isinstance(kind, str) or kind not in PREPARATIONS:
        raise MmerError(f"no preparation {kind!r}; known are {', '.join(PREPARATIONS)}")
    module, name = PREPARATIONS[kind].split(":")
    made = getattr(import_module(f"{__package__}.{module}"), name)
    preparation: Preparation[Any] = made.open(settings, folder)
    return preparation
