"""Servers for the tests of this folder; skipped where the extra is not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

REASON = "needs the extra serve"
for package in ("starlette", "uvicorn", "websockets", "prometheus_client", "multipart"):
    pytest.importorskip(package, reason=REASON)

from serve_rig import Rig  # noqa: E402


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A server with the usual limits, for a whole module."""
    with Rig() as made:
        yield made
