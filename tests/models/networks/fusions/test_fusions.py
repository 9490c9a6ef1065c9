"""Every fusion: absence, gradients, learning, export; then what is peculiar to each."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.networks.fusions import FUSIONS, build_fusion

pytest.importorskip("torch", reason="fusions need torch: pip install 'mmer-live[train]'")

import torch
from torch import nn

from mmer.models.networks.fusions.cross_modal import CrossModal
from mmer.models.networks.fusions.fusion import Fusion, Part

WIDTH, CLASSES, B = 16, 7, 5
STEPS = {"speech": 6, "text": 4, "face": 3}
SUBSETS = [s for n in (1, 2, 3) for s in combinations(MODALITIES, n)]
LEARNING = [kind for kind in FUSIONS if kind not in ("mean", "product")]


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(kind: str, modalities: tuple[str, ...] = MODALITIES) -> Fusion:
    return build_fusion(kind, modalities, WIDTH, CLASSES, "test").eval()


def part(modality: str, scale: float = 1.0, rows: int = B) -> Part:
    t = STEPS[modality]
    mask = (torch.arange(t) < torch.randint(1, t + 1, (rows, 1))).float()
    tokens = scale * torch.randn(rows, t, WIDTH)
    return Part(scale * torch.randn(rows, CLASSES), scale * torch.randn(rows, WIDTH), tokens, mask)


def parts_of(modalities: tuple[str, ...] = MODALITIES, rows: int = B) -> list[Part]:
    return [part(m, rows=rows) for m in modalities]


def row(parts: list[Part], b: int) -> list[Part]:
    return [Part(*(t[b : b + 1] for t in p)) for p in parts]


def test_the_table_is_complete() -> None:
    assert list(FUSIONS) == [
        *("concat", "gated", "attention", "cross-modal", "mean", "product", "learned")
    ]
    assert all(entry.summary and entry.paper for _, entry in FUSIONS.items())


@pytest.mark.parametrize(
    ("kind", "modalities", "told"),
    [
        ("addition", MODALITIES, "recipe x: no fusion 'addition'; known are concat"),
        ("mean", (), "cannot fuse nothing"),
        ("mean", ("text", "text"), "each once"),
        ("mean", ("text", "smell"), "cannot fuse text, smell"),
    ],
)
def test_mistakes_are_told(kind: str, modalities: tuple[str, ...], told: str) -> None:
    with pytest.raises(MmerError, match=told):
        build_fusion(kind, modalities, WIDTH, CLASSES, "recipe x")


@pytest.mark.parametrize("kind", FUSIONS)
@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
def test_a_run_of_any_modalities_with_any_present(kind: str, modalities: tuple[str, ...]) -> None:
    fusion, parts = build(kind, modalities), parts_of(modalities)
    for there in SUBSETS:
        present = torch.tensor([[float(m in there) for m in modalities]] * B)
        if not present[0].any():
            continue
        logits, shares = fusion(parts, present)
        assert logits.shape == (B, CLASSES)
        assert logits.isfinite().all()
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(B))
        assert ((shares > 0) == (present > 0)).all()


@pytest.mark.parametrize("kind", FUSIONS)
def test_what_an_absent_part_holds_changes_nothing(kind: str) -> None:
    fusion, parts = build(kind), parts_of()
    for there in SUBSETS[:-1]:
        present = torch.tensor([[float(m in there) for m in MODALITIES]] * B)
        other = [p if m in there else part(m, 1e4) for m, p in zip(MODALITIES, parts, strict=True)]
        for ours, theirs in zip(fusion(parts, present), fusion(other, present), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=f"{kind} with {there}")


@pytest.mark.parametrize("kind", FUSIONS)
def test_a_row_is_evaluated_alone_whoever_else_is_in_the_batch(kind: str) -> None:
    fusion, parts = build(kind), parts_of()
    present = torch.ones(B, 3)
    whole = fusion(parts, present)
    present[1:] = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 1]])
    mixed = fusion(parts, present)
    alone = fusion(row(parts, 0), torch.ones(1, 3))
    for w, m, a in zip(whole, mixed, alone, strict=True):
        torch.testing.assert_close(m[:1], w[:1])
        torch.testing.assert_close(a, w[:1])
    assert not torch.allclose(whole.logits[1:], mixed.logits[1:])


@pytest.mark.parametrize("kind", FUSIONS)
def test_padding_changes_nothing(kind: str) -> None:
    fusion, parts, present = build(kind), parts_of(), torch.ones(B, 3)
    longer = [
        p._replace(
            tokens=torch.cat([p.tokens, torch.full((B, 3, WIDTH), 50.0)], dim=1),
            mask=nn.functional.pad(p.mask, (0, 3)),
        )
        for p in parts
    ]
    for ours, theirs in zip(fusion(parts, present), fusion(longer, present), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", LEARNING)
def test_gradients_reach_every_parameter(kind: str) -> None:
    fusion = build(kind)
    present = torch.ones(B, 3)
    present[1:3] = torch.tensor([[1, 0, 0], [0, 1, 1]])
    loss = nn.functional.cross_entropy(fusion(parts_of(), present).logits, torch.arange(B))
    loss.backward()
    for name, p in fusion.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
            assert p.grad.abs().sum() > 0, name


def test_only_what_the_learned_one_cannot_use_is_held() -> None:
    held = [name for name, p in build("learned").named_parameters() if not p.requires_grad]
    assert held == ["network.quality", "network.fading"]


@pytest.mark.parametrize("kind", LEARNING)
def test_a_batch_can_be_learned_by_heart(kind: str) -> None:
    n = 16
    labels = torch.arange(n) % CLASSES
    fusion, parts, present = build(kind), parts_of(rows=n), torch.ones(n, 3)
    present[:4, 0] = 0
    # for what learns from opinions alone: the words are right when they speak, others mislead
    shown = {"speech": labels + 1, "text": labels, "face": labels + 1}
    parts = [
        p._replace(logits=4.0 * nn.functional.one_hot(shown[m] % CLASSES, CLASSES))
        for m, p in zip(MODALITIES, parts, strict=True)
    ]
    before = nn.functional.cross_entropy(fusion(parts, present).logits, labels).item()
    optimizer = torch.optim.Adam(fusion.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(fusion(parts, present).logits, labels)
        loss.backward()
        optimizer.step()
    assert (fusion(parts, present).logits.argmax(dim=1) == labels).all()
    assert loss.item() < 0.3 * before


class Flat(nn.Module):
    """All fusions at once, of positional inputs, as the exporter wants them: it is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(map(build, FUSIONS))
        self.alone = build("cross-modal", ("text",))
        self.requires_grad_(False)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = [Part(*inputs[k : k + 4]) for k in range(0, 12, 4)]
        present = inputs[12]
        answers = [fusion(parts, present) for fusion in self.fusions]
        answers.append(self.alone(parts[1:2], torch.ones_like(present[:, 1:2])))
        return tuple(tensor for answer in answers for tensor in answer)


