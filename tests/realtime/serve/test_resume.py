"""Resuming: a client that comes back goes on with its session, and lacks no final line."""

from __future__ import annotations

import asyncio
import re
import socket as sockets
import threading
import time

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig, Stream
from sounds import silence, voice
from websockets.frames import CloseCode

import mmer.client
from mmer.realtime.messages import EmotionEstimate, Notice, SessionEnd
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import Close
from mmer.realtime.serve.stream import Client

SPOKEN = np.concatenate([voice(0.6), silence(0.35)])


def cut(stream: Stream) -> None:
    """As when a cable is pulled: no close frame."""
    stream.socket.socket.shutdown(sockets.SHUT_RDWR)


def test_a_session_goes_on_with_a_gap_and_every_final(rig: Rig) -> None:
    with rig.started(audio={"rate": 16_000}) as before:
        key = before.of("started")[0]["resume"]
        before.await_type("session")
        before.sound(SPOKEN)
        while not before.await_type("emotion")["final"]:
            pass
        received = sum("v" in message for message in before.came)
        time.sleep(0.1)
        cut(before)
    time.sleep(0.3)
    with rig.socket() as socket:
        after = Stream(socket)
        # it says that it has not received the last line, which was the final one
        after.say(type="start", token=TOKEN, resume=key, received=received - 1)
        assert after.await_type("started")["resumed"]
        first = after.next()
        assert (first["type"], first["final"], first["utterance"]) == ("emotion", True, 1)
        after.sound(SPOKEN)
        while not after.await_type("emotion")["final"]:
            pass
        after.say(type="stop")
        assert after.rest() == Close.DONE
    notices = [notice["text"] for notice in after.of("notice")]
    assert any("connection was lost" in text for text in notices)
    assert any(re.match(r"lost \d+\.\d+ s from .*connection was lost", text) for text in notices)
    assert after.of("end")[0]["utterances"] == 2


def test_a_second_connection_takes_the_session_over(rig: Rig) -> None:
    with rig.started(video={}) as one:
        key = one.of("started")[0]["resume"]
        with rig.socket() as socket:
            other = Stream(socket)
            other.say(type="start", token=TOKEN, resume=key)
            other.await_type("started")
            assert one.rest() == Close.TAKEN
            other.await_type("emotion")


def test_what_still_waits_on_a_connection_that_was_taken_over_does_nothing() -> None:
    with Rig(Limits(messages_per_s=10.0)) as rig, rig.started(video={}) as one:
        key = one.of("started")[0]["resume"]
        for t in range(30):  # more than is read at once
            one.say(type="ping", t=t)
        one.say(type="stop")
        time.sleep(0.2)
        with rig.socket() as socket:
            other = Stream(socket)
            other.say(type="start", token=TOKEN, resume=key)
            other.await_type("started")
            # a socket that is closed before all was read from it is reset by the system, and the
            # close code may be lost with it (1006)
            assert one.rest() in (Close.TAKEN, CloseCode.ABNORMAL_CLOSURE)
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                assert other.next()["type"] != "end"


def test_of_two_that_resume_at_once_the_later_has_the_session(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Client.close

    async def slow(client: Client, code: int, reason: str = "") -> None:
        await asyncio.sleep(0.5)  # as for a client that does not read
        await close(client, code, reason)

    with rig.started(video={}) as one, rig.socket() as second, rig.socket() as third:
        monkeypatch.setattr(Client, "close", slow)
        key = one.of("started")[0]["resume"]
        both = [Stream(second), Stream(third)]
        for stream in both:
            stream.say(type="start", token=TOKEN, resume=key)
            time.sleep(0.2)
        assert one.rest() == Close.TAKEN
        assert both[0].rest() == Close.TAKEN
        both[1].await_type("emotion")


def test_a_session_is_given_up_when_nobody_comes_back() -> None:
    with Rig(Limits(resume_s=0.3)) as rig:
        with rig.started(video={}) as stream:
            key = stream.of("started")[0]["resume"]
            cut(stream)
        rig.wait_for_sessions(0)
        with rig.socket() as socket:
            late = Stream(socket)
            late.say(type="start", token=TOKEN, resume=key)
            assert late.rest() == Close.WRONG
        assert "no such session" in late.of("error")[0]["text"]


def test_one_that_is_away_makes_room_for_one_that_comes() -> None:
    with Rig(Limits(max_sessions=1)) as rig:
        with rig.started(video={}) as stream:
            stream.await_type("session")
            cut(stream)
        time.sleep(0.2)
        with rig.started(video={}) as other:
            other.await_type("session")


def test_the_client_resumes_by_itself(rig: Rig) -> None:
    events = []
    session = mmer.client.Session(rig.url, rate=16_000)

    def feed() -> None:
        session.push_audio(SPOKEN)
        time.sleep(0.7)
        assert session._connection is not None
        session._connection.socket.shutdown(sockets.SHUT_RDWR)
        time.sleep(0.8)
        session.push_audio(SPOKEN)
        time.sleep(0.5)
        session.stop()

    with session:
        thread = threading.Thread(target=feed)
        thread.start()
        events = list(session)
        thread.join()
    assert session.reconnects == 1
    assert isinstance(events[-1], SessionEnd)
    assert events[-1].utterances == 2
    finals = [e.utterance for e in events if isinstance(e, EmotionEstimate) and e.final]
    assert finals == [1, 2]
    assert any("connection was lost" in e.text for e in events if isinstance(e, Notice))


def test_the_lines_that_a_client_counts_are_those_with_v(rig: Rig) -> None:
    with rig.started(video={}) as stream:
        stream.say(type="ping", t=1)
        stream.await_type("emotion")
        (session,) = [s for s in rig.service.sessions.values() if s.socket is not None]
        stream.say(type="stop")
        stream.rest()
    assert session._sent == sum("v" in message for message in stream.came)
