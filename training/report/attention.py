"""Attention weights of a run: attention.npz and its plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmer.models.errors import MmerError
from mmer.training.plotting import new_figure
from mmer.training.storage import read_npz, write_npz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE: Final = "attention.npz"
"""File name in the folder of a run."""
_MOST_NAMES: Final = 60
"""Steps beyond which an axis is numbered rather than named."""


@dataclass(frozen=True, eq=False)
class Example:
    """One evaluated item; empty fields are not drawn. Weights are 0 or more.

    In the file, of the example k from 0 on: "titles" (all), "k/words", "k/token_weights",
    "k/frame_times_s", "k/frame_weights", "k/modalities" and "k/shares", "k/map/text/speech".
    """

    title: str
    """The item, its label and the predicted one ("dia3_utt4: joy, predicted joy")."""
    words: Sequence[str] = ()
    """Tokens of the text, (T,)."""
    token_weights: ArrayLike = ()
    """(T,)."""
    frame_times_s: ArrayLike = ()
    """(F,)."""
    frame_weights: ArrayLike = ()
    """(F,)."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Share of each modality; sum 1."""
    maps: Mapping[tuple[str, str], ArrayLike] = field(default_factory=dict)
    """By (query modality, key modality): weights (query steps, key steps)."""


def save_attention(examples: Sequence[Example], path: Path) -> None:
    """Write an npz file, without pickles.

    Raises:
        MmerError: it cannot be written.
        ValueError: an example's weights differ in length from their tokens or frames.
    """
    arrays: dict[str, Any] = {"titles": np.array([e.title for e in examples], np.str_)}
    for k, e in enumerate(examples):
        for things, weights in (("words", "token_weights"), ("frame_times_s", "frame_weights")):
            if len(getattr(e, things)) != len(getattr(e, weights)):
                raise ValueError(f"{e.title}: {weights} and {things} differ in length")
        arrays |= {
            f"{k}/words": np.array(e.words, np.str_),
            f"{k}/token_weights": e.token_weights,
            f"{k}/frame_times_s": e.frame_times_s,
            f"{k}/frame_weights": e.frame_weights,
            f"{k}/modalities": np.array(list(e.shares), np.str_),
            f"{k}/shares": list(e.shares.values()),
        }
        arrays |= {f"{k}/map/{own}/{other}": m for (own, other), m in e.maps.items()}
    write_npz(path, arrays)


def load_attention(path: Path) -> list[Example]:
    """Read what ``save_attention`` wrote.

    Raises:
        MmerError: it cannot be read, or holds something else.
    """
    otherwise = f"{path} does not hold attention weights: write it anew"
    stored = read_npz(path, otherwise)
    try:
        return [_example(stored, k, str(t)) for k, t in enumerate(stored["titles"])]
    except (KeyError, ValueError, TypeError) as error:
        raise MmerError(otherwise) from error


def _example(stored: Mapping[str, NDArray[Any]], k: int, title: str) -> Example:
    maps = {}
    for name in stored:
        if name.startswith(start := f"{k}/map/"):
            own, other = name.removeprefix(start).split("/")
            maps[own, other] = stored[name]
    shares = zip(stored[f"{k}/modalities"].tolist(), stored[f"{k}/shares"].tolist(), strict=True)
    return Example(
        title,
        words=stored[f"{k}/words"].tolist(),
        token_weights=stored[f"{k}/token_weights"],
        frame_times_s=stored[f"{k}/frame_times_s"],
        frame_weights=stored[f"{k}/frame_weights"],
        shares=dict(shares),
        maps=maps,
    )


def figures_of(example: Example) -> dict[str, Figure]:
    """All plots of an example, by name."""
    drawn = {}
    if len(example.shares):
        drawn["modalities"] = shares_figure(example.shares)
    if len(example.words):
        drawn["tokens"] = tokens_figure(example.words, example.token_weights)
    if len(np.atleast_1d(example.frame_weights)):
        drawn["frames"] = frames_figure(example.frame_times_s, example.frame_weights)
    for (own, other), weights in example.maps.items():
        names = {m: example.words if m == "text" else () for m in (own, other)}
        drawn[f"{own} looks at {other}"] = map_figure(weights, own, other, names[own], names[other])
    return drawn


def tokens_figure(words: Sequence[str], weights: ArrayLike) -> Figure:
    """A strip of words, the darker the more they weigh: words and weights, (T,) each."""
    figure = new_figure(max(4.0, 1 + 0.32 * len(words)), 1.7)
    axes = figure.subplots()
    row = np.asarray(weights, np.float64)[None]
    image = axes.imshow(row, aspect="auto", cmap="Blues", vmin=0)
    axes.set_yticks([])
    _name(axes.xaxis, words, len(words), rotation=60)
    figure.colorbar(image, label="weight", fraction=0.1, aspect=6)
    return figure


def frames_figure(times_s: ArrayLike, weights: ArrayLike) -> Figure:
    """A line over time: seconds and weights, (F,) each."""
    figure = new_figure(6, 2.2)
    axes = figure.subplots()
    axes.plot(np.asarray(times_s), np.asarray(weights), marker="o", markersize=3)
    axes.fill_between(np.asarray(times_s), np.asarray(weights), alpha=0.2)
    axes.set(xlabel="time (s)", ylabel="weight")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    return figure


def shares_figure(shares: Mapping[str, float]) -> Figure:
    """A bar a modality, by its name."""
    figure = new_figure(5, 0.8 + 0.4 * len(shares))
    axes = figure.subplots()
    bars = axes.barh(list(shares), list(shares.values()), color="tab:blue")
    axes.bar_label(bars, [f"{100 * share:.0f} %" for share in shares.values()], padding=3)
    axes.set(xlim=(0, 1.15), xlabel="share")
    axes.set_xticks([0, 0.5, 1])
    axes.invert_yaxis()
    return figure


def map_figure(
    weights: ArrayLike,
    own: str,
    other: str,
    own_names: Sequence[str] = (),
    other_names: Sequence[str] = (),
) -> Figure:
    """A cross-modal map: weights (steps of ``own``, steps of ``other``); steps may have names."""
    table = np.asarray(weights, np.float64)
    rows, columns = table.shape
    figure = new_figure(min(12, 3 + 0.22 * columns), min(10, 1.8 + 0.22 * rows))
    axes = figure.subplots()
    image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0)
    _name(axes.yaxis, own_names, rows)
    _name(axes.xaxis, other_names, columns, rotation=60)
    axes.set(ylabel=f"{own}, steps", xlabel=f"{other}, steps")
    figure.colorbar(image, label="weight")
    return figure


def _name(axis: Any, names: Sequence[str], steps: int, rotation: int = 0) -> None:
    if len(names) == steps and steps <= _MOST_NAMES:
        right = {"ha": "right", "rotation_mode": "anchor"} if rotation else {}
        # a dollar is a dollar, no formula
        axis.set_ticks(range(steps), names, rotation=rotation, parse_math=False, **right)
    else:
        axis.get_major_locator().set_params(integer=True)
