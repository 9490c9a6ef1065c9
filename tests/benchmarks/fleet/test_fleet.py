"""The fleet's models: known results of queues, and what must hold of any fleet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.fleet.command import mixed, serve_row, throughput_rows, work_of
from mmer.benchmarks.fleet.process import Work, simulate
from mmer.benchmarks.fleet.replicas import CELL, Fleet, run

MEASURED = Path(__file__).parents[3] / "benchmarks" / "latency"
LIGHT = Work(8.0, 0.001, 0.5, (30.0, 40.0))


def play(streams: int, fps: float = 10.0, work: Work = LIGHT, most_rows: int = 8):
    return simulate(streams, fps, work, 60.0, np.random.default_rng(1), most_rows)


def test_a_stream_alone_hardly_waits() -> None:
    waits = play(1)
    assert np.median(waits.wait_ms) == pytest.approx(0.0, abs=1e-6)
    assert waits.dropped == 0
    assert waits.busy == pytest.approx(0.08, rel=0.05)  # utilization: rate times work
    delays = waits.delays_ms((30.0,), np.random.default_rng(1))
    np.testing.assert_allclose(delays, 30.0 + waits.wait_ms)


def test_more_streams_wait_longer_until_frames_are_replaced() -> None:
    found = [play(n) for n in (2, 6, 10, 20)]
    means = [waits.wait_ms.mean() for waits in found]
    assert means == sorted(means)
    assert found[1].dropped < 0.01
    assert found[3].busy == pytest.approx(1.0, abs=0.01)
    # twice as much work as time: no more than the rest of the frames is analysed
    assert 0.3 < found[3].dropped < 0.6
    assert found[3].wait_ms.max() < 2000  # the newest alone waits: no queue grows for ever


def test_batches_answer_sooner_where_there_is_too_much() -> None:
    together, alone = (np.median(play(14, most_rows=rows).wait_ms) for rows in (8, 1))
    assert together < 0.5 * alone


def fleet(**changes: float) -> Fleet:
    given = {"sessions": 400, "length_s": 300.0, "target": 4, "most": 7, "failures_per_hour": 0.0,
             "start_s": 30.0}  # fmt: skip
    return Fleet(**{**given, **changes})  # type: ignore[arg-type]


def test_a_fleet_with_room_refuses_nobody_and_one_without_does() -> None:
    roomy = run(fleet(), 0.5, np.random.default_rng(1))
    assert roomy.came == pytest.approx(2400, rel=0.1)
    assert (roomy.refused, roomy.interrupted, roomy.lost) == (0, 0, 0)
    assert roomy.held.sum() == pytest.approx(1.0)
    assert (roomy.held * np.arange(8)).sum() == pytest.approx(4, abs=1)
    full = run(fleet(target=7), 0.5, np.random.default_rng(1))
    assert full.refused > 0.02 * full.came


@pytest.mark.parametrize("seed", range(8))
def test_of_two_replicas_the_less_busy_takes_the_session(seed: int) -> None:
    """Both are drawn each time, so that none is full before the other is."""
    two = fleet(sessions=6, length_s=1e9, target=20, most=3)
    assert two.replicas == 2
    course = run(two, 0.01, np.random.default_rng(seed))
    assert course.held.tolist() == [0, 0, 0, 1]


def test_failures_interrupt_about_as_many_as_a_replica_holds() -> None:
    course = run(fleet(failures_per_hour=1.0), 1.0, np.random.default_rng(1))
    count = fleet().replicas
    assert course.interrupted + course.lost == pytest.approx(count * 400 / count, rel=0.3)


def test_a_large_fleet_is_cells() -> None:
    assert fleet(sessions=CELL).cells == 1
    assert fleet(sessions=50 * CELL).cells == 50


def test_delays_are_mixed_by_how_often_each_number_occurs() -> None:
    curve = [np.full(10, 10.0), np.full(1000, 20.0)]
    assert mixed(curve, np.array((0.0, 0.9, 0.1))) == (10.0, 20.0)
    assert mixed(curve, np.array((0.0, 0.97, 0.03))) == (10.0, 10.0)


def test_predictions_stand_beside_what_was_measured() -> None:
    """Bounds that hold today: a change of the model must not make it worse unseen."""
    throughput = json.loads((MEASURED / "throughput.json").read_text())
    rows = {
        row.key: row.values
        for row in throughput_rows(throughput, work_of(throughput, decodes=True))
    }
    for key in ("model_streams_1", "model_streams_4", "model_streams_8"):
        assert rows[key]["p50"] == pytest.approx(rows[key]["measured_p50"], rel=0.4)
    served = json.loads((MEASURED / "serve.json").read_text())
    found = serve_row(served, work_of(throughput, decodes=False)).values
    assert found["p95"] == pytest.approx(found["measured_p95"], rel=0.4)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "--simulate"),
        (("--simulate", "--target", "9"), "--target is 9"),
        (("--simulate", "--sessions", "many"), "--sessions is many"),
        (("--simulate",), "throughput.json cannot be read"),
    ],
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["fleet", "--measured", str(tmp_path), *arguments])
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err
