"""Delays, costs and the verdict of streams made up; the search; who goes to which process."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from mmer.benchmarks.harness.clip import AnnotatedClip, Span
from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.throughput.command import decoding_row, draw, search, side_by_side
from mmer.benchmarks.throughput.measures import Load, capacity_row, load_of, row_of
from mmer.benchmarks.throughput.step import SPREAD_S, Step, share_out, start_s
from mmer.benchmarks.throughput.worker import StreamPlan, WorkerPlan

CLIP = AnnotatedClip(Path("clip.mkv"), 10, (Span(16000, 32000, "first"),))  # 1..2 s


def stream(
    delay_s: float = 0.1, final: float | None = 2.3, frames: int = 200, faces: int = 100
) -> Recording:
    estimates = [
        Estimate(t / 10 + delay_s, t / 10, 0.0, t / 10, False, t / 10, "joy", None)
        for t in range(faces)
    ]
    if final is not None:
        estimates.append(Estimate(final, final, 1.0, 2.0, True, None, "joy", 1, (1.0, 2.0)))
    return Recording(
        estimates=estimates,
        frames=[t / 20 for t in range(frames)],
        drops={"video": 3, "face": 1, "ticks": 50},
    )


def load(*streams: Recording, cpu_s: float = 4.0) -> Load:
    return load_of(Step([CLIP] * len(streams), streams, cpu_s, 300.0))


def test_figures_of_a_step() -> None:
    found = load(stream(), stream(delay_s=0.3, final=2.5, frames=180))
    assert found.face.n == 200
    assert found.face.p50 == pytest.approx(100)
    assert found.face.p95 == pytest.approx(300)
    assert found.worst_p95 == pytest.approx(300)
    assert found.final.p95 == pytest.approx(500)
    assert found.frames_per_s == [20, 18]
    assert found.dropped == 8
    assert found.cpu == pytest.approx(0.4)
    assert found.cpu_each == pytest.approx(0.2)
    assert found.cpu_ms_a_frame == pytest.approx(1000 * 0.4 / 38)
    assert found.too_much == ""


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ([stream(delay_s=1.2)], "frame to estimate p95 1200 ms"),
        ([stream(final=3.5)], "end of speech to label p95 1500 ms"),
        ([stream(final=None)], "end of speech to label p95 never"),
        ([stream(), stream(frames=99)], "9.9 frames/s in a stream"),
        ([stream(faces=0, frames=0)], "frame to estimate p95 none"),
    ],
)
def test_too_many(streams: list[Recording], why: str) -> None:
    assert why in load(*streams).too_much


def test_a_stream_without_a_face_is_the_worst() -> None:
    assert load(stream(), Recording()).worst_p95 == math.inf


def test_rows_hold_the_ratio_to_one_stream() -> None:
    one, two = load(stream(), cpu_s=2.0), load(stream(), stream(), cpu_s=3.0)
    row = row_of(two, one)
    assert row.key == "streams_2"
    assert row.values["times_one_stream"] == pytest.approx(0.75)
    assert row.values["memory_mb_each"] == pytest.approx(150)
    assert len(row.samples["frame_to_estimate_ms"]) == 200
    assert row.samples["end_to_final_ms"] == pytest.approx([300, 300])
    assert decoding_row(0.05, one).measured == "0.050 CPU s/s, 25 % of one stream"
    table = side_by_side([one, two], one)
    assert all(len(line) == len(table.headings) for line in table.lines)


def loads(*counts: int, too_many_from: int) -> list[Load]:
    good, bad = stream(), stream(delay_s=2)
    return [load(*[good if n < too_many_from else bad] * n) for n in counts]


def test_the_verdict() -> None:
    row = capacity_row(loads(1, 2, 4, 8, 16, 17, 18, too_many_from=18), "none", 2, searched=True)
    assert (row.measured, row.passed) == ("17", True)
    assert row.note == "18: frame to estimate p95 2000 ms"
    assert capacity_row(loads(1, 2, 4, too_many_from=4), "none", 2, searched=True).passed is False
    assert capacity_row(loads(1, 2, 4, too_many_from=99), "none", 2, searched=False).passed is None
    assert capacity_row(loads(8, too_many_from=99), "none", 2, searched=False).measured == (
        "8 or more"
    )


def test_the_verdict_is_for_two_cores_and_for_half_as_many_streams_with_words() -> None:
    found = loads(8, 16, too_many_from=16)
    assert capacity_row(found, "none", 2, searched=True).passed is False
    assert capacity_row(found, "none", 16, searched=True).passed is None
    assert capacity_row(found, "moonshine", 2, searched=True).passed is True


@pytest.mark.parametrize("most", [1, 5, 8, 20])
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 8, 9, 20])
def test_the_search_finds_the_limit_and_asks_each_number_once(limit: int, most: int) -> None:
    asked: list[int] = []

    def carries(count: int) -> bool:
        asked.append(count)
        return count <= limit

    assert search(carries, most) == min(limit, most)
    assert len(asked) == len(set(asked))
    assert all(1 <= count <= most for count in asked)


def test_streams_are_dealt_out_in_turn() -> None:
    clips = [CLIP] * 5
    assert share_out(clips, 2) == [[0, 2, 4], [1, 3]]
    assert share_out(clips[:1], 2) == [[0]]


def test_no_two_streams_begin_together() -> None:
    begins = sorted(start_s(i) for i in range(16))
    assert begins[0] == 0
    assert begins[-1] < SPREAD_S
    assert min(b - a for a, b in itertools.pairwise(begins)) > SPREAD_S / 40


def test_plans_survive_json() -> None:
    streams = [StreamPlan("a.mkv", 0.5, "a.notes")]
    plan = WorkerPlan("none", "auto", "cpu", None, streams, 7.5)
    assert WorkerPlan.from_json(plan.to_json()) == plan


def test_a_final_without_evidence_and_a_frame_seen_twice_do_not_count() -> None:
    empty = Estimate(2.3, 2.3, 1.0, 2.0, True, None, None, 1)
    assert load(Recording(estimates=[empty])).final.misses == 1
    assert load(Recording(frames=[0.9, 0.9, 2.2])).frames_per_s == [0.2]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(loads(1, 2, 4, too_many_from=4), tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
