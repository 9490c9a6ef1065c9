"""Pipecat processor: emotion of the user's voice beside the transcripts of any STT service.

Put it behind the speech recognizer::

    Pipeline([transport.input(), stt, EmotionProcessor(), context.user(), llm, tts, ...])
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    DataFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

import mmer
from mmer.realtime.examples.listener import Listener


@dataclass
class EmotionFrame(DataFrame):
    """An estimate of mmer: running, provisional or final."""

    estimate: mmer.EmotionEstimate


class EmotionProcessor(FrameProcessor):
    """Passes every frame on, adds an `EmotionFrame` an estimate, and labels transcripts.

    A `TranscriptionFrame` "I am so happy" goes on as "[joy] I am so happy", which language models
    understand as it stands. ``options`` are those of `mmer.Recognizer`; the words come from
    Pipecat's STT, so mmer's own are off unless ``asr`` is given.
    """

    def __init__(self, listener: Listener | None = None, **options: Any) -> None:
        super().__init__()
        self._listener = listener or Listener(self._estimated, **{"asr": "none", **options})
        self._loop: asyncio.AbstractEventLoop | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._loop = asyncio.get_running_loop()
            self._listener.start()
        elif isinstance(frame, InputAudioRawFrame):
            self._listener.push(frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, TranscriptionFrame) and frame.text:
            frame = _with_text(frame, self._listener.labelled(frame.text))
        elif isinstance(frame, (EndFrame, CancelFrame)):
            await asyncio.to_thread(self._listener.stop)
        await self.push_frame(frame, direction)

    def _estimated(self, estimate: mmer.EmotionEstimate) -> None:
        """In mmer's thread: hand the estimate to the pipeline's event loop."""
        if self._loop is not None and not self._loop.is_closed():
            frame = EmotionFrame(estimate=estimate)
            asyncio.run_coroutine_threadsafe(self.push_frame(frame), self._loop)


def _with_text(frame: TranscriptionFrame, text: str) -> TranscriptionFrame:
    values = {f.name: getattr(frame, f.name) for f in dataclasses.fields(frame) if f.init}
    return TranscriptionFrame(**{**values, "text": text})
