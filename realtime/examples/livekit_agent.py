"""LiveKit agent: the user's transcripts carry the emotion of the voice, "[joy] I am so happy".

::

    session = AgentSession(stt=..., llm=..., tts=..., vad=...)
    await session.start(agent=EmotionAgent(instructions="..."), room=context.room)
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import Agent, stt

from mmer.realtime.examples.listener import Listener


class EmotionAgent(Agent):
    """An `Agent` whose ``stt_node`` listens too; everything else is LiveKit's.

    ``emotion`` are options of `mmer.Recognizer`; the words come from the session's STT.
    """

    def __init__(
        self,
        *arguments: Any,
        listener: Listener | None = None,
        emotion: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._listener = listener or Listener(**{"asr": "none", **(emotion or {})})

    async def on_enter(self) -> None:
        self._listener.start()

    async def on_exit(self) -> None:
        self._listener.stop()

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: Any
    ) -> AsyncIterator[stt.SpeechEvent]:
        heard = overheard(audio, self._listener)
        async for event in labelled(
            Agent.default.stt_node(self, heard, model_settings), self._listener
        ):
            yield event


async def overheard(
    audio: AsyncIterable[rtc.AudioFrame], listener: Listener
) -> AsyncIterator[rtc.AudioFrame]:
    """The same frames, which ``listener`` gets too."""
    async for frame in audio:
        listener.push(bytes(frame.data), frame.sample_rate, frame.num_channels)
        yield frame


async def labelled(
    events: AsyncIterable[stt.SpeechEvent], listener: Listener
) -> AsyncIterator[stt.SpeechEvent]:
    """The same events; final transcripts begin with the label in brackets."""
    async for event in events:
        if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
            for alternative in event.alternatives:
                alternative.text = listener.labelled(alternative.text)
        yield event
