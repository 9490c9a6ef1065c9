"""The bundled demo clip and the script that makes it."""

from __future__ import annotations

from pathlib import Path

from mmer.models.errors import MmerError


def clip() -> Path:
    """The bundled clip; ``clip().with_suffix(".json")`` says what is spoken in it and when."""
    path = Path(__file__).with_name("demo.mp4")
    if not path.is_file():
        raise MmerError(f"the demo clip is missing ({path}): install mmer-live again")
    return path
