"""Policies: what is analysed, what is written, and that nothing else leaves the program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.commands.live_command import run
from mmer.realtime.open_sources import wanted_streams
from mmer.realtime.options import Options
from mmer.realtime.policy import POLICIES, notice
from mmer.realtime.sinks.registry import OUTPUTS, Target, writers


def test_text_only_analyses_words_alone_and_opens_no_camera() -> None:
    options = Options(policy="text-only")
    assert options.modalities == ("text",)
    assert wanted_streams(options) == {"audio"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"modalities": ("speech",)}, "analyses words alone"),
        ({"modalities": ("text", "face")}, "analyses words alone"),
        ({"video": "0"}, "opens no camera"),
        ({"asr": "none"}, "nothing to recognize"),
    ],
)
def test_text_only_refuses_what_it_forbids(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(MmerError, match=says) as refused:
        Options(policy="text-only", **wrong)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_an_unknown_policy_names_those_there_are() -> None:
    with pytest.raises(MmerError, match="'closed' is unknown: use open, text-only, no-store"):
        Options(policy="closed")


@pytest.mark.parametrize(
    "option",
    ["--output=x.jsonl", "--export=x.csv", "--overlay=x.mp4", "--output=transcript:x.txt",
     "--mqtt=mqtt://127.0.0.1", "--calibrate=x.json"],
)  # fmt: skip
def test_no_store_refuses_every_option_that_writes(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MmerError, match="--policy no-store stores nothing: leave out --"):
        run(["--demo", "--pace", "max", "--policy", "no-store", option])
    assert list(tmp_path.iterdir()) == []


def test_no_store_lets_through_what_writes_no_file() -> None:
    free = ["jsonl:-", "transcript:-", "lsl:x", "osc:127.0.0.1:9", "udp-events:127.0.0.1:9"]
    targets = [Target(*name.split(":", 1)) for name in free]
    assert writers(targets) == []
    assert set(OUTPUTS) == {target.name for target in targets} | {"export", "mqtt"}


def test_no_store_holds_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="leave out --output"):
        mmer.Recognizer("talk.mp4", policy="no-store").run(outputs=[str(tmp_path / "x.jsonl")])


@pytest.mark.parametrize("name", POLICIES)
def test_the_notice_says_what_is_analysed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--notice", "--policy", name]) == 0
    text = capsys.readouterr().out
    assert text.strip() == notice(name)
    assert ("voice" in text) == (name != "text-only")
    assert ("stored" in text) == (name == "no-store")


NO_SOCKETS = """
import socket, sys
class Forbidden:
    def __init__(self, *a, **k): raise AssertionError("a socket was opened")
def forbidden(*a, **k): raise AssertionError("the network was asked")
socket.socket = Forbidden
for name in ("create_connection", "getaddrinfo", "gethostbyname", "socketpair", "create_server"):
    setattr(socket, name, forbidden)
def audit(event, arguments):
    if event.startswith("socket."):
        raise AssertionError(event)
sys.addaudithook(audit)
from mmer.realtime.commands.live import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_the_whole_program_runs_with_sockets_forbidden(tmp_path: Path, short_clip: Path) -> None:
    """Words, voice and face of a file: no socket is asked for, nothing fetched."""
    out = tmp_path / "out.jsonl"
    arguments = [str(short_clip), "--pace", "max", "--quiet", "--output", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "socket" not in done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[-1]["type"] == "end"
    emotions = [line for line in lines if line["type"] == "emotion"]
    assert any(line["modalities"]["face"] for line in emotions)
    assert any(line["modalities"]["speech"] for line in emotions)
    if lines[0]["models"].get("words"):  # an engine's files are on this machine
        assert any(line["type"] == "utterance" and line["text"] for line in lines)
