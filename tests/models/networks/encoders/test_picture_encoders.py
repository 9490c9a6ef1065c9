"""The encoders of frames and face crops, from tiny random configurations."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch", reason="encoders need torch: pip install 'mmer-live[train]'")

import torch
from tiny_transformers import SIDE, write_tiny

from mmer.models.errors import MmerError
from mmer.models.networks.encoders import ENCODERS, build_encoder
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.networks.encoders.pooling import MultiHeadPooling
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import stack

OPTIONS = {
    "vit": {},
    "vit-bilstm": {"hidden": 6, "heads": 2, "dropout": 0.0},
    "face-vit-bilstm": {"hidden": 6, "heads": 3, "dropout": 0.0},
    "face-cnn": {"size": SIDE, "widths": [8, 8, 16], "dropout": 0.0},
    "cnn3d": {"size": SIDE, "widths": [4, 6, 8], "dropout": 0.0, "count": 8},
}


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny("vit", tmp_path_factory.mktemp("vit"))


@pytest.fixture
def make(folder: Path) -> Callable[..., Encoder]:
    def build(kind: str, **more: object) -> Encoder:
        options = {**OPTIONS[kind], **more}
        if "vit" in kind:
            options["model"] = str(folder)
        return build_encoder(kind, options, "test")

    return build


@pytest.fixture(params=OPTIONS)
def encoder(request: pytest.FixtureRequest, make: Callable[..., Encoder]) -> Encoder:
    return make(request.param)


def pictures(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of random pictures as ``stack`` makes it; a length of 0 is an absent row."""
    rows = [
        (np.random.default_rng(i).normal(0, 1, (n, 3, SIDE, SIDE)).astype(np.float32),)
        if n
        else None
        for i, n in enumerate(lengths)
    ]
    arrays, mask = stack(rows)
    return torch.from_numpy(arrays), torch.from_numpy(mask)


def test_they_are_in_the_table() -> None:
    assert {k for k, entry in ENCODERS.items() if entry.modality == "face"} == set(OPTIONS)


def test_shapes_and_preparation(encoder: Encoder) -> None:
    shown = np.random.default_rng(0).integers(0, 256, (20, 30, 40, 3), np.uint8)
    prepared = encoder.preparation(shown)
    assert prepared is not None
    assert prepared[0].shape == (8, 3, SIDE, SIDE)
    settings = json.loads(json.dumps(encoder.preparation.settings()))
    assert settings["kind"] == encoder.sees
    again = open_preparation(settings, Path())(shown)
    assert again is not None
    np.testing.assert_array_equal(again[0], prepared[0])

    encoded = encoder(*pictures(8, 3))
    assert encoded.tokens.shape == (2, 8, encoder.width)
    assert encoded.mask.shape == (2, 8)
    assert encoded.pooled.shape == (2, encoder.width)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(encoder: Encoder, training: bool) -> None:
    """In training either: neither pictures of padding nor absent rows enter batch statistics."""
    encoder.train(training)
    long, short = (encoder(*pictures(3, 2, *more)) for more in ((7, 0), ()))
    if not training:
        torch.testing.assert_close(long.pooled[:2], short.pooled, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(long.tokens[:2, :3], short.tokens, atol=1e-5, rtol=1e-4)
    assert not long.tokens[1, 2:].any()
    assert all(torch.isfinite(t).all() for t in long)

    # the same rows, padded further
    arrays, mask = pictures(3, 2)
    padded = torch.cat([arrays, torch.zeros(2, 4, 3, SIDE, SIDE)], dim=1)
    further = encoder(padded, torch.cat([mask, torch.zeros(2, 4)], dim=1))
    again = encoder(arrays, mask)
    torch.testing.assert_close(further.pooled, again.pooled, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_absent_rows_alone_are_finite(encoder: Encoder, training: bool) -> None:
    encoder.train(training)
    before = {name: t.clone() for name, t in encoder.named_buffers() if t.is_floating_point()}
    encoded = encoder(torch.zeros(2, 4, 3, SIDE, SIDE), torch.zeros(2, 4))
    assert all(torch.isfinite(t).all() for t in encoded)
    assert not encoded.tokens.any()
    for name, statistics in before.items():
        torch.testing.assert_close(encoder.get_buffer(name), statistics)


def test_gradients_reach_every_parameter(encoder: Encoder) -> None:
    encoder.train()
    encoded = encoder(*pictures(5, 3, 0))
    # random directions: the mean of a normalised vector is a constant
    loss = (encoded.pooled * torch.randn_like(encoded.pooled)).sum()
    (loss + (encoded.tokens * torch.randn_like(encoded.tokens)).sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("key.bias"):  # of no effect, by the softmax
            assert parameter.grad.abs().max() > 0, name


def test_a_single_batch_can_be_over_fitted(encoder: Encoder) -> None:
    arrays, mask = pictures(4, 3, 4, 2, 4, 1)
    classes = torch.tensor([0, 1, 2, 2, 1, 0])
    head = torch.nn.Linear(encoder.width, 3)
    learner = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 0.01)
    encoder.train()
    for _ in range(40):
        learner.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(encoder(arrays, mask).pooled), classes)
        loss.backward()
        learner.step()
    assert loss < 0.1


@pytest.mark.parametrize("kind", ["vit-bilstm", "face-vit-bilstm"])
def test_a_frozen_vit_stays(make: Callable[..., Encoder], kind: str) -> None:
    encoder = make(kind, frozen_vit=True)
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    encoder.train()
    assert encoder.training
    assert not any(m.training for n, m in encoder.named_modules() if n.startswith("vit"))
    steps = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], 1.0)
    encoder(*pictures(4, 4)).pooled.square().sum().backward()
    steps.step()
    for name, parameter in encoder.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith("vit."), name


