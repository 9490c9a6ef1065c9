"""Rows and verdicts from hand-made recordings."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mmer.benchmarks.clip import AnnotatedClip, Span
from mmer.benchmarks.live import findings
from mmer.benchmarks.matching import Result
from mmer.benchmarks.paced import Estimate, Recording
from mmer.benchmarks.process import Watched

SESSION = {"models": {"words": "pocketsphinx (en-us)"}, "provider": {}}
CLIP = AnnotatedClip(
    Path("clip.mkv"), 60, tuple(Span(n * 48000, n * 48000 + 24000, str(n)) for n in range(20))
)


def answered(delay_s: float, but: int = 0) -> Recording:
    """Every sentence answered ``delay_s`` after its end, the first ``but`` ones not at all."""
    recording = Recording(SESSION)
    for span in CLIP.spans[but:]:
        recording.estimates.append(
            Estimate(span.t1 + delay_s, span.t0 - 0.2, span.t1 + 0.06, True, None)
        )
        recording.transcripts.append(Result(span.t0, span.t1, span.t1 + delay_s - 0.02))
        recording.ends.append(Result(span.t0, span.t1, span.t1 + 0.32))
    return recording


def watched(wall_s: float, memory: tuple[tuple[float, float], ...] = ()) -> Watched:
    return Watched(wall_s, 2.0, 30.0, 500.0, memory)


def test_replay_counts_the_whole_process() -> None:
    row = findings.replay_row("pocketsphinx", watched(32.0), 60, 1200, 1.5)
    assert row.values["times_real_time"] == pytest.approx(60 / 32)
    assert row.values["times_real_time_without_start"] == pytest.approx(2.0)
    assert row.values["frames_per_s"] == 20
    assert row.verdict == "pass"
    assert findings.replay_row("none", watched(32.0), 60, 1200, 4.0).verdict == "miss"
    assert findings.replay_row("none", watched(1.0), 20, 400, 4.0).verdict == "not judged"


def test_finals_in_time() -> None:
    label, words = findings.final_rows(answered(0.45), CLIP, 0.3)
    assert label.verdict == "pass"
    assert label.values["p95"] == pytest.approx(450)
    assert label.values["waiting_p50"] == pytest.approx(320)
    assert "20 of 20" in label.note
    assert words.values["p50"] == pytest.approx(430)
    assert words.verdict == ""


def test_late_finals_are_a_miss() -> None:
    assert findings.final_rows(answered(0.7), CLIP, 0.3)[0].verdict == "miss"


def test_what_never_came_counts() -> None:
    one = findings.final_rows(answered(0.45, but=1), CLIP, 0.3)[0]
    assert one.verdict == "pass"  # one in twenty: p95 still stands
    assert one.values["max"] == math.inf
    two = findings.final_rows(answered(0.45, but=2), CLIP, 0.3)[0]
    assert two.verdict == "miss"
    assert two.values["missed"] == 2
    assert "p95 never" in two.measured


def test_without_words_there_is_no_row_for_them() -> None:
    recording = answered(0.45)
    recording.session = {"models": {}}
    assert [r.key for r in findings.final_rows(recording, CLIP, 0.3)] == ["final_label_ms"]


def running(n: int, delay_s: float, grows_s: float = 0.0) -> list[Estimate]:
    out = []
    for i in range(n):
        t = i * 0.25
        late = delay_s + grows_s * i / n
        out.append(Estimate(t + late, t - 4, t, False, t))
    return out


def test_delay_of_the_newest_face() -> None:
    estimates = [*running(100, 0.08), Estimate(30, 0, 4, False, None)]
    row = findings.face_delay_row(estimates)
    assert row.verdict == "pass"
    assert row.values["n"] == 100
    assert row.values["p95"] == pytest.approx(80)
    assert "100 of 101" in row.note
    assert findings.face_delay_row(running(100, 0.2)).verdict == "miss"
    assert findings.face_delay_row([]).verdict == "not judged"


def test_finals_are_judged_with_the_others() -> None:
    finals = [Estimate(i + 0.4, i - 1, i, True, i) for i in range(10)]
    row = findings.face_delay_row([*running(90, 0.05), *finals])
    assert row.verdict == "miss"
    assert row.values["p95_without_finals"] == pytest.approx(50)


def test_analysed_frames() -> None:
    recording = Recording(SESSION, faces=[i / 16 for i in range(960)], tracked=1200)
    row = findings.analysed_row(recording, 60)
    assert row.values == {"analysed": 16, "searched": 20}
    assert row.verdict == "pass"
    assert findings.analysed_row(recording, 120).verdict == "miss"


def test_growth_is_judged_over_ten_minutes() -> None:
    still = Recording(SESSION, running(2400, 0.08))
    still.health = [(float(t), {"audio": 0.0, "video": 0.01}) for t in range(600)]
    assert [r.verdict for r in findings.growth_rows(still, 600)] == ["pass", "pass"]
    assert [r.verdict for r in findings.growth_rows(still, 60)] == ["not judged"] * 2
    falls_behind = Recording(SESSION, running(2400, 0.08, grows_s=1.0))
    falls_behind.health = [(float(t), {"audio": t / 600}) for t in range(600)]
    assert [r.verdict for r in findings.growth_rows(falls_behind, 600)] == ["miss", "miss"]
    empty = findings.growth_rows(Recording(SESSION), 600)
    assert [r.verdict for r in empty] == ["not judged"] * 2


def test_memory() -> None:
    steady = watched(602, tuple((float(t), 500 + (t < 30) * t) for t in range(600)))
    peak, growth = findings.memory_rows(steady, None, "pocketsphinx (en-us)")
    assert (peak.verdict, growth.verdict) == ("pass", "pass")
    leak = watched(602, tuple((float(t), 500 + t / 10) for t in range(600)))
    assert findings.memory_rows(leak, None, "pocketsphinx")[1].verdict == "miss"
    short = watched(62, tuple((float(t), 500.0) for t in range(60)))
    assert findings.memory_rows(short, None, "pocketsphinx")[1].verdict == "not judged"


def test_peak_memory_is_that_of_the_larger_process() -> None:
    big = Watched(30, 2, 30, 950, ())
    row = findings.memory_rows(watched(62), big, "pocketsphinx")[0]
    assert row.measured == "950 MB"
    assert row.verdict == "miss"
    assert findings.memory_rows(watched(62), big, "vosk (small)")[0].verdict == "not judged"


def test_first_label_is_the_median() -> None:
    row = findings.first_label_row([(2.0, 2.2), (9.0, 9.5), (1.9, 2.1)])
    assert row.values == {"first_label": 2.2, "first_line": 2.0}
    assert row.verdict == "pass"
