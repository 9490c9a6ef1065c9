"""ONNX Runtime's engine, and what is chosen and refused, on a machine with a CPU alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import tiny_onnx
from onnxruntime.quantization import quantize_dynamic
from tiny_onnx import LENGTHS, features

from mmer.benchmarks.soak.allocator import heaps_mb
from mmer.models.engine import PROVIDERS, Lengths, open_best, open_engine
from mmer.models.engine import onnx_runtime as module
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine, run_bound
from mmer.models.engine.providers import AUTO, EXECUTION_PROVIDERS, HOW_TO_GET
from mmer.models.errors import MmerError
from mmer.models.files import weights_dir


class OtherMachine:
    """onnxruntime with more providers than are here: each computes on the CPU, and says not so.

    ``used`` is what a session says that it runs on, ``left`` what it leaves to the CPU, ``fails``
    what a session's first call raises.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.options: list[Any] = []
        self.opened: list[str | bytes] = []
        self.used: str | None = None
        self.left: tuple[str, ...] | None = None
        self.fails: Exception | None = None
        self.preloaded = 0
        machine = self
        real = ort.InferenceSession

        class Session:
            def __init__(
                self,
                path: str | bytes,
                options: Any = None,
                providers: Any = (),
                enable_fallback: int = 1,
            ) -> None:
                self._real = real(path, providers=["CPUExecutionProvider"])
                if options is None:  # a look at the inputs
                    return
                machine.asked += providers
                machine.opened.append(path)
                machine.options.append(options)
                self._wanted = providers[0][0]
                self.falls_back = enable_fallback

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

            def get_providers(self) -> list[str]:
                return [machine.used or self._wanted, "CPUExecutionProvider"]

            def get_provider_graph_assignment_info(self) -> list[Any]:
                given = {self._wanted: ["Conv", "Relu"], "CPUExecutionProvider": ["Shape"]}
                if machine.left is not None:
                    given = {self._wanted: ["Relu"], "CPUExecutionProvider": [*machine.left]}
                return [
                    SimpleNamespace(
                        ep_name=name,
                        get_nodes=lambda ops=ops: [SimpleNamespace(op_type=op) for op in ops],
                    )
                    for name, ops in given.items()
                ]

            def run_with_iobinding(self, binding: Any) -> None:
                if machine.fails is not None:
                    raise machine.fails
                self._real.run_with_iobinding(binding)

        def preload() -> None:
            print("Failed to load libcublas.so.13: cannot open shared object file")
            machine.preloaded += 1

        here = [*(EXECUTION_PROVIDERS[name] for name in names), "CPUExecutionProvider"]
        monkeypatch.setattr(ort, "get_available_providers", lambda: here)
        monkeypatch.setattr(ort, "InferenceSession", Session)
        monkeypatch.setattr(ort, "preload_dlls", preload, raising=False)
        # the GPU's memory is this machine's
        monkeypatch.setattr(
            module, "run_bound", lambda session, memory, inputs: run_bound(session, "cpu", inputs)
        )


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OtherMachine]:
    return lambda *names: OtherMachine(monkeypatch, *names)


