"""Transcript sink: "[joy] I am so happy" lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message, Notice
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.outputs import Outputs
from mmer.realtime.sinks.transcript import TranscriptLines


def lines(path: Path, make: SimpleNamespace, *events: Message) -> list[str]:
    sink = TranscriptLines(str(path))
    sink.open(make.info())
    for event in events:
        sink.write(event, None)
    sink.close(make.end)
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_an_utterance_whichever_comes_first(make: SimpleNamespace, tmp_path: Path) -> None:
    def final(n: int, label: str | None) -> Message:
        return make.estimate(2.2, label, window=(0.5, 1.9), final=True, utterance=n)

    assert lines(
        tmp_path / "out.txt",
        make,
        make.transcript(1, 0.5, 1.0, "I am", partial=True),
        make.transcript(1, 0.5, 1.9, "I am so\nhappy"),
        make.estimate(2.0, "fear"),
        final(1, "joy"),
        final(2, "sadness"),
        make.transcript(2, 0.5, 1.9, "the words come late"),
        final(3, None),
        make.transcript(3, 0.5, 1.9, "no label"),
        make.transcript(4, 0.5, 1.9, ""),
        final(4, "anger"),
    ) == ["[joy] I am so happy", "[sadness] the words come late", "no label"]


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="no folder"):
        TranscriptLines(str(tmp_path / "missing" / "x.txt"))


def spoken(make: SimpleNamespace, n: int) -> list[Message]:
    """Words and label of utterance ``n``."""
    t = float(n)
    return [
        make.transcript(n, t - 0.5, t, f"words {n}"),
        make.estimate(t, "joy", window=(t - 0.5, t), final=True, utterance=n),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("done", ["moved", "removed", "moved and made anew", "truncated"])
@pytest.mark.parametrize("late", [False, True], ids=["in the middle", "before the last line"])
def test_a_file_that_another_program_rotates_goes_on_under_its_name(
    make: SimpleNamespace, tmp_path: Path, done: str, late: bool
) -> None:
    path, old, log = tmp_path / "tr.txt", tmp_path / "tr.old", tmp_path / "tr.jsonl"
    outputs = Outputs([TranscriptLines(str(path)), JsonLines(str(log))])
    outputs.open(make.info())
    for n in (1, 2, 3):
        if n == (3 if late else 2):
            if done == "truncated":
                os.truncate(path, 0)
            elif done == "removed":
                path.unlink()
            else:
                path.rename(old)
                if done.endswith("anew"):
                    path.touch()
        for event in spoken(make, n):
            outputs.write(event, None)
    outputs.write(Notice(4.0, "info", "camera", "is back"), None)
    outputs.close(make.end)
    kept = [1, 2] if late else [1]
    said = [f"[joy] words {n}" for n in (1, 2, 3)]
    assert path.read_text().splitlines() == said[len(kept) :]
    if old.exists():
        assert old.read_text().splitlines() == said[: len(kept)]
    assert log.read_text().count("by another program: earlier lines are not in this file") == 1
    assert str(path) in log.read_text()
