"""Transcript sink: "[joy] I am so happy" lines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message
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