def test_importing_is_light() -> None:
    code = (
        "import sys, mmer.models.engine.cli, mmer.models.engine.tensorrt.opening;"
        "print(*({'onnxruntime', 'onnx', 'tensorrt', 'cuda', 'torch'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_a_batch_in_a_batch_out(network: Path) -> None:
    engine = open_engine(network, "cpu", lengths=LENGTHS)

    out = engine.run(features(rows=3))

    assert (engine.provider, engine.inputs) == ("cpu", ("features",))
    assert engine.outputs == ("logits", "embedding")
    assert (out["logits"].shape, out["embedding"].shape) == ((3, 7), (3, 5))
    one = engine.run({"features": features(rows=3)["features"][1:2]})
    np.testing.assert_allclose(out["logits"][1:2], one["logits"], rtol=1e-5)


def test_every_new_length_leaves_nothing_behind() -> None:
    if heaps_mb() is None:
        pytest.skip("no mallinfo2: glibc is older than 2.33, or it is not glibc")
    engine = open_engine(weights_dir() / "speech.onnx", "cpu")
    used = []
    for frames in range(160, 60, -1):  # the longest first: the arena has grown then
        engine.run({"features": np.zeros((1, frames, 80), np.float32)})
        used.append(heaps_mb()[0])

    assert used[-1] - used[5] < 0.2  # MB; a plan of the memory is 3 kB a length: 0.3


def test_one_thread_that_does_not_spin(network: Path, with_gpu: Callable[..., Any]) -> None:
    machine = with_gpu()

    open_engine(network, "cpu")
    open_engine(network, "cpu", threads=3)

    assert [o.intra_op_num_threads for o in machine.options] == [1, 3]
    for options in machine.options:
        assert options.inter_op_num_threads == 1
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("provider", ["cuda", "ort-tensorrt", "coreml", "directml"])
def test_a_provider_that_is_not_there_says_how_to_get_it(network: Path, provider: str) -> None:
    with pytest.raises(MmerError, match=r"not in this onnxruntime \(it has: cpu\)") as caught:
        open_engine(network, provider)

    assert HOW_TO_GET[provider] in str(caught.value)


def test_an_unknown_provider_lists_the_known(network: Path) -> None:
    with pytest.raises(MmerError, match=f"use auto, {', '.join(PROVIDERS)}"):
        open_engine(network, "abacus")


@pytest.mark.parametrize("provider", ["cuda", "ort-tensorrt", "coreml", "directml"])
def test_a_named_provider_runs_and_falls_back_to_nothing(
    network: Path, with_gpu: Callable[..., OtherMachine], provider: str
) -> None:
    machine = with_gpu(provider)

    engine = open_engine(network, provider, lengths=LENGTHS)

    assert engine.provider == provider
    assert [name for name, _ in machine.asked] == [EXECUTION_PROVIDERS[provider]]
    assert engine._session.falls_back == 0  # type: ignore[attr-defined]
    reference = OnnxRuntimeEngine(network)
    for name, array in reference.run(features(rows=2)).items():
        np.testing.assert_array_equal(engine.run(features(rows=2))[name], array)


def test_providers_are_told_what_they_need(
    network: Path,
    with_gpu: Callable[..., OtherMachine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MMER_HOME", str(tmp_path))
    machine = with_gpu("cuda", "ort-tensorrt", "directml")

    for provider in ("cuda", "ort-tensorrt", "directml"):
        open_engine(network, provider, lengths=LENGTHS)

    (_, cuda), (_, tensorrt), _ = machine.asked
    assert cuda == {"cudnn_conv_algo_search": "HEURISTIC"}
    assert tensorrt["trt_engine_cache_path"] == str(tmp_path / "engines" / "onnxruntime")
    assert {k: v for k, v in tensorrt.items() if "shapes" in k} == {
        "trt_profile_min_shapes": "features:1x2x4",
        "trt_profile_opt_shapes": "features:1x5x4",
        "trt_profile_max_shapes": "features:8x9x4",
    }
    assert [o.enable_mem_pattern for o in machine.options] == [False, False, False]
    assert machine.preloaded == 2
    assert capsys.readouterr().out == ""  # which is for results


def test_falling_back_is_an_error(network: Path, with_gpu: Callable[..., OtherMachine]) -> None:
    machine = with_gpu("cuda")
    machine.used = "CPUExecutionProvider"

    with pytest.raises(MmerError, match=r"'cuda' could not start .* fell back .* libcublas"):
        open_engine(network, "cuda", lengths=LENGTHS)


def test_leaving_the_work_to_the_cpu_is_an_error(
    network: Path, with_gpu: Callable[..., OtherMachine]
) -> None:
    machine = with_gpu("coreml")
    machine.left = ("Shape", "MatMul", "Conv")

    with pytest.raises(MmerError, match=r"leaves the Conv and MatMul of speech\.onnx to CPU"):
        open_engine(network, "coreml")


def test_products_of_integers_become_floats_where_a_provider_has_none(
    tmp_path: Path, with_gpu: Callable[..., OtherMachine]
) -> None:
    path = tmp_path / "text.onnx"
    quantize_dynamic(tiny_onnx.words(tmp_path / "f.onnx"), path, op_types_to_quantize=["MatMul"])
    tokens = {"tokens": np.arange(10).reshape(2, 5)}
    expected = OnnxRuntimeEngine(path).run(tokens)["logits"]
    machine = with_gpu("cuda", "directml")

    on_cuda = open_engine(path, "cuda").run(tokens)["logits"]
    on_directml = open_engine(path, "directml").run(tokens)["logits"]

    np.testing.assert_allclose(on_cuda, expected, atol=0.2)
    np.testing.assert_array_equal(on_directml, expected)
    assert [type(given) for given in machine.opened] == [bytes, str]


def test_a_first_call_that_fails_is_an_error(
    network: Path, with_gpu: Callable[..., OtherMachine]
) -> None:
    machine = with_gpu("cuda")
    machine.fails = RuntimeError("CUDA error 100: no kernel image")

    with pytest.raises(MmerError, match=r"'cuda' cannot run speech.onnx: CUDA error 100"):
        open_engine(network, "cuda", lengths=LENGTHS)


def test_auto_takes_the_best_that_works_and_keeps_the_reasons(
    network: Path, with_gpu: Callable[..., OtherMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    machine = with_gpu("cuda", "directml", "coreml")
    assert AUTO == ("tensorrt", "cuda", "directml", "cpu")

    best = open_best(network, lengths=LENGTHS)
    machine.fails = RuntimeError("out of memory")
    none = open_best(network, lengths=LENGTHS)

    assert (best.engine.provider == open_engine(network, "cpu") and False) or "cuda"
    assert [name for name, _ in best.passed_over] == ["tensorrt"]
    assert none.engine.provider == "cpu"
    assert [name for name, _ in none.passed_over] == ["tensorrt", "cuda", "directml"]
    assert "out of memory" in dict(none.passed_over)["cuda"]


def test_without_a_sound_network_auto_fails_too(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")

    with pytest.raises(MmerError, match="cannot open the model"):
        open_engine(broken)


def test_bound_calls_answer_as_others(network: Path) -> None:
    session = ort.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    inputs = features(rows=2)
    strided = {"features": np.repeat(inputs["features"], 2, axis=1)[:, ::2]}

    bound = run_bound(session, "cpu", strided)

    for ours, theirs in zip(bound, session.run(None, inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_directml_takes_one_call_at_a_time(
    network: Path, with_gpu: Callable[..., OtherMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu("directml")
    engine = open_engine(network, "directml")
    inside = threading.Lock()

    def alone(session: Any, memory: str, inputs: Any) -> list[np.ndarray]:
        assert inside.acquire(blocking=False)
        try:
            return run_bound(session, "cpu", inputs)
        finally:
            inside.release()

    monkeypatch.setattr(module, "run_bound", alone)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda seed: engine.run(features(seed=seed)), range(100)))

    assert len(answers) == 100


def test_the_first_call_is_made_at_opening_where_the_shape_is_known(
    network: Path, with_gpu: Callable[..., OtherMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu("cuda")
    shapes: list[tuple[int, ...]] = []

    def seen(session: Any, memory: str, inputs: Any) -> list[np.ndarray]:
        shapes.append(inputs["features"].shape)
        assert memory == "cuda"
        return run_bound(session, "cpu", inputs)

    monkeypatch.setattr(module, "run_bound", seen)
    open_engine(network, "cuda")
    open_engine(network, "cuda", lengths=Lengths(2, 6, 9))

    assert shapes == [(1, 6, 4)]
