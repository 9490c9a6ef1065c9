"""Jumps of a file's time: bounded where all streams jump, a gap without end where one does."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from doubles import ListSource, PerBlock, answer, in_order, pictures, sound
from synthetic_media import pictures as images
from synthetic_media import steady, write_media

from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, EmotionEstimate, Gap, Message, Notice, VideoFrame
from mmer.realtime.pacing import captured_at
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.replay import Replay
from mmer.realtime.sources.jumps import KEPT_S, Jumps
from mmer.realtime.sources.media import MediaFile

DAY_S = 86_400.0


def bounded(messages: list[Message]) -> list[Message]:
    jumps = Jumps("clip.mkv")
    return [moved for message in messages for moved in jumps.bounded(message)]


def later(messages: list, by_s: float) -> list:
    return [
        AudioBlock(m.t0 + by_s, m.samples)
        if isinstance(m, AudioBlock)
        else VideoFrame(m.t + by_s, m.image)
        for m in messages
    ]


def test_what_does_not_jump_is_passed_on_as_it_is() -> None:
    messages = in_order(sound(2.0), pictures(2.0))
    assert all(a is b for a, b in zip(bounded(messages), messages, strict=True))


@pytest.mark.parametrize("jump_s", [61.0, 3_600.0, DAY_S])
def test_a_jump_of_all_streams_becomes_a_gap_of_10_s(jump_s: float) -> None:
    one = in_order(sound(2.0), pictures(2.0))
    hole = Gap("audio", 2.0, 2.0 + jump_s, "hole in the sound's timestamps")
    out = bounded([*one, hole, *later(one, 2.0 + jump_s)])
    (notice,) = [m for m in out if isinstance(m, Notice)]
    assert f"jumps ahead by {jump_s:.0f} s" in notice.text
    endless, gap = [m for m in out if isinstance(m, Gap)]
    assert (endless.t0, endless.t1) == (2.0, math.inf)
    assert (gap.t0, gap.t1) == pytest.approx((2.0, 2.0 + KEPT_S), abs=0.1)
    times = [captured_at(m) for m in out if isinstance(m, AudioBlock | VideoFrame)]
    assert np.diff(times).min() > -1e-9
    assert times[-1] == pytest.approx(4.0 + KEPT_S, abs=0.1)
    ticks = Replay(Pipeline(PerBlock(answer)), ListSource(out)).events()
    assert sum(isinstance(e, EmotionEstimate) for e in ticks) < 70


def test_a_hole_of_one_stream_keeps_its_length() -> None:
    hole = Gap("audio", 2.0, 300.0, "hole in the sound's timestamps")
    out = bounded([hole, *in_order(pictures(302.0, fps=1.0), sound(2.0, start=300.0))])
    assert not [m for m in out if isinstance(m, Notice)]
    endless, gap = [m for m in out if isinstance(m, Gap)]
    assert endless.t1 == math.inf
    assert (gap.t0, gap.t1) == (2.0, 300.0)
    assert isinstance(out[out.index(gap) + 1], AudioBlock)


def test_a_file_whose_frames_jump_by_a_day_is_short(tmp_path) -> None:
    times = [*steady(1.0, 25), *(DAY_S + t for t in steady(1.0, 25))]
    path = write_media(tmp_path / "day.mkv", frames=images(times, size=(64, 48)))
    source = MediaFile(path)
    source.open(ManualClock())
    messages = list(source.messages())
    source.close()
    frames = [m.t for m in messages if isinstance(m, VideoFrame)]
    assert 38 <= len(frames) <= 42
    assert frames[-1] == pytest.approx(2.0 + KEPT_S, abs=0.2)
    assert sum(isinstance(m, Notice) for m in messages) == 1


def test_a_file_is_not_closed_under_its_reader(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("mmer.realtime.sources.media._CLOSE_S", 0.2)
    path = write_media(tmp_path / "a.mkv", frames=images(steady(1.0, 25), size=(64, 48)))
    source = MediaFile(path)
    source.open(ManualClock())
    containers = list(source._containers)
    stuck, freed = threading.Event(), threading.Event()

    def converted(reader):
        stuck.set()
        freed.wait(10)
        yield VideoFrame(0.0, np.zeros((8, 8, 3), np.uint8))

    monkeypatch.setattr(source, "_converted", converted)
    reader = threading.Thread(target=lambda: list(source.messages()))
    reader.start()
    stuck.wait(5)
    source.close()
    assert source._containers == containers  # still open
    freed.set()
    reader.join(5)
    assert source._containers == []
