"""The camera that keeps old frames, the microphone that hears only while it records."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from mmer.benchmarks.baselines.devices import Camera, Microphone
from mmer.benchmarks.harness.trace import Recording
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, VideoFrame

PICTURE = np.zeros((4, 4, 3), np.uint8)


def frame(t: float) -> VideoFrame:
    return VideoFrame(t, PICTURE)


def block(t0: float) -> AudioBlock:
    return AudioBlock(t0, np.full(16000, int(t0) + 1, np.int16))


def times(camera: Camera, count: int) -> list[float]:
    read = [camera.read() for _ in range(count)]
    return [f.t for f in read if f is not None]


def test_who_reads_seldom_gets_the_oldest_frames() -> None:
    clock = ManualClock()
    camera = Camera(clock, buffers=4)
    for t in range(1, 11):
        camera.deliver(frame(t))
    clock.set(10.5)
    assert times(camera, 2) == [1, 2]  # nine seconds old, and the newest are lost
    for t in (11, 12, 13):
        camera.deliver(frame(t))
    clock.set(13.5)
    camera.close()
    assert times(camera, 4) == [3, 4, 11, 12]
    assert camera.read() is None


def test_frames_delivered_late_are_lost_all_the_same() -> None:
    clock = ManualClock()
    camera = Camera(clock, buffers=2)
    for t in (1, 2):
        camera.deliver(frame(t))
    clock.set(9)
    assert times(camera, 2) == [1, 2]
    for t in (3, 4, 10):  # 3 and 4 were captured while both buffers were full
        camera.deliver(frame(t))
    assert times(camera, 1) == [10]


def test_a_recording_holds_what_was_captured_after_its_begin() -> None:
    clock, recording = ManualClock(), Recording()
    microphone = Microphone(clock, recording.put)
    for t in (0, 1):
        microphone.deliver(block(t))
    clock.set(2)
    recorded: list[AudioBlock | None] = []
    thread = threading.Thread(target=lambda: recorded.append(microphone.record(2.0)))
    thread.start()
    while not microphone.recording:
        time.sleep(0.001)
    for t in (2, 3):
        microphone.deliver(block(t))
    thread.join(5)
    microphone.deliver(block(4))
    (sound,) = recorded
    assert sound is not None
    assert (sound.t0, sound.t1) == (2, 4)
    assert list(np.unique(sound.samples)) == [3, 4]
    assert recording.lost == [(0, 2), (4, 5)]


def test_a_recording_ends_with_the_sound() -> None:
    microphone = Microphone(ManualClock(), Recording().put)
    microphone.close()
    assert microphone.record(3.0) is None
    assert microphone.record(3.0) is None


def test_a_stream_is_taken_in_pieces_and_its_rest_at_the_end() -> None:
    recording = Recording()
    microphone = Microphone(ManualClock(), recording.put)
    microphone.start()
    microphone.deliver(block(0))
    assert microphone.take(2.0) is None
    for t in (1, 2):
        microphone.deliver(block(t))
    first = microphone.take(2.0)
    assert first is not None
    assert (first.t0, first.t1) == (0, 2)
    assert microphone.take(2.0) is None
    microphone.close()
    rest = microphone.take(2.0)
    assert rest is not None
    assert (rest.t0, rest.t1) == pytest.approx((2, 3))
    assert microphone.take(2.0) is None
    assert recording.lost == []
