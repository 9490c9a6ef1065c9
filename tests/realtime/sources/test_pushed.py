"""Sound and frames that a program pushes: stamped, in order, bounded, and refused with a reason."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles import ListSource

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock, SessionClock
from mmer.realtime.messages import AudioBlock, Gap, Message, VideoFrame
from mmer.realtime.sources.media import MediaFile
from mmer.realtime.sources.pushed import PushSource

RATE = 16_000
RAMP = np.arange(5 * RATE, dtype=np.int64).astype(np.int16)  # no two moments are alike
IMAGE = np.zeros((4, 6, 3), np.uint8)


class Reading:
    """A source that is read in a thread of its own, as a session does."""

    def __init__(self, source: PushSource, clock: ManualClock | SessionClock) -> None:
        self.source = source
        self.messages: list[Message] = []
        source.open(clock)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        assert source.wait_started(5.0)

    def _read(self) -> None:
        self.messages += self.source.messages()

    def finish(self) -> list[Message]:
        """End the stream and return all that came."""
        self.source.end()
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        return self.messages

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate([m.samples for m in self.messages if isinstance(m, AudioBlock)])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


@pytest.fixture
def reading(clock: ManualClock) -> Iterator[Reading]:
    made = Reading(PushSource(), clock)
    yield made
    made.source.close()


def push_all(source: PushSource, clock: ManualClock, samples: np.ndarray, n: int = 320) -> None:
    """Push as a device would: each piece when its last sample is over; the clock goes on."""
    for i in range(0, len(samples), n):
        clock.set(clock.now() + len(samples[i : i + n]) / RATE)
        source.push_audio(samples[i : i + n], RATE)


@pytest.mark.parametrize("n", [160, 320, 1000, RATE])
def test_sound_comes_out_whole_in_order_and_stamped_by_its_arrival(
    reading: Reading, clock: ManualClock, n: int
) -> None:
    push_all(reading.source, clock, RAMP, n)
    blocks = [m for m in reading.finish() if isinstance(m, AudioBlock)]
    np.testing.assert_array_equal(reading.sound, RAMP)
    assert blocks[0].t0 == pytest.approx(100.0)
    assert all(a.t1 == pytest.approx(b.t0, abs=1e-6) for a, b in itertools.pairwise(blocks))
    assert blocks[-1].t1 == pytest.approx(105.0)
    assert reading.source.duration_s == pytest.approx(105.0)


def test_stamps_of_the_program_are_kept(reading: Reading) -> None:
    for i in range(0, len(RAMP), 320):
        reading.source.push_audio(RAMP[i : i + 320], RATE, t=7.5 + i / RATE)
    blocks = [m for m in reading.finish() if isinstance(m, AudioBlock)]
    np.testing.assert_array_equal(reading.sound, RAMP)
    assert (blocks[0].t0, blocks[-1].t1) == pytest.approx((7.5, 12.5))


def test_a_hole_in_the_stamps_is_a_gap(reading: Reading) -> None:
    reading.source.push_audio(RAMP[:RATE], RATE, t=10.0)
    reading.source.push_audio(RAMP[RATE : 2 * RATE], RATE, t=11.03)  # jitter
    reading.source.push_audio(RAMP[2 * RATE : 3 * RATE], RATE, t=13.0)
    (gap,) = [m for m in reading.finish() if isinstance(m, Gap)]
    assert (gap.stream, gap.t1) == ("audio", 13.0)
    assert gap.t0 == pytest.approx(12.0)
    assert "hole" in gap.cause
    np.testing.assert_array_equal(reading.sound, RAMP[: 3 * RATE])


def test_stamps_may_begin_after_sound_without(reading: Reading, clock: ManualClock) -> None:
    """What came 0.1 s late ended 0.1 s before it came, or as it came: nobody can know."""
    reading.source.push_audio(RAMP[:RATE], RATE)
    clock.set(101.1)
    reading.source.push_audio(RAMP[RATE : 2 * RATE], RATE)
    clock.set(103.0)
    with pytest.raises(MmerError, match=r"pushed after sound up to 101\.00 s"):
        reading.source.push_audio(RAMP[:RATE], RATE, t=100.9)
    reading.source.push_audio(RAMP[2 * RATE : 3 * RATE], RATE, t=101.0)
    got = reading.finish()
    assert not [m for m in got if isinstance(m, Gap)]
    np.testing.assert_array_equal(reading.sound, RAMP[: 3 * RATE])


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_other_rates_and_types_are_converted(
    reading: Reading, clock: ManualClock, rate: int, kind: type
) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    given = (wave * 32768).astype(np.int16) if kind is np.int16 else wave.astype(np.float32)
    clock.set(110.0)
    reading.source.push_audio(given, rate, t=100.0)
    reading.finish()
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE) * 32768
    assert len(reading.sound) == pytest.approx(2 * RATE, abs=2)
    middle = slice(500, 2 * RATE - 500)
    np.testing.assert_allclose(reading.sound[middle], expected[middle], atol=400)


def test_the_callers_arrays_may_change_afterwards(reading: Reading, clock: ManualClock) -> None:
    scratch, image = np.full(RATE, 5, np.int16), np.full((2, 2, 3), 7, np.uint8)
    clock.set(101.0)
    reading.source.push_audio(scratch, RATE)
    reading.source.push_frame(image)
    scratch[:], image[:] = 0, 0
    (frame,) = [m for m in reading.finish() if isinstance(m, VideoFrame)]
    assert set(reading.sound) == {5}
    assert set(frame.image.ravel()) == {7}


def test_only_the_newest_frame_waits(clock: ManualClock) -> None:
    source = PushSource()
    source.open(clock)
    messages = source.messages()
    took = threading.Event()
    got: list[Message] = []

    def read() -> None:
        for message in messages:
            got.append(message)
            took.wait(5.0)

    thread = threading.Thread(target=read)
    thread.start()
    assert source.wait_started(5.0)
    source.push_frame(IMAGE, t=1.0)
    while not got:
        time.sleep(0.001)
    for t in (2.0, 3.0, 2.5, 3.0, 4.0):  # the reader is busy with the first
        source.push_frame(IMAGE, t=t)
    took.set()
    source.end()
    thread.join(5.0)
    assert [m.t for m in got if isinstance(m, VideoFrame)] == [1.0, 4.0]
    assert source.dropped_frames == 4


def test_no_stamp_is_later_than_its_arrival(reading: Reading, clock: ManualClock) -> None:
    rng = np.random.default_rng(0)
    arrivals: list[tuple[int, float]] = []  # samples pushed until then
    for i in range(0, len(RAMP), 320):
        late = float(rng.uniform(0.0, 0.06))
        clock.set(max(clock.now(), 100.0 + (i + 320) / RATE + late))
        reading.source.push_audio(RAMP[i : i + 320], RATE)
        arrivals.append((i + 320, clock.now()))
    reading.source.push_frame(IMAGE, t=clock.now() + 0.5)
    messages = reading.finish()
    count = 0
    for block in (m for m in messages if isinstance(m, AudioBlock)):
        count += len(block.samples)
        assert block.t1 <= next(at for n, at in arrivals if n >= count) + 1e-9
    assert [m.t for m in messages if isinstance(m, VideoFrame)] == [clock.now()]


def test_a_clock_that_is_a_little_ahead_makes_no_holes(
    reading: Reading, clock: ManualClock
) -> None:
    for i in range(0, len(RAMP), 320):
        clock.set(100.0 + (i + 320) / RATE)
        reading.source.push_audio(RAMP[i : i + 320], RATE, t=100.5 + i / RATE)
    messages = reading.finish()
    assert not [m for m in messages if isinstance(m, Gap)]
    assert [m for m in messages if isinstance(m, AudioBlock)][-1].t1 == pytest.approx(105.0)


def test_a_stall_and_its_burst_lose_nothing_and_move_no_stamp(
    reading: Reading, clock: ManualClock
) -> None:
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(105.0)  # the network stood still for 4 s, and then all comes at once
    for i in range(RATE, len(RAMP), 320):
        reading.source.push_audio(RAMP[i : i + 320], RATE)
    messages = reading.finish()
    assert not [m for m in messages if isinstance(m, Gap)]
    np.testing.assert_array_equal(reading.sound, RAMP)
    assert messages[-1].t1 == pytest.approx(105.0, abs=0.02)  # type: ignore[union-attr]


def push_at_once(source: PushSource, samples: np.ndarray, n: int = 320) -> None:
    """Push pieces without time going on, as after an outage of the network."""
    for i in range(0, len(samples), n):
        source.push_audio(samples[i : i + n], RATE)


def spans(messages: list[Message]) -> list[tuple[str, float, float]]:
    """Runs of blocks that meet, and gaps: kind, t0, t1, rounded to 10 ms."""
    out: list[tuple[str, float, float]] = []
    for m in messages:
        if isinstance(m, Gap) and m.stream == "audio":
            out.append((m.cause, m.t0, m.t1))
        elif isinstance(m, AudioBlock) and out and not out[-1][0] and m.t0 - out[-1][2] < 5e-3:
            assert m.t0 > out[-1][2] - 5e-3  # no moment twice
            out[-1] = ("", out[-1][1], m.t1)
        elif isinstance(m, AudioBlock):
            out.append(("", m.t0, m.t1))
    return [(cause, round(t0, 2) + 0.0, round(t1, 2)) for cause, t0, t1 in out]


@pytest.mark.parametrize("n", [160, 320, 1600, 8000])
@pytest.mark.parametrize("pause_s", [0.6, 1.0, 10.0])
def test_sound_after_a_pause_is_stamped_by_its_arrival(
    reading: Reading, clock: ManualClock, pause_s: float, n: int
) -> None:
    push_all(reading.source, clock, RAMP[: 2 * RATE], n)
    clock.set(clock.now() + pause_s)
    push_all(reading.source, clock, RAMP[2 * RATE :], n)
    messages = reading.finish()
    again = 102.0 + pause_s
    assert spans(messages) == [
        ("", 100.0, 102.0),
        ("nothing was pushed", 102.0, again),
        ("", again, again + 3.0),
    ]
    np.testing.assert_array_equal(reading.sound, RAMP)


def test_several_pauses_add_up(reading: Reading, clock: ManualClock) -> None:
    for i in range(5):
        push_all(reading.source, clock, RAMP[i * RATE : (i + 1) * RATE])
        clock.set(clock.now() + 2.0)
    gaps = [s for s in spans(reading.finish()) if s[0]]
    assert gaps == [("nothing was pushed", 101.0 + 3 * i, 103.0 + 3 * i) for i in range(4)]


@pytest.mark.parametrize("stall_s", [0.6, 1.0, 3.0])
def test_a_burst_that_fills_the_hole_is_no_pause(
    reading: Reading, clock: ManualClock, stall_s: float
) -> None:
    late = round((1.0 + stall_s) * RATE)
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(clock.now() + stall_s)
    push_at_once(reading.source, RAMP[RATE:late])
    push_all(reading.source, clock, RAMP[late:])
    assert spans(reading.finish()) == [("", 100.0, 105.0)]
    np.testing.assert_array_equal(reading.sound, RAMP)


def test_a_burst_that_comes_slowly_at_first_is_waited_for(
    reading: Reading, clock: ManualClock
) -> None:
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(103.0)
    at = RATE
    for packets in (2, 5, 12, 30, 60):  # in 0.1 s, each of 20 ms: the network finds its pace
        clock.set(clock.now() + 0.1)
        push_at_once(reading.source, RAMP[at : at + 320 * packets])
        at += 320 * packets
    left = round((clock.now() - 100.0) * RATE)
    push_at_once(reading.source, RAMP[at:left])
    push_all(reading.source, clock, RAMP[left:])
    assert spans(reading.finish()) == [("", 100.0, 105.0)]


def test_a_burst_that_brings_a_part_is_stamped_by_its_end(
    reading: Reading, clock: ManualClock
) -> None:
    """3 s without sound, then the last second of them: the network has lost the rest."""
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(clock.now() + 3.0)
    push_at_once(reading.source, RAMP[RATE : 2 * RATE])
    push_all(reading.source, clock, RAMP[2 * RATE : 4 * RATE])
    assert spans(reading.finish()) == [
        ("", 100.0, 101.0),
        ("nothing was pushed", 101.0, 103.0),
        ("", 103.0, 106.0),
    ]


def test_a_burst_longer_than_the_queue_is_let_through(clock: ManualClock) -> None:
    reading = Reading(PushSource(queue_s=1.0, patience_s=10.0), clock)
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(105.0)
    push_at_once(reading.source, RAMP[RATE:])
    assert spans(reading.finish()) == [("", 100.0, 105.0)]


def test_what_came_after_a_pause_is_read_though_no_more_comes() -> None:
    reading = Reading(PushSource(), SessionClock())
    for _ in range(2):
        reading.source.push_audio(RAMP[:RATE], RATE)
        time.sleep(1.8)
    assert [s[0] for s in spans(reading.messages)] == ["", "nothing was pushed", ""]
    reading.finish()


def test_no_stamp_is_later_than_its_arrival_after_a_pause_either(
    reading: Reading, clock: ManualClock
) -> None:
    rng = np.random.default_rng(1)
    arrivals: list[tuple[int, float]] = []
    for i in range(0, len(RAMP), 320):
        pause_s = 2.0 if i >= 2 * RATE else 0.0
        due = 100.0 + pause_s + (i + 320) / RATE + float(rng.uniform(0.0, 0.06))
        clock.set(max(clock.now(), due))
        reading.source.push_audio(RAMP[i : i + 320], RATE)
        arrivals.append((i + 320, clock.now()))
    count = 0
    for block in (m for m in reading.finish() if isinstance(m, AudioBlock)):
        count += len(block.samples)
        assert block.t1 <= next(at for n, at in arrivals if n >= count) + 1e-9
    assert count == len(RAMP)


@pytest.mark.parametrize("stop", ["end", "interrupt", "stamp"])
def test_what_is_held_after_a_pause_comes_out_before_the_next(
    reading: Reading, clock: ManualClock, stop: str
) -> None:
    push_all(reading.source, clock, RAMP[:RATE])
    clock.set(102.0)
    push_all(reading.source, clock, RAMP[RATE : RATE + 3200])
    if stop == "interrupt":
        reading.source.interrupt("the phone is away")
    if stop == "stamp":
        clock.set(104.0)
        reading.source.push_audio(RAMP[RATE + 3200 : 2 * RATE], RATE, t=103.0)
    after = {
        "end": [],
        "interrupt": [("the phone is away", 102.2, math.inf)],
        "stamp": [("hole in the stamps of the pushed sound", 102.2, 103.0), ("", 103.0, 103.8)],
    }
    assert spans(reading.finish()) == [
        ("", 100.0, 101.0),
        ("nothing was pushed", 101.0, 102.0),
        ("", 102.0, 102.2),
        *after[stop],
    ]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        (
            np.zeros((320, 2), np.int16),
            RATE,
            r"float32 \(n,\), mono, got int16 \(320, 2\)",
        ),
        (np.zeros(320, np.float64), RATE, r"got float64 \(320,\)"),
        ([[0], [1, 2]], RATE, r"got list \(\)"),
        (np.zeros(320, np.int16), 0, "rate .* got 0"),
        (np.zeros(320, np.int16), 44_100.5, "rate .* got 44100.5"),
        (np.zeros(320, np.int16), True, "rate .* got True"),
        (
            np.zeros((320, 2), np.float32),
            RATE,
            r"by samples.mean\(axis=1\).astype\(",
        ),
        (np.zeros((2, 320), np.int16), RATE, r"by samples.mean\(axis=0\)"),
        (np.full(320, np.nan, np.float32), RATE, "NaN"),
        (np.full(320, -12e3, np.float32), RATE, "got 12000: divide what was int16 by 32768, or"),
        (np.zeros(11 * RATE, np.int16), RATE, "10 s at most, got 11.0 s"),
    ],
)
def test_wrong_sound_is_refused(
    reading: Reading, samples: np.ndarray, rate: int, says: str
) -> None:
    with pytest.raises(MmerError, match=says):
        reading.source.push_audio(samples, rate)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 6), np.uint8), r"got uint8 \(4, 6\)"),
        (np.zeros((4, 6, 4), np.uint8), r"got uint8 \(4, 6, 4\)"),
        (np.zeros((0, 6, 3), np.uint8), r"got uint8 \(0, 6, 3\)"),
        (np.zeros((4, 6, 3), np.float32), "got float32"),
        ("frame.png", r"got str \(\)"),
    ],
)
def test_a_wrong_frame_is_refused(reading: Reading, image: np.ndarray, says: str) -> None:
    with pytest.raises(MmerError, match=says):
        reading.source.push_frame(image)


def test_wrong_times_are_refused(reading: Reading, clock: ManualClock) -> None:
    second = RAMP[:RATE]
    for t in (math.nan, math.inf, 5_000.0, -1e6, -1.5, "now"):
        with pytest.raises(MmerError, match="seconds since the session's start"):
            reading.source.push_audio(second, RATE, t=t)  # type: ignore[arg-type]
        with pytest.raises(MmerError, match="seconds since the session's start"):
            reading.source.push_frame(IMAGE, t=t)  # type: ignore[arg-type]
    reading.source.push_audio(second, RATE, t=10.0)
    with pytest.raises(MmerError, match=r"from 10\.00 s was pushed after sound up to 11\.00 s"):
        reading.source.push_audio(second, RATE, t=10.0)
    for _ in range(90):
        reading.source.push_audio(second, RATE)
    with pytest.raises(MmerError, match=r"3\.0 s more sound was pushed than time has passed"):
        reading.source.push_audio(RAMP[: 2 * RATE], RATE)


def test_before_the_start_and_after_the_end_nothing_can_be_pushed(clock: ManualClock) -> None:
    source = PushSource()
    for push in (lambda: source.push_audio(RAMP[:320], RATE), lambda: source.push_frame(IMAGE)):
        with pytest.raises(MmerError, match="not begun"):
            push()
    reading = Reading(source, clock)
    reading.finish()
    for push in (lambda: source.push_audio(RAMP[:320], RATE), lambda: source.push_frame(IMAGE)):
        with pytest.raises(MmerError, match="end"):
            push()
    with pytest.raises(MmerError, match="new one"):
        source.open(clock)


def test_a_stream_that_it_does_not_have(clock: ManualClock) -> None:
    with pytest.raises(MmerError, match="nothing to push"):
        PushSource(audio=False, video=False)
    source = PushSource(video=False)
    assert source.streams == {"audio"}
    reading = Reading(source, clock)
    with pytest.raises(MmerError, match="video=False"):
        source.push_frame(IMAGE)
    (gap,) = reading.finish()
    assert gap == Gap("video", 0.0, math.inf, "no picture in the source")


# --- bounded, from any thread ---------------------------------------------------------------------


def blocked(source: PushSource) -> tuple[threading.Thread, list[str]]:
    """A thread that pushes until it is refused; returns once the queue has been full a while."""
    told: list[str] = []

    def push() -> None:
        try:
            for i in range(1_000):
                source.push_audio(RAMP[:RATE], RATE, t=float(i))
        except MmerError as error:
            told.append(str(error))

    thread = threading.Thread(target=push)
    thread.start()
    waiting = -1.0
    while source._waiting_s != waiting or waiting < 2.0:
        waiting = source._waiting_s
        time.sleep(0.05)
    return thread, told


@pytest.fixture
def stuck() -> Iterator[tuple[PushSource, Iterator[Message]]]:
    """A source whose session has begun and reads nothing."""
    source = PushSource(queue_s=2.0, patience_s=30.0)
    source.open(ManualClock(5_000.0))
    messages = source.messages()
    source._started = True
    yield source, messages
    source.close()


def test_a_full_queue_blocks_and_nothing_is_lost(
    stuck: tuple[PushSource, Iterator[Message]],
) -> None:
    source, messages = stuck
    thread, told = blocked(source)
    got = 0
    for message in messages:
        got += len(message.samples) if isinstance(message, AudioBlock) else 0
        if got == 20 * RATE:
            source.stop()
    thread.join(5.0)
    assert told == ["nothing more can be pushed: the session has ended"]
    assert got % RATE == 0
    assert got >= 20 * RATE


def test_a_queue_that_stays_full_is_an_error() -> None:
    source = PushSource(queue_s=2.0, patience_s=0.2)
    source.open(ManualClock(5_000.0))
    source._started = True
    for i in range(2):
        source.push_audio(RAMP[:RATE], RATE, t=float(i))
    with pytest.raises(MmerError, match=r"2\.0 s of pushed sound have waited for 0\.2 s"):
        source.push_audio(RAMP[:RATE], RATE, t=2.0)


def test_the_end_wakes_a_blocked_push_and_what_waits_comes_out(
    stuck: tuple[PushSource, Iterator[Message]],
) -> None:
    source, messages = stuck
    thread, told = blocked(source)
    source.end()
    thread.join(5.0)
    assert told == ["nothing more can be pushed: end() was called"]
    assert sum(len(m.samples) for m in messages if isinstance(m, AudioBlock)) == 2 * RATE


def test_closing_wakes_a_blocked_push(stuck: tuple[PushSource, Iterator[Message]]) -> None:
    source, messages = stuck
    thread, told = blocked(source)
    source.close()
    thread.join(5.0)
    assert told == ["nothing more can be pushed: the session has ended"]
    assert list(messages) == []


def test_two_threads_push_and_each_keeps_its_order(clock: ManualClock) -> None:
    reading = Reading(PushSource(queue_s=0.5), clock)

    def push(first: int) -> None:
        for i in range(first, first + 200):
            reading.source.push_audio(np.full(32, i, np.int16), RATE)
            reading.source.push_frame(np.full((2, 2, 3), i % 256, np.uint8))

    pushing = [threading.Thread(target=push, args=(first,)) for first in (0, 1000)]
    clock.set(200.0)
    for thread in pushing:
        thread.start()
    for thread in pushing:
        thread.join(10.0)
    reading.finish()
    values = reading.sound[::32]
    assert sorted(values) == sorted([*range(200), *range(1000, 1200)])
    for first in (0, 1000):
        mine = [v for v in values if first <= v < first + 200]
        assert mine == sorted(mine)


def test_waiting_for_a_session_that_never_begins() -> None:
    source = PushSource()
    assert not source.wait_started(0.01)
    source.close()
    assert not source.wait_started()


# --- in a recognizer ------------------------------------------------------------------------------


def feeder(source: PushSource) -> tuple[threading.Thread, list[bool]]:
    """A thread of the program that waits for the session, and what it was told."""
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(source.wait_started()), daemon=True)
    thread.start()
    return thread, told


@pytest.mark.parametrize(
    "wrong",
    [
        {"asr": "foo"},
        {"modalities": "speech"},
        {"modalities": None},
        {"weights": 3},
        {"models": "models"},
        {"video_fps": "20"},
        {"pace": "max"},
        {"record": Path(__file__)},
        {"weights": Path("nowhere")},
        {"baseline": Path("nowhere")},
        {"audio": "none", "modalities": ("speech",)},
    ],
)
def test_a_recognizer_that_cannot_begin_ends_its_source(wrong: dict[str, Any]) -> None:
    source = PushSource()
    thread, told = feeder(source)
    with pytest.raises(MmerError), mmer.Recognizer(source, **{"offline": True} | wrong):
        pass
    thread.join(5.0)
    assert told == [False]
    with pytest.raises(MmerError, match="nothing more can be pushed"):
        source.push_frame(IMAGE)
    with pytest.raises(MmerError, match="make a new one"):
        mmer.Recognizer(source, offline=True).prepare()


@pytest.mark.parametrize(
    "end",
    [
        lambda recognizer: recognizer.close(),
        lambda recognizer: recognizer.run(outputs=[3]),
        lambda recognizer: recognizer.run(on_event="f"),
        lambda recognizer: recognizer.run(outputs=["nowhere/run.jsonl"]),
    ],
)
def test_a_recognizer_that_ends_before_it_begins_ends_its_source(end: Any) -> None:
    source = PushSource()
    thread, told = feeder(source)
    recognizer = mmer.Recognizer(source, offline=True)
    with contextlib.suppress(MmerError):
        end(recognizer)
    thread.join(5.0)
    assert told == [False]


def test_a_wrong_recognizer_leaves_the_source_of_another_session_alone(reading: Reading) -> None:
    with pytest.raises(MmerError, match="asr"):
        mmer.Recognizer(reading.source, asr="foo")
    with pytest.raises(MmerError, match="has been used"):
        mmer.Recognizer(reading.source, offline=True).prepare()
    reading.source.push_audio(RAMP[:RATE], RATE)
    assert len(reading.finish()) == 1


def test_any_other_source_is_closed_where_no_session_comes_of_it() -> None:
    for wrong in ({"asr": "foo"}, {"record": Path(__file__)}):
        source = ListSource([], live=True)
        with pytest.raises(MmerError), mmer.Recognizer(source, **wrong):  # type: ignore[arg-type]
            pass
        assert source.closed


def test_options_that_do_not_go_with_it() -> None:
    with pytest.raises(MmerError, match="--pace max is for files"):
        mmer.Recognizer(PushSource(), pace="max")
    with pytest.raises(MmerError, match="--audio USB names a device, but the source is phone"):
        mmer.Recognizer(PushSource(name="phone"), audio="USB")
    with pytest.raises(MmerError, match="not int"):
        mmer.Recognizer(7)  # type: ignore[arg-type]
    with (
        pytest.raises(MmerError, match="none of the streams that --modalities face need"),
        mmer.Recognizer(PushSource(video=False), modalities=("face",), offline=True),
    ):
        pass


def test_a_session_of_pushed_sound_ends_in_order_with_totals() -> None:
    source = PushSource(video=False, name="phone")

    def feed() -> None:
        assert source.wait_started(60.0)
        rng = np.random.default_rng(0)
        for _ in range(20):
            source.push_audio(rng.normal(0, 300, 800).astype(np.int16), RATE)
            time.sleep(0.05)
        source.end()

    thread = threading.Thread(target=feed)
    thread.start()
    with mmer.Recognizer(source, modalities=("speech",), offline=True) as recognizer:
        assert recognizer.info.source["name"] == "phone"
        events = list(recognizer.events())
    thread.join(5.0)
    estimates = [e for e in events if isinstance(e, mmer.EmotionEstimate)]
    # the latter where this machine stood still
    assert estimates[-1].why["speech"] in ("silence", "nothing was pushed")
    end = events[-1]
    assert isinstance(end, mmer.SessionEnd)
    assert (end.emotions, end.utterances) == (len(estimates), 0)
    assert sum(isinstance(e, mmer.SessionEnd) for e in events) == 1


@pytest.mark.slow
def test_a_clip_pushed_gives_the_labels_of_the_file(short_clip: Path) -> None:
    def finals(source: mmer.Source | None, **options: str) -> list[tuple[str | None, str]]:
        with mmer.Recognizer(source or short_clip, offline=True, **options) as recognizer:
            events = list(recognizer.events())
        labels = [e.label for e in events if isinstance(e, mmer.EmotionEstimate) and e.final]
        texts = [e.text for e in events if isinstance(e, mmer.Transcript) and not e.partial]
        assert len(labels) == len(texts)
        return list(zip(labels, texts, strict=True))

    source = PushSource()

    def feed() -> None:
        media = MediaFile(short_clip)
        media.open(ManualClock())
        assert source.wait_started(100.0)
        began = time.monotonic()
        for message in media.messages():
            if not isinstance(message, AudioBlock | VideoFrame):
                continue
            due = message.t1 if isinstance(message, AudioBlock) else message.t
            time.sleep(max(0.0, began + due - time.monotonic()))
            if isinstance(message, AudioBlock):
                source.push_audio(message.samples, RATE, t=message.t0)
            else:
                source.push_frame(message.image, t=message.t)
        source.end()
        media.close()

    thread = threading.Thread(target=feed)
    thread.start()
    pushed = finals(source)
    thread.join(5.0)
    assert pushed == finals(None, pace="max")


def test_an_interruption_is_a_gap_until_the_next_push(clock: ManualClock, reading: Reading) -> None:
    source = reading.source
    source.push_audio(RAMP[:RATE], RATE, 98.0)
    source.push_frame(IMAGE, 98.5)
    clock.set(101.0)
    source.interrupt("the cable was pulled")
    source.interrupt("again")
    clock.set(103.0)
    source.push_audio(RAMP[RATE : 2 * RATE], RATE)
    source.push_frame(IMAGE, 102.5)
    messages = reading.finish()
    gaps = [m for m in messages if isinstance(m, Gap)]
    endless = [g for g in gaps if math.isinf(g.t1)]
    assert {g.stream for g in endless} == {"audio", "video"}
    assert {g.cause for g in gaps} == {"the cable was pulled"}
    (sound,) = [g for g in gaps if g.stream == "audio" and not math.isinf(g.t1)]
    assert (sound.t0, sound.t1) == (pytest.approx(99.0, abs=0.05), pytest.approx(102.0, abs=0.05))
    (notice,) = [m for m in messages if isinstance(m, mmer.Notice)]
    assert notice.text == "pushed: the cable was pulled"
    assert len(reading.sound) == 2 * RATE


def test_an_interruption_before_the_session_or_after_its_end_is_nothing() -> None:
    source = PushSource()
    source.interrupt("nobody is there")
    source.open(ManualClock(1.0))
    source.end()
    source.interrupt("it is over")
    assert not [m for m in source.messages() if isinstance(m, mmer.Notice)]


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name in ("audio", "video") for value in (1, "yes", None, np.ones(2))),
        *({"name": value} for value in (5, None, b"x")),
        *(
            {name: value}
            for name in ("queue_s", "patience_s")
            for value in ("10", None, True, [1], np.nan, np.inf, -1.0)
        ),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_one_line(wrong):
    with pytest.raises(MmerError, match="expected") as caught:
        PushSource(**wrong)
    assert len(str(caught.value).splitlines()) == 1


def test_arguments_of_the_wrong_type_are_one_line():
    for wrong in ("x", [1], np.nan, np.inf, True):
        with pytest.raises(MmerError, match="timeout_s is"):
            PushSource().wait_started(wrong)
    assert not PushSource().wait_started(-1.0)
    for wrong in (5, None, b"x"):
        with pytest.raises(MmerError, match="cause is"):
            PushSource().interrupt(wrong)
