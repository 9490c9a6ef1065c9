"""Clip collector block: images to clips of the utterance so far, else of the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.images import shorter_side
from mmer.models.preparation.frames import evenly
from mmer.models.quality import MIN_FACE_QUALITY
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.face_encoder import fault
from mmer.realtime.messages import (
    Clip,
    FaceObservation,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
    VideoFrame,
)
from mmer.realtime.pacing import Thinning


@dataclass(frozen=True)
class ClipConfig:
    """How often there is a clip, of how long a time, out of how many images."""

    step_s: float = 0.5  # between two clips
    window_s: float = 4.0  # looked back while nobody speaks
    longest_s: float = 10.0  # of a longer utterance the newest part counts
    fps: float = 10.0  # images a second to choose from: bounds the memory
    min_quality: float = MIN_FACE_QUALITY  # 0..1; below it the image of a face is called poor

    def __post_init__(self) -> None:
        for name in ("step_s", "window_s", "longest_s", "fps"):
            if not getattr(self, name) > 0:
                raise MmerError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0.0 <= self.min_quality <= 1.0:
            raise MmerError(f"min_quality must be 0..1, got {self.min_quality}")


class _Image(NamedTuple):
    t: float
    image: NDArray[np.uint8]  # shape (H, W, 3)
    quality: float
    track: int | None  # of the face; None of a whole frame


class ClipCollector(Block):
    """FaceObservation (or VideoFrame) and SpeechUpdate -> Clip or Missing("face").

    A clip has ``count`` images at most, evenly spread over its span: the utterance that is
    going on, else the last ``window_s``. There is one every ``step_s`` in which an image came,
    and one more of an utterance that has ended (not ``partial``). Where none came, a Missing says
    why: "no face", "poor picture: ...".

    Args:
        count: pictures of a clip.
        side: whole frames are kept shrunk to so many pixels on the shorter side, as in training.
        config: how often, of how long.
    """

    def __init__(self, count: int, side: int, config: ClipConfig | None = None) -> None:
        self._count, self._side = count, side
        self._config = config or ClipConfig()
        self._kept_s = max(self._config.window_s, self._config.longest_s)
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        """Collect an image, or follow an utterance; ignores other messages."""
        if isinstance(message, SpeechUpdate):
            return self._update_utterance(message)
        if isinstance(message, VideoFrame):
            if self._thinning.takes(message.t):
                image = shorter_side(message.image, self._side)
                self._keep(_Image(message.t, image, 1.0, None))
            return self._due(message.t)
        if isinstance(message, FaceObservation):
            self._why = fault(message, self._config.min_quality)
            if not self._why and message.crop is not None and self._thinning.takes(message.t):
                self._keep(_Image(message.t, message.crop, message.quality, message.track))
            return self._due(message.t)
        return ()

    def reset(self) -> None:
        self._kept: deque[_Image] = deque()
        self._thinning = Thinning(self._config.fps)
        self._utterance: SpeechUpdate | None = None  # the one that is going on
        self._next = float("-inf")  # when the next clip is due
        self._shown = float("-inf")  # the newest image when the last one was made
        self._why = ""  # nothing is wrong with the newest image

    def _keep(self, new: _Image) -> None:
        if self._kept and self._kept[-1].image.shape != new.image.shape:
            self._kept.clear()  # the camera has changed its format
        self._kept.append(new)
        while self._kept[0].t < new.t - self._kept_s:
            self._kept.popleft()

    def _update_utterance(self, update: SpeechUpdate) -> Sequence[Message]:
        if update.state is not SpeechState.ENDED:
            self._utterance = update
            return ()
        self._utterance = None
        begin = max(update.t0, update.t1 - self._config.longest_s)
        return self._clip(begin, update.t1, partial=False, utterance=update.utterance)

    def _due(self, t: float) -> Sequence[Message]:
        if t < self._next:
            return ()
        self._next = t + self._config.step_s
        if not self._kept or self._kept[-1].t <= self._shown:
            return (Missing("face", t, t, self._why, partial=True),) if self._why else ()
        self._shown = self._kept[-1].t
        begin, utterance = t - self._config.window_s, None
        if self._utterance is not None:
            begin = max(self._utterance.t0, t - self._config.longest_s)
            utterance = self._utterance.utterance
        return self._clip(begin, t, partial=True, utterance=utterance)

    def _clip(
        self, begin: float, end: float, partial: bool, utterance: int | None
    ) -> Sequence[Clip]:
        """The clip of the images of ``begin``..``end``, if there are any."""
        there = [picture for picture in self._kept if begin <= picture.t <= end]
        if not there:
            return ()
        chosen = [there[i] for i in evenly(len(there), self._count)]
        clip = Clip(
            t0=chosen[0].t,
            t1=chosen[-1].t,
            pictures=np.stack([picture.image for picture in chosen]),
            quality=float(np.mean([picture.quality for picture in chosen])),
            partial=partial,
            utterance=utterance,
            track=chosen[-1].track,
        )
        return (clip,)
