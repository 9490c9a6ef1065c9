"""Starts: every way in which a session can lack a part is counted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.starts import CLIP_S, PARTS, Start, cut_demo, faults_of, rows, start

SESSION: dict[str, Any] = {"type": "session", "models": dict.fromkeys(PARTS, "some.onnx")}
UTTERANCE: dict[str, Any] = {"type": "utterance", "text": "The train leaves."}
END: dict[str, Any] = {"type": "end"}


def output(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def notice(level: str) -> dict[str, Any]:
    return {"type": "notice", "level": level, "about": "words", "text": "why"}


def test_a_session_with_every_part_has_no_fault() -> None:
    faults, models = faults_of(0, output(SESSION, notice("info"), UTTERANCE, END))
    assert faults == []
    assert models == SESSION["models"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_null_or_absent_is_a_fault(part: str) -> None:
    others = {name: "some.onnx" for name in PARTS if name != part}
    for models in ({**others, part: None}, others):
        lines = output({"type": "session", "models": models}, UTTERANCE, END)
        assert faults_of(0, lines)[0] == [f"no {part}"]


@pytest.mark.parametrize(
    ("status", "lines", "fault"),
    [
        (2, output(SESSION, UTTERANCE, END), "exit status 2"),
        (-11, output(SESSION, UTTERANCE, END), "exit status -11"),
        (0, output(SESSION, notice("warning"), UTTERANCE, END), "warning about words: why"),
        (0, output(SESSION, notice("error"), UTTERANCE, END), "error about words: why"),
        (0, output(SESSION, {**UTTERANCE, "text": ""}, END), "no transcript"),
        (0, output(SESSION, UTTERANCE), "no end line"),
        (0, output(SESSION, UTTERANCE, END) + b'{"type":', "a line that is not JSON"),
    ],
)  # fmt: skip
def test_other_faults(status: int, lines: bytes, fault: str) -> None:
    assert faults_of(status, lines)[0] == [fault]


def test_a_session_that_wrote_nothing_lacks_everything() -> None:
    faults, models = faults_of(1, b"")
    assert faults == [
        "exit status 1", *(f"no {part}" for part in PARTS), "no transcript", "no end line",
    ]  # fmt: skip
    assert models == {}


def test_a_process_is_run_to_its_end() -> None:
    good = output(SESSION, UTTERANCE, END).decode()
    done = start((sys.executable, "-c", f"print({good!r}, end='')"))
    assert done.faults == ()
    assert done.wall_s > 0
    hung = start((sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.2)
    assert hung.faults == ("no end within 0.2 s",)


def test_rows_count_failed_starts() -> None:
    good, bad = Start((), 2.0, 1.0), Start(("no words", "no transcript"), 3.0, 1.5)
    counted, cost = rows([good, good, bad])
    assert (counted.measured, counted.passed) == ("1 of 3", False)
    assert counted.note == "1 times no words; 1 times no transcript"
    assert cost.values["p50"] == 1000
    assert cost.samples["wall_s"] == [2.0, 2.0, 3.0]
    assert rows([good])[0].passed is True


def test_the_clip_is_the_begin_of_the_demo(tmp_path: Path) -> None:
    import av

    path = tmp_path / "clip.mp4"
    cut_demo(path, CLIP_S)
    with av.open(str(path)) as clip:
        assert {s.type for s in clip.streams} == {"audio", "video"}
        assert clip.duration / av.time_base == pytest.approx(CLIP_S, abs=0.1)


def test_a_count_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["starts", "--count", "0"])
    assert stopped.value.code == 2
    assert "--count is 0" in capsys.readouterr().err
