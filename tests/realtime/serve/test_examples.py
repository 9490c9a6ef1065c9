"""Examples and pages: what they say can be run is run, and what they name exists."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig
from sounds import silence, voice
from synthetic_media import write_wav

import mmer.client
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, SessionEnd

HERE = Path(__file__).resolve().parent
SERVE = HERE.parents[2] / "realtime/serve"
EXAMPLES = SERVE / "examples"
PAGE = (SERVE / "README.md").read_text(encoding="utf-8")
SPOKEN = np.concatenate([voice(0.6), silence(0.4)])
LABEL = re.compile(rf"^ *[\d.]+ s?  ?(\"?({'|'.join(EMOTIONS)})\"?|null|too unsure)$", re.M)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("sound") / "a.wav", SPOKEN[np.newaxis])


def output_of(*command: str, stdin: bytes = b"") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.slow
def test_the_python_example_runs(rig: Rig, wav: Path) -> None:
    assert LABEL.search(output_of(sys.executable, str(EXAMPLES / "client.py"), rig.url, str(wav)))


@pytest.mark.slow
def test_the_javascript_example_runs(rig: Rig) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    version = int(output_of(node, "--version").strip("v").split(".")[0])
    if version < 20:
        pytest.skip("this node has no WebSocket")
    flags = ["--experimental-websocket"] if version < 22 else []
    command = [node, *flags, str(EXAMPLES / "client.mjs"), rig.url]
    found = output_of(*command, stdin=SPOKEN.tobytes())
    assert re.search(rf"^[\d.]+ ({'|'.join(EMOTIONS)}|null)$", found, re.M)


def test_the_curl_example_runs(rig: Rig, wav: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    found = output_of("sh", str(EXAMPLES / "recognize.sh"), rig.url, str(wav))
    assert re.fullmatch(rf"[\d.]+ (\"({'|'.join(EMOTIONS)})\"|null)\n", found)


def test_the_examples_are_short() -> None:
    for path in EXAMPLES.iterdir():
        if path.is_dir() or path.name == "__init__.py":
            continue
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30, path.name


def test_async_iteration_gives_the_same(rig: Rig, wav: Path) -> None:
    async def events() -> list[object]:
        return [event async for event in mmer.client.astream(rig.url, wav, pace="max")]

    found = asyncio.run(events())
    assert isinstance(found[-1], SessionEnd)
    assert any(isinstance(event, EmotionEstimate) and event.final for event in found)


def test_async_iteration_can_be_left(rig: Rig, wav: Path) -> None:
    async def first() -> object:
        stream = mmer.client.astream(rig.url, wav)
        async for event in stream:
            await stream.aclose()  # type: ignore[attr-defined]
            return event
        return None

    assert asyncio.run(first()) is not None
    rig.wait_for_sessions(0)


@pytest.mark.slow
def test_it_runs_inside_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi", reason="the example is for it")
    import uvicorn

    monkeypatch.setenv("MMER_TOKEN", TOKEN)
    scope: dict[str, object] = {"__name__": "in_fastapi"}
    code = (EXAMPLES / "in_fastapi.py").read_text(encoding="utf-8")
    exec(compile(code, "in_fastapi.py", "exec"), scope)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free.listen()
        port = free.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(scope["app"], lifespan="on", log_config=None))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]}, daemon=True)
        thread.start()
        until = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.05)
        base = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{base}/hello") as answer:
            assert json.load(answer) == {"hello": "world"}
        with urllib.request.urlopen(f"{base}/mmer/?token={TOKEN}") as answer:
            assert b"estimates emotion" in answer.read()
        with mmer.client.Session(f"{base}/mmer/?token={TOKEN}", video=True) as session:
            session.stop()
            assert isinstance(list(session)[-1], SessionEnd)
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


ROWS = [
    line
    for line in PAGE.split("## Threats")[1].splitlines()
    if line.startswith("| ") and not line.startswith("| attack |")
]


def test_every_threat_names_tests_that_exist() -> None:
    assert len(ROWS) >= 18
    for row in ROWS:
        attack, stops, tests = (cell.strip() for cell in row.strip("|").split(" | "))
        assert attack
        assert stops
        named = re.findall(r"`(\w+\.py)::(\w+)`", tests)
        assert len(named) == tests.count("::") >= 1, row
        for file, name in named:
            module = ast.parse((HERE / file).read_text(encoding="utf-8"))
            assert name in {n.name for n in module.body if isinstance(n, ast.FunctionDef)}, name


def test_the_files_that_the_page_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (SERVE / target).exists(), target
