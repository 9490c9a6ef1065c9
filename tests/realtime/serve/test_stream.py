"""Stream: a session over a socket from its start message to its last line."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import SHARED, TOKEN, Rig, Stream
from sounds import silence, voice
from synthetic_media import pictures, steady, write_media, write_wav
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

import mmer.client
from mmer.models.errors import MmerError
from mmer.realtime.commands.live import main as mmer_live
from mmer.realtime.demo import clip
from mmer.realtime.messages import EmotionEstimate, SessionEnd
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.metrics import Metrics
from mmer.realtime.serve.protocol import Close, Start
from mmer.realtime.serve.session import ServedSession

SPOKEN = np.concatenate([voice(0.7), silence(0.25)])
LONG = np.tile(SPOKEN, 9)


def refused(rig: Rig, *messages: str | bytes) -> tuple[str, int | None]:
    """Text of the error and close code that follow ``messages``."""
    with rig.socket() as socket:
        stream = Stream(socket)
        for message in messages:
            socket.send(message)
        code = stream.rest()
    return stream.of("error")[-1]["text"], code


def test_a_session_gives_the_lines_of_a_file_and_closes(rig: Rig) -> None:
    with rig.started(audio={"rate": 16_000}, video={}) as stream:
        assert stream.await_type("session")["source"]["streams"] == ["audio", "video"]
        stream.sound(SPOKEN)
        stream.picture(1)
        assert stream.await_type("ack") == {"type": "ack", "seq": 1, "dropped": False}
        stream.say(type="stop")
        assert stream.rest() == Close.DONE
    lines = [message for message in stream.came if "v" in message]
    assert [line["type"] for line in lines][::-1][0] == "end"
    assert lines[-1]["utterances"] == 1
    finals = [line for line in stream.of("emotion") if line["final"]]
    assert [final["utterance"] for final in finals] == [1]
    # on a machine that is very busy a network may be late
    assert finals[0]["modalities"]["speech"] or finals[0]["why"]["speech"] == "late"
    assert finals[0]["why"]["face"] in ("no face", "waiting")
    assert finals[0]["latency_ms"] > 0
    times = [line["t"] for line in lines if "t" in line]
    assert times == sorted(times)


def test_a_ping_tells_the_sessions_clock(rig: Rig) -> None:
    with rig.started(video={}) as stream:
        stream.say(type="ping", t=12.5)
        first = stream.await_type("pong")
        time.sleep(0.1)
        stream.say(type="ping", t=12.6)
        second = stream.await_type("pong")
    assert (first["t"], second["t"]) == (12.5, 12.6)
    assert 0.1 <= second["session_t"] - first["session_t"] < 2.0


def test_typed_text_is_evaluated_in_its_context(rig: Rig) -> None:
    with rig.started(video={}) as stream:
        stream.say(type="text", text="I am so happy to see you!")
        assert stream.await_type("text")["label"] == "joy"
        stream.say(type="text", text=" ")
        assert stream.await_type("text")["label"] is None


def test_pictures_beyond_the_credit_are_dropped_and_acknowledged(rig: Rig) -> None:
    with rig.started(video={}) as stream:
        stream.await_type("session")
        for seq in range(12):
            stream.picture(seq)
        acks = [stream.await_type("ack") for _ in range(12)]
    assert sorted(ack["seq"] for ack in acks) == list(range(12))
    assert any(ack["dropped"] for ack in acks)
    assert not all(ack["dropped"] for ack in acks)


def test_a_broken_picture_is_a_warning_and_ends_nothing(rig: Rig) -> None:
    with rig.started(video={}) as stream:
        stream.picture(1, data=b"\xff\xd8 no picture")
        assert stream.await_type("ack")["dropped"]
        assert "damaged" in stream.await_type("warning")["text"]
        stream.say(type="stop")
        assert stream.rest() == Close.DONE


def test_stamps_that_jump_are_replaced_by_the_arrival(rig: Rig) -> None:
    with rig.started(audio={"rate": 16_000}, video={}) as stream:
        stream.await_type("session")
        for t in (0.0, 5000.0, -3.0, 0.0):
            stream.sound(silence(0.1), t)
            stream.picture(1, t)
        assert "stamp" in stream.await_type("warning")["text"]
        stream.say(type="stop")
        assert stream.rest() == Close.DONE
    assert stream.of("end")[0]["t"] < 5.0


@pytest.mark.parametrize(
    ("messages", "reason", "code"),
    [
        ([b"\0\0\0\0"], "no JSON", Close.WRONG),
        (["garbage"], "no JSON", Close.WRONG),
        (['{"type":"stop"}'], "first message", Close.WRONG),
        (['{"type":"start","video":{},"token":"wrong"}'], "token", Close.TOKEN),
        (['{"type":"start","video":{}}'], "token", Close.TOKEN),
        ([json.dumps({"type": "start", "token": TOKEN, "resume": "x"})], "no such session", 1008),
        (
            [json.dumps({"type": "start", "token": TOKEN, "video": {}, "options": {"asr": "x"}})],
            "--asr",
            Close.WRONG,
        ),
    ],
)
def test_a_wrong_start_is_refused_with_a_reason(
    rig: Rig, messages: list[str | bytes], reason: str, code: int
) -> None:
    text, closed = refused(rig, *messages)
    assert reason in text
    assert closed == code


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\xff\xff\xff\xff", "header"),
        ("[1]", "JSON object"),
        ('{"type":"dance"}', '"ping", "text" or "stop"'),
        ('{"type":"text","text":5}', "text must be a string of at most"),
        ('{"type":"text","text":"\\ud800"}', "text must be a string of at most"),
        ('{"type":"ping"}', "t is a number"),
    ],
)
def test_garbage_ends_the_session_with_a_reason(
    rig: Rig, message: str | bytes, reason: str
) -> None:
    start = json.dumps({"type": "start", "token": TOKEN, "audio": {"rate": 16_000}})
    text, code = refused(rig, start, message)
    assert reason in text
    assert code == Close.WRONG
    rig.wait_for_sessions(0)


def test_pictures_that_were_not_announced_end_it(rig: Rig) -> None:
    with rig.started(audio={"rate": 16_000}) as stream:
        stream.picture(1)
        assert stream.rest() == Close.WRONG


def test_above_the_most_sessions_a_socket_is_refused() -> None:
    with Rig(Limits(max_sessions=1)) as rig:
        with rig.started(video={}):
            start = json.dumps({"type": "start", "token": TOKEN, "video": {}})
            text, code = refused(rig, start)
            assert "1 sessions" in text
            assert code == Close.FULL
        rig.wait_for_sessions(0)
        with rig.started(video={}) as stream:
            stream.await_type("session")


@pytest.mark.parametrize(
    ("limits", "code"), [(Limits(idle_s=0.1), Close.IDLE), (Limits(longest_s=0.1), Close.LONG)]
)
def test_a_session_ends_when_it_is_idle_or_too_long(limits: Limits, code: Close) -> None:
    with Rig(limits) as rig, rig.started(audio={"rate": 16_000}) as stream:
        assert stream.rest() == code
        assert stream.of("end")


@pytest.mark.parametrize("limits", [Limits(idle_s=0.1), Limits(longest_s=0.1)])
def test_a_session_that_is_being_finished_is_neither_idle_nor_too_long(limits: Limits) -> None:
    class Reading:
        async def send(self, text: str) -> bool:
            return True

    async def code(stopped: bool) -> Close:
        start = Start(video=True, options={"asr": "none", "modalities": ("face",)})
        session = ServedSession(start, SHARED, limits, Metrics(), offline=True)
        await session.attach(Reading())
        if stopped:
            session.finish()
        await asyncio.sleep(0.15)
        session.watch()
        return session.code

    assert asyncio.run(code(stopped=True)) == Close.DONE
    assert asyncio.run(code(stopped=False)) in (Close.IDLE, Close.LONG)


def test_the_end_of_the_server_finishes_every_session() -> None:
    with Rig() as rig:
        with rig.started(audio={"rate": 16_000}) as one, rig.started(video={}) as other:
            one.await_type("session")
            one.sound(voice(0.8))
            time.sleep(0.2)
            rig.serving.server.should_exit = True
            assert one.rest() == Close.STOPPING
            assert other.rest() == Close.STOPPING
        assert one.of("end")[0]["utterances"] == 1
        assert other.of("end")
        assert [line["final"] for line in one.of("emotion")].count(True) == 1


@pytest.mark.parametrize("signals", [1, 2])
def test_a_session_that_the_end_of_the_server_cuts_off_is_told_so(
    signals: int, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(finish_s=0.5 if signals == 1 else 60.0)
    with Rig(limits) as rig:
        with rig.started(audio={"rate": 16_000}, options={"pace": "max"}) as stream:
            stream.sound(SPOKEN, t=0.0)
            stream.await_type("emotion")
            for k in range(60):
                stream.sound(LONG, t=1.0 + k * len(LONG) / 16_000)
            began = time.monotonic()
            rig.serving.server.handle_exit(2, None)
            if signals == 2:
                time.sleep(0.3)
                rig.serving.server.handle_exit(2, None)
            assert stream.rest() == Close.FAILED
        assert "not finished" in stream.of("error")[0]["text"]
        assert not stream.of("end")
        rig.stop()
        assert time.monotonic() - began < 10.0
    assert caplog.text == ""


def test_a_client_is_told_that_its_session_was_cut_off() -> None:
    options = {"pace": "max"}
    with (
        Rig(Limits(finish_s=0.5)) as rig,
        mmer.client.Session(rig.url, rate=16_000, options=options) as session,
    ):
        for k in range(60):
            session.push_audio(LONG, k * len(LONG) / 16_000)
        rig.serving.server.should_exit = True
        with pytest.raises(MmerError, match="not finished"):
            list(session)


def lines_of(path: Path, output: Path, asr: str) -> list[bytes]:
    options = ["--pace", "max", "--asr", asr, "--provider", "cpu", "--offline", "--quiet"]
    with pytest.raises(SystemExit) as done:
        mmer_live([str(path), *options, "--output", str(output)])
    assert done.value.code == 0
    return output.read_bytes().splitlines()


def sent_lines(rig: Rig, path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Lines of a session to which ``path`` is pushed in virtual time."""
    found: list[bytes] = []

    recv = ClientConnection.recv

    def remember(self: ClientConnection, *args: Any, **options: Any) -> Any:
        text = recv(self, *args, **options)
        if "v" in json.loads(text):
            found.append(text.encode())
        return text

    with monkeypatch.context() as patch:
        patch.setattr(ClientConnection, "recv", remember)
        list(mmer.client.stream(rig.url, path, pace="max"))
    return found


