"""Virtual devices as fixtures: started for one test, gone after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig import MjpegCamera, VirtualMicrophone

from mmer.realtime.demo import clip


@pytest.fixture
def microphone() -> Iterator[VirtualMicrophone]:
    with VirtualMicrophone() as made:
        yield made


@pytest.fixture
def camera() -> Iterator[MjpegCamera]:
    """A camera that shows the demo's pictures, over and over."""
    with MjpegCamera(clip(), fps=25) as made:
        yield made
