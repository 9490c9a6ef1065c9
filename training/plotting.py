"""Plots of training and evaluation: Matplotlib figures that need no display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def need_matplotlib(what: str = "--plots") -> None:
    """Check that plots can be drawn, for ``what``.

    Raises:
        MmerError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MmerError(f"{what} needs matplotlib: pip install 'mmer-live[eval]'") from error


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no display is asked for
    return figure
