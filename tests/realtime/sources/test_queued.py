"""Messages that a program stamps itself: they come out unchanged, in order, none dropped."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.messages import AudioBlock, Gap, Message, Notice, VideoFrame
from mmer.realtime.sources.queued import QueuedSource

SOUND = np.zeros(320, np.int16)
IMAGE = np.zeros((4, 6, 3), np.uint8)


def test_messages_come_out_as_they_were_put() -> None:
    source = QueuedSource()
    put: list[AudioBlock | VideoFrame] = [AudioBlock(0.0, SOUND), VideoFrame(0.02, IMAGE)]
    for message in put:
        source.put(message)
    source.end()
    assert all(a is b for a, b in zip(source.messages(), put, strict=True))


def test_a_full_queue_makes_the_program_wait() -> None:
    source = QueuedSource(most=2)
    got: list[Message] = []

    def feed() -> None:
        for k in range(20):
            source.put(AudioBlock(0.02 * k, SOUND))
        source.end()

    thread = threading.Thread(target=feed)
    thread.start()
    time.sleep(0.05)
    assert source.full
    got += source.messages()
    thread.join(5)
    assert len(got) == 20


def test_a_stream_that_is_not_there_is_a_gap_without_end() -> None:
    source = QueuedSource(video=False)
    source.end()
    assert list(source.messages()) == [Gap("video", 0.0, math.inf, "no picture in the source")]


def test_a_jump_of_a_day_is_short() -> None:
    source = QueuedSource(audio=False)
    source.put(VideoFrame(0.0, IMAGE))
    source.put(VideoFrame(86_400.0, IMAGE))
    source.end()
    messages = list(source.messages())
    assert any(isinstance(m, Notice) and "jumps ahead" in m.text for m in messages)
    assert [m.t for m in messages if isinstance(m, VideoFrame)][-1] < 60


@pytest.mark.parametrize("t", [-1.0, math.nan, math.inf, 0.5])
def test_a_stamp_that_makes_no_sense_is_refused(t: float) -> None:
    source = QueuedSource()
    source.put(VideoFrame(1.0, IMAGE))
    with pytest.raises(MmerError, match="stamps are in order"):
        source.put(VideoFrame(t, IMAGE))


def test_what_was_not_announced_is_refused() -> None:
    with pytest.raises(MmerError, match="announced"):
        QueuedSource(audio=False).put(AudioBlock(0.0, SOUND))
    with pytest.raises(MmerError, match="nothing to give"):
        QueuedSource(audio=False, video=False)


def test_the_end_wakes_whoever_waits() -> None:
    source = QueuedSource(most=1)
    source.put(VideoFrame(0.0, IMAGE))
    threading.Timer(0.05, source.stop).start()
    source.put(VideoFrame(1.0, IMAGE))
    assert len(list(source.messages())) == 1
