"""The cache of plans: what fits is found, the rest is built anew, a file is whole or absent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import tiny_onnx
from machine_double import Machine
from tiny_onnx import LENGTHS, features

from mmer.models.engine import Lengths
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.tensorrt import opening
from mmer.models.engine.tensorrt.opening import keep_built, open_built, open_tensorrt, plan_key
from mmer.models.engine.tensorrt.plans import DamagedPlan, PlanKey, Plans, stale, write_whole
from mmer.models.errors import MmerError

KEY = PlanKey("speech", "ab" * 32, "fp16", "Orin", "8.7", "10.3.0", "batch 1..8", "1")


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    return Plans(tmp_path / "engines")


def test_a_plan_is_read_back_as_it_was_written(plans: Plans) -> None:
    content = bytes(range(256)) + b"\n" * 3

    plans.write(KEY, content)

    assert plans.read(KEY) == content
    assert [e.key for e in plans.entries()] == [KEY]
    assert os.listdir(plans.folder) == [plans.path(KEY).name]


@pytest.mark.parametrize("name", [f.name for f in fields(PlanKey)])
def test_another_value_of_any_part_of_the_key_is_another_plan(plans: Plans, name: str) -> None:
    plans.write(KEY, b"plan")

    assert plans.read(replace(KEY, **{name: "other"})) is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:-1],
        lambda content: content[:-1] + b"?",
        lambda content: b"",
        lambda content: b"\x00" + content[1:],
        lambda content: content.replace(b"Orin", b"Thor", 1),
    ],
    ids=["cut", "altered", "empty", "head", "renamed"],
)
def test_a_damaged_file_is_known(plans: Plans, harm: Callable[[bytes], bytes]) -> None:
    path = plans.write(KEY, b"plan")
    path.write_bytes(harm(path.read_bytes()))

    with pytest.raises(DamagedPlan):
        plans.read(KEY)


def test_an_interrupted_write_leaves_what_was_there(
    plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plans.write(KEY, b"first")

    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        plans.write(KEY, b"second")

    assert plans.read(KEY) == b"first"
    assert os.listdir(plans.folder) == [path.name]


def test_writers_at_once_leave_one_whole_file(plans: Plans) -> None:
    contents = [bytes([n]) * 200_000 for n in range(8)]
    threads = [threading.Thread(target=plans.write, args=(KEY, c)) for c in contents]
    for thread in threads:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in threads):
        seen.append(plans.read(KEY))  # never a part of one, never a mixture
    for thread in threads:
        thread.join()

    assert plans.read(KEY) in contents
    assert set(seen) <= {None, *contents}
    assert len(os.listdir(plans.folder)) == 1


def test_why_a_plan_is_stale() -> None:
    assert stale(KEY, KEY) == ""
    assert "TensorRT 10.3.0, here is 11.4" in stale(KEY, replace(KEY, tensorrt="11.4"))
    assert "network has changed" in stale(KEY, replace(KEY, sha256="cd"))
    assert "another GPU" in stale(KEY, replace(KEY, gpu="Thor", capability="11.0"))


def test_the_second_opening_builds_nothing(
    machine: Callable[..., Machine], network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine()

    first = open_tensorrt(network, LENGTHS)
    second = open_tensorrt(network, LENGTHS)

    assert len(here.builds) == 1
    assert "no plan of speech.onnx has been built" in capsys.readouterr().err
    np.testing.assert_array_equal(first.run(features())["logits"], second.run(features())["logits"])


def test_what_changes_is_built_anew(machine: Callable[..., Machine], network: Path) -> None:
    here = machine()
    open_tensorrt(network, LENGTHS)
    changes: list[Callable[[], Lengths]] = [
        lambda: machine("10.13.3.9") and LENGTHS,
        lambda: machine("10.13.3.9", name=b"NVIDIA Thor") and LENGTHS,
        lambda: machine("10.13.3.9", name=b"NVIDIA Thor", major=11, minor=0) and LENGTHS,
        lambda: replace(LENGTHS, most=LENGTHS.most + 1),
        lambda: tiny_onnx.sound(network, seed=1) and LENGTHS,
    ]
    for count, change in enumerate(changes, 2):
        lengths = change()
        with pytest.raises(MmerError, match="for this GPU and TensorRT"):
            open_built(network, lengths)
        open_tensorrt(network, lengths)
        assert len(here.builds) == count
        open_tensorrt(network, lengths)
        assert len(here.builds) == count


def test_another_precision_is_another_plan_and_the_last_built_runs(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()
    half = keep_built(network, "fp16", LENGTHS, [])
    whole = keep_built(network, "fp32", LENGTHS, [])
    os.utime(half, (1, 1))
    assert [("FP16" in b["flags"]) for b in here.builds] == [True, False]
    assert whole != half

    newest = Plans().read(plan_key(network, "fp32", LENGTHS))
    opened: list[bytes] = []

    class Recording(opening.TensorRTEngine):
        def __init__(self, tensorrt: object, cuda: object, plan: bytes, name: str) -> None:
            opened.append(plan)

    original, opening.TensorRTEngine = opening.TensorRTEngine, Recording  # type: ignore[misc]
    try:
        open_built(network, LENGTHS)
        open_built(network, LENGTHS, precision="fp16")
    finally:
        opening.TensorRTEngine = original  # type: ignore[misc]
    assert opened == [newest, Plans().read(plan_key(network, "fp16", LENGTHS))]


def test_a_damaged_plan_is_built_anew_and_said_so(
    machine: Callable[..., Machine], network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine()
    path = keep_built(network, "fp16", LENGTHS, [])
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(MmerError, match=r"damaged.*mmer-engine build speech"):
        open_built(network, LENGTHS)
    engine = open_tensorrt(network, LENGTHS)

    assert "is damaged" in capsys.readouterr().err
    assert len(here.builds) == 2
    expected = OnnxRuntimeEngine(network).run(features())
    np.testing.assert_allclose(engine.run(features())["logits"], expected["logits"], rtol=1e-5)
    assert open_built(network, LENGTHS).provider == "tensorrt"


def test_a_plan_that_tensorrt_refuses_is_built_anew(
    machine: Callable[..., Machine], network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = machine()
    keep_built(network, "fp16", LENGTHS, [])
    Plans().write(plan_key(network, "fp16", LENGTHS), b"whole, but of nothing that TensorRT made")

    open_tensorrt(network, LENGTHS)

    assert "magicTag does not match" in capsys.readouterr().err
    assert len(here.builds) == 2


def test_an_interrupted_build_leaves_nothing(
    machine: Callable[..., Machine], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine()

    original = opening.build_plan

    def interrupted(*arguments: object) -> tuple[bytes, bytes]:
        *rest, _ = arguments

        def reporting(phase: str, done: float) -> None:
            signal.raise_signal(signal.SIGINT)

        return original(*rest, reporting)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "build_plan", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep_built(network, "fp16", LENGTHS, [])

    assert here.builds == []
    assert list(Plans().folder.iterdir()) == []


def test_builders_at_once_leave_one_whole_plan(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: keep_built(network, "fp16", LENGTHS, []), range(4)))

    assert len(here.builds) == 4
    assert len(set(paths)) == 1
    assert sorted(p.suffix for p in Plans().folder.iterdir()) == [".cache", ".plan"]
    assert open_built(network, LENGTHS).run(features())["logits"].shape == (1, 7)


def test_a_cache_that_cannot_be_written_is_no_hindrance_to_running(
    machine: Callable[..., Machine],
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine()
    (tmp_path / "file").write_text("no folder")  # where root could write into a folder
    monkeypatch.setenv("MMER_HOME", str(tmp_path / "file"))

    engine = open_tensorrt(network, LENGTHS)

    assert engine.run(features())["logits"].shape == (1, 7)
    said = capsys.readouterr().err
    assert "cannot be kept" in said
    assert "MMER_HOME" in said
    with pytest.raises(MmerError, match="cannot be kept"):
        keep_built(network, "fp16", LENGTHS, [])


def test_timings_are_kept_for_the_next_build(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()
    keep_built(network, "fp16", LENGTHS, [])
    keep_built(network, "fp32", LENGTHS, [])
    machine("10.13.3.9")
    keep_built(network, "fp16", LENGTHS, [])

    assert [b["timings"] for b in here.builds] == [0, len("10.3.0 timings"), 0]
    assert len(list(Plans().folder.glob("timings-Orin-8-7-*"))) == 2


def test_timings_of_something_else_are_left_aside(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()
    write_whole(Plans().folder / "timings-Orin-8-7-10.3.0.cache", b"damaged")

    keep_built(network, "fp16", LENGTHS, [])

    assert here.builds[0]["timings"] == 0
