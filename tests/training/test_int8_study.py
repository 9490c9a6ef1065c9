"""The study of int8: its inputs are the networks' own, and its table says what it found."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="int8 needs onnx: pip install 'mmer-live[train]'")

from mmer.training.datasets.item import Item
from mmer.training.studies import int8


def drawn(n: int, seed: int) -> list[Item]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48]
    items = []
    for k in range(n):
        eyes = ((x - 15) ** 2 + (y - 18) ** 2 < 12) | ((x - 33) ** 2 + (y - 18) ** 2 < 12)
        mouth = np.abs(y - 36 + 0.02 * (k % 7 - 3) * (x - 24) ** 2) < 2
        face = 180 - 120 * (eyes | (mouth & (np.abs(x - 24) < 10))) + rng.normal(0, 6, (48, 48))
        pixels = face.clip(0, 255).astype(np.uint8)
        items.append(Item("drawn", "train", str(k), k % 7, pixels=pixels))
    return items


def test_a_network_against_its_int8_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "CALIBRATED_BY", 16)
    monkeypatch.setattr(int8, "CALLS", 5)
    row = int8._row("face", drawn(20, 0), drawn(12, 1), int8.faces)
    assert row.n == 12
    assert 0 < row.found.largest_difference < 0.5  # another network, and not quite another
    assert row.found.label_agreement >= 0.5
    assert 0 <= row.right <= 1
    page = int8.render([row])
    assert page.splitlines()[2] == row.to_markdown()
    assert page.splitlines()[2].startswith("| face | 12 |")
