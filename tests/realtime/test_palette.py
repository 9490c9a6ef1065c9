"""Colours of the labels: one palette, told apart with any kind of colour vision."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mmer.models.labels import EMOTIONS
from mmer.realtime.palette import PALETTE, bgr
from mmer.realtime.sinks.drawing import COLOURS
from mmer.realtime.sinks.panel import COLOURS as PANEL

STYLE = Path(__file__).resolve().parents[2] / "realtime/serve/page/style.css"
# linear RGB to what is seen without one kind of cone (Machado, Oliveira and Fernandes 2009, full)
SEEN = {
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


def test_overlay_terminal_and_page_have_the_same_colours() -> None:
    assert tuple(PALETTE) == tuple(EMOTIONS)
    assert {label: bgr(colour) for label, colour in PALETTE.items()} == COLOURS
    assert PANEL == PALETTE
    found = re.findall(r"--(\w+): (#[0-9a-f]{6})", STYLE.read_text(encoding="utf-8"))
    assert [pair for pair in found if pair[0] in EMOTIONS] == list(PALETTE.items())


def lab(colour: str, seen: str) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    rgb = np.array(bgr(colour)[::-1]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN[seen]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str, seen: str) -> float:
    return float(np.linalg.norm(lab(one, seen) - lab(other, seen)))


@pytest.mark.parametrize("seen", SEEN)
def test_any_two_labels_differ(seen: str) -> None:
    """By at least 10 in CIELAB: some four times what is just told apart."""
    for one, other in combinations(PALETTE, 2):
        assert apart(PALETTE[one], PALETTE[other], seen) >= 10, (one, other)


def test_the_measure_finds_a_red_and_a_green_alike() -> None:
    assert apart("#a05020", "#606a00", "deuteranopia") < 10 < apart("#a05020", "#606a00", "all")
