from __future__ import annotations

import io
import os
from types import SimpleNamespace

import pytest

from mmer.realtime.messages import Gap, Notice
from mmer.realtime.sinks.output import ReaderGone
from mmer.realtime.sinks.plain import PlainLines


def test_an_utterance_is_one_line(make: SimpleNamespace) -> None:
    out = io.StringIO()
    sink = PlainLines(out, changes=False)
    sink.open(make.info())
    for event in make.session():
        sink.write(event, None)
    sink.close(make.end)
    assert out.getvalue() == (
        "  0.50-1.90  joy 0.70  (speech joy 0.50, words joy 0.50, face -)"
        '  "what a wonderful day"\n'
        "       2.30  warning: microphone: lost 0.120 s\n"
    )


def test_changes_of_label_are_shown_but_not_too_often(make: SimpleNamespace) -> None:
    out = io.StringIO()
    sink = PlainLines(out, change_every_s=1.0)
    for t, label in [
        (1.0, None),  # no label yet is no change
        (1.25, "joy"),
        (1.5, "joy"),
        (1.75, "fear"),  # too soon after the last line
        (2.0, "joy"),
        (2.25, "anger"),
        (3.5, None),
    ]:
        sink.write(make.estimate(t, label, present=("face",)), None)
    assert out.getvalue().splitlines() == [
        "       1.25  joy 0.70  (speech -, words -, face joy 1.00)",
        "       2.25  anger 0.70  (speech -, words -, face anger 1.00)",
        "       3.50  -  (silence)",
    ]


def test_words_without_a_transcript_and_a_label_without_words(make: SimpleNamespace) -> None:
    out = io.StringIO()
    sink = PlainLines(out)
    sink.write(make.estimate(3.0, "joy", window=(1.0, 2.5), final=True, utterance=7), None)
    sink.write(make.estimate(4.0, None, window=(3.0, 3.5), final=True, utterance=8), None)
    first, second = out.getvalue().splitlines()
    assert first.startswith("  1.00-2.50  joy 0.70  (")
    assert first.endswith("face -)")
    assert second == "  3.00-3.50  -  (silence)"


def test_notices_and_gaps_are_one_clean_line_each() -> None:
    out = io.StringIO()
    sink = PlainLines(out)
    sink.write(Notice(1.0, "error", "camera", "gone\n\x1b[2Jaway"), None)
    sink.write(Gap("audio", 2.0, 2.25, "overflow"), None)
    sink.write(Gap("video", 0.0, float("inf"), "none"), None)
    assert out.getvalue().splitlines() == [
        "       1.00  error: camera: gone [2Jaway",
        "       2.00  warning: audio: lost 0.250 s, overflow",
    ]


def test_a_stream_that_knows_little(make: SimpleNamespace) -> None:
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="ascii")
    sink = PlainLines(out)
    sink.write(Notice(1.0, "info", "x", "café"), None)
    assert data.getvalue() == b"       1.00  info: x: caf?\n"


def test_a_reader_that_has_gone(make: SimpleNamespace) -> None:
    reading, writing = os.pipe()
    out = io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True)
    os.close(reading)
    with pytest.raises(ReaderGone):
        PlainLines(out).write(Notice(1.0, "info", "x", "y"), None)
