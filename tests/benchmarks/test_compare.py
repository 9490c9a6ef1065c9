"""Comparing two results: ratios with their intervals, verdicts, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.compare import Stored, compare, read_stored, refusals, warnings
from mmer.benchmarks.report.report import VERSION, Report, Row
from mmer.models.errors import MmerError

MACHINE: dict[str, Any] = {
    "cpu": "a", "cores": 2, "cores_allowed": 2, "memory_gb": 8.0, "load_before": 0.1,
    "system": "Linux", "python": "3.11", "versions": {"numpy": "2.0"}, "commit": "1234",
    "date": "2026-01-01",
}  # fmt: skip


def report(
    rows: Sequence[Row],
    kind: str = "live",
    settings: Mapping[str, Any] | None = None,
    **machine: Any,
) -> Report:
    return Report(
        kind=kind,
        title="t",
        command="mmer-bench live",
        machine=MACHINE | machine,
        settings={"asr": "none", "minutes": None} | dict(settings or {}),
        clip={"seconds": 60, "rounds": 1},
        models={"face": "face.onnx"},
        provider={"face": "cpu"},
        rows=rows,
    )


def delays(values: Sequence[float], **more: Any) -> Row:
    return Row("delay", "a delay", "", samples={"delay_ms": list(values)}, **more)


def stored(folder: Path, name: str, made: Report) -> Stored:
    path = folder / f"{name}.json"
    path.write_text(made.to_json())
    return read_stored(path)


def gamma(n: int, scale: float, seed: int) -> list[float]:
    return list(np.random.default_rng(seed).gamma(9, scale, n))


def test_a_known_ratio_lies_in_its_interval(tmp_path: Path) -> None:
    a = stored(tmp_path, "a", report([delays(gamma(500, 10, 1))]))
    b = stored(tmp_path, "b", report([delays(gamma(500, 15, 2))]))
    p50, p95 = compare(a, b)
    for figure in (p50, p95):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < 1.5 < figure.high
        assert figure.verdict == "slower"
    assert (p50.figure, p95.figure) == ("p50", "p95")
    assert [f.verdict for f in compare(b, a)] == ["faster", "faster"]


def test_runs_of_one_thing_show_no_difference(tmp_path: Path) -> None:
    a = stored(tmp_path, "a", report([delays(gamma(500, 10, 1))]))
    b = stored(tmp_path, "b", report([delays(gamma(500, 10, 3))]))
    assert [f.verdict for f in compare(a, b)] == ["no difference shown"] * 2


def test_more_may_be_better(tmp_path: Path) -> None:
    def streams(n: float) -> Row:
        return Row("streams", "streams", "", samples={"streams": [n] * 20}, better="more")

    a, b = (stored(tmp_path, name, report([streams(n)])) for name, n in (("a", 4), ("b", 8)))
    assert {f.verdict for f in compare(a, b)} == {"better"}
    assert {f.verdict for f in compare(b, a)} == {"worse"}


def test_a_cost_a_second_is_no_speed(tmp_path: Path) -> None:
    def cost(s: float) -> Row:
        return Row("cpu", "cpu", "", samples={"cpu_s_per_s": [s] * 20})

    a, b = (stored(tmp_path, name, report([cost(s)])) for name, s in (("a", 0.2), ("b", 0.3)))
    assert {f.verdict for f in compare(a, b)} == {"worse"}


def test_what_never_came_is_later_than_all(tmp_path: Path) -> None:
    a = stored(tmp_path, "a", report([delays([100.0] * 20)]))
    b = stored(tmp_path, "b", report([delays([100.0] * 18 + [math.inf] * 2)]))
    p50, p95 = compare(a, b)
    assert p50.verdict == "no difference shown"
    assert p95.ratio == p95.b == math.inf


def test_one_value_has_no_interval(tmp_path: Path) -> None:
    one = Row("speed", "speed", "", samples={"times": [2.0]})
    a = stored(tmp_path, "a", report([one, delays([-1.0] * 20)]))
    (figure,) = compare(a, a)  # signed values have no ratio
    assert (figure.figure, figure.ratio, figure.low) == ("value", 1.0, None)
    assert figure.verdict == "too few values to tell"


def test_other_measurements_are_refused(tmp_path: Path) -> None:
    a = stored(tmp_path, "a", report([]))
    assert refusals(a, stored(tmp_path, "b", report([]))) == []
    soak = stored(tmp_path, "c", report([], kind="soak"))
    assert "mmer-bench soak" in refusals(a, soak)[0]
    other = stored(tmp_path, "d", report([], settings={"asr": "vosk"}))
    assert refusals(a, other) == ["asr is none and vosk"]
    longer = stored(tmp_path, "e", report([], settings={"minutes": 30}))
    assert refusals(a, longer) == []
    assert warnings(a, longer) == ["minutes: None and 30"]


def test_what_else_differs_is_told(tmp_path: Path) -> None:
    a = stored(tmp_path, "a", report([delays([1.0])]))
    other = report([], cpu="b", load_before=1.8, versions={"numpy": "2.1"})
    told = "; ".join(warnings(a, stored(tmp_path, "b", other)))
    assert "cpu: a and b" in told
    assert "numpy: 2.0 and 2.1" in told
    assert "busy before (load 1.8)" in told
    assert "in one of them alone: delay" in told


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="cannot be read"):
        read_stored(tmp_path / "none.json")
    path = tmp_path / "x.json"
    for text, why in (("{", "not JSON"), ("[]", "raw values"), ('{"type":"curve"}', "raw values")):
        path.write_text(text)
        with pytest.raises(MmerError, match=why):
            read_stored(path)
    path.write_text('{"type":"benchmark","v":1}')
    with pytest.raises(MmerError, match="measure again"):
        read_stored(path)
    path.write_text(json.dumps({"type": "benchmark", "v": VERSION, "kind": "live", "rows": {}}))
    with pytest.raises(MmerError, match=r"is damaged: it has no command, no machine, .*no rows"):
        read_stored(path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = stored(tmp_path, "a", report([delays(gamma(200, 10, 1))])).path
    b = stored(tmp_path, "b", report([delays(gamma(200, 20, 1))], settings={"asr": "vosk"})).path
    with pytest.raises(SystemExit) as stopped:
        cli.main(["compare", str(a), str(b)])
    assert stopped.value.code == 2
    assert "--force" in capsys.readouterr().err
    cli.main(["compare", str(a), str(b), "--force", "--json", str(tmp_path / "c.json")])
    assert "slower" in capsys.readouterr().out
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["figures"][0]["ratio"] == pytest.approx(2)
    assert found["warnings"] == ["asr is none and vosk"]
    assert found["a"]["commit"] == "1234"
