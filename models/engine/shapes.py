"""Shapes of a network's inputs: rows of a batch, and lengths of the axis that is not fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Lengths as Lengths

MAX_BATCH: Final = 8
"""Rows that an engine built for fixed shapes takes at once; more go in several calls."""


@dataclass(frozen=True)
class Span:
    """The smallest, the usual and the largest shape of an input, as TensorRT wants a profile."""

    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]


def span(name: str, shape: Sequence[Any], lengths: Lengths | None) -> Span:
    """The span of one input whose declared shape has a name, None or -1 where it is not fixed.

    Raises:
        MmerError: another axis than the first is not fixed, and its length is unknown.
    """
    fixed = [size if isinstance(size, int) and size > 0 else 0 for size in shape]
    shapes = []
    for which, batch in (("least", 1), ("usual", 1), ("most", MAX_BATCH)):
        if not all(fixed[1:]) and lengths is None:
            raise MmerError(
                f"the network's input {name} is {list(shape)}, and its card does not say how long "
                "that gets: TensorRT must know; use --provider cuda or cpu"
            )
        length = getattr(lengths, which) if lengths is not None else 0
        rows = fixed[:1] if all(fixed[:1]) else [batch]
        shapes.append(tuple(rows + [size or length for size in fixed[1:]]))
    return Span(*shapes)


def example(
    inputs: Mapping[str, tuple[Sequence[Any], np.dtype[Any]]], lengths: Lengths | None
) -> dict[str, np.ndarray] | None:
    """Inputs of the usual shape for a first call, by declared shape and type; None: not known.

    All ones: for every network of ours that is a sound, an image, a token and a mask.
    """
    try:
        return {
            name: np.ones(span(name, shape, lengths).usual, dtype)
            for name, (shape, dtype) in inputs.items()
        }
    except MmerError:
        return None
