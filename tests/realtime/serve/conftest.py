"""A server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from serve_rig import Rig


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A server with the usual limits, for a whole module."""
    from serve_rig import Rig

    with Rig() as made:
        yield made
