"""A trained network as one ONNX file, checked against the one it was made from."""

from __future__ import annotations

import inspect
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.engine import open_engine
from mmer.models.errors import MmerError
from mmer.training.loop.trainer import tensors
from mmer.training.tasks.task import Sampled

OPSET = 18


def write_onnx(network: nn.Module, task: Sampled, path: Path, tolerance: float = 1e-3) -> None:
    """Export, and see that ONNX Runtime answers as torch does on development data.

    Raises:
        MmerError: the largest difference of the outputs is above ``tolerance``.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    samples = [inputs for (inputs, _), _ in zip(task.development(), range(3), strict=False)]
    axes = task.dynamic_axes()
    shapes: tuple[Any, ...] = tuple(
        dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in samples[0]
    )
    takes = inspect.signature(network.forward).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in takes):
        shapes = (shapes,)
    # A batch of 2: an axis of length 1 would be taken for a constant.
    example = tuple(t[:1].repeat(2, *[1] * (t.dim() - 1)) for t in tensors(samples[0]))
    # torch warns that torchvision is not there, and of its own deprecations; onnxscript tells of
    # constants that it leaves as they are
    for talker in ("torch.onnx", "onnxscript"):
        logging.getLogger(talker).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            example,
            input_names=list(samples[0]),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    if program is None:  # only where the exporter is asked for a file
        raise MmerError(f"torch did not export {path}")
    graph = program.model.graph
    for node in graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
        for value in node.outputs:
            value.metadata_props.clear()
            if value.name in task.outputs:  # a layer of that name; the exporter misses the clash
                value.name += "_inside"
    for value, name in zip(graph.outputs, task.outputs, strict=True):
        value.name = name
    program.save(str(path), external_data=False)
    engine = open_engine(path, "cpu")
    for inputs in samples:
        with torch.no_grad():
            ours = network(*tensors(inputs))
        theirs = engine.run(inputs)
        for tensor, name in zip(ours, task.outputs, strict=True):
            gap = float(np.abs(tensor.numpy() - theirs[name]).max())
            if not gap <= tolerance:
                raise MmerError(f"{path}: {name} differs from torch's by {gap:.2g}")