def test_a_vit_can_be_frozen_whole_and_cut(make: Callable[..., Encoder]) -> None:
    encoder = make("vit", frozen=True, layers=1).train()
    assert encoder.frozen
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    whole = make("vit")
    assert sum(p.numel() for p in encoder.parameters()) < sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("kind", ["vit-bilstm", "face-cnn"])
def test_how_much_each_picture_counts(make: Callable[..., Encoder], kind: str) -> None:
    encoder = make(kind).eval()
    encoded = encoder(*pictures(5, 2, 0))
    assert isinstance(encoder.pool, MultiHeadPooling)
    weights = encoder.pool.weights(encoded.tokens, encoded.mask)
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([1.0, 1.0, 0.0]))
    assert not weights[1, 2:].any()
    by_head = encoder.pool.by_head(encoded.tokens, encoded.mask)
    torch.testing.assert_close(by_head.mean(dim=1), weights)


def test_the_order_of_pictures_matters_to_what_reads_time(make: Callable[..., Encoder]) -> None:
    arrays, mask = pictures(6)
    for kind, matters in (("vit-bilstm", True), ("cnn3d", True), ("face-cnn", False)):
        encoder = make(kind).eval()
        turned = encoder(arrays.flip(1), mask).pooled
        same = torch.allclose(encoder(arrays, mask).pooled, turned, atol=1e-5)
        assert same != matters, kind


@pytest.mark.parametrize(
    "kind", [pytest.param("vit-bilstm", marks=pytest.mark.slow), "face-cnn", "cnn3d"]
)
def test_they_export_with_any_batch_and_time(
    make: Callable[..., Encoder], kind: str, tmp_path: Path
) -> None:
    encoder = make(kind).eval()
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's of its own deprecations
        torch.onnx.export(
            encoder,
            pictures(5, 4),
            tmp_path / "encoder.onnx",
            input_names=["pictures", "mask"],
            dynamic_shapes=((free, free),),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    for lengths in ((3, 0, 2), (7,), (1,)):
        arrays, mask = pictures(*lengths)
        with torch.no_grad():
            ours = encoder(arrays, mask)
        theirs = session.run(None, {"pictures": arrays.numpy(), "mask": mask.numpy()})
        assert len(theirs) == 3
        for tensor, array in zip(ours, theirs, strict=True):
            torch.testing.assert_close(tensor, torch.from_numpy(array), atol=1e-4, rtol=1e-3)


def test_wrong_options_are_told(make: Callable[..., Encoder], tmp_path: Path) -> None:
    for kind, options, told in (
        ("vit", {"layers": 3}, "layers is 3"),
        ("vit", {"sees": "hands"}, "sees is 'hands'"),
        ("vit-bilstm", {"heads": 5}, "5 heads"),
        ("face-cnn", {"sees": "frames"}, "has no sees"),
    ):
        with pytest.raises(MmerError, match=told):
            make(kind, **options)
    text = write_tiny("bert", tmp_path / "bert")
    with pytest.raises(MmerError):
        build_encoder("vit", {"model": str(text)}, "test")
