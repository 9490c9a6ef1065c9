"""`mmer-engine`, as it is called."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from machine_double import Machine

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.engine import verify_command
from mmer.models.engine.cli import main
from mmer.models.engine.tensorrt.plans import Plans
from mmer.models.engine.verify import compare
from mmer.models.errors import MmerError


class Said:
    """An engine that gives each input the logits that a table has for it."""

    provider = "cpu"
    inputs = ("x",)
    outputs = ("logits",)

    def __init__(self, *logits: list[float]) -> None:
        self._logits = np.array(logits)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"logits": self._logits[inputs["x"]]}


ROWS = [{"x": np.array([i])} for i in range(2)]


def test_a_comparison_counts_labels_and_the_largest_difference() -> None:
    reference = Said([0.0, 0.0], [2.0, 0.0])

    found = compare(reference, Said([0.0, 0.1], [2.0, 0.0]), ROWS, calls=4)

    assert found.label_agreement == 0.5
    assert found.clear_agreement == 1.0  # the other is a tie
    assert found.largest_difference == pytest.approx(0.025, abs=1e-3)
    assert found.passed
    assert all(0 < p50 <= p99 for p50, p99 in (found.reference_ms, found.candidate_ms))


def test_a_clear_label_that_differs_fails() -> None:
    found = compare(Said([0.0, 0.0], [2.0, 0.0]), Said([0.0, 0.0], [0.0, 2.0]), ROWS, calls=1)

    assert (found.label_agreement, found.clear_agreement, found.passed) == (0.5, 0.0, False)


def test_an_answer_that_is_no_number_fails() -> None:
    found = compare(Said([2.0, 0.0], [2.0, 0.0]), Said([2.0, 0.0], [np.nan, 0.0]), ROWS, calls=1)

    assert not found.passed


def test_nothing_to_compare_on() -> None:
    with pytest.raises(MmerError, match="no inputs"):
        compare(Said([0.0]), Said([0.0]), [], calls=1)


def status(*argv: str) -> int:
    try:
        main(argv)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_verify_on_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("verify", "face", "--provider", "cpu", "--calls", "3") == 0

    said = capsys.readouterr().out
    assert said.startswith(
        "face on cpu: 100.0% of 64 labels as on cpu (100.0% where it is not a tie)"
    )
    assert "largest difference of a probability 0\n" in said
    assert re.search(r"cpu \d+\.\d\d and \d+\.\d\d ms, cpu \d+\.\d\d and \d+\.\d\d ms", said)


def test_verify_in_int8_calibrates_on_one_half(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (8, 1, 1, 48, 48)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", **{f"image.{i}": picture for i, picture in enumerate(pictures)})

    ended = status(
        *("verify", "face", "--provider", "cpu", "--precision", "int8", "--calls", "2"),
        *("--inputs", str(tmp_path / "mine.npz")),
    )

    assert ended in (0, 1)
    assert "face on cpu int8: " in (said := capsys.readouterr().out)
    assert "of 4 labels" in said


@pytest.mark.parametrize("spoilt", ["empty", "cut", "double", "small"])
def test_inputs_that_are_none_are_one_line(
    spoilt: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.npz"
    side, kind = (20 if spoilt == "small" else 48), (float if spoilt == "double" else np.float32)
    np.savez(file, **{"image.0": np.ones((1, 1, side, side), kind)})
    if spoilt in ("empty", "cut"):
        file.write_bytes(b"" if spoilt == "empty" else file.read_bytes()[:-40])
    assert status("verify", "face", "--provider", "cpu", "--inputs", str(file)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mine.npz" in line


def test_labels_that_disagree_end_in_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        provider = "cpu"

        def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {"logits": np.arange(7.0)[None]}

    monkeypatch.setattr(verify_command, "open_engine", lambda *a, **k: Other())

    assert status("verify", "face", "--calls", "1") == 1
    assert "FAILED: less than 98% of clear labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("verify", "face", "--provider", "abacus"), "unknown provider 'abacus'"),
        (("verify", "face", "--provider", "cuda"), "install onnxruntime-gpu"),
        (("verify", "voice"), "unknown model 'voice': use speech, text, face"),
        (("verify", "--calls", "0"), "--calls is 0"),
        (("verify", "text", "--precision", "int8"), "in int8 already"),
        (("verify", "--weights", "/none"), "--weights /none is not a folder"),
    ],
)
def test_mistakes_end_in_status_2_and_one_line(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    assert status(*argv) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.startswith("mmer-engine: ")
    assert said.err.count("\n") == 1


def test_build_without_tensorrt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)

    assert status("build") == 2
    assert "TensorRT's Python package cannot be loaded" in capsys.readouterr().err


@pytest.mark.slow
def test_build_list_and_verify(
    machine: Callable[..., Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine()

    assert status("list") == 0
    assert "mmer-engine build makes them" in capsys.readouterr().out
    assert status("build", "face", "text") == 0
    assert status("build", "face", "--precision", "int8") == 0
    out = capsys.readouterr().out
    assert [line.split(",")[0] for line in out.splitlines()] == [
        "face: fp16 plan",
        "text: fp16 plan",
        "face: int8 plan",
    ]
    assert here.builds[2]["calibrated"] == 64
    lengths = here.builds[1]["profile"]["tokens"]
    longest = load_card(weights_dir() / "text.json").setting("input")["max_tokens"]
    assert [shape[1] for shape in (lengths[0], lengths[2])] == [3, longest]
    for argv in (("face", "--precision", "int8"), ("text",)):
        assert status("verify", *argv, "--provider", "tensorrt", "--calls", "2") == 0
    assert "face on tensorrt int8: " in capsys.readouterr().out
    assert len(here.builds) == 3

    assert status("list") == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows[1:4]] == [
        ["face", "int8"],
        ["text", "fp16"],
        ["face", "fp16"],
    ]
    assert all("Orin" in row and "10.3.0" in row and "valid" in row for row in rows[1:4])


def test_list_says_what_is_stale_and_what_is_damaged(
    machine: Callable[..., Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    machine()
    status("build", "face")
    path = next(Plans().folder.glob("*.plan"))
    (path.parent / "text-fp16-0.plan").write_bytes(b"damaged")
    machine("10.13.3.9", name=b"Thor", major=11, minor=0)
    capsys.readouterr()

    assert status("list") == 0

    said = capsys.readouterr().out
    assert "stale: built on another GPU than Thor" in said
    assert "built by TensorRT 10.3.0, here is 10.13.3.9" in said
    assert "is damaged: its head cannot be read" in said


def test_list_where_there_is_no_tensorrt(
    machine: Callable[..., Machine],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mmer.models.engine.tensorrt import library

    machine()
    status("build", "face")
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    library.load.cache_clear()
    capsys.readouterr()

    assert status("list") == 0
    assert "cannot tell: TensorRT's Python package cannot be loaded" in capsys.readouterr().out


def test_a_build_that_is_interrupted_ends_in_130(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()

    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmer.models.engine.tensorrt.opening.build_plan", interrupt)

    assert status("build", "face") == 130
    assert list(Plans().folder.iterdir()) == []


@pytest.mark.parametrize("verb", ["build", "verify"])
def test_nothing_that_could_be_in_int8_is_an_error(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("text.json", "text.onnx", "text-tokenizer.json"):
        shutil.copy(weights_dir() / name, tmp_path)

    assert status(verb, "--precision", "int8", "--weights", str(tmp_path)) == 2

    said = capsys.readouterr().err
    assert "there is no network but those that are in int8 already" in " ".join(said.split())


def test_inputs_that_nothing_would_be_calibrated_by_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert status("build", "--precision", "fp16", "--inputs", str(tmp_path / "mine.npz")) == 2
    assert "--inputs calibrate int8, not fp16" in capsys.readouterr().err


def test_a_network_is_not_changed_without_onnx(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert status("verify", "face", "--provider", "cpu", "--precision", "fp16") == 2
    assert "pip install onnx" in capsys.readouterr().err
