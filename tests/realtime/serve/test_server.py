"""Server process: what it refuses to do, TLS, Ctrl-C."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket as sockets
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig

import mmer.client
from mmer.models.errors import MmerError
from mmer.realtime.commands.serve import main
from mmer.realtime.messages import SessionEnd
from mmer.realtime.serve import server
from mmer.realtime.serve.client_session import Address
from mmer.realtime.serve.server import ServeOptions, Serving
from mmer.realtime.serve.tls import certificate

COMMAND = (sys.executable, "-c", "from mmer.realtime.commands.serve import main; main()")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "needs --tls"),
        (["--host", "0.0.0.0", "--tls", "self-signed", "--token", "none"], "needs a token"),
        (["--token", "short"], "at least 8"),
        (["--token", "with spaces in it"], "plain ASCII"),
        (["--tls", "nothing"], "self-signed or"),
        (["--tls", "no.pem,no.key"], "cannot be used"),
        (["--port", "70000"], "--port is 70000"),
        (["--host", "no.such.host.invalid"], "--host"),
        (["--host", "no..such", "--tls", "self-signed"], "--host no..such"),
        (["--host", "bücher.example", "--tls", "self-signed"], "its xn-- form"),
        (["--name", "bücher.example"], "its xn-- form"),
        (["--name", "box.example:8765"], "without http:// and port"),
        (["--max-sessions", "0"], "--max-sessions is 0"),
        (["--hop-s", "99"], "--hop-s is 99"),
        (["--weights", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_what_is_not_safe_or_wrong_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = [] if "--port" in arguments else ["--port", "0"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *port])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("mmer-serve: ")
    assert error.count("\n") == 1
    assert reason in error


def test_a_port_that_is_taken_is_one_line() -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = ServeOptions(port=taken.getsockname()[1])
        with pytest.raises(MmerError, match="choose another --port"), Serving(options):
            pass


def test_a_token_of_any_characters_is_in_the_address_as_browsers_read_it() -> None:
    token = "a+b&c#d%20e?f=/g"
    with Rig(token=token) as rig:
        path = rig.url.removeprefix(rig.serving.base_url)
        assert rig.request("GET", path, token=None)[0] == 200
        assert Address.parse(rig.url).token == token


def test_the_name_it_listens_on_is_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = server._bind
    monkeypatch.setattr(server, "_bind", lambda host, port: bound("127.0.0.1", port))
    monkeypatch.setattr(server, "certificate", lambda *given: None)
    with Serving(ServeOptions(host="Box.example", port=0, tls="self-signed")) as serving:
        hosts = [m.kwargs["hosts"] for m in serving.app.user_middleware if "hosts" in m.kwargs]
        assert "box.example" in hosts[0]


@pytest.mark.slow
def test_a_self_signed_certificate_is_known_by_its_sha256() -> None:
    pytest.importorskip("cryptography", reason="makes the certificate")
    with Rig(tls="self-signed", host="127.0.0.1") as rig:
        certificate = rig.serving.certificate
        assert certificate is not None
        assert rig.url == f"https://127.0.0.1:{rig.port}/?token={TOKEN}"
        assert os.stat(certificate.key).st_mode & 0o077 == 0
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", rig.port)))
        assert hashlib.sha256(der).hexdigest() == certificate.sha256
        with mmer.client.Session(rig.url, video=True, sha256=certificate.sha256) as session:
            session.stop()
            assert isinstance(list(session)[-1], SessionEnd)
        trusting = ssl.create_default_context(cafile=str(certificate.cert))
        with mmer.client.Session(rig.url, video=True, tls=trusting) as session:
            session.stop()
            assert isinstance(list(session)[-1], SessionEnd)
        for wrong in ({"sha256": "00" * 32}, {}):
            with (
                pytest.raises(MmerError, match="certificate"),
                mmer.client.Session(rig.url, video=True, **wrong),
            ):
                pass
        folder = certificate.key.parent
    assert not folder.exists()


def test_a_certificate_may_have_comments_in_any_language(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="makes the certificate")
    made = certificate("self-signed", frozenset({"localhost"}), tmp_path)
    commented = tmp_path / "commented.pem"
    commented.write_bytes("# Müller GmbH\n".encode() + made.cert.read_bytes())
    found = certificate(f"{commented},{made.key}", frozenset(), tmp_path)
    assert found.sha256 == made.sha256


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://x", "is no server"),
        ("localhost", "is no server"),
        ("http://[::1/", "is no server"),
        ("http://127.0.0.1:9/?token=x", "cannot be reached"),
        ("http://no.such.host.invalid/", "cannot be reached"),
    ],
)
def test_a_client_says_in_one_line_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(MmerError, match=reason), mmer.client.Session(url, video=True):
        pass


def test_a_client_with_a_wrong_token_or_option_is_told(rig: Rig) -> None:
    for given, reason in (
        ({"token": "wrong"}, "the token is wrong"),
        ({"options": {"asr": "x"}}, "--asr"),
    ):
        with (
            pytest.raises(MmerError, match=reason),
            mmer.client.Session(rig.url, video=True, **given),
        ):
            pass


@pytest.mark.slow
def test_ctrl_c_finishes_the_sessions_and_is_status_0(tmp_path: Path) -> None:
    began = time.monotonic()
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--asr", "none", "--offline"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    ready_s = time.monotonic() - began
    with mmer.client.Session(url, video=True) as session:
        process.send_signal(signal.SIGINT)
        events = list(session)
    assert isinstance(events[-1], SessionEnd)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "", "")
    assert ready_s < 20  # 3 s on an idle machine


def test_only_the_server_imports_its_packages() -> None:
    realtime = Path(__file__).resolve().parents[3] / "realtime"
    for path in realtime.rglob("*.py"):
        if "serve" not in path.relative_to(realtime).parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(import|from) (starlette|uvicorn|websockets)", text, re.M), (
                path
            )
