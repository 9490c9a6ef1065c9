"""`mmer-bench throughput` from the user's side."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.harness.clip import AnnotatedClip, Span
from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.harness.utterances import Utterance, demo_utterances
from mmer.benchmarks.throughput import command as throughput
from mmer.benchmarks.throughput.command import Throughput
from mmer.benchmarks.throughput.step import Step
from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.choose import detector_names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seconds", "2"), "--seconds"),
        (("--processes", "0"), "--processes"),
        (("--most", "1000"), "--most"),
        (("--streams", "1,many"), "1,4,8"),
        (("--streams", "0"), "--streams is 0"),
        (("--provider", "abacus"), "abacus"),
        (("--asr", "parrot"), "parrot"),
        (("--weights", "no/such"), "not a folder"),
        (("--json", "no/such/file.json"), "not a folder"),
    ],
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["throughput", *arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_choices_are_those_of_the_recognizer() -> None:
    hints = get_type_hints(Throughput)
    assert get_args(hints["detector"]) == detector_names()


def test_it_searches_for_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[str] = []

    def make(utterances: Sequence[Utterance], seconds: int) -> AnnotatedClip:
        orders.append(utterances[0].name)
        return AnnotatedClip(Path("clip.mkv"), seconds, (Span(16000, 32000, "first"),))

    monkeypatch.setattr(throughput, "make_clip", make)
    monkeypatch.setattr(throughput, "decoding_cpu", lambda clip: 0.02)
    asked = []

    def pretend(clips: Sequence[AnnotatedClip]) -> Step:
        asked.append(len(clips))
        delay = 0.1 if len(clips) <= 5 else 1.5
        streams = [
            Recording(
                estimates=[
                    *(
                        Estimate(t / 10 + delay, t / 10, 0.0, t / 10, False, t / 10, "joy", None)
                        for t in range(80)
                    ),
                    *(
                        Estimate(s.t1 + 0.3, s.t1, s.t0, s.t1, True, None, "joy", 1, (s.t0, s.t1))
                        for s in clip.spans
                    ),
                ],
                frames=[t / 20 for t in range(160)],
            )
            for clip in clips
        ]
        return Step(clips, streams, cpu_s=1.0 * len(clips), memory_mb=100.0 * len(clips))

    options = Throughput(seconds=8)
    found = options.measured(lambda _: None, pretend)
    assert asked == [1, 2, 4, 8, 6, 5]
    assert len(orders) == len(set(orders)) == min(8, len(demo_utterances()))
    rows = {row.key: row for row in found.rows}
    assert rows["capacity"].values["streams"] == 5
    assert [key for key in rows if key.startswith("streams_")] == [
        f"streams_{n}" for n in (1, 2, 4, 5, 6, 8)
    ]
    assert rows["streams_8"].values["times_one_stream"] == pytest.approx(1)
    assert "(too many)" in found.tables[0].to_markdown()


def test_a_workers_mistake_is_told() -> None:
    clip = AnnotatedClip(Path("there is no such clip.mkv"), 8, ())
    with pytest.raises(MmerError, match="no such file"):
        Throughput().play([clip])


@pytest.mark.slow
@pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)
def test_a_short_run_of_two_streams(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = tmp_path / "found.json"
    options = ["--seconds", "8", "--streams", "2", "--processes", "1", "--detector", "haar"]
    cli.main(["throughput", *options, "--json", str(found)])
    report = json.loads(found.read_text())
    rows = {row["key"]: row for row in report["rows"]}
    assert list(rows) == ["capacity", "streams_2", "decoding"]
    values = rows["streams_2"]["values"]
    assert 0 < values["face_p50"] < 20_000
    assert values["frames_per_s_least"] > 1
    assert values["cpu_s_per_s"] > 0
    assert values["memory_mb"] > 100
    assert values["times_one_stream"] is None
    assert report["models"]["face"] == "face.onnx"
    assert "2 streams" in rows["streams_2"]["what"]
    assert "H.264" in capsys.readouterr().out