def test_pushed_in_virtual_time_the_lines_are_those_of_a_file(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mkv"
    sound = SPOKEN[np.newaxis].astype(np.float32) / 32768
    write_media(path, sound=sound, rate=16_000, frames=pictures(steady(1.0, 20)))
    expected = lines_of(path, tmp_path / "out.jsonl", "none")
    found = sent_lines(rig, path, monkeypatch)
    assert found[1:] == expected[1:]
    first, same = json.loads(found[0]), json.loads(expected[0])
    del first["source"], same["source"]  # the one that is about the transport
    assert first == same


def test_the_client_gives_the_same_messages(rig: Rig, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", SPOKEN[np.newaxis])
    events = list(mmer.client.stream(rig.url, path, pace="max"))
    with mmer.Recognizer(path, asr="none", pace="max", models=rig.service.models) as recognizer:
        same = list(recognizer.events())
    assert isinstance(events[-1], SessionEnd)
    assert events[-1].emotions == same[-1].emotions
    found = [e for e in events if isinstance(e, EmotionEstimate)]
    expected = [e for e in same if isinstance(e, EmotionEstimate)]
    assert [(e.label, e.final, e.utterance) for e in found] == [
        (e.label, e.final, e.utterance) for e in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.why == other.why
        assert (one.probs is None) == (other.probs is None)
        if one.probs is not None and other.probs is not None:
            assert np.allclose(one.probs, other.probs, atol=1e-4)


def beginning(path: Path, output: Path, seconds: float) -> Path:
    """The first seconds of a media file, its packets as they are."""
    with av.open(str(path)) as whole, av.open(str(output), "w") as part:
        streams = {s.index: part.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                part.mux(packet)
    return output


@pytest.mark.slow
def test_the_demo_clip_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("moonshine_voice", reason="transcripts need Moonshine's files")
    path = beginning(clip(), tmp_path / "beginning.mp4", 6.0)
    expected = lines_of(path, tmp_path / "out.jsonl", "moonshine")
    with Rig(defaults={"asr": "moonshine"}) as rig:
        found = sent_lines(rig, path, monkeypatch)
    assert sum(b'"final":true' in line for line in expected) == 2
    assert found[1:] == expected[1:]


def test_a_socket_that_never_starts_is_closed() -> None:
    with Rig(Limits(start_s=0.2)) as rig, rig.socket() as socket:
        stream = Stream(socket)
        assert stream.rest() == Close.WRONG
        with pytest.raises(ConnectionClosed):
            socket.send("late")
