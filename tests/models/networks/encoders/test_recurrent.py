import warnings
from pathlib import Path

import onnxruntime
import pytest

pytest.importorskip("torch", reason="encoders need torch: pip install 'mmer-live[train]'")

import torch

from mmer.models.networks.encoders.recurrent import MaskedLSTM

SIZES = [(False, 1), (True, 1), (True, 2)]


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def masked(lengths: list[int], steps: int) -> torch.Tensor:
    return (torch.arange(steps)[None] < torch.tensor(lengths)[:, None]).float()


@pytest.mark.parametrize(("bidirectional", "layers"), SIZES)
def test_padding_changes_nothing(bidirectional: bool, layers: int) -> None:
    lstm = MaskedLSTM(5, 4, bidirectional, layers)
    tokens, mask = torch.randn(4, 7, 5), masked([7, 3, 1, 0], 7)
    steps, last = lstm(tokens, mask)
    assert steps.shape == (4, 7, lstm.width)
    assert last.shape == (4, lstm.width)
    for row, n in enumerate([7, 3, 1]):
        alone, end = lstm(tokens[row : row + 1, :n], torch.ones(1, n))
        torch.testing.assert_close(steps[row : row + 1, :n], alone)
        torch.testing.assert_close(last[row : row + 1], end)
        assert not steps[row, n:].any()
    assert not steps[3].any()
    assert not last[3].any()


def test_it_is_torchs_own_where_nothing_is_padded() -> None:
    ours = MaskedLSTM(5, 4, bidirectional=True)
    theirs = torch.nn.LSTM(5, 4, batch_first=True, bidirectional=True)
    forward, backward = ours.forwards[0].state_dict(), ours.backwards[0].state_dict()
    theirs.load_state_dict(forward | {f"{k}_reverse": v for k, v in backward.items()})
    tokens = torch.randn(3, 6, 5)
    steps, last = ours(tokens, torch.ones(3, 6))
    expected, (final, _) = theirs(tokens)
    torch.testing.assert_close(steps, expected)
    torch.testing.assert_close(last, torch.cat([final[0], final[1]], dim=1))


def test_gradients_reach_every_weight() -> None:
    lstm = MaskedLSTM(5, 4, bidirectional=True, layers=2)
    steps, last = lstm(torch.randn(3, 6, 5), masked([6, 2, 0], 6))
    (steps.square().sum() + last.square().sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in lstm.parameters())


class Halves(torch.nn.Module):
    """What follows an LSTM must not hold its example's time either."""

    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.lstm = MaskedLSTM(5, 4, bidirectional)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        steps, last = self.lstm(tokens, mask)
        return steps.unflatten(2, (2, -1)).sum(dim=3), last


@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_exports_with_any_batch_and_time(bidirectional: bool, tmp_path: Path) -> None:
    lstm = Halves(bidirectional).eval()
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's of its own deprecations
        torch.onnx.export(
            lstm,
            (torch.randn(2, 6, 5), masked([6, 4], 6)),
            tmp_path / "lstm.onnx",
            input_names=["tokens", "mask"],
            dynamic_shapes=(free, free),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(tmp_path / "lstm.onnx")
    for lengths, n in (([3, 0, 1], 3), ([9], 9), ([1], 1)):
        tokens, mask = torch.randn(len(lengths), n, 5), masked(lengths, n)
        with torch.no_grad():
            ours = lstm(tokens, mask)
        theirs = session.run(None, {"tokens": tokens.numpy(), "mask": mask.numpy()})
        for tensor, array in zip(ours, theirs, strict=True):
            torch.testing.assert_close(tensor, torch.from_numpy(array), atol=1e-5, rtol=1e-4)
