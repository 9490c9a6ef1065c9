import pytest

pytest.importorskip("torch", reason="encoders need torch: pip install 'mmer-live[train]'")

import torch

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, masked_mean
from mmer.models.networks.encoders.head_table import HEADS, build_head
from mmer.models.networks.encoders.heads import FeedForwardHead, RecurrentHead

WIDTH, CLASSES = 6, 7


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def encoded(lengths: list[int], steps: int) -> Encoded:
    mask = (torch.arange(steps)[None] < torch.tensor(lengths)[:, None]).float()
    tokens = torch.randn(len(lengths), steps, WIDTH) * mask.unsqueeze(2)
    return Encoded(tokens, mask, masked_mean(tokens, mask))


@pytest.mark.parametrize("kind", HEADS)
def test_shapes_and_padding(kind: str) -> None:
    head = build_head(kind, WIDTH, CLASSES, "recipe").eval()
    whole = encoded([5, 3, 0], 5)
    logits, embedding = head(whole)
    assert logits.shape == (3, CLASSES)
    assert embedding.shape == (3, head.width)
    assert torch.isfinite(logits).all()
    alone = Encoded(whole.tokens[1:2, :3], whole.mask[1:2, :3], whole.pooled[1:2])
    for expected, found in zip(head(alone), (logits, embedding), strict=True):
        torch.testing.assert_close(found[1:2], expected)


@pytest.mark.parametrize("kind", HEADS)
def test_gradients_reach_every_weight(kind: str) -> None:
    head = build_head(kind, WIDTH, CLASSES, "recipe")
    head(encoded([5, 3, 0], 5))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


@pytest.mark.parametrize("kind", HEADS)
def test_a_batch_can_be_learnt_by_heart(kind: str) -> None:
    head = build_head(kind, WIDTH, CLASSES, "recipe")
    signals, classes = encoded([5, 3, 4, 2], 5), torch.tensor([0, 3, 6, 1])
    head.eval()  # without dropout
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(signals)[0], classes)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_width_of_the_embedding() -> None:
    assert RecurrentHead(WIDTH, CLASSES, hidden=9, bidirectional=True).width == 18
    assert FeedForwardHead(WIDTH, CLASSES, hidden=9).width == 9
    with pytest.raises(MmerError, match="recipe: no head 'tail'; known are softmax, ffn"):
        build_head("tail", WIDTH, CLASSES, "recipe")
