"""The folder of real data, for the tests that read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    """The folder that MMER_DATA names; skips without it."""
    named = os.environ.get("MMER_DATA")
    if not named:
        pytest.skip("MMER_DATA is not set: it names the folder of real data")
    return Path(named)