def flat(parts: list[Part], present: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (*(t for p in parts for t in p), present)


@pytest.mark.slow
def test_the_exported_ones_answer_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmer.models.networks.fusions.cross_modal.LAYERS", 1)
    pytest.importorskip("onnxscript")
    from onnxruntime import InferenceSession

    network = Flat().eval()
    example = flat(parts_of(rows=2), torch.ones(2, 3))
    free = torch.export.Dim.DYNAMIC
    per_part = ({0: free}, {0: free}, {0: free, 1: free}, {0: free, 1: free})
    program = torch.onnx.export(
        network,
        example,
        input_names=[f"x{k}" for k in range(len(example))],
        dynamic_shapes=((*per_part * 3, {0: free}),),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    program.save(str(tmp_path / "fusion.onnx"), external_data=False)
    session = InferenceSession(str(tmp_path / "fusion.onnx"), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    for rows, longer in ((5, 0), (1, 4), (3, 9)):
        parts = [
            p._replace(
                tokens=torch.cat([p.tokens, torch.randn(rows, longer, WIDTH)], dim=1),
                mask=nn.functional.pad(p.mask, (0, longer), value=1.0),
            )
            for p in parts_of(rows=rows)
        ]
        present = torch.ones(rows, 3)
        present[0, 1:] = 0
        given = flat(parts, present)
        feed = {f"x{k}": t.numpy() for k, t in enumerate(given) if f"x{k}" in wanted}
        ours = network(*given)
        theirs = session.run(None, feed)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b, atol=2e-5)


def test_mean_and_product_by_hand() -> None:
    said = torch.tensor([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]])
    parts = [Part(said[m : m + 1].log() + 3, *parts_of()[m][1:]) for m in range(3)]
    present = torch.tensor([[1.0, 1.0, 0.0]])
    mean = build_fusion("mean", MODALITIES, WIDTH, 2, "test")(parts, present)
    torch.testing.assert_close(mean.logits.exp(), torch.tensor([[0.55, 0.45]]))
    product = build_fusion("product", MODALITIES, WIDTH, 2, "test")(parts, present)
    torch.testing.assert_close(product.logits.exp(), torch.tensor([[0.28, 0.18]]) / 0.46)
    torch.testing.assert_close(mean.shares, torch.tensor([[0.5, 0.5, 0.0]]))


def test_the_learned_one_is_the_embedded_one() -> None:
    parts, present = parts_of(("face", "speech")), torch.ones(B, 2)
    fusion = build("learned", ("face", "speech"))
    said = torch.full((B, 3, CLASSES), -np.log(CLASSES))
    said[:, 2], said[:, 0] = (p.logits.log_softmax(dim=1) for p in parts)
    there = torch.tensor([[1.0, 0.0, 1.0]] * B)
    logits, shares = fusion.network(said, torch.ones(B, 3), torch.zeros(B, 3), there)
    torch.testing.assert_close(fusion(parts, present).logits, logits)
    torch.testing.assert_close(fusion(parts, present).shares, shares[:, [2, 0]])


def test_cross_modal_weights_are_those_of_the_steps_that_are_there() -> None:
    fusion, parts, present = build("cross-modal"), parts_of(), torch.ones(B, 3)
    present[0] = torch.tensor([1, 0, 1])
    assert isinstance(fusion, CrossModal)
    weights = fusion.attention(parts, present)
    assert set(weights) == {(a, b) for a in MODALITIES for b in MODALITIES if a != b}
    speech, face = parts[0].mask, parts[2].mask
    assert weights["speech", "text"].shape == (B, STEPS["speech"], STEPS["text"])
    looks = weights["speech", "text"].sum(dim=2) + weights["speech", "face"].sum(dim=2)
    torch.testing.assert_close(looks, speech)
    assert (weights["speech", "text"][0] == 0).all()
    assert (weights["text", "face"][0] == 0).all()
    unseen = weights["speech", "face"].sum(dim=1)[face == 0]
    assert (unseen == 0).all()


def test_cross_modal_streams_depend_on_the_others_steps_and_not_on_their_order() -> None:
    fusion, parts, present = build("cross-modal"), parts_of(), torch.ones(B, 3)
    speech, text, face = parts
    whole = fusion(parts, present).logits
    order = torch.tensor([1, 0, 3, 2])
    shuffled = text._replace(tokens=text.tokens[:, order], mask=text.mask[:, order])
    torch.testing.assert_close(fusion([speech, shuffled, face], present).logits, whole)
    assert isinstance(fusion, CrossModal)
    for evaluated in fusion.classify.enter[1:]:  # leave the stream of the voice alone
        nn.init.zeros_(evaluated.weight)
    whole = fusion(parts, present).logits
    assert not torch.allclose(fusion([speech, part("text"), face], present).logits, whole)
