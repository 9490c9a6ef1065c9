from pathlib import Path

import pytest

pytest.importorskip("torch", reason="encoders need torch: pip install 'mmer-live[train]'")

import torch
from encoder_checks import (
    batch_of,
    check_export,
    check_frozen,
    check_gradients,
    check_padding,
    check_preparation,
    encode,
)
from tiny_transformers import TEXT_KINDS, WIDTH, write_tiny

from mmer.models.errors import MmerError
from mmer.models.networks.encoders import build_encoder
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.preparation.preparation import Utterance as Said

SAID = [
    Said("I am so happy to see you today!", ("Why?", "Do that.")),
    Said("no"),
    Said("the dog"),
]
OTHERS = [
    Said("what a surprise, i did not expect you here at all"),
    Said("a"),
    None,
    Said("b c"),
]


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tiny")
    return {kind: str(write_tiny(kind, folder / kind)) for kind in TEXT_KINDS}


def build(kind: str, tiny: dict[str, str], **options: object) -> Encoder:
    return build_encoder(kind, {"model": tiny.get(kind, tiny["bert"]), **options}, "recipe")


@pytest.mark.parametrize("kind", [*TEXT_KINDS, "text-cnn"])
def test_the_contract(kind: str, tiny: dict[str, str], tmp_path: Path) -> None:
    encoder = build(kind, tiny, past=2)
    assert encoder.modality == "text"
    check_padding(encoder, SAID)
    check_gradients(encoder, SAID)
    check_preparation(encoder, SAID[0], tmp_path)
    check_frozen(encoder, SAID)


@pytest.mark.parametrize("pooling", ["first", "attention"])
def test_poolings(pooling: str, tiny: dict[str, str]) -> None:
    encoder = build("roberta", tiny, pooling=pooling)
    check_padding(encoder, SAID)
    check_gradients(encoder, SAID)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("mobilebert", marks=pytest.mark.slow),
        pytest.param("roberta", marks=pytest.mark.slow),
        "text-cnn",
    ],
)
def test_it_exports(kind: str, tiny: dict[str, str], tmp_path: Path) -> None:
    short = {"layers": 1} if kind in TEXT_KINDS else {}  # the exporter takes its time
    check_export(build(kind, tiny, **short), SAID[:2], OTHERS, tmp_path / "words.onnx")


def test_it_says_what_transformers_says(tiny: dict[str, str]) -> None:
    from transformers import AutoModel, AutoTokenizer

    encoder = build("bert", tiny, past=2).eval()
    theirs = AutoModel.from_pretrained(tiny["bert"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny["bert"])
    pair = tokenizer("Why? Do that.", SAID[0].text, return_tensors="pt", return_token_type_ids=True)
    assert pair["token_type_ids"].any()
    with torch.no_grad():
        expected = theirs(**pair).last_hidden_state
    torch.testing.assert_close(encode(encoder, SAID).tokens[:1], expected)


def test_a_frozen_one_from_the_start(tiny: dict[str, str]) -> None:
    encoder = build("distilbert", tiny, frozen=True).train()
    assert not any(module.training for module in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    with pytest.raises(MmerError, match="frozen"):
        build("distilbert", tiny, frozen=True, pooling="attention")


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_the_first_layers_alone(kind: str, tiny: dict[str, str]) -> None:
    whole, half = build(kind, tiny), build(kind, tiny, layers=1)
    size, half_size = (sum(p.numel() for p in e.parameters()) for e in (whole, half))
    assert half_size < size
    check_padding(half, SAID)
    with pytest.raises(MmerError, match="layers is 3; the model has 2"):
        build(kind, tiny, layers=3)


def test_embeddings_of_the_cnn(tiny: dict[str, str]) -> None:
    static = build("text-cnn", tiny, static=True)
    names = {name for name, p in static.named_parameters() if p.requires_grad}
    assert "words.weight" not in names
    assert static.words.embedding_dim == WIDTH
    scratch = build("text-cnn", tiny, embeddings="scratch", width=6, filters=5, kernels=(2, 3))
    assert scratch.words.embedding_dim == 6
    assert scratch.width == 10
    check_padding(scratch, SAID)
    check_gradients(scratch, SAID)


@pytest.mark.parametrize("kind", ["roberta", "bert"])
def test_as_many_tokens_as_it_has_positions(kind: str, tiny: dict[str, str]) -> None:
    encoder = build(kind, tiny, max_tokens=160)
    long = Said("so happy " * 200)
    assert batch_of(encoder, [long])[0].shape == (1, 160)
    check_padding(encoder, [long, Said("no")])
    with pytest.raises(MmerError, match="reads 160 tokens at most; max_tokens is 161"):
        build(kind, tiny, max_tokens=161)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bert", {"model": "/no/such/folder"}, "there is no folder /no/such/folder"),
        ("bert", {"pooling": "median"}, "known are mean, first, attention"),
        ("bert", {"warmth": 3}, "recipe: bert has no warmth"),
        ("text-cnn", {"embeddings": "borrowed"}, "known are pretrained, scratch"),
    ],
)
def test_mistakes(
    kind: str, options: dict[str, object], message: str, tiny: dict[str, str]
) -> None:
    with pytest.raises(MmerError, match=message):
        build(kind, tiny, **options)


@pytest.mark.parametrize("kind", ["bert", "text-cnn", "wav2vec2"])
def test_a_name_that_cannot_be_had(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr(huggingface_hub, "model_info", unreachable)
    with pytest.raises(MmerError) as caught:
        build_encoder(kind, {"model": "nobody/such-a-bert"}, "recipe")
    message = str(caught.value)
    assert "hf download nobody/such-a-bert" in message
    assert "\n" not in message
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MmerError, match="folder") as caught:
        build_encoder(kind, {"model": str(tmp_path)}, "recipe")
    assert "\n" not in str(caught.value)
