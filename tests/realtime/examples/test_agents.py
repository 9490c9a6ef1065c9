"""Voice agents: Pipecat's processor and LiveKit's agent, by their own packages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

import mmer
from mmer.realtime.clock import ManualClock
from mmer.realtime.demo import clip
from mmer.realtime.examples.listener import Listener

RATE = 16_000


class Label(Listener):
    """A listener that has heard joy; it records what it is given."""

    def __init__(self, label: str | None = "joy", age_s: float = 0.0) -> None:
        self._latest = (time.monotonic() - age_s, label)
        self.pushed: list[tuple[bytes, int, int]] = []
        self.steps: list[str] = []

    def start(self) -> None:
        self.steps.append("start")

    def push(self, pcm: bytes, rate: int, channels: int = 1) -> None:
        self.pushed.append((pcm, rate, channels))

    def stop(self, wait_s: float = 5.0) -> None:
        self.steps.append("stop")


def test_only_a_fresh_label_goes_before_the_text() -> None:
    assert Label("joy").labelled("I am so happy") == "[joy] I am so happy"
    assert Label("joy", age_s=11.0).labelled("later") == "later"
    assert Label(None).labelled("no evidence") == "no evidence"


def demo_sound(seconds: float) -> np.ndarray:
    """Sound of the demo clip: int16 (n,) at 16 kHz."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(clip())) as container:
        blocks = [
            made.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for made in resampler.resample(frame)
        ]
    return np.concatenate(blocks)[: int(seconds * RATE)]


def test_sound_that_is_refused_is_no_end_of_the_session() -> None:
    listener = Listener(asr="none", modalities=("speech",), offline=True)
    listener._source.open(ManualClock(100.0))
    listener._source._started = True  # a session that reads nothing
    for _ in range(11):
        listener.push(bytes(2 * RATE), RATE)
    assert "more sound was pushed than time has passed" in listener.left_out
    assert listener.problem == ""
    listener._source.close()


@pytest.mark.live
def test_a_listener_labels_the_utterance_that_has_ended() -> None:
    estimates: list[mmer.EmotionEstimate] = []
    listener = Listener(estimates.append, asr="none", modalities=("speech",), offline=True)
    listener.start()
    assert listener._source.wait_started(60.0)
    began = time.monotonic()
    stereo = np.repeat(demo_sound(3.6), 2)
    for n in range(0, len(stereo), 640):
        time.sleep(max(0.0, began + n / 2 / RATE - time.monotonic()))
        listener.push(stereo[n : n + 640].tobytes(), RATE, 2)
    listener.stop()
    assert listener.problem == ""
    final = next(e for e in estimates if e.final)
    assert final.window[1] == pytest.approx(3.0, abs=0.5)
    assert listener.labelled("x") == (f"[{final.label}] x" if final.label else "x")


def test_pipecat() -> None:
    pytest.importorskip("pipecat", reason="needs pipecat-ai")
    from pipecat.frames.frames import InputAudioRawFrame, TextFrame, TranscriptionFrame
    from pipecat.tests.utils import run_test

    from mmer.realtime.examples.pipecat_processor import EmotionProcessor

    listener = Label()
    sent = [
        InputAudioRawFrame(audio=b"\0\0" * 320, sample_rate=RATE, num_channels=1),
        TranscriptionFrame(text="I am so happy", user_id="a", timestamp="t"),
        TextFrame(text="from the model"),
    ]
    down, _ = asyncio.run(run_test(EmotionProcessor(listener=listener), frames_to_send=sent))
    texts = [frame.text for frame in down if isinstance(frame, TextFrame)]
    assert texts == ["[joy] I am so happy", "from the model"]
    assert any(isinstance(frame, InputAudioRawFrame) for frame in down)
    assert listener.pushed == [(b"\0\0" * 320, RATE, 1)]
    assert listener.steps == ["start", "stop"]


def test_pipecat_gets_the_estimates() -> None:
    pytest.importorskip("pipecat", reason="needs pipecat-ai")
    from pipecat.frames.frames import TextFrame
    from pipecat.tests.utils import run_test

    from mmer.realtime.examples.pipecat_processor import EmotionFrame, EmotionProcessor

    listener = Label()
    processor = EmotionProcessor(listener=listener)
    estimate = SimpleNamespace(label="joy")
    listener.start = lambda: processor._estimated(estimate)  # type: ignore[method-assign, arg-type]
    down, _ = asyncio.run(run_test(processor, frames_to_send=[TextFrame(text="x")]))
    assert [f.estimate for f in down if isinstance(f, EmotionFrame)] == [estimate]


def test_livekit() -> None:
    pytest.importorskip("livekit.agents", reason="needs livekit-agents")
    from livekit import rtc
    from livekit.agents import Agent, stt

    from mmer.realtime.examples.livekit_agent import EmotionAgent

    listener = Label()
    agent = EmotionAgent(instructions="be kind", listener=listener)
    assert isinstance(agent, Agent)

    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        yield rtc.AudioFrame(b"\0\0" * 320, RATE, 1, 320)

    async def recognized(self: Any, audio: Any, settings: Any) -> AsyncIterator[stt.SpeechEvent]:
        async for _ in audio:
            for kind in (
                stt.SpeechEventType.INTERIM_TRANSCRIPT,
                stt.SpeechEventType.FINAL_TRANSCRIPT,
            ):
                data = stt.SpeechData(language="en", text="I am so happy")
                yield stt.SpeechEvent(type=kind, alternatives=[data])

    async def events() -> list[str]:
        await agent.on_enter()
        made = [e.alternatives[0].text async for e in agent.stt_node(frames(), None)]
        await agent.on_exit()
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Agent.default, "stt_node", recognized)
        assert asyncio.run(events()) == ["I am so happy", "[joy] I am so happy"]
    assert listener.pushed == [(b"\0\0" * 320, RATE, 1)]
    assert listener.steps == ["start", "stop"]
