"""Overlay: lines of a session that its client has named, for who knows the name."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig, Stream
from sounds import silence, voice

from mmer.benchmarks.serve.browser import CHROMIUM, Browser
from mmer.models.labels import EMOTIONS
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import Close
from mmer.realtime.serve.watchers import Watchers

SPOKEN = np.concatenate([voice(0.7), silence(0.25)])


@contextmanager
def watcher(rig: Rig, **message: object) -> Iterator[Stream]:
    """A socket of the overlay after its first message."""
    with rig.socket(path="watch") as socket:
        stream = Stream(socket)
        stream.say(**{"type": "watch", "token": TOKEN, "name": "stage", **message})
        yield stream


def test_a_watcher_gets_the_lines_of_the_named_session(rig: Rig) -> None:
    with watcher(rig) as told, watcher(rig, name="another") as other:
        for waiting in (told, other):
            waiting.await_type("watching")
        with rig.started(audio={"rate": 16_000}, watch="stage") as stream:
            stream.sound(SPOKEN)
            stream.say(type="stop")
            stream.rest()
        with rig.started(audio={"rate": 16_000}) as nameless:
            nameless.say(type="stop")
            nameless.rest()
        lines = [message for message in stream.came if "v" in message]
        assert [told.next() for _ in lines] == lines
        for waiting in (told, other):
            with pytest.raises(TimeoutError):
                waiting.next(0.2)


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ({"token": "wrong"}, 4001, "the token is wrong"),
        ({"token": 7}, 4001, "the token is wrong"),
        ({"name": "a b"}, 1008, "the first message is"),
        ({"name": None}, 1008, "the first message is"),
        ({"type": "start"}, 1008, "the first message is"),
    ],
)
def test_who_lacks_the_token_or_the_name_sees_nothing(
    rig: Rig, message: dict[str, object], code: int, text: str
) -> None:
    with watcher(rig, **message) as stream:
        assert stream.rest() == code
    assert text in stream.of("error")[-1]["text"]


@pytest.mark.parametrize("path", ["stream", "watch"])
def test_a_socket_that_has_no_place_is_told_so(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with Rig(Limits(pending=1)) as rig:
        with rig.socket() as waiting:
            full = _refused(rig, path)
            Stream(waiting).say(type="start")  # and its place is free
            Stream(waiting).rest()
        assert full == (Close.FULL, "too many connections have not started yet: try again later")
        rig.service.stopping = True
        assert _refused(rig, path) == (Close.FULL, "the server is about to end")
    assert not [record for record in caplog.records if record.exc_info]


def _refused(rig: Rig, path: str) -> tuple[int | None, str]:
    """Close code and error of a socket that is to get nothing else."""
    with rig.socket(path=path) as socket:
        stream = Stream(socket)
        code = stream.rest()
    (error,) = stream.came
    assert (error["type"], error["code"]) == ("error", code)
    return code, error["text"]


def test_a_watcher_is_to_be_silent(rig: Rig) -> None:
    with watcher(rig) as stream:
        assert stream.await_type("watching")["name"] == "stage"
        stream.say(type="ping")
        assert stream.rest() == 1008


@pytest.mark.parametrize("name", ["", "a/b", "x" * 65, 7])
def test_a_session_has_a_proper_name_or_none(rig: Rig, name: object) -> None:
    with rig.socket() as socket:
        stream = Stream(socket)
        stream.say(type="start", token=TOKEN, audio={"rate": 16_000}, watch=name)
        assert stream.rest() == 1008
    assert "watch is a name" in stream.of("error")[-1]["text"]


def test_a_watcher_that_does_not_read_holds_nothing_back() -> None:
    async def lines() -> list[str]:
        watchers = Watchers()
        with watchers.watching("stage") as queue:
            for n in range(1000):
                watchers.publish("stage", str(n))
            found = [queue.get_nowait() for _ in range(queue.qsize())]
        watchers.publish("stage", "nobody is there")
        assert queue.empty()
        return found

    assert asyncio.run(lines()) == [str(n) for n in range(936, 1000)]


def test_watchers_leave_when_the_server_ends() -> None:
    with Rig() as rig, watcher(rig) as stream:
        stream.await_type("watching")
        rig.stop()
        assert stream.rest() in (1001, 1012)


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.slow
def test_the_overlay_shows_the_label_on_a_transparent_background(rig: Rig, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        overlay = rig.url.replace("/?", "/overlay?") + "&watch=stage&show=label,bars"
        browser.open(overlay)
        browser.wait_for("document.querySelector('#over').hidden")
        browser.wait_for("document.querySelector('#state').textContent === ''")
        probs = dict.fromkeys(EMOTIONS, 0.05) | {"joy": 0.7}
        line = {"type": "emotion", "label": "joy", "confidence": 0.7, "probs": probs}

        def publish() -> None:
            rig.service.watchers.publish("stage", json.dumps(line))

        # a watcher gets what comes after it: so until it has come
        until = time.monotonic() + 10
        while browser.evaluate("document.querySelector('#over').hidden"):
            assert time.monotonic() < until
            rig.loop.call_soon_threadsafe(publish)
            time.sleep(0.1)
        assert browser.text("#label") == "joy 70 %"
        assert browser.evaluate("document.querySelectorAll('#bars li').length") == 7
        assert browser.evaluate("document.querySelector('#said').hidden")
        transparent = "rgba(0, 0, 0, 0)"
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == transparent
        browser.wait_for("document.querySelector('#over').hidden", 15)  # it fades
        browser.open(rig.url.replace("/?", "/overlay?"))
        browser.wait_for("document.querySelector('#state').textContent.includes('watch=NAME')")
