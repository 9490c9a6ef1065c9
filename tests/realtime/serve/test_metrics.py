"""Metrics of the server: each counts what its description says."""

from __future__ import annotations

import asyncio
import socket as sockets
from enum import Enum, IntEnum

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import SHARED, Rig
from sounds import silence, voice

from mmer.realtime.messages import Contribution, EmotionEstimate
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.metrics import Metrics
from mmer.realtime.serve.protocol import Close, Start
from mmer.realtime.serve.session import ServedSession

SPOKEN = np.concatenate([voice(0.6), silence(0.35)])


def values(rig: Rig) -> dict[str, float]:
    """Samples of a scrape, by name and labels."""
    lines = rig.request("GET", "/metrics")[1].decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


@pytest.mark.parametrize("pace", ["real", "max"])
def test_every_line_that_reaches_a_client_is_counted(rig: Rig, pace: str) -> None:
    before = values(rig)["mmer_lines_total"]
    with rig.started(audio={"rate": 16_000}, options={"pace": pace}) as stream:
        stream.sound(SPOKEN, t=0.0)
        stream.await_type("emotion")
        stream.say(type="stop")
        stream.rest()
    rig.wait_for_sessions(0)
    came = [message["type"] for message in stream.came if "v" in message]
    assert {"session", "emotion", "end"} <= set(came)
    assert values(rig)["mmer_lines_total"] - before == len(came)


def test_what_no_client_gets_is_no_line_and_has_no_latency() -> None:
    class Gone:
        async def send(self, text: str) -> bool:
            return False

    metrics = Metrics()

    async def lines_for_nobody() -> None:
        start = Start(video=True, options={"asr": "none", "modalities": ("face",)})
        session = ServedSession(start, SHARED, Limits(), metrics, offline=True)
        await session.attach(Gone())
        await session._send("{}", keep=True)
        await session.attach(Gone())  # resent
        session.give_up(Close.LOST)
        await session._send("{}", keep=True)
        probs = np.full(7, 1 / 7, np.float32)
        face = Contribution("joy", 1.0, 0.5, 0.1, probs)
        estimate = EmotionEstimate(0.6, (0, 0.6), "joy", probs, 0.1, {"face": face}, {}, False)
        session._measure(estimate, 0.7)

    asyncio.run(lines_for_nobody())
    text = metrics.page([], 0).decode()
    assert "mmer_lines_total 0.0" in text
    assert "capture_to_line" not in text.replace("capture_to_line:", "")


def test_sessions_are_counted_by_the_code_that_closed_them() -> None:
    with Rig(Limits(resume_s=0.2)) as rig:
        with rig.started(video={}) as stream:
            stream.say(type="dance")
            assert stream.rest() == Close.WRONG
        with rig.started(video={}) as stream:
            stream.await_type("session")
            stream.socket.socket.shutdown(sockets.SHUT_RDWR)
        with rig.started(video={}) as stream:
            stream.say(type="stop")
            assert stream.rest() == Close.DONE
        rig.wait_for_sessions(0)
        ended = {k: v for k, v in values(rig).items() if k.startswith("mmer_sessions_ended_total")}
    assert ended == {
        f'mmer_sessions_ended_total{{code="{int(code)}"}}': 1.0
        for code in (Close.WRONG, Close.LOST, Close.DONE)
    }


def test_a_close_code_is_counted_by_its_number() -> None:
    class Code(IntEnum):
        """As text in Python 3.10 it is its name."""

        DONE = 1000
        __str__ = Enum.__str__

    metrics = Metrics()
    metrics.ended(Code.DONE)
    assert 'mmer_sessions_ended_total{code="1000"} 1.0' in metrics.page([], 0).decode()
