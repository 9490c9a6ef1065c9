"""Rows and verdicts of `mmer-bench live` from hand-made recordings with known answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mmer.benchmarks.harness.clip import AnnotatedClip, Span, over_and_over
from mmer.benchmarks.harness.matching import Result
from mmer.benchmarks.harness.process import Sample, Watched
from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.live import estimates, trends
from mmer.benchmarks.live.finals import final_rows, provisional_rows, stable_rows, stable_since
from mmer.benchmarks.live.runs import over_runs, together
from mmer.benchmarks.live.stages import draw_stages, find_stages, stage_rows
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import thinned
from mmer.realtime.stage_times import StageTime

MODELS = {"words": "moonshine (tiny-en)"}
SPANS = tuple(Span(n * 48000, n * 48000 + 24000, str(n), "joy") for n in range(20))
CLIP = AnnotatedClip(Path("clip.mkv"), 60, SPANS)


def answered(delay_s: float, but: int = 0) -> Recording:
    """Every sentence answered ``delay_s`` after its end, the first ``but`` ones not at all."""
    recording = Recording(MODELS)
    for n, span in list(enumerate(CLIP.spans))[but:]:
        window = (span.t0 - 0.2, span.t1 + 0.06)
        written = span.t1 + delay_s
        recording.estimates.append(Estimate(written, written, *window, True, None, "joy", n))
        recording.transcripts.append(Result(span.t0, span.t1, span.t1 + delay_s - 0.02, n))
        recording.ends.append(Result(span.t0, span.t1, span.t1 + 0.29, n))
    return recording


def watched(wall_s: float, memory: tuple[tuple[float, float], ...] = ()) -> Watched:
    samples = tuple(Sample(t, mb, t / 4, 9, 20) for t, mb in memory)
    return Watched(wall_s, 2.0, 30.0, 500.0, samples)


def test_replay_counts_the_whole_process() -> None:
    row = trends.replay_row("moonshine", watched(32.0), 60, 1200, 1.5)
    assert row.values["times_real_time"] == pytest.approx(60 / 32)
    assert row.values["times_real_time_without_start"] == pytest.approx(2.0)
    assert row.values["frames_per_s"] == 20
    assert row.verdict == "pass"
    assert row.better == "more"
    assert trends.replay_row("none", watched(32.0), 60, 1200, 4.0).verdict == "miss"
    assert trends.replay_row("none", watched(1.0), 20, 400, 4.0).verdict == "not evaluated"


def with_provisional(delay_s: float, labels: Sequence[str]) -> Recording:
    """Finals 0.32 s after each sentence, and for each of ``labels`` a provisional one before."""
    recording = answered(0.32)
    for n, label in enumerate(labels):
        span, written = CLIP.spans[n], CLIP.spans[n].t1 + delay_s
        window = (span.t0 - 0.2, span.t1 + 0.06)
        made = Estimate(written, written, *window, False, None, label, n, provisional=True)
        recording.estimates.append(made)
    return recording


def test_provisional_labels_in_time_and_as_often_as_they_stand() -> None:
    delay, equal = provisional_rows(with_provisional(0.17, ["joy"] * 19 + ["fear"]), CLIP)
    assert (delay.values["p50"], delay.values["p95"]) == (pytest.approx(170), pytest.approx(170))
    assert (delay.verdict, equal.verdict, equal.measured) == ("pass", "pass", "95.0%")
    delay, equal = provisional_rows(with_provisional(0.2, ["joy"] * 18 + ["fear"] * 2), CLIP)
    assert (delay.verdict, equal.verdict) == ("miss", "miss")


def test_pairs_without_a_label_are_not_equal_labels() -> None:
    recording = with_provisional(0.17, ["joy"] * 20)
    unsure = [replace(e, label=None) if e.utterance < 12 else e for e in recording.estimates]
    recording.estimates[:] = unsure
    _, equal = provisional_rows(recording, CLIP)
    assert (equal.values["of"], equal.values["pairs"], equal.verdict) == (8, 20, "not evaluated")
    assert "8 of 8 with a label, 0 revised; 12 had none" in equal.note
    recording.estimates[:] = [replace(e, label=None) for e in unsure]
    _, equal = provisional_rows(recording, CLIP)
    assert (equal.measured, equal.values["share"]) == ("none with a label", None)


def test_without_a_provisional_label_the_final_is_the_first() -> None:
    delay, equal = provisional_rows(with_provisional(0.17, ["joy"] * 10), CLIP)
    assert sorted(delay.samples["delay_ms"]) == pytest.approx([170] * 10 + [320] * 10)
    assert (delay.values["standing"], equal.verdict) == (10, "not evaluated")
    delay, _ = provisional_rows(answered(0.32, but=1), CLIP)
    assert delay.samples["delay_ms"][0] == math.inf


def test_a_provisional_label_after_which_speech_went_on_is_withdrawn() -> None:
    recording = with_provisional(0.17, ["joy"] * 20)
    early = replace(recording.estimates[-1], written=CLIP.spans[19].t1 - 0.8, t1=57.5)
    recording.estimates.append(early)
    delay, equal = provisional_rows(recording, CLIP)
    assert (delay.values["withdrawn"], delay.values["p95"]) == (1, pytest.approx(170))
    assert equal.values["of"] == 20


def test_finals_in_time_and_their_parts() -> None:
    label, waiting, compute, words = final_rows(answered(0.31), CLIP, 0.3)
    assert label.verdict == "pass"
    assert label.values["p95"] == pytest.approx(310)
    assert "20 of 20" in label.note
    assert len(label.samples["delay_ms"]) == 20
    assert waiting.values["p50"] == pytest.approx(290)
    assert compute.values["p99"] == pytest.approx(20)
    assert words.values["p50"] == pytest.approx(290)
    late = final_rows(answered(0.38), CLIP, 0.3)
    assert [late[0].verdict, late[3].verdict] == ["miss", "miss"]  # words later than 357 ms


def test_transcripts_in_time() -> None:
    assert final_rows(answered(0.37), CLIP, 0.3)[3].verdict == "pass"


def test_late_finals_are_a_miss() -> None:
    assert final_rows(answered(0.46), CLIP, 0.3)[0].verdict == "miss"


def test_few_utterances_are_not_evaluated() -> None:
    few = AnnotatedClip(CLIP.path, 57, CLIP.spans[1:])
    row = final_rows(answered(0.31, but=1), few, 0.3)[0]
    assert row.verdict == "not evaluated"
    assert "from 20 utterances on" in row.note


def test_what_never_came_counts() -> None:
    one = final_rows(answered(0.31, but=1), CLIP, 0.3)[0]
    assert one.verdict == "pass"  # one in twenty: p95 still stands
    assert one.values["max"] == one.values["p99"] == math.inf
    two = final_rows(answered(0.31, but=2), CLIP, 0.3)[0]
    assert two.verdict == "miss"
    assert two.values["missed"] == 2
    assert "p95 never" in two.measured


def test_a_shorter_hangover_that_splits_sentences_is_seen() -> None:
    recording = answered(0.3)
    half = recording.estimates[0]
    recording.estimates.insert(0, replace(half, t1=half.t1 - 0.8, written=half.written - 0.8))
    row = final_rows(recording, CLIP, 0.15)[0]
    assert row.values["split"] == 1
    assert row.values["hangover_ms"] == pytest.approx(150)
    assert "1 split" in row.note


def test_without_words_there_is_no_row_for_them() -> None:
    recording = answered(0.31)
    recording.models = {}
    assert "final_words_ms" not in [r.key for r in final_rows(recording, CLIP, 0.3)]


def labels(*said: str | None, final: str | None, utterance: int = 1) -> list[Estimate]:
    """Estimates at 0.25 s, 0.5 s ... of one utterance, and its final a quarter after."""
    whole = [*said, final]
    return [
        Estimate((n + 1) / 4, (n + 1) / 4, 0, 4, n == len(said), None, label, utterance)
        for n, label in enumerate(whole)
    ]


@pytest.mark.parametrize(
    ("estimates", "truth", "since"),
    [
        (labels("joy", "joy", final="joy"), "joy", 0.25),
        (labels("anger", "joy", "joy", final="joy"), "joy", 0.5),
        (labels("joy", "anger", "joy", final="joy"), "joy", 0.75),
        (labels("joy", None, "joy", final="joy"), "joy", 0.75),
        (labels("joy", "joy", "anger", final="joy"), "joy", 1.0),
        (labels("joy", "joy", final="anger"), "joy", None),
        (labels("joy", "joy", final=None), "joy", None),
        (labels("joy", "anger", final="anger"), None, 0.5),
        (labels("joy", "joy", final=None), None, None),
        (labels("joy", final="joy")[:-1], "joy", None),
        ([*labels("joy", final="joy"), Estimate(9, 9, 0, 4, False, None, "fear", 1)], "joy", 0.25),
    ],
)
def test_a_label_is_stable_from_when_it_no_longer_changes(
    estimates: list[Estimate], truth: str | None, since: float | None
) -> None:
    assert stable_since(estimates, truth) == since


def test_onset_to_stable_label() -> None:
    recording = Recording(MODELS)
    for n, span in enumerate(SPANS):
        said = ("joy", "anger")[n % 2]  # every other one ends wrong
        for late, final in ((0.5, False), (0.75, False), (1.9, True)):
            at = span.t0 + late
            label = "fear" if late == 0.5 else said
            recording.estimates.append(
                Estimate(at, at, span.t0, span.t1, final, None, label, n + 1)
            )
    any_label, correct = stable_rows(recording, CLIP)
    assert any_label.values["p95"] == pytest.approx(750)
    assert correct.values["misses"] == 10
    assert correct.values["p50"] == pytest.approx(750)
    assert correct.values["p90"] == math.inf
    assert "10 of 20 reached" in correct.note
    synthetic = AnnotatedClip(CLIP.path, 60, tuple(replace(s, emotion=None) for s in SPANS))
    assert [r.key for r in stable_rows(recording, synthetic)] == ["stable_label_ms"]


def at_ticks(n: int, delay_s: float, grows_s: float = 0.0) -> list[Estimate]:
    """Estimates every 0.25 s of a frame that was captured at the tick."""
    out = []
    for i in range(n):
        t = i * 0.25
        late = delay_s + grows_s * i / n
        out.append(Estimate(t + late, t + late / 2, t - 4, t, False, t, "joy", None))
    return out


def test_delay_of_the_newest_face() -> None:
    nothing_seen = Estimate(30, 30, 0, 4, False, None, "joy", None)
    row = estimates.face_delay_row([*at_ticks(100, 0.06), nothing_seen])
    assert row.verdict == "pass"
    assert row.values["n"] == 100
    assert row.values["p95"] == pytest.approx(60)
    assert "100 of 101" in row.note
    assert estimates.face_delay_row(at_ticks(100, 0.08)).verdict == "miss"
    few = estimates.face_delay_row(at_ticks(99, 0.08))
    assert few.verdict == "not evaluated"
    assert estimates.face_delay_row([]).verdict == "not evaluated"


def test_after_the_clip_no_frame_is_late() -> None:
    final = Estimate(9.4, 9.4, 7, 8, True, 8.2, "joy", 1)
    written = [*at_ticks(36, 0.08), final]  # up to 9 s
    assert estimates.while_playing(written, 5.0) == [*written[:20], final]


def test_finals_are_evaluated_with_the_others() -> None:
    finals = [Estimate(i + 0.4, i + 0.4, i - 1, i, True, i, "joy", i) for i in range(10)]
    row = estimates.face_delay_row([*at_ticks(90, 0.05), *finals])
    assert row.verdict == "miss"
    assert row.values["p95_without_finals"] == pytest.approx(50)


def test_analysed_frames() -> None:
    recording = Recording(MODELS, frames=[i / 19.9 for i in range(1194)], tracked=1200)
    row = estimates.analysed_row(recording, 60)
    assert row.values == {"analysed": 19.9, "searched": 20}
    assert row.verdict == "pass"
    assert estimates.analysed_row(recording, 61).verdict == "miss"


def test_slopes_are_evaluated_over_half_an_hour_by_their_interval_alone() -> None:
    long = AnnotatedClip(CLIP.path, 1800, CLIP.spans)
    still = Recording(MODELS, estimates=at_ticks(7200, 0.08))
    assert trends.slope_rows(still, long)[0].verdict == "pass"
    assert trends.slope_rows(still, CLIP)[0].verdict == "not evaluated"
    # one millisecond in half an hour is nothing to anybody, and still growth
    creeping = Recording(MODELS, estimates=at_ticks(7200, 0.08, grows_s=0.001))
    row = trends.slope_rows(creeping, long)[0]
    assert row.verdict == "miss"
    assert row.values["per_minute"] == pytest.approx(1 / 30, rel=0.01)
    assert [r.verdict for r in trends.slope_rows(Recording(MODELS), long)] == ["not evaluated"] * 2


def test_queues_and_drops_are_told() -> None:
    recording = Recording(MODELS, drops={"video": 3, "face": 0})
    recording.health = [(float(t), {"audio": t / 100, "video": 0.01}) for t in range(6)]
    row = trends.queue_row(recording)
    assert row.measured == "at most 50 ms"
    assert "audio 50, video 10" in row.note
    assert "replaced or skipped: video 3" in row.note
    assert list(row.samples["queue_age_ms"]) == pytest.approx([10, 10, 20, 30, 40, 50])


def test_memory() -> None:
    steady = watched(602, tuple((float(t), 500 + (t < 30) * t) for t in range(600)))
    peak, slope = trends.memory_rows(steady, None, "moonshine (tiny-en)")
    assert (peak.verdict, slope.verdict) == ("pass", "pass")
    leak = watched(602, tuple((float(t), 500 + t / 10) for t in range(600)))
    assert trends.memory_rows(leak, None, "moonshine")[1].verdict == "miss"
    short = watched(62, tuple((float(t), 500.0) for t in range(60)))
    assert trends.memory_rows(short, None, "moonshine")[1].verdict == "not evaluated"


def test_peak_memory_is_that_of_the_larger_process() -> None:
    big = Watched(30, 2, 30, 950)
    row = trends.memory_rows(watched(62), big, "moonshine")[0]
    assert row.measured == "950 MB"
    assert row.verdict == "miss"
    assert trends.memory_rows(watched(62), big, "vosk (small)")[0].verdict == "not evaluated"


def test_processor_time_without_start_up() -> None:
    run = Watched(62, 2.0, 14.0, 500, ready_cpu_s=2.0)
    row = trends.cpu_row([run], 60, "none")
    assert row.values["cpu_s_per_s"] == pytest.approx(12 / 60)
    assert row.verdict == "pass"
    assert trends.cpu_row([replace(run, cpu_s=16.0)], 60, "none").verdict == "miss"
    assert trends.cpu_row([run], 20, "none").verdict == "not evaluated"
    with_words = replace(run, cpu_s=2.0 + 0.29 * 60)
    assert trends.cpu_row([with_words], 60, "moonshine").verdict == "pass"
    assert trends.cpu_row([replace(run, cpu_s=23.0)], 60, "moonshine").verdict == "miss"


def test_processor_time_of_several_runs_is_their_mean() -> None:
    runs = [Watched(62, 2.0, 2.0 + 60 * s, 500, ready_cpu_s=2.0) for s in (0.2, 0.25)]
    row = trends.cpu_row(runs, 60, "moonshine")
    assert row.values["cpu_s_per_s"] == pytest.approx(0.225)
    each = [[trends.cpu_row([run], 60, "moonshine")] for run in runs]
    (shown,) = over_runs([row], each)
    assert shown.measured == "0.225 s; runs 0.200 to 0.250"
    assert shown.runs == {"cpu_s_per_s": pytest.approx([0.2, 0.25])}


def all_rows(recording: Recording, clip: AnnotatedClip) -> list[Row]:
    written = estimates.while_playing(recording.estimates, clip.seconds)
    return [
        estimates.face_delay_row(written),
        *provisional_rows(recording, clip),
        *final_rows(recording, clip, 0.3),
    ]


def test_percentiles_of_several_runs_are_of_the_values_of_all() -> None:
    """A sentence that one run missed is missed among all; utterances of two runs stay apart."""
    first, second = with_provisional(0.17, ["joy"] * 20), answered(0.34, but=2)
    late = Estimate(61.0, 61.0, 57, 61, False, 60.9, "joy", None)  # after the clip's end
    first.estimates += [late, *at_ticks(90, 0.05)]
    second.estimates += at_ticks(90, 0.07)
    recordings = [first, second]
    every = over_and_over(CLIP, CLIP.path, 2)
    rows = over_runs(
        all_rows(together(recordings, 60), every), [all_rows(r, CLIP) for r in recordings]
    )
    by = {row.key: row for row in rows}
    final = by["final_label_ms"]
    delays = [320] * 20 + [340] * 18 + [math.inf] * 2
    assert sorted(final.samples["delay_ms"]) == pytest.approx(delays)
    assert final.runs == {"p50": pytest.approx([320, 340]), "p95": pytest.approx([320, math.inf])}
    assert final.measured.endswith("; runs p50 320 to 340, p95 320 to never")
    assert "38 of 40" in final.note
    provisional = by["provisional_label_ms"]
    assert provisional.samples["delay_ms"][:20] == pytest.approx([170] * 20)
    assert (provisional.values["given"], provisional.values["standing"]) == (20, 20)
    assert by["provisional_equal"].runs == {"share": [1.0, None]}
    face = by["face_delay_ms"]
    assert face.values["n"] == 180  # none from after a clip's end
    assert face.measured.endswith("; runs p50 50 to 70, p95 50 to 70")


def test_few_utterances_of_several_runs_are_enough_together() -> None:
    few = AnnotatedClip(CLIP.path, 60, CLIP.spans[:16])
    one = answered(0.31)
    one.estimates = [e for e in one.estimates if (e.utterance or 0) < 16]
    assert final_rows(one, few, 0.3)[0].verdict == "not evaluated"
    row = final_rows(together([one] * 3, 60), over_and_over(few, few.path, 3), 0.3)[0]
    assert (row.values["n"], row.values["matched"], row.verdict) == (48, 48, "pass")


def test_one_run_has_no_range() -> None:
    rows = all_rows(answered(0.31), CLIP)
    assert over_runs(rows, [rows]) == rows


def test_queues_and_drops_of_several_runs() -> None:
    one = Recording(MODELS, frames=[1.0], tracked=2, drops={"video": 3})
    one.health = [(1.0, {"audio": 0.01})]
    whole = together([one, one], 60)
    assert (whole.frames, whole.tracked, whole.drops) == ([1.0, 61.0], 4, {"video": 6})
    assert [t for t, _ in whole.health] == [1.0, 61.0]


def test_first_label_is_the_median() -> None:
    row = trends.first_label_row([(2.0, 2.2), (9.0, 9.5), (1.9, 2.1)])
    assert row.values == {"first_label": 2.2, "first_line": 2.0}
    assert row.verdict == "pass"


def stage(name: str, kind: str, partial: bool, wait_ms: float, work_ms: float) -> StageTime:
    return StageTime(name, kind, partial, 1.0, wait_ms / 1000, work_ms / 1000, work_ms / 2000)


TIMES = [
    *[stage("vad", "AudioBlock", False, 1, 0.5) for _ in range(50)],
    stage("asr", "SpeechUpdate", False, 0, 0.1),  # it starts
    stage("asr", "SpeechUpdate", True, 3, 40),
    stage("asr", "SpeechUpdate", False, 2, 100),  # it ends
    stage("fusion", "Evidence", False, 0, 9),
    stage("fusion", "Tick", False, 1, 2),
    stage("output", "Health", True, 1, 30),
    stage("output", "EmotionEstimate", True, 0, 0.2),
]


def test_stages_by_what_they_did() -> None:
    found = {f.part.key: f for f in find_stages([TIMES], 10.0)}
    assert list(found) == ["voice", "words_partial", "words_final", "fusion", "output"]
    assert found["words_final"].work.p50 == pytest.approx(100)
    assert found["words_final"].wait.p95 == pytest.approx(2)
    assert found["words_partial"].work.n == 1
    assert found["fusion"].work.max == pytest.approx(2)
    assert found["voice"].cpu_s_per_s == pytest.approx(50 * 0.25e-3 / 10)
    row = stage_rows(list(found.values()))[0]
    assert row.key == "stage_voice"
    assert row.measured == "wait p50 1.0, p95 1.0; work p50 0.5, p95 0.5 ms"
    assert len(row.samples["wait_ms"]) == 50


def test_an_utterance_cut_off_by_the_end_of_one_run_shifts_no_other() -> None:
    started = [*TIMES, stage("asr", "SpeechUpdate", False, 0, 0.1)]
    found = {f.part.key: f for f in find_stages([started, TIMES], 20.0)}
    assert found["voice"].work.n == 100
    assert found["words_final"].work.n == 2
    assert found["words_final"].work.p50 == found["words_final"].work.p95 == pytest.approx(100)


def test_samples_are_thinned_evenly() -> None:
    assert thinned(list(range(10)), 4) == [0, 3, 6, 9]
    assert thinned([1.0], 4) == [1.0]
    assert thinned([], 4) == []


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    cpu = {"cpu_s_per_s": 0.2, "children_cpu_s_per_s": 0.05}
    draw_stages(find_stages([TIMES], 10.0), cpu, tmp_path / "stages.png")
    assert (tmp_path / "stages.png").read_bytes().startswith(b"\x89PNG")
