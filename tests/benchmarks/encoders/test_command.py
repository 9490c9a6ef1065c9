"""`mmer-bench encoders` from the user's side."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mmer.benchmarks import cli
from mmer.models.cards.card import weights_dir
from mmer.models.labels import MODALITIES


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "cpu,abacus"), "abacus"),
        (("--provider", ","), "empty"),
        (("--networks", "face,nose"), "nose"),
        (("--calls", "1"), "--calls"),
        (("--weights", "no/such"), "not a folder"),
        (("--markdown", "no/such/file.md"), "not a folder"),
    ],
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["encoders", *arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)
@pytest.mark.skipif(sys.platform == "win32", reason="DirectML may be there")
def test_a_short_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="other precisions are made with it")
    monkeypatch.setenv("COLUMNS", "200")  # long figures of a busy machine wrap no name
    found = tmp_path / "found.json"
    options = ["--calls", "10", "--provider", "cpu,directml", "--networks", "face,fusion"]
    drawn = tmp_path / "drawn.png"
    cli.main(["encoders", *options, "--json", str(found), "--plot", str(drawn)])
    assert drawn.read_bytes().startswith(b"\x89PNG")
    report = json.loads(found.read_text())
    rows = {row["key"]: row for row in report["rows"]}
    for precision in ("fp32", "fp16", "int8"):
        values = rows[f"face.{precision}.cpu.batch1"]["values"]
        assert 0 < values["p50"] <= values["p99"]
        assert values["same_label"] > 0.8
        assert rows[f"face.{precision}.directml"]["measured"].startswith("not here")
    assert rows["face.preparation"]["values"]["p50"] > 0
    assert "fusion.fp32.cpu.batch8" in rows
    assert not any(key.startswith(("speech", "text")) for key in rows)
    assert "face, fp32" in capsys.readouterr().out
