"""HTTP part: endpoints, their limits, and what they refuse."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import logging
import socket as sockets
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig
from sounds import silence, voice
from synthetic_media import pictures, steady, write_media, write_wav
from websockets.exceptions import InvalidStatus

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.messages import FaceObservation
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import Start
from mmer.realtime.serve.service import Service
from mmer.realtime.serve.session import _face
from mmer.realtime.serve.session_outputs import SessionOutputs
from mmer.realtime.serve.upload import query_options
from mmer.realtime.sinks.registry import Target

SPOKEN = np.concatenate([voice(0.6), silence(0.35)])


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    return write_wav(path, SPOKEN[np.newaxis]).read_bytes()


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made in this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def form(name: str, data: bytes) -> tuple[bytes, dict[str, str]]:
    body = (
        f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="../../x.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    ).encode() + data
    return body + b"\r\n--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def error_of(answer: tuple[int, bytes, http.client.HTTPMessage]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]


@pytest.mark.parametrize("as_form", [False, True])
def test_a_file_gives_the_lines_of_the_command_and_leaves_nothing(
    rig: Rig, wav: bytes, uploads: Path, as_form: bool
) -> None:
    body, headers = form("file", wav) if as_form else (wav, {})
    status, answer, got = rig.request("POST", "/v1/recognize?hop_s=0.5", body, headers)
    assert status == 200
    assert got["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.splitlines()]
    assert lines[0]["config"]["hop_s"] == 0.5
    assert lines[0]["source"]["name"] == "upload"
    assert lines[0]["source"]["kind"] == "file"
    assert str(uploads) not in answer.decode()
    assert lines[-1]["type"] == "end"
    assert lines[-1]["utterances"] == 1
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/recognize", b"this is a text", "text file"),
        ("/v1/recognize", b"", "empty"),
        ("/v1/recognize", b"\0" * 4000, "no media file"),
        ("/v1/recognize", b"#EXTM3U\n/etc/passwd\n", "upload"),
        ("/v1/recognize", b"ffconcat version 1.0\nfile /etc/passwd\n", "upload"),
        ("/v1/recognize?hop_s=x", b"", "expected a number"),
        ("/v1/recognize?weights=/tmp", b"", "no option"),
        ("/v1/recognize?asr=x", b"", "--asr"),
    ],
)
def test_what_is_no_media_file_is_refused_and_leaves_nothing(
    rig: Rig, uploads: Path, path: str, body: bytes, reason: str
) -> None:
    status, text = error_of(rig.request("POST", path, body))
    assert status == 422
    assert reason in text
    assert str(uploads) not in text
    assert list(uploads.iterdir()) == []


def test_an_upload_is_limited_in_size_time_and_number(wav: bytes, uploads: Path) -> None:
    with Rig(Limits(upload_bytes=4000, piece_s=0.3, jobs=1)) as rig:
        assert error_of(rig.request("POST", "/v1/recognize", wav))[0] == 413
        pieces = iter([wav[:3000], wav[3000:6000]])  # without a Content-Length
        assert error_of(rig.request("POST", "/v1/recognize", pieces))[0] == 413
        body, headers = form("file", wav)
        assert error_of(rig.request("POST", "/v1/recognize", body, headers))[0] == 413
        with sockets.create_connection(("127.0.0.1", rig.port)) as slow:
            slow.sendall(
                f"POST /v1/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
                f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
            )
            time.sleep(0.1)
            status, text = error_of(rig.request("POST", "/v1/recognize", b"x"))
            assert (status, "try again" in text) == (503, True)
            assert b" 408 " in slow.recv(4096).splitlines()[0]
    assert list(uploads.iterdir()) == []


def test_an_upload_is_limited_in_the_size_of_its_frames(uploads: Path) -> None:
    images = pictures(steady(0.4, 25))  # 64x48
    film = write_media(uploads / "film.mp4", frames=images).read_bytes()
    (uploads / "film.mp4").unlink()
    with Rig(Limits(frame_px=64 * 48)) as rig:
        assert rig.request("POST", "/v1/recognize", film)[0] == 200
    with Rig(Limits(frame_px=64 * 48 - 1)) as rig:
        status, text = error_of(rig.request("POST", "/v1/recognize", film))
    assert status == 422
    assert "64x48 is more than 0.003071 million pixels" in text
    assert list(uploads.iterdir()) == []


def test_a_file_that_takes_too_long_is_cut_off_with_a_notice(
    uploads: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = write_wav(uploads / "long.wav", np.tile(SPOKEN, 600)[np.newaxis]).read_bytes()
    (uploads / "long.wav").unlink()
    with Rig(Limits(job_s=0.2)) as rig, pytest.raises(http.client.IncompleteRead) as cut:
        rig.request("POST", "/v1/recognize?asr=none", long)
    lines = [json.loads(line) for line in cut.value.partial.splitlines()]
    assert lines[-1]["type"] == "notice"
    assert "more than 0.2 s: the answer ends here" in lines[-1]["text"]
    assert lines[-1]["t"] < 500.0
    assert caplog.text == ""
    assert list(uploads.iterdir()) == []


def test_the_end_of_the_server_stops_its_files(
    uploads: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    long = write_wav(uploads / "long.wav", np.tile(SPOKEN, 600)[np.newaxis]).read_bytes()
    (uploads / "long.wav").unlink()
    with Rig() as rig, sockets.create_connection(("127.0.0.1", rig.port)) as unfinished:
        head = "POST /v1/recognize?asr=none HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Authorization: Bearer {TOKEN}\r\n"
        unfinished.sendall(f"{head}Content-Length: 99999\r\n\r\nRIFF".encode())
        with sockets.create_connection(("127.0.0.1", rig.port)) as whole:
            whole.sendall(f"{head}Content-Length: {len(long)}\r\n\r\n".encode() + long)
            came = whole.recv(1000)
            began = time.monotonic()
            rig.stop()
            assert time.monotonic() - began < 4.0  # uvicorn would wait for 5
            while piece := whole.recv(100_000):
                came += piece
        assert unfinished.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert b"the server ends: the answer ends here" in came
    assert b'"type":"end"' not in came
    assert caplog.text == ""
    assert list(uploads.iterdir()) == []


def test_a_client_that_leaves_its_upload_leaves_nothing(rig: Rig, uploads: Path) -> None:
    with sockets.create_connection(("127.0.0.1", rig.port)) as gone:
        gone.sendall(
            f"POST /v1/recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\nRIFF".encode()
        )
        until = time.monotonic() + 5
        while not list(uploads.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(list(uploads.iterdir())) == 1
    while list(uploads.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    assert list(uploads.iterdir()) == []


def test_a_text_is_evaluated(rig: Rig) -> None:
    status, answer, _ = rig.request("POST", "/v1/text", json.dumps({"text": "I am so happy!"}))
    found = json.loads(answer)
    assert (status, found["label"]) == (200, "joy")
    assert sum(found["probs"].values()) == pytest.approx(1.0, abs=1e-3)
    body = json.dumps({"text": "Oh.", "context": ["My dog died.", "I cannot stop crying."]})
    assert json.loads(rig.request("POST", "/v1/text", body)[1])["label"] is not None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        ('{"text":NaN}', 400),
        ('{"text":1}', 422),
        ('{"text":"\\ud800"}', 422),
        ('{"text":"a","context":"b"}', 422),
        ('{"text":"a","context":["\\udfff"]}', 422),
        (json.dumps({"text": "a" * 5000}), 422),
        (json.dumps({"text": "a", "context": ["b"] * 33}), 422),
        ("[" * 100_000, 400),
        (" " * 600_000, 413),
    ],
)
def test_a_wrong_text_is_refused(rig: Rig, body: str, status: int) -> None:
    found, text = error_of(rig.request("POST", "/v1/text", body))
    assert found == status
    assert "\n" not in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/info"),
        ("GET", "/metrics"),
        ("POST", "/v1/text"),
        ("POST", "/v1/recognize"),
        ("GET", "/"),
        ("GET", "/?token=wrong"),
    ],
)
def test_without_the_token_nothing_is_done(rig: Rig, method: str, path: str) -> None:
    for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1]):
        status, answer, _ = rig.request(
            method, path, b"{}" if method == "POST" else None, {}, token
        )
        assert status == 401
        assert TOKEN.encode() not in answer


def test_the_page_comes_with_its_token_and_forbids_everything_foreign(rig: Rig) -> None:
    status, page, headers = rig.request("GET", f"/?token={TOKEN}", token=None)
    assert status == 200
    assert TOKEN.encode() not in page
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["access-control-allow-origin"] is None


@pytest.mark.parametrize(
    "text", ["1_0", "٣", " 3", "+3", "3.", ".5", "03", "0x3", "nan", "inf", ""]
)
def test_a_number_in_a_query_is_one_of_json(text: str) -> None:
    with pytest.raises(MmerError, match=r"window_s is .*, expected a number"):
        query_options({"window_s": text})


def test_numbers_of_json_are_read() -> None:
    found = query_options({"window_s": "3", "hop_s": "5e-1", "video_fps": "1.5E+1"})
    assert found == {"window_s": 3.0, "hop_s": 0.5, "video_fps": 15.0}


@pytest.mark.parametrize("where", ["tempfile.mkdtemp", "mmer.realtime.serve.upload.received"])
def test_an_upload_for_which_there_is_no_room_is_told_so(
    rig: Rig, uploads: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*given: Any, **named: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(where, full)
    answer = error_of(rig.request("POST", "/v1/recognize", b"x"))
    assert answer == (507, "the server cannot store the file: No space left on device")
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "none.js", "."])
def test_no_other_file_is_served(rig: Rig, name: str) -> None:
    assert rig.request("GET", f"/page/{name}")[0] in (404, 405)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Host": "localhost"}, True),
        ({"Host": "127.0.0.1:1"}, True),
        ({"Host": "[::1]:80"}, True),
        ({"Host": "evil.example"}, False),
        ({"Host": "localhost.evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": ""}, False),
        ({"Host": "[", "Origin": "null"}, False),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, True),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, False),
        ({"Host": "localhost:1", "Origin": "http://evil.example"}, False),
        ({"Host": "localhost:1", "Origin": "null"}, False),
        ({"Host": "localhost:1", "Origin": "file://localhost:1"}, False),
        ({"Host": "localhost:1", "Origin": "http://["}, False),
    ],
)
def test_foreign_names_and_pages_are_refused(
    rig: Rig, headers: dict[str, str], allowed: bool
) -> None:
    status, _, _ = rig.request("GET", "/healthz", None, headers)
    assert status == (200 if allowed else 403)


def test_a_socket_of_a_foreign_page_is_refused_before_it_opens(rig: Rig) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        rig.socket(origin="http://evil.example")
    with rig.socket(origin=f"http://127.0.0.1:{rig.port}") as socket:
        socket.send("x")


def test_the_metrics_count_in_seconds(rig: Rig) -> None:
    with rig.started(audio={"rate": 16_000}) as stream:
        stream.sound(SPOKEN)
        while not stream.await_type("emotion")["final"]:
            pass
        stream.await_type("health")
        text = rig.request("GET", "/metrics")[1].decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["mmer_sessions"]) >= 1
    assert 'mmer_latency_seconds_bucket{le="0.01",stage="vad"}' in values
    assert 'mmer_latency_seconds_bucket{le="2.0",stage="capture_to_line"}' in values
    assert float(values['mmer_latency_seconds_count{stage="capture_to_line"}']) >= 1
    assert 0 <= float(values['mmer_queue_age_seconds{mailbox="audio"}']) < 5
    assert float(values['mmer_received_total{kind="audio"}']) >= 1
    assert not any(name.startswith("process_") for name in values)


def test_the_token_is_in_no_log(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        # another test's server may have kept its records from the root, where caplog listens
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    with caplog.at_level(logging.DEBUG):
        rig.request("GET", f"/?token={TOKEN}", token=None)
        with rig.started(video={}) as stream:
            stream.say(type="stop")
            stream.rest()
        rig.request("POST", "/v1/recognize", b"nothing")
    mine = [r.getMessage() for r in caplog.records if not r.name.startswith("websockets.client")]
    assert not any(TOKEN in message for message in mine)


def test_info_names_models_labels_and_version(rig: Rig) -> None:
    found = json.loads(rig.request("GET", "/v1/info")[1])
    assert found["version"] == mmer.__version__
    assert found["labels"] == list(mmer.EMOTIONS)
    assert found["models"]["speech"] == "speech.onnx"
    assert "estimates emotion" in found["notice"]


def test_there_is_no_token_where_none_was_wanted() -> None:
    with Rig(token="none") as rig:
        assert rig.url.endswith("/")
        assert rig.request("GET", "/v1/info", token=None)[0] == 200


@pytest.mark.slow
def test_the_http_part_is_as_its_description_says(rig: Rig) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="checks the description")
    hypothesis = pytest.importorskip("hypothesis")
    from schemathesis.specs.openapi.checks import positive_data_acceptance as positive

    base = f"http://127.0.0.1:{rig.port}"
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    checked: set[str] = set()
    often = hypothesis.settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        database=None,
        derandomize=True,
    )
    for found in schema.get_all_operations():
        operation = found.ok()

        @often
        @hypothesis.given(case=operation.as_strategy())
        def check(case: Any) -> None:
            checked.add(case.operation.label)
            # that bytes are a media file is nothing that a schema could say
            left_out = [positive] if "recognize" in case.operation.label else []
            case.call_and_validate(base_url=base, headers=headers, excluded_checks=left_out)

        check()
    assert len(checked) == 5


def test_wrong_limits_are_refused() -> None:
    with pytest.raises(MmerError, match="--max-sessions is 0"):
        Limits(max_sessions=0)


def test_the_page_and_info_follow_the_policy() -> None:
    with Rig(defaults={"asr": "none", "policy": "no-store"}) as rig:
        info = json.loads(rig.request("GET", "/v1/info")[1])
        assert info["policy"] == "no-store"
        assert "stored" in info["notice"]
        page = rig.request("GET", f"/?token={TOKEN}")[1].decode()
        assert 'data-policy="no-store"' in page
        assert "Policy: no-store." in page
        status, error = error_of(rig.request("POST", "/v1/recognize", b"RIFF"))
        assert status == 403
        assert "no-store" in error


def test_a_server_of_words_alone_takes_no_pictures() -> None:
    service = Service(defaults={"asr": "auto", "policy": "text-only"})

    async def refused() -> None:
        with pytest.raises(MmerError, match="text-only: it takes no pictures"):
            await service.open(Start(rate=16_000, video=True))

    asyncio.run(refused())


def test_of_several_people_a_face_has_its_number() -> None:
    seen = FaceObservation(1.0, 2, (1.0, 2.0, 3.0, 4.0), None, None, 1.0)
    box = {"type": "face", "t": 1.0, "box": [1.0, 2.0, 3.0, 4.0]}
    assert json.loads(_face(seen, several=False)) == box
    assert json.loads(_face(seen, several=True)) == {**box, "person": 2}


def test_a_client_cannot_have_outputs_mix_people() -> None:
    pytest.importorskip("pythonosc", reason="needs the extra osc")
    outputs = SessionOutputs([Target("osc", "127.0.0.1:9")])
    service = Service(defaults={"asr": "none"}, outputs=outputs)

    async def refused() -> None:
        with pytest.raises(MmerError, match="--osc cannot tell people apart"):
            await service.open(Start(rate=16_000, video=True, options={"people": "all"}))

    asyncio.run(refused())
