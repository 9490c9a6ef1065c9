"""Check of the package that draws the plots."""

from __future__ import annotations

from mmer.models.errors import MmerError


def check_matplotlib() -> None:
    """Refuse, before the work, a plot that could not be drawn.

    Raises:
        MmerError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MmerError(
            "mmer-bench draws with matplotlib: pip install 'mmer-live[eval]'"
        ) from error
