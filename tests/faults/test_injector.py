"""The injectors of the sweep: each one injects, when and where it was told to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from injector import Injector
from small_graph import (
    LoudIsSpeech,
    Network,
    OneFace,
    SameWords,
    SteppedClock,
    picture,
    small_pool,
    write_clip,
)

from mmer.models.fusion import Opinion
from mmer.realtime.sources.reader import open_container

SOUND = np.full(320, 8000, np.int16)


def failures(injector: Injector, boundary: str, uses: int = 5) -> list[int]:
    """Which of the uses of ``boundary`` fail."""
    failed = []
    for n in range(1, uses + 1):
        try:
            if injector.use(boundary):
                failed.append(n)
        except ZeroDivisionError:
            failed.append(n)
    return failed


@pytest.mark.parametrize("error", [None, ZeroDivisionError("x")])
def test_the_nth_use_fails_once_or_for_good(error: Exception | None) -> None:
    injector = Injector()
    assert failures(injector, "a") == []
    injector.arm("a", 3, error=error)
    assert failures(injector, "b") == []
    assert failures(injector, "a") == [3]
    assert injector.fired == 1
    injector.arm("a", 3, for_good=True, error=error)
    assert failures(injector, "a") == [3, 4, 5]
    assert injector.uses["a"] == 5
    with injector.paused():
        assert failures(injector, "a") == []


@pytest.mark.parametrize(
    ("boundary", "call"),
    [
        ("vad", lambda i: LoudIsSpeech(i).detect(SOUND)),
        ("vad", lambda i: LoudIsSpeech(i).interrupt()),
        ("vad", lambda i: LoudIsSpeech(i).reset()),
        ("asr", lambda i: SameWords(i).accept(SOUND)),
        ("asr", lambda i: SameWords(i).finish()),
        ("asr", lambda i: SameWords(i).reset()),
        ("detector", lambda i: OneFace(i).detect(picture(), 0.0)),
        ("speech", lambda i: Network("speech", i).predict(SOUND)),
        ("fusion", lambda i: small_pool(i).fuse({"face": Opinion(np.zeros(7), 1.0, 0.0)})),
        ("clock", lambda i: SteppedClock(i).now()),
        ("os.stat", lambda i: i.spoiled("os", os, "stat").stat("/")),
    ],
)
def test_a_double_fails_where_it_is_told_to(boundary: str, call) -> None:
    injector = Injector()
    call(injector)
    injector.arm(boundary, 2, error=ZeroDivisionError("x"))
    call(injector)
    with pytest.raises(ZeroDivisionError):
        call(injector)
    call(injector)


def test_doubles_without_an_error_give_no_numbers() -> None:
    injector = Injector()
    injector.arm("face", 1)
    assert np.isnan(Network("face", injector).predict(None).log_probs).all()
    injector.arm("detector", 1)
    assert np.isnan(OneFace(injector).detect(picture(), 0.0)[0].eyes).all()
    injector.arm("fusion", 1)
    assert np.isnan(small_pool(injector).fuse({"face": Opinion(np.zeros(7), 1.0, 0.0)})[0]).all()


@pytest.mark.parametrize("boundary", ["demux", "decode"])
def test_a_packet_fails_where_it_is_told_to(boundary: str, tmp_path: Path) -> None:
    injector = Injector()
    with open_container(str(write_clip(tmp_path / "clip.mkv")), network=False) as real:
        container = injector.container(real)
        injector.arm(boundary, 3, error=ZeroDivisionError("x"))
        decoded = (
            container.streams[packet.stream.index].decode(packet)
            for packet in container.demux([container.streams[0]])
        )
        assert next(decoded)
        next(decoded)
        with pytest.raises(ZeroDivisionError):
            next(decoded)


def test_a_close_that_fails_has_closed(tmp_path: Path) -> None:
    injector = Injector()
    spoiled = injector.spoiled("os", os, "close")
    descriptor = os.open(tmp_path / "x", os.O_CREAT | os.O_WRONLY)
    injector.arm("os.close", 1, error=OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        spoiled.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
