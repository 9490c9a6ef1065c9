"""Sessions that go on in another process: keys that carry them, times and ids that follow."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig, Stream
from sounds import silence, voice

import mmer.client
from mmer.realtime.messages import Notice, SessionEnd
from mmer.realtime.serve.protocol import Close, ProtocolError, Start
from mmer.realtime.serve.tickets import Part, Tickets

SPOKEN = np.concatenate([voice(0.6), silence(0.35)])
START = Start(rate=16_000, video=True, faces=True, options={"asr": "none", "hop_s": 0.5})


def resumed(key: str, t: float | None = 12.0) -> Start:
    return Start(resume=key, received=7, t=t)


def test_a_key_carries_what_the_session_was_started_with() -> None:
    key = Tickets("secret", "one", now=lambda: 1000.0).issue(START)
    start, part, began = Tickets("secret", "two", now=lambda: 1012.34).read(resumed(key), 3600.0)
    assert (start.rate, start.video, start.faces, start.options) == (
        16_000, True, True, {"asr": "none", "hop_s": 0.5},
    )  # fmt: skip
    assert start.received == 7
    assert began == 1000.0
    assert part == Part(pytest.approx(12.34), 124, 12.0)
    assert part.notice == "lost 0.340 s from 12.000 s: the session goes on in another process"
    again = Tickets("secret", now=lambda: 1020.0).issue(start, began)
    assert Tickets("secret", now=lambda: 1030.0).read(resumed(again), 3600.0)[1].t0 == 30.0


def test_a_client_that_does_not_say_what_it_has_gets_a_gap_without_a_begin() -> None:
    assert Part(3.0, 30).notice.startswith("lost what came before 3.000 s")
    assert Part(3.0, 30, 9.0).notice.startswith("lost what came before 3.000 s")


@pytest.mark.parametrize("what", ["secret", "body", "signature", "nothing", "old", "virtual"])
def test_a_key_that_is_not_ours_or_cannot_go_on_is_refused(what: str) -> None:
    options = {"pace": "max"} if what == "virtual" else {}
    body, _, signature = Tickets("secret", now=lambda: 0.0).issue(
        Start(rate=16_000, options=options)
    ).partition(".")  # fmt: skip
    key = {
        "body": f"{body[:-8]}AAAAAAA=.{signature}",
        "signature": f"{body}.{signature[:-1]}é",
        "nothing": "x",
    }.get(what, f"{body}.{signature}")
    tickets = Tickets("other" if what == "secret" else "secret", now=lambda: 10.0)
    with pytest.raises(ProtocolError, match="no such session"):
        tickets.read(resumed(key), 5.0 if what == "old" else 100.0)


@pytest.fixture
def other() -> Rig:
    return Rig()


def test_a_session_goes_on_in_another_process(rig: Rig, other: Rig) -> None:
    """Two servers of this process stand for two replicas."""
    rig.service.tickets = Tickets("secret", "one")
    try:
        with rig.started(audio={"rate": 16_000}) as before:
            started = before.of("started")[0]
            before.sound(SPOKEN)
            while not (final := before.await_type("emotion"))["final"]:
                pass
            lines = [m for m in before.came if "v" in m]
            last_t = max(line.get("t", 0.0) for line in lines)
    finally:
        rig.service.tickets = None
    assert started["place"] == "one"
    with other:
        other.service.tickets = Tickets("secret", "two")
        with other.socket() as socket:
            after = Stream(socket)
            after.say(type="start", token=TOKEN, resume=started["resume"], received=len(lines),
                      t=last_t)  # fmt: skip
            again = after.await_type("started")
            assert (again["resumed"], again["place"]) == (True, "two")
            assert again["resume"] != started["resume"]
            notice = after.next()
            assert re.match(r"lost \d\.\d+ s from .* another process", notice["text"])
            assert notice["t"] >= last_t
            after.say(type="ping", t=1.0)
            assert after.await_type("pong")["session_t"] >= notice["t"]
            after.sound(SPOKEN)
            while not (later := after.await_type("emotion"))["final"]:
                pass
            after.say(type="stop")
            assert after.rest() == Close.DONE
    assert not after.of("session")  # the client has that line
    assert later["utterance"] > final["utterance"]
    assert later["window"][1] > final["window"][1]
    times = [m["t"] for m in after.came if "v" in m and "t" in m]
    assert times == sorted(times)


def test_a_part_that_moves_is_finished_but_does_not_end_the_session(rig: Rig) -> None:
    rig.service.tickets = Tickets("secret", "one")
    try:
        with rig.started(audio={"rate": 16_000}) as stream:
            stream.sound(SPOKEN[: len(SPOKEN) // 2])
            stream.await_type("emotion")
            rig.loop.call_soon_threadsafe(
                lambda: rig.loop.create_task(rig.service.drain(Close.MOVED))
            )
            assert stream.rest() == Close.MOVED
        assert any(line["final"] for line in stream.of("emotion"))  # what was open is answered
        assert not stream.of("end")
    finally:
        rig.service.tickets, rig.service.stopping = None, False


def test_the_client_goes_on_after_its_process_has_moved_the_session(rig: Rig) -> None:
    rig.service.tickets = Tickets("secret", "one")
    try:
        with mmer.client.Session(rig.url, rate=16_000) as session:
            session.push_audio(SPOKEN)
            events = []
            for event in session:
                events.append(event)
                if len(events) == 3:
                    for served in list(rig.service.sessions.values()):
                        rig.loop.call_soon_threadsafe(served.finish, Close.MOVED)
                if session.reconnects == 1:
                    session.stop()
        assert session.reconnects == 1
        assert any(isinstance(e, Notice) and "another process" in e.text for e in events)
        assert isinstance(events[-1], SessionEnd)
    finally:
        rig.service.tickets = None
