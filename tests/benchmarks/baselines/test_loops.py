"""The loops with devices and models made up: who looks, who records, who waits for whom."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import pytest

from mmer.benchmarks.baselines.loops import LOOPS, Display, Opinion
from mmer.benchmarks.harness.trace import Recording
from mmer.models.labels import EMOTIONS
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, VideoFrame


def sure_of(name: str) -> Opinion:
    probs = np.full(7, 0.01, np.float32)
    probs[EMOTIONS.index(name)] = 0.94
    return probs


@dataclass
class Camera:
    frames: int

    def read(self) -> VideoFrame | None:
        self.frames -= 1
        if self.frames < 0:
            return None
        return VideoFrame(1.0 + self.frames, np.zeros((4, 4, 3), np.uint8))


@dataclass
class Microphone:
    pieces: list[tuple[float, float]]
    began: bool = False

    def record(self, seconds: float) -> AudioBlock | None:
        if not self.pieces:
            return None
        t0, t1 = self.pieces.pop(0)
        return AudioBlock(t0, np.ones(round((t1 - t0) * 16000), np.int16))

    def start(self) -> None:
        self.began = True

    def take(self, seconds: float) -> AudioBlock | None:
        assert self.began
        return self.record(seconds)


@dataclass
class Devices:
    camera: Camera
    microphone: Microphone
    clock: ManualClock = field(default_factory=lambda: ManualClock(9.0))


@dataclass
class Models:
    face: str | None = "joy"
    heard: list[float] = field(default_factory=list)

    def predict_face(self, frame: VideoFrame) -> Opinion | None:
        return None if self.face is None else sure_of(self.face)

    def predict_sound(self, sound: AudioBlock) -> list[Opinion]:
        self.heard.append(sound.t1)
        return [sure_of("anger"), sure_of("anger")]


def play(
    name: str, frames: int, pieces: list[tuple[float, float]], face: str | None = "joy"
) -> tuple[Recording, str, Models]:
    devices = Devices(Camera(frames), Microphone(pieces))
    recording, output, models = Recording(), io.StringIO(), Models(face)
    LOOPS[name](devices, models, Display(devices, recording.put, output))  # type: ignore[arg-type]
    return recording, output.getvalue(), models


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_looks_at_every_frame_and_hears_every_recording(name: str) -> None:
    recording, printed, models = play(name, 2, [(0.0, 3.0), (3.5, 6.5)])
    assert recording.frames == [2.0, 1.0]
    assert models.heard == [3.0, 6.5]
    assert len(printed.splitlines()) == len(recording.estimates) == 2
    assert recording.estimates[0].written == 9.0
    assert recording.estimates[0].face_t == 2.0


@pytest.mark.parametrize("name", ["one-thread", "recorder"])
def test_answers_are_the_mean_of_what_face_voice_and_words_say(name: str) -> None:
    recording, printed, _ = play(name, 2, [(0.0, 3.0)])
    assert recording.estimates[0].sound == (0.0, 3.0)
    assert printed.splitlines()[0] == "anger 0.63"  # two of three: (0.94 + 0.94 + 0.01) / 3


def test_one_thread_forgets_its_sound_and_the_recorder_keeps_it() -> None:
    assert [a.sound for a in play("one-thread", 2, [(0.0, 3.0)])[0].estimates] == [(0.0, 3.0), None]
    assert [a.sound for a in play("recorder", 2, [(0.0, 3.0)])[0].estimates] == [(0.0, 3.0)] * 2


def test_without_a_face_there_is_no_frame_behind_the_answer() -> None:
    recording, _, _ = play("recorder", 1, [(0.0, 3.0)], face=None)
    assert [a.face_t for a in recording.estimates] == [None]
    assert play("recorder", 1, [], face=None)[0].estimates == []


def test_what_goes_wrong_in_the_second_thread_ends_the_loop() -> None:
    devices = Devices(Camera(1), Microphone([(0.0, 3.0)]))
    models = Models()
    models.predict_sound = lambda sound: 1 // 0  # type: ignore[method-assign,assignment,return-value]
    display = Display(devices, Recording().put, io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        LOOPS["listener"](devices, models, display)  # type: ignore[arg-type]
