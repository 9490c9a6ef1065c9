"""Simulated camera and microphone for the baseline loops, fed by a file in real time.

Losses follow from capture times alone: a late delivery by this process, because a recognizer holds
the interpreter, neither adds nor saves any.
"""

from __future__ import annotations

import math
import queue
import threading
from bisect import bisect_right
from pathlib import Path
from typing import Final

import numpy as np

from mmer.benchmarks.harness.trace import Note
from mmer.realtime.clock import Clock, SessionClock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, VideoFrame
from mmer.realtime.pacing import paced
from mmer.realtime.sources.media import MediaFile

BUFFERS: Final = 4
"""Frames that OpenCV's V4L2 capture holds (DEFAULT_V4L_BUFFERS)."""


class Camera:
    """Camera like ``cv2.VideoCapture``: a few frames wait, oldest first; new ones beyond are lost.

    A loop that reads seldom gets old frames first (github.com/opencv/opencv/issues/13145).
    """

    def __init__(self, clock: Clock, buffers: int = BUFFERS) -> None:
        self._clock, self._buffers = clock, buffers
        self._waiting: queue.SimpleQueue[VideoFrame | None] = queue.SimpleQueue()
        self._taken = 0  # frames that found a buffer
        self._read_at: list[float] = []

    def deliver(self, frame: VideoFrame) -> None:
        """The device has a frame."""
        if self._taken - bisect_right(self._read_at, frame.t) < self._buffers:
            self._taken += 1
            self._waiting.put(frame)

    def close(self) -> None:
        """No frames will come any more."""
        self._waiting.put(None)

    def read(self) -> VideoFrame | None:
        """The oldest frame that waits, or the next one; None at the end."""
        frame = self._waiting.get()
        self._read_at.append(self._clock.now())
        return frame


class Microphone:
    """Microphone like sounddevice: ``record`` as ``rec`` and ``wait``; ``start`` as an InputStream.

    Sound outside a recording is lost, and noted.
    """

    def __init__(self, clock: Clock, note: Note) -> None:
        self._clock, self._note = clock, note
        self._blocks: queue.Queue[AudioBlock | None] = queue.Queue()
        self._since = math.inf  # when recording began
        self._ended = False

    @property
    def recording(self) -> bool:
        """Whether a recording is under way."""
        return self._since < math.inf

    def deliver(self, block: AudioBlock) -> None:
        """The device has sound."""
        if block.t1 > self._since:
            self._blocks.put(block)
        else:
            self._note("lost", (block.t0, block.t1))

    def close(self) -> None:
        """No sound will come any more."""
        self._blocks.put(None)

    def record(self, seconds: float) -> AudioBlock | None:
        """Record from now on and wait for it; what there is where the sound ends, None of none."""
        self._since = self._clock.now()
        sound = self._wait_for(seconds)
        self._since = math.inf
        return sound

    def start(self) -> None:
        """Record from now on, in parallel to all else; ``take`` has what has come."""
        self._since = self._clock.now()

    def take(self, seconds: float) -> AudioBlock | None:
        """The oldest so many seconds, once they are there; at the end whatever is left."""
        waiting = sum(len(b.samples) for b in list(self._blocks.queue) if b is not None)
        ended = None in self._blocks.queue
        if not waiting or (waiting < seconds * SAMPLE_RATE and not ended):
            return None
        return self._wait_for(seconds)

    def _wait_for(self, seconds: float) -> AudioBlock | None:
        blocks: list[AudioBlock] = []
        while not self._ended and sum(len(b.samples) for b in blocks) < seconds * SAMPLE_RATE:
            block = self._blocks.get()
            if block is None:
                self._ended = True
            else:
                blocks.append(block)
        if not blocks:
            return None
        return AudioBlock(blocks[0].t0, np.concatenate([b.samples for b in blocks]))


class Devices:
    """Camera and microphone, and the thread that plays a file into them.

    ``close`` raises what went wrong in that thread.
    """

    def __init__(self, clip: Path, clock: SessionClock, note: Note) -> None:
        self.clock = clock
        self.camera = Camera(clock)
        self.microphone = Microphone(clock, note)
        self._source = MediaFile(str(clip), video_fps=None)
        self._source.open(clock)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._play, name="devices", daemon=True)

    def start(self) -> None:
        """Make this moment second 0 and play."""
        self.clock.restart()
        self._thread.start()

    def close(self) -> None:
        """Wait for the end of the file, which the loops read to."""
        self._thread.join()
        self._source.close()
        if self._error is not None:
            raise self._error

    def _play(self) -> None:
        try:
            for message in paced(self._source.messages(), self.clock, threading.Event()):
                if isinstance(message, VideoFrame):
                    self.camera.deliver(message)
                elif isinstance(message, AudioBlock):
                    self.microphone.deliver(message)
        except BaseException as error:  # noqa: BLE001  raised by close in the loop's thread
            self._error = error
        finally:
            self.microphone.close()
            self.camera.close()
