"""Variants of a network in other precisions, as files that ONNX Runtime opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer.benchmarks.encoders.subjects import Subject
from mmer.models.engine.command import EXAMPLES
from mmer.models.engine.precision import (
    PRECISIONS,
    Inputs,
    dequantized,
    float16,
    int8,
    is_quantized,
    load,
    widened,
)
from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import examples


@dataclass(frozen=True)
class Variants:
    """Files by precision; why there is none; which one is shipped; what to compare answers on."""

    files: Mapping[str, Path]
    missing: Mapping[str, str]
    shipped: str
    inputs: Sequence[Inputs]


def make_variants(subject: Subject, folder: Path) -> Variants:
    """Write what is not shipped to ``folder``; the fusion, a few thousand numbers, as it is alone.

    int8 is static, calibrated by made-up signals (``examples``); float32 of a network
    that is shipped in int8 is that network multiplied out.
    """
    if subject.preparation is None:
        return Variants({"fp32": subject.path}, {}, "fp32", ())
    inputs = examples(subject.preparation, list(subject.inputs), EXAMPLES)
    shipped = "int8" if subject.card.precision == "int8" else "fp32"
    try:
        model = load(subject.path)
    except MmerError as reason:
        others = [p for p in PRECISIONS if p != shipped]
        return Variants(
            {shipped: subject.path}, dict.fromkeys(others, str(reason)), shipped, inputs
        )
    import onnx

    quantized = is_quantized(model)
    whole = dequantized(model) if quantized else widened(model)
    made: dict[str, Callable[[], Any]] = {"fp16": lambda: float16(_copy(whole))}
    if quantized:
        made["fp32"] = lambda: whole
    else:
        made["int8"] = lambda: int8(_copy(whole), inputs, symmetric=False)
    files, missing = {shipped: subject.path}, {}
    for precision, make in made.items():
        path = folder / f"{subject.path.stem}-{precision}.onnx"
        try:
            onnx.save(make(), path)
        except MmerError as reason:
            missing[precision] = str(reason)
        else:
            files[precision] = path
    return Variants({p: files[p] for p in PRECISIONS if p in files}, missing, shipped, inputs)


def _copy(model: Any) -> Any:
    import onnx

    fresh = onnx.ModelProto()
    fresh.CopyFrom(model)
    return fresh
