"""Three loops as they are written today; README.md names public projects that each is taken from.

They share what they call (the same networks), and differ in who records and who listens.
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
    """Prints the mean of the opinions, and remembers when."""

    def __init__(self, devices: Devices, note: Note, output: TextIO) -> None:
        self._devices, self._note, self._output = devices, note, output

    def show(
        self,
        face: Opinion | None,
        heard: Sequence[Opinion],
        frame: VideoFrame,
        sound: Seconds | None,
    ) -> None:
        """One line, unless there is nothing to say."""
        self._note("frames", frame.t)
        opinions = [*heard] if face is None else [face, *heard]
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
    """Look, record, listen, print: one after the other."""
    camera, microphone = devices.camera, devices.microphone
    while (frame := camera.read()) is not None:
        face = models.look(frame)
        sound = microphone.record(RECORD_S)
        heard = [] if sound is None else models.listen(sound)
        display.show(face, heard, frame, _span(sound))


def recorder(devices: Devices, models: Models, display: Display) -> None:
    """A second thread records without a break; all else in one thread, every frame."""
    camera, microphone = devices.camera, devices.microphone
    microphone.start()
    heard: list[Opinion] = []
    span: Seconds | None = None
    while (frame := camera.read()) is not None:
        face = models.look(frame)
        if (sound := microphone.take(RECORD_S)) is not None:
            heard, span = models.listen(sound), _span(sound)
        display.show(face, heard, frame, span)


def listener(devices: Devices, models: Models, display: Display) -> None:
    """A second thread records, then listens, over and over; the first looks at every frame."""
    latest: tuple[list[Opinion], Seconds | None] = ([], None)
    errors: list[BaseException] = []

    def listen() -> None:
        nonlocal latest
        try:
            while (sound := devices.microphone.record(RECORD_S)) is not None:
                latest = (models.listen(sound), _span(sound))
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)

    thread = threading.Thread(target=listen, name="listener")
    thread.start()
    while (frame := devices.camera.read()) is not None:
        face = models.look(frame)
        heard, span = latest
        display.show(face, heard, frame, span)
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
