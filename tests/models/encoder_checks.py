"""What must hold of every encoder, whatever it sees."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import stack


def batch_of(encoder: Encoder, raws: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    """Prepared, padded, with the mask; a None among ``raws`` is an absent row."""
    rows = [None if raw is None else encoder.preparation(raw) for raw in raws]
    return tuple(torch.from_numpy(array) for array in stack(rows))


def encode(encoder: Encoder, raws: Sequence[Any]) -> Encoded:
    with torch.no_grad():
        encoded: Encoded = encoder(*batch_of(encoder, raws))
    return encoded


def check_padding(encoder: Encoder, raws: Sequence[Any], tolerance: float = 1e-5) -> None:
    """Shapes; a row alone says what it says among longer ones; an absent row is finite."""
    encoder.eval()
    whole = encode(encoder, [*raws, None])
    rows, steps = whole.mask.shape
    assert rows == len(raws) + 1
    assert whole.tokens.shape == (rows, steps, encoder.width)
    assert whole.pooled.shape == (rows, encoder.width)
    assert all(torch.isfinite(tensor).all() for tensor in whole)
    assert not whole.mask[-1].any()
    seen = set()
    for row, raw in enumerate(raws):
        alone = encode(encoder, [raw])
        n = alone.mask.shape[1]
        seen.add(n)
        assert whole.mask[row].tolist() == [1.0] * n + [0.0] * (steps - n)
        torch.testing.assert_close(whole.pooled[row], alone.pooled[0], atol=tolerance, rtol=1e-4)
        torch.testing.assert_close(
            whole.tokens[row, :n], alone.tokens[0], atol=tolerance, rtol=1e-4
        )
    assert len({tuple(row) for row in whole.pooled[:-1].tolist()}) == len(raws)
    assert steps == max(seen)


def check_gradients(encoder: Encoder, raws: Sequence[Any]) -> None:
    """They reach every weight that may learn."""
    encoder.train()
    encoded = encoder(*batch_of(encoder, [*raws, None]))
    (encoded.tokens.square().sum() + encoded.pooled.square().sum()).backward()
    learning = {name: p.grad for name, p in encoder.named_parameters() if p.requires_grad}
    assert learning
    assert [name for name, grad in learning.items() if grad is None or not grad.any()] == []


def check_frozen(encoder: Encoder, raws: Sequence[Any]) -> None:
    """Training leaves it as it is, and it says the same each time."""
    encoder.freeze()
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    torch.testing.assert_close(encode(encoder, raws), encode(encoder, raws), atol=0, rtol=0)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def check_preparation(encoder: Encoder, raw: Any, folder: Path) -> None:
    """It is made again from its settings and its files."""
    ours = encoder.preparation
    for name, content in ours.files().items():
        (folder / name).write_bytes(content)
    again = open_preparation(ours.settings(), folder)
    assert again.settings() == ours.settings()
    assert again.names == ours.names
    expected, found = ours(raw), again(raw)
    assert expected is not None
    assert found is not None
    for ours_array, theirs in zip(expected, found, strict=True):
        np.testing.assert_array_equal(ours_array, theirs)


def check_export(encoder: Encoder, raws: Sequence[Any], others: Sequence[Any], path: Path) -> None:
    """ONNX Runtime says what torch says, of other rows of other lengths than at export."""
    encoder.eval()
    example = batch_of(encoder, raws)
    names = [*encoder.preparation.names, "mask"]
    free = torch.export.Dim.DYNAMIC
    shapes = tuple({0: free} | ({1: free} if t.shape[1] > 1 else {}) for t in example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's of its own deprecations
        torch.onnx.export(
            encoder,
            example,
            path,
            input_names=names,
            dynamic_shapes=(shapes,),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = batch_of(encoder, others)
    theirs = session.run(None, {n: t.numpy() for n, t in zip(names, batch, strict=True)})
    for expected, found in zip(encode(encoder, others), theirs, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4, rtol=1e-3)
