from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="encoders need torch: pip install 'mmer-live[train]'")

import torch
from encoder_checks import (
    check_export,
    check_frozen,
    check_gradients,
    check_padding,
    check_preparation,
    encode,
)
from numpy.typing import NDArray
from tiny_transformers import SPEECH_KINDS, write_tiny

from mmer.models.errors import MmerError
from mmer.models.networks.encoders import build_encoder
from mmer.models.networks.encoders.encoder import Encoder

SPECTRAL = {
    "mfcc-cnn": {"coefficients": 8, "widths": (6, 7)},
    "logmel-cnn": {"bins": 8, "widths": (4, 5)},
}
VECTORS = ("descriptors", "egemaps")


def sound(samples: int, seed: int = 0) -> NDArray[np.int16]:
    t = np.arange(samples) / 16_000
    noise = np.random.default_rng(seed).normal(0, 300, samples)
    tone = 3000 * np.sin(2 * np.pi * (150 + 60 * seed) * t) * (1 + np.sin(20 * t))
    return (tone + noise).astype(np.int16)


HEARD = [sound(4111), sound(2000, 1), sound(300, 2)]
OTHERS = [sound(9000, 3), sound(1234, 4), None, sound(5000, 5)]


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tiny")
    return {kind: str(write_tiny(kind, folder / kind)) for kind in SPEECH_KINDS}


def build(kind: str, tiny: dict[str, str], **options: object) -> Encoder:
    if kind in tiny:
        return build_encoder(kind.split("-")[0], {"model": tiny[kind], **options}, "recipe")
    if kind == "egemaps":
        pytest.importorskip("opensmile")
    return build_encoder(kind, {**SPECTRAL.get(kind, {}), **options}, "recipe")


@pytest.mark.parametrize("kind", [*SPEECH_KINDS, *SPECTRAL, *VECTORS])
def test_the_contract(kind: str, tiny: dict[str, str], tmp_path: Path) -> None:
    encoder = build(kind, tiny)
    assert encoder.modality == "speech"
    encoder.fit([row for raw in HEARD if (row := encoder.preparation(raw)) is not None])
    check_padding(encoder, HEARD)
    check_gradients(encoder, HEARD)
    check_preparation(encoder, HEARD[0], tmp_path)
    check_frozen(encoder, HEARD)
    assert encoder.preparation(np.zeros(8000, np.int16)) is None


@pytest.mark.parametrize("kind", ["wav2vec2", "mfcc-cnn", "logmel-cnn"])
def test_both_poolings(kind: str, tiny: dict[str, str]) -> None:
    for pooling in ("mean", "attention"):
        encoder = build(kind, tiny, pooling=pooling)
        check_padding(encoder, HEARD)
        check_gradients(encoder, HEARD)
    with pytest.raises(MmerError, match="known are mean, attention"):
        build(kind, tiny, pooling="median")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("wav2vec2", marks=pytest.mark.slow),
        pytest.param("wavlm", marks=pytest.mark.slow),
        *SPECTRAL,
        "descriptors",
    ],
)
def test_it_exports(kind: str, tiny: dict[str, str], tmp_path: Path) -> None:
    short = {"layers": 1} if kind in tiny else {}  # the exporter takes its time
    check_export(build(kind, tiny, **short), HEARD[:2], OTHERS, tmp_path / "speech.onnx")


@pytest.mark.parametrize("kind", SPEECH_KINDS)
def test_alone_it_says_what_transformers_says(kind: str, tiny: dict[str, str]) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    theirs = AutoModel.from_pretrained(tiny[kind]).eval()
    hears = AutoFeatureExtractor.from_pretrained(tiny[kind])
    prepared = hears(HEARD[0] / 32768, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = theirs(prepared.float()).last_hidden_state
    found = encode(build(kind, tiny).eval(), HEARD[:1]).tokens
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_what_learns_of_a_wave_transformer(tiny: dict[str, str]) -> None:
    usual = build("hubert", tiny)
    held = {name for name, p in usual.named_parameters() if not p.requires_grad}
    assert held
    assert all("feature_extractor" in name for name in held)
    check_gradients(build("hubert", tiny, frozen_features=False), HEARD)
    assert not any(p.requires_grad for p in build("hubert", tiny, frozen=True).parameters())
    half = build("wavlm", tiny, layers=1)
    check_padding(half, HEARD)
    with pytest.raises(MmerError, match="the model has 2"):
        build("wavlm", tiny, layers=5)


def test_zero_padding_counts_but_that_of_the_batch_does_not(tiny: dict[str, str]) -> None:
    zero = build("mfcc-cnn", tiny, padding="zero", steps=30).eval()
    encoded = encode(zero, [*HEARD, sound(16_000), None])
    assert encoded.mask.tolist() == [[1.0] * 8] * 4 + [[0.0] * 8]
    for row, raw in enumerate(HEARD):
        torch.testing.assert_close(encoded.pooled[row], encode(zero, [raw]).pooled[0])
    check_gradients(zero, HEARD)
    with pytest.raises(MmerError, match="known are mask, zero"):
        build("mfcc-cnn", tiny, padding="reflect")


def test_descriptors_are_standardised_by_the_training_rows(tiny: dict[str, str]) -> None:
    encoder = build("descriptors", tiny)
    rows = [encoder.preparation(raw) for raw in HEARD]
    encoder.fit([row for row in rows if row is not None])
    vectors = np.concatenate([row[0] for row in rows if row is not None])
    np.testing.assert_allclose(encoder.mean.numpy(), vectors.mean(axis=0), rtol=1e-4, atol=1e-5)
    assert (encoder.deviation > 0).all()
    again = build("descriptors", tiny)
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(
        encode(again.eval(), HEARD).pooled, encode(encoder.eval(), HEARD).pooled
    )


def test_a_model_of_words_hears_nothing(tmp_path: Path) -> None:
    folder = str(write_tiny("bert", tmp_path))
    with pytest.raises(MmerError, match="folder") as caught:
        build_encoder("wav2vec2", {"model": folder}, "recipe")
    assert "\n" not in str(caught.value)
