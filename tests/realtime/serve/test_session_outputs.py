"""Outputs of the server's sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import Rig

from mmer.models.errors import MmerError
from mmer.realtime.commands.live import main as mmer_live
from mmer.realtime.commands.serve_command import run as mmer_serve
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
    with pytest.raises(MmerError, match=r"needs \{session\} in its name"):
        mmer_serve(["--export", str(tmp_path / "run.csv")])
    with pytest.raises(MmerError, match="expected HOST:PORT"):
        mmer_serve(["--udp-events", "nowhere"])
    with pytest.raises(MmerError, match="there is no folder"):
        mmer_serve(["--output", f"{tmp_path}/missing/{{session}}.jsonl"])
    assert list(tmp_path.iterdir()) == []
