"""Baseline loops; README.md names the public projects that each is taken from.

They call the same networks and differ in the threads that record and predict.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.baselines.devices import Devices
from mmer.benchmarks.harness.trace import Estimate, Note, Seconds
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import AudioBlock, VideoFrame

if TYPE_CHECKING:
    from mmer.benchmarks.baselines.models import Models

Opinion: TypeAlias = NDArray[np.float32]
"""Probabilities (7,)."""

RECORD_S: Final = 3.0


class Display:
    """Prints the mean of the probabilities, and notes when."""

    def __init__(self, devices: Devices, note: Note, output: TextIO) -> None:
        self._devices, self._note, self._output = devices, note, output

    def show(
        self,
        face: Opinion | None,
        spoken: Sequence[Opinion],
        frame: VideoFrame,
        sound: Seconds | None,
    ) -> None:
        """One line, where there is any prediction."""
        self._note("frames", frame.t)
        opinions = [*spoken] if face is None else [face, *spoken]
        if not opinions:
            return
        fused = np.mean(opinions, axis=0)
        best = int(fused.argmax())
        print(f"{EMOTIONS[best]} {fused[best]:.2f}", file=self._output, flush=True)
        now = self._devices.clock.now()
        face_t = None if face is None else frame.t
        t0, t1 = sound or (now, now)
        self._note(
            "estimates", Estimate(now, now, t0, t1, False, face_t, EMOTIONS[best], None, sound)
        )


def one_thread(devices: Devices, models: Models, display: Display) -> None:
    """Read a frame, record, predict, print: one after the other."""
    camera, microphone = devices.camera, devices.microphone
    while (frame := camera.read()) is not None:
        face = models.predict_face(frame)
        sound = microphone.record(RECORD_S)
        spoken = [] if sound is None else models.predict_sound(sound)
        display.show(face, spoken, frame, _span(sound))


def recorder(devices: Devices, models: Models, display: Display) -> None:
    """A second thread records without a break; all else in one thread, every frame."""
    camera, microphone = devices.camera, devices.microphone
    microphone.start()
    spoken: list[Opinion] = []
    span: Seconds | None = None
    while (frame := camera.read()) is not None:
        face = models.predict_face(frame)
        if (sound := microphone.take(RECORD_S)) is not None:
            spoken, span = models.predict_sound(sound), _span(sound)
        display.show(face, spoken, frame, span)


def listener(devices: Devices, models: Models, display: Display) -> None:
    """A second thread records and predicts, over and over; the first predicts every frame."""
    latest: tuple[list[Opinion], Seconds | None] = ([], None)
    errors: list[BaseException] = []

    def predict() -> None:
        nonlocal latest
        try:
            while (sound := devices.microphone.record(RECORD_S)) is not None:
                latest = (models.predict_sound(sound), _span(sound))
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)

    thread = threading.Thread(target=predict, name="listener")
    thread.start()
    while (frame := devices.camera.read()) is not None:
        face = models.predict_face(frame)
        spoken, span = latest
        display.show(face, spoken, frame, span)
    thread.join()
    if errors:
        raise errors[0]


Loop: TypeAlias = Callable[[Devices, "Models", Display], None]

LOOPS: Final[Mapping[str, Loop]] = {
    "one-thread": one_thread,
    "recorder": recorder,
    "listener": listener,
}


def _span(sound: AudioBlock | None) -> Seconds | None:
    return None if sound is None else (sound.t0, sound.t1)
