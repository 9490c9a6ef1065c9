"""Outputs of the server's sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import Rig

from mmer.models.errors import MmerError
from mmer.realtime.commands.live import main as mmer_live
from mmer.realtime.commands.serve import main
from mmer.realtime.commands.serve_command import run as mmer_serve
from mmer.realtime.serve.service import Service
from mmer.realtime.serve.session_outputs import SessionOutputs
from mmer.realtime.sinks.registry import Target


def test_each_session_writes_its_outputs_and_a_used_one_is_said(tmp_path: Path) -> None:
    exports, lines = f"{tmp_path}/{{session}}.csv", f"{tmp_path}/{{session}}.jsonl"
    outputs = SessionOutputs(
        [Target("export", exports), Target("jsonl", lines), Target("udp-events", "127.0.0.1:9")]
    )
    with Rig(outputs=outputs) as rig, rig.started(video={}) as first:
        first.await_type("emotion")
        with rig.started(video={}) as second:
            notice = second.await_type("notice")
            assert notice["text"] == (
                "--udp-events 127.0.0.1:9 is another session's just now; "
                "the session goes on without it"
            )
            second.say(type="stop")
            second.rest()
        first.say(type="stop")
        first.rest()
        rig.wait_for_sessions(0)
        with rig.started(video={}) as third:  # the address is free again
            third.await_type("emotion")
            third.say(type="stop")
            third.rest()
            assert not any("another session" in notice["text"] for notice in third.of("notice"))
        rig.wait_for_sessions(0)
    written = sorted(tmp_path.glob("*.jsonl"))
    assert len(written) == 3
    assert len(list(tmp_path.glob("*Z-??????.csv"))) == 3
    for path in written:  # the same lines as the clients': an export afterwards is that of the run
        table = path.with_suffix(".csv")
        before = table.read_bytes()
        with pytest.raises(SystemExit):
            mmer_live(["export", str(path), str(table)])
        assert table.read_bytes() == before
        assert b'"type":"end"' in path.read_bytes()


def test_an_output_that_cannot_be_opened_costs_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    outputs = SessionOutputs([Target("jsonl", f"{folder}/{{session}}.jsonl")])
    folder.rmdir()
    with Rig(outputs=outputs) as rig, rig.started(video={}) as stream:
        assert "there is no folder" in stream.await_type("notice")["text"]
        stream.await_type("emotion")
        stream.say(type="stop")
        stream.rest()
        assert stream.of("end")


def test_what_cannot_be_is_one_line_before_it_serves(tmp_path: Path) -> None:
    lines = f"{tmp_path}/{{session}}.utterances.csv"
    with pytest.raises(MmerError, match="two outputs name"):
        mmer_serve(["--export", f"{tmp_path}/{{session}}.csv", "--output", lines])
    with pytest.raises(MmerError, match="expected HOST:PORT"):
        mmer_serve(["--udp-events", "nowhere"])
    missing = f"{tmp_path}/missing/{{session}}.jsonl"
    with pytest.raises(MmerError, match="there is no folder") as wrong:
        mmer_serve(["--output", missing])
    assert f"cannot write {missing}: " in str(wrong.value)
    assert list(tmp_path.iterdir()) == []


NEEDS = "a file of the server needs {session} in its name"
STDOUT = "standard output does not tell the sessions apart"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", "-"], f"--output -: {STDOUT}; use --output run-{{session}}.jsonl"),
        (
            ["--output", "transcript:-"],
            f"--transcript: {STDOUT}; use --output transcript:run-{{session}}.txt",
        ),
        (["--transcript"], "no option --transcript; see mmer-serve --help"),
        (["--output", "x.jsonl"], f"--output x.jsonl: {NEEDS}; use --output x-{{session}}.jsonl"),
        (["--export", "x.csv"], f"--export x.csv: {NEEDS}; use --export x-{{session}}.csv"),
        (
            ["--output", "transcript:x.txt"],
            f"--output transcript:x.txt: {NEEDS}; use --output transcript:x-{{session}}.txt",
        ),
        (
            ["--people", "all", "--export", "x{session}.csv"],
            "--people all: --export cannot tell people apart; write JSON lines (--output FILE), or "
            "use --people speaking",
        ),
        (
            ["--policy", "no-store", "--output", "x{session}.jsonl"],
            "--policy no-store stores nothing: leave out --output x{session}.jsonl",
        ),
        (["--lsl", "a", "b"], "--lsl a b: expected one value at most"),
    ],
)
def test_a_refused_output_is_named_as_the_command_line_has_it(
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("mmer.realtime.serve.server._announce", _too_late)
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--port", "0", "--asr", "none", "--offline"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"mmer-serve: {says}\n"


def _too_late(*_: object) -> None:
    raise AssertionError("it serves")


def test_an_application_refuses_what_the_command_does(tmp_path: Path) -> None:
    target = Target("export", f"{tmp_path}/{{session}}.csv")
    for defaults, says in (
        ({"people": "all"}, "--export cannot tell people apart"),
        ({"policy": "no-store"}, "stores nothing: leave out --export"),
    ):
        with pytest.raises(MmerError, match=says):
            Service(defaults=defaults, outputs=SessionOutputs([target]))


def test_the_help_offers_no_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "--export" in text
    assert "--transcript" not in text
    assert "transcript:{session}.txt" in text


def test_a_stream_of_lsl_may_have_the_name_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab").mkdir()
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []
    monkeypatch.setattr(
        "mmer.realtime.serve.session_outputs.SessionOutputs",
        lambda targets, settings: seen.append(targets),
    )
    monkeypatch.setattr("mmer.realtime.serve.server.run", lambda *_: 0)
    assert mmer_serve(["--lsl", "lab"]) == 0
    assert seen == [(Target("lsl", "lab"),)]


def test_a_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmer.realtime.serve.session_outputs.make_output", lambda *_: None)
    target = Target("mqtt", "mqtt://me:secret@host")
    outputs = SessionOutputs([target])
    outputs.take(target)
    with pytest.raises(MmerError, match=r"^--mqtt is another session's just now$"):
        outputs.take(target)
