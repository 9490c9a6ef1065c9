from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from mmer.realtime.sinks.window import PictureWindow


class Desktop:
    """OpenCV's windows without a display."""

    def __init__(self) -> None:
        self.key = -1
        self.visible = 1.0
        self.pictures: list[np.ndarray] = []
        self.open = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "namedWindow": lambda *_: self._opened(1),
            "destroyWindow": lambda *_: self._opened(-1),
            "resizeWindow": lambda *_: None,
            "imshow": lambda _, image: self.pictures.append(image),
            "waitKey": lambda _: self.key,
            "getWindowProperty": lambda *_: self.visible,
        }.items():
            monkeypatch.setattr(cv2, name, value)

    def _opened(self, change: int) -> None:
        self.open += change


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    desktop = Desktop()
    desktop.install(monkeypatch)
    steps = iter(range(10_000))
    monkeypatch.setattr("mmer.realtime.sinks.window.time.monotonic", lambda: float(next(steps)))
    return desktop


def opened(make: SimpleNamespace, **changes: Any) -> PictureWindow:
    window = PictureWindow()
    window.open(make.info(**changes))
    return window


def test_a_frame_is_shown_with_what_was_found_in_it(
    make: SimpleNamespace, desktop: Desktop
) -> None:
    window = opened(make)
    assert len(desktop.pictures) == 1  # the plain picture
    window.write(make.frame(1.0, 640, 480), 1.05)
    assert len(desktop.pictures) == 1
    window.write(make.face(1.0), 1.06)
    assert desktop.pictures[-1].shape == (480, 640, 3)
    assert not window.wants_stop
    window.close(make.end)
    assert desktop.open == 0


def test_small_pictures_are_enlarged(make: SimpleNamespace, desktop: Desktop) -> None:
    window = opened(make)
    window.write(make.frame(1.0, 160, 120), 1.05)
    window.write(make.face(1.0), 1.06)
    assert desktop.pictures[-1].shape == (360, 480, 3)


def test_a_source_without_pictures_shows_a_plain_one(
    make: SimpleNamespace, desktop: Desktop
) -> None:
    window = opened(make, streams=frozenset({"audio"}))
    window.write(make.estimate(1.0), 1.05)
    assert len(desktop.pictures) == 2
    assert not np.array_equal(desktop.pictures[0], desktop.pictures[1])


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27, 0x100000 | ord("q")])
def test_keys_that_end_the_session(make: SimpleNamespace, desktop: Desktop, key: int) -> None:
    window = opened(make)
    desktop.key = key
    window.write(make.estimate(1.0), 1.05)
    assert window.wants_stop
    assert desktop.open == 0
    window.write(make.frame(2.0), 2.05)  # what still comes is not shown
    window.close(make.end)
    assert desktop.open == 0


def test_other_keys_do_nothing(make: SimpleNamespace, desktop: Desktop) -> None:
    window = opened(make)
    desktop.key = ord("x")
    window.write(make.estimate(1.0), 1.05)
    assert not window.wants_stop


def test_closing_the_window_ends_the_session(make: SimpleNamespace, desktop: Desktop) -> None:
    window = opened(make)
    desktop.visible = 0.0
    window.write(make.estimate(1.0), 1.05)
    assert window.wants_stop


def test_frames_faster_than_the_screen_are_skipped(
    make: SimpleNamespace, desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = opened(make)
    monkeypatch.setattr("mmer.realtime.sinks.window.time.monotonic", lambda: 1.001)
    for n in range(100):
        window.write(make.frame(n / 100), n / 100)
    assert len(desktop.pictures) <= 2
