"""Interface of the sources: microphone, camera, media file, pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mmer.realtime.clock import Clock
from mmer.realtime.messages import AudioBlock, Gap, Notice, Stream, VideoFrame


class Source(Protocol):
    """Source of captured messages in order of time, each stamped on the session's clock.

    Sound is int16 (n,), mono, 16 kHz, in `AudioBlock`; a frame is uint8 (H, W, 3) BGR, in
    `VideoFrame`. `PushSource` resamples, and takes float32 too.

    The runner calls ``open`` once, iterates ``messages`` (in a thread of its own when live), may
    call ``stop`` from any thread to make ``messages`` end soon, and calls ``close`` last.
    """

    name: str  # for people: "microphone 'USB Audio'", "clip.mp4"
    live: bool  # a device: stamped by the clock as it comes; else stamped by its own timeline

    @property
    def streams(self) -> frozenset[Stream]:
        """What it yields; known after ``open``."""

    @property
    def duration_s(self) -> float | None:
        """Length in seconds where it is known, after ``open``; None while a live source goes on.

        A live source that ends by itself with None is taken to be lost.
        """
        return None

    def open(self, clock: Clock) -> None:
        """Open the device or file, or raise MmerError that says what is wrong and what to do."""

    def messages(self) -> Iterator[AudioBlock | VideoFrame | Gap | Notice]:
        """Block until there is something, yield it, end when the source ends or is stopped."""

    def stop(self) -> None:
        """Make ``messages`` end soon; any thread may call it, more than once."""

    def close(self) -> None:
        """Release the device or file; harmless when never opened."""
