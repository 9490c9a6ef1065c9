"""`mmer-bench against` from the user's side."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from moonshine_files import moonshine_files

from mmer.benchmarks import cli
from mmer.benchmarks.baselines.command import Against
from mmer.benchmarks.baselines.measures import WHAT
from mmer.models.cards.card import weights_dir
from mmer.models.labels import MODALITIES
from mmer.realtime.choose import detector_names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seconds", "3"), "5 to 3600"),
        (("--minutes", "-1"), "--minutes"),
        (("--provider", "abacus"), "abacus"),
        (("--asr", "parrot"), "parrot"),
        (("--only", "session,elephant"), "elephant"),
        (("--only", ","), "empty"),
        (("--plot", "no/such/folder.png"), "not a folder"),
    ],
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["against", *arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_choices_are_those_of_the_recognizer() -> None:
    hints = get_type_hints(Against)
    assert get_args(hints["detector"]) == detector_names()


@pytest.mark.slow
@pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)
def test_a_short_run_of_a_loop_and_of_the_session(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moonshine_files()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found, picture = tmp_path / "found.json", tmp_path / "found.png"
    options = ["--seconds", "5", "--only", "recorder,session", "--detector", "haar"]
    cli.main(["against", *options, "--json", str(found), "--plot", str(picture)])
    report = json.loads(found.read_text())
    rows = {row["key"]: row for row in report["rows"]}
    assert list(rows) == [f"{key}.{name}" for name in ("recorder", "session") for key in WHAT]
    for name in ("recorder", "session"):
        assert rows[f"frames_per_s.{name}"]["values"]["frames_per_s"] > 1
        assert rows[f"age_ms.{name}"]["values"]["n"] > 5
        assert rows[f"onset_ms.{name}"]["values"]["misses"] == 0
        assert rows[f"lost_s.{name}"]["values"]["lost_s"] < 0.1
    assert report["models"]["fusion"] == "fusion.onnx"
    assert picture.stat().st_size > 10_000
    assert "loop: a thread records" in capsys.readouterr().out
