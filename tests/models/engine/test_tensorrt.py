"""TensorRT's engine, against doubles of 10 and 11 that compute by ONNX Runtime."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[test]'")

import onnx
import tiny_onnx
from machine_double import Machine
from tiny_onnx import LENGTHS, features

from mmer.models.engine import open_best, open_engine
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.tensorrt import cuda, library
from mmer.models.engine.tensorrt.calibrator import fitted
from mmer.models.engine.tensorrt.opening import keep_built, open_built, open_tensorrt
from mmer.models.errors import MmerError

VERSIONS = pytest.mark.parametrize("version", ["10.3.0", "11.4.0.106"])


@VERSIONS
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_it_answers_as_onnx_runtime(
    machine: Callable[..., Machine], network: Path, version: str, precision: str
) -> None:
    here = machine(version)
    keep_built(network, precision, LENGTHS, [features(4, 5, seed) for seed in range(20)])
    engine, reference = open_built(network, LENGTHS), OnnxRuntimeEngine(network)

    assert (engine.provider, engine.inputs, engine.outputs) == (
        "tensorrt",
        reference.inputs,
        reference.outputs,
    )
    (build,) = here.builds
    assert build["profile"] == {"features": [[1, 2, 4], [1, 5, 4], [8, 9, 4]]}
    assert ("TF32" in build["flags"]) == (precision != "fp32")
    ten = version.startswith("10")
    assert ("FP16" in build["flags"]) == (ten and precision != "fp32")
    assert ("INT8" in build["flags"]) == (ten and precision == "int8")
    assert build["calibrated"] == (20 if ten and precision == "int8" else 0)
    # the square, its mean and the root stay float32
    assert build["kept"] == (3 if ten and precision != "fp32" else 0)
    assert build["half"] == (not ten and precision == "fp16")
    assert build["qdq"] == (not ten and precision == "int8")
    tolerance = {"fp32": 1e-5, "fp16": 2e-2, "int8": 0.5}[precision]
    for rows, frames in ((1, 2), (3, 5), (8, 9), (11, 4)):
        inputs = features(rows, frames, seed=rows)
        ours, theirs = engine.run(inputs), reference.run(inputs)
        for name in engine.outputs:
            assert ours[name].shape == theirs[name].shape
            assert ours[name].dtype == np.float32
            np.testing.assert_allclose(ours[name], theirs[name], atol=tolerance)


@VERSIONS
def test_int8_networks_of_words_are_multiplied_out(
    machine: Callable[..., Machine], tmp_path: Path, version: str
) -> None:
    from onnxruntime.quantization import quantize_dynamic

    machine(version)
    whole, path = tiny_onnx.words(tmp_path / "float.onnx"), tmp_path / "text.onnx"
    quantize_dynamic(whole, path, op_types_to_quantize=["MatMul"])
    assert "MatMulInteger" in {n.op_type for n in onnx.load(path).graph.node}

    engine = open_tensorrt(path, LENGTHS)

    tokens = {"tokens": np.arange(10).reshape(2, 5)}
    expected = OnnxRuntimeEngine(whole).run(tokens)["logits"]
    np.testing.assert_allclose(engine.run(tokens)["logits"], expected, atol=0.1)
    machine("11.4.0.106")
    with pytest.raises(MmerError, match="int8 by calibration is for networks of sounds"):
        keep_built(path, "int8", LENGTHS, [tokens])


def test_what_the_parser_cannot_read_is_named(
    machine: Callable[..., Machine], network: Path
) -> None:
    model = onnx.load(network)
    model.graph.node[1].op_type = "ConvInteger"
    onnx.save(model, network)
    machine()

    with pytest.raises(MmerError, match=r"cannot read the network: ConvInteger: .*--provider cuda"):
        open_tensorrt(network, LENGTHS)


def test_wrong_inputs_are_refused(machine: Callable[..., Machine], network: Path) -> None:
    machine()
    engine = open_tensorrt(network, LENGTHS)

    with pytest.raises(ValueError, match=r"features is \(1, 10, 4\), its plan takes \(1, 2, 4\)"):
        engine.run(features(frames=10))
    with pytest.raises(ValueError, match="expected the inputs"):
        engine.run({"other": np.zeros((1, 5, 4), np.float32)})


def test_an_output_of_unknown_shape_is_refused(
    machine: Callable[..., Machine], network: Path
) -> None:
    model = onnx.load(network)
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_param = "unknown"
    onnx.save(model, network)
    machine()

    with pytest.raises(MmerError, match="the shape of embedding depends on what goes in"):
        open_tensorrt(network, LENGTHS)


def test_threads_wait_for_each_other_and_get_their_own_answers(
    machine: Callable[..., Machine], network: Path
) -> None:
    machine()
    engine, reference = open_tensorrt(network, LENGTHS), OnnxRuntimeEngine(network)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for frames in (2, 5, 9) * 5:
            inputs = features(1 + seed % 3, frames, seed)
            same = np.allclose(engine.run(inputs)["logits"], reference.run(inputs)["logits"])
            if not same:
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_memory_and_streams_are_given_back(machine: Callable[..., Machine], network: Path) -> None:
    here = machine()
    keep_built(network, "int8", LENGTHS, [features()])
    assert here.runtime.memory == {}
    engine = open_built(network, LENGTHS)
    assert len(here.runtime.memory) == 3

    del engine
    gc.collect()

    assert here.runtime.memory == {}
    assert here.runtime.streams == set()


def test_the_gpus_errors_are_said(machine: Callable[..., Machine], network: Path) -> None:
    here = machine()
    engine = open_tensorrt(network, LENGTHS)
    here.runtime.fails = {"cudaStreamSynchronize"}

    with pytest.raises(MmerError, match="cudaStreamSynchronize failed: cudaErrorMemoryAllocation"):
        engine.run(features())
    assert engine.run(features())["logits"].shape == (1, 7)


def test_without_lengths_there_is_no_profile(
    machine: Callable[..., Machine], network: Path
) -> None:
    machine()

    with pytest.raises(MmerError, match="its card does not say how long"):
        open_engine(network, "tensorrt")


def test_auto_takes_a_plan_that_was_built_and_builds_none(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()

    before = open_best(network, lengths=LENGTHS)
    keep_built(network, "fp16", LENGTHS, [])
    after = open_best(network, lengths=LENGTHS)

    assert before.engine.provider == "cpu"
    assert dict(before.passed_over)["tensorrt"].endswith("mmer-engine build speech")
    assert after.engine.provider == "tensorrt"
    assert after.passed_over == ()
    assert len(here.builds) == 1


def test_auto_passes_over_a_gpu_that_fails(machine: Callable[..., Machine], network: Path) -> None:
    here = machine()
    keep_built(network, "fp16", LENGTHS, [])
    here.runtime.fails = {"cudaMalloc"}

    choice = open_best(network, lengths=LENGTHS)

    assert choice.engine.provider == "cpu"
    assert "cudaMalloc failed" in dict(choice.passed_over)["tensorrt"]


def test_a_missing_package_is_named(
    machine: Callable[..., Machine], network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(MmerError, match="pip install 'cuda-python>=12,<13' on JetPack 6"):
        open_engine(network, "tensorrt", lengths=LENGTHS)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    library.load.cache_clear()
    with pytest.raises(MmerError, match="apt install python3-libnvinfer"):
        open_engine(network, "tensorrt", lengths=LENGTHS)


def test_a_tensorrt_that_cannot_start_says_why(
    machine: Callable[..., Machine], network: Path
) -> None:
    here = machine()

    def start(logger: Any) -> None:
        logger.log(here.trt.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    here.trt.Builder = start

    with pytest.raises(MmerError, match="cannot start here: CUDA initialization failure"):
        open_tensorrt(network, LENGTHS)


def test_an_old_tensorrt_is_refused(machine: Callable[..., Machine]) -> None:
    here = machine()
    here.trt.__version__ = "8.6.1"

    with pytest.raises(MmerError, match=r"TensorRT 8\.6\.1 is too old"):
        library.load()


def test_cuda_of_an_older_package(
    machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine()
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    monkeypatch.setitem(sys.modules, "cuda", type("cuda", (), {"cudart": here.runtime}))

    assert cuda.load().gpu() == cuda.Gpu("Orin", "8.7")


def test_calibration_inputs_are_brought_to_a_shape() -> None:
    array = np.arange(6).reshape(1, 3, 2)

    assert fitted(array, (1, 2, 2)).tolist() == [[[0, 1], [2, 3]]]
    assert fitted(array, (2, 4, 2)).tolist() == [[[0, 1], [2, 3], [4, 5], [0, 1]]] * 2
