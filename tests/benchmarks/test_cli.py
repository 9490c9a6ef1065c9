"""`mmer-bench` from the user's side."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from moonshine_files import moonshine_files

from mmer.benchmarks import cli
from mmer.benchmarks.live.command import Live
from mmer.benchmarks.soak.command import Soak
from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.asr.registry import asr_names
from mmer.realtime.choose import detector_names
from mmer.realtime.options import PROVIDER_NAMES


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "parrot" in refused(capsys, "live", "--asr", "parrot")
    assert "not a folder" in refused(capsys, "live", "--json", str(tmp_path / "no" / "x.json"))
    assert "--hours" in refused(capsys, "soak", "--hours", "0")
    plot = ("--plot", str(tmp_path / "soak.png"))
    assert "--plot draws a session on the clip" in refused(capsys, "soak", "--virtual", *plot)
    assert "cannot be read" in refused(capsys, "compare", "a.json", "b.json")
    assert "15 to 3600" in refused(capsys, "live", "--seconds", "3")
    assert "--hangover-s" in refused(capsys, "live", "--hangover-s", "9")
    assert "not a folder" in refused(capsys, "live", "--plot", str(tmp_path / "no" / "x.png"))
    assert "--minutes" in refused(capsys, "live", "--minutes", "-1")
    assert "RAVDESS" in refused(capsys, "live", "--data", str(tmp_path))


def test_the_command_is_told_without_paths() -> None:
    given = ["live", "--data", "/x", "--json=/y", "--plot", "/z", "--asr", "none"]
    assert cli.repeatable(given) == "mmer-bench live --data DATA --asr none"
    given = ["baseline", "--data=/x", "--stored-voices", "/old.json"]
    expected = "mmer-bench baseline --data DATA --stored-voices STORED-VOICES"
    assert cli.repeatable(given) == expected
    given = ["encoders", "--weights", "/home/me/run", "--calls", "20"]
    assert cli.repeatable(given) == "mmer-bench encoders --weights WEIGHTS --calls 20"
    given = ["accuracy", "--weights=/home/me/run", "--write_cards", "/x", "--output", "benchmarks"]
    expected = "mmer-bench accuracy --weights=WEIGHTS --write-cards WRITE-CARDS --output benchmarks"
    assert cli.repeatable(given) == expected
    assert cli.repeatable(["compare", "a.json", "/b.json"]) == "mmer-bench compare a.json FILE"


@pytest.mark.parametrize("command", [Live, Soak])
def test_choices_are_those_of_the_recognizer(command: type[Live] | type[Soak]) -> None:
    hints = get_type_hints(command)
    assert get_args(hints["detector"]) == detector_names()
    assert get_args(hints["provider"]) == PROVIDER_NAMES


@pytest.mark.parametrize(
    ("command", "needs"),
    [
        ("live", ()),
        ("soak", ()),
        ("against", ()),
        ("throughput", ()),
        ("accuracy", ("--data", ".", "--output", ".")),
        ("curve", ("--data", ".", "--output", ".")),
    ],
)
def test_an_unknown_recognizer_is_refused_at_the_door(
    capsys: pytest.CaptureFixture[str], command: str, needs: tuple[str, ...]
) -> None:
    error = refused(capsys, command, *needs, "--asr", "parrot")
    assert error == f"mmer-bench: --asr 'parrot' is unknown: use {', '.join(asr_names())}\n"
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert not stopped.value.code
    assert "{" + ",".join(asr_names()) + "}" in capsys.readouterr().out


@pytest.mark.parametrize(("minutes", "rounds"), [(None, 1), (0.5, 1), (1.5, 1), (1.6, 2), (10, 7)])
def test_minutes_are_whole_rounds_of_the_clip(minutes: float | None, rounds: int) -> None:
    assert Live(minutes=minutes).rounds == rounds


def test_two_files_that_are_one_are_refused(tmp_path: Path) -> None:
    same = tmp_path / "same"
    for files in ({"json": same, "markdown": same}, {"json": same, "plot": same}):
        with pytest.raises(MmerError, match="two outputs name"):
            Live(**files).check()


def test_a_comparison_overwrites_no_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a, b = (str(tmp_path / name) for name in ("a.json", "b.json"))
    for path in (a, b):
        Path(path).write_text("{}")
    for path in (a, b):
        assert "the input itself" in refused(capsys, "compare", a, b, "--json", path)
        assert Path(path).read_text() == "{}"


def test_noise_louder_than_speech_is_refused() -> None:
    with pytest.raises(MmerError, match="--noise-db"):
        Live(noise_db=0).check()


@pytest.mark.slow
@pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)
def test_a_short_run_measures_everything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moonshine_files()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("mmer.benchmarks.live.command.FIRST_LABEL_RUNS", 1)
    # two sentences, for it is played four times in real time
    monkeypatch.setattr("mmer.benchmarks.live.command.LEAST_S", 7)
    found, shown, drawn = (tmp_path / f"found.{kind}" for kind in ("json", "md", "png"))
    cli.main(["live", "--seconds", "7", "--runs", "2", "--json", str(found),
              "--markdown", str(shown), "--plot", str(drawn)])  # fmt: skip
    out = capsys.readouterr().out
    report = json.loads(found.read_text())
    rows = {row["key"]: row for row in report["rows"]}
    assert {
        "replay", "replay_no_words", "face_delay_ms", "provisional_label_ms", "frames_per_s",
        "final_label_ms", "final_label_compute_ms", "final_words_ms", "stable_label_ms",
        "first_label_s", "face_delay_slope", "queues", "memory_peak_mb", "memory_growth",
        "cpu_with_words", "cpu_no_words", "stage_voice", "stage_words_final", "stage_output",
    } <= set(rows)  # fmt: skip
    # nothing is timed here: figures are there and possible, whatever this machine's load
    assert rows["replay"]["values"]["times_real_time"] > 0
    assert rows["replay"]["passed"] is None
    assert 0 < rows["frames_per_s"]["values"]["searched"] <= 21
    assert rows["face_delay_ms"]["values"]["n"] > 28
    assert rows["final_label_ms"]["values"]["n"] == 2 * len(report["clip"]["utterances"])
    assert len(rows["final_label_ms"]["runs"]["p50"]) == 2
    assert "runs" not in rows["replay"]
    assert 250 < rows["final_label_waiting_ms"]["values"]["p50"] < 600
    assert rows["cpu_no_words"]["values"]["cpu_s_per_s"] > 0.01
    assert rows["stage_voice"]["values"]["n"] == 2 * 7 * 50
    assert rows["memory_peak_mb"]["values"]["paced"] > 100
    assert report["command"].startswith("mmer-bench live --seconds 7")
    assert len(report["series"]["memory_mb"]) >= 12
    assert all(row["what"] in shown.read_text() for row in rows.values())
    assert drawn.stat().st_size > 10_000
    assert "mmer-bench live: 7 s clip" in out
