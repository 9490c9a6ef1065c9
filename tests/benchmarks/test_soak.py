"""The soak: marks that survive the codec, drift that is seen, losses that are counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.harness.clip import AnnotatedClip, Span, make_clip, repeated
from mmer.benchmarks.harness.matching import Result
from mmer.benchmarks.harness.media import read_media, read_sound
from mmer.benchmarks.harness.process import Sample, Watched
from mmer.benchmarks.harness.trace import Estimate
from mmer.benchmarks.harness.utterances import Utterance
from mmer.benchmarks.soak import findings
from mmer.benchmarks.soak.allocator import heaps_mb
from mmer.benchmarks.soak.command import Soak
from mmer.benchmarks.soak.findings import SoakRecording, Stamp, drift_row, offsets_ms
from mmer.benchmarks.soak.marks import Onsets, mark_number, read_number
from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.messages import VideoFrame

SECONDS = 15


def noisy(seed: int, seconds: float) -> Utterance:
    samples = np.random.default_rng(seed).normal(0, 4000, round(seconds * 16000))
    return Utterance(str(seed), samples.astype(np.int16))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedClip:
    utterances = [noisy(seed, 1.6 + seed / 10) for seed in range(4)]
    folder = tmp_path_factory.mktemp("clips")
    return repeated(make_clip(utterances, SECONDS, folder=folder, mark=mark_number), 2)


@pytest.mark.slow
def test_every_picture_tells_its_number_through_the_codec(clip: AnnotatedClip) -> None:
    frames = [m for m in read_media(clip.path, "video") if isinstance(m, VideoFrame)]
    assert [read_number(frame.image) for frame in frames] == [*range(SECONDS * 25)] * 2
    assert read_number(np.zeros((480, 640, 3), np.uint8)) is None


def test_the_mark_leaves_the_picture_around_it_alone() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (720, 640), np.uint8)
    before = picture.copy()
    marked = mark_number(picture, 77)
    assert np.array_equal(picture, before)
    assert np.array_equal(marked[32:480], picture[32:480])
    assert np.array_equal(marked[:32, 272:], picture[:32, 272:])
    for plane in (slice(480, 600), slice(600, 720)):  # U and V, two lines of them a row
        lines = marked[plane].reshape(240, 320)
        assert (lines[:16, :136] == 128).all()
        assert np.array_equal(lines[16:], picture[plane].reshape(240, 320)[16:])


def test_onsets_are_found_to_the_sample(clip: AnnotatedClip) -> None:
    sound = read_sound(clip.path)
    spans = clip.spans[: len(clip.spans) // 2]
    onsets = Onsets(spans, sound[: SECONDS * 16000], SECONDS)
    for n, span in enumerate(clip.spans):
        begin = span.begin - 2000 - 37 * n
        stamped = begin / 16000 + 0.005  # stamped 5 ms late
        found = onsets.find(stamped, sound[begin : begin + 24000])
        assert found == pytest.approx((span.t0, span.t0 + 0.005))
    assert onsets.find(0.0, np.zeros(20000, np.int16)) is None
    assert onsets.find(0.0, np.zeros(10, np.int16)) is None


def stamps(hours: float, every_s: float, drift_ms_per_hour: float, seed: int) -> list[Stamp]:
    """Moments ``every_s`` apart, stamped with a drift and a jitter of 1 ms."""
    truth = np.arange(0.0, hours * 3600, every_s)
    jitter = np.random.default_rng(seed).normal(0, 0.001, len(truth))
    stamped = truth + drift_ms_per_hour / 1000 * truth / 3600 + jitter
    return list(zip(truth.tolist(), stamped.tolist(), strict=True))


@pytest.mark.parametrize(
    ("sound_ms", "picture_ms", "verdict"),
    [(0, 0, "pass"), (5, 0, "miss"), (0, 5, "miss"), (5, 5, "pass")],
)
def test_an_injected_drift_is_seen(sound_ms: float, picture_ms: float, verdict: str) -> None:
    onsets, frames = stamps(2, 3.7, sound_ms, 1), stamps(2, 0.5, picture_ms, 2)
    row = drift_row(onsets, frames, 7200, 60)
    assert row.verdict == verdict
    drift = row.values["ms_per_hour"]
    assert drift == pytest.approx(sound_ms - picture_ms, abs=0.2)
    low, high = row.values["low"], row.values["high"]
    assert low is not None
    assert high is not None
    assert low < sound_ms - picture_ms < high
    assert drift_row(onsets[:300], frames, 1110, 60).verdict == "not evaluated"
    assert drift_row([], [], 7200, 60).measured == "not measured"


def test_onsets_without_a_frame_near_are_left_out() -> None:
    frames = [(1.0, 1.01), (2.0, 2.01)]
    found = offsets_ms([(1.4, 1.44), (3.5, 3.5)], frames)
    assert found == [(1.4, pytest.approx(30))]


CLIP = AnnotatedClip(
    Path("x.mkv"),
    240,
    tuple(Span(n * 160000 + 16000, n * 160000 + 48000, str(n)) for n in range(24)),
)


def soaked(lost: int = 0, twice: int = 0) -> SoakRecording:
    """Four rounds of a minute, an utterance every 10 s; some have no final, some have two."""
    recording = SoakRecording({"words": None}, over=240.5)
    for n, span in enumerate(CLIP.spans):
        recording.ends.append(Result(span.t0, span.t1, span.t1 + 0.3, n))
        final = Estimate(span.t1 + 0.4, span.t1 + 0.4, span.t0, span.t1, True, None, "joy", n)
        recording.estimates += [final] * ((n >= lost) + (n < twice))
    recording.health = [(float(t), {"audio": 0.0}) for t in range(241)]
    return recording


def test_every_round_gives_the_same_and_every_utterance_one_final() -> None:
    rounds, finals = findings.count_rows(soaked(), CLIP, 4, 60)
    assert (rounds.measured, rounds.verdict) == ("6 to 6", "pass")
    assert (finals.measured, finals.verdict) == ("0 of 24", "pass")
    assert findings.count_rows(soaked(), CLIP, 2, 60)[0].verdict == "not evaluated"


def test_losses_are_counted() -> None:
    recording = soaked(lost=2)
    assert findings.count_rows(recording, CLIP, 4, 60)[1].measured == "2 of 24"
    assert findings.count_rows(soaked(twice=1), CLIP, 4, 60)[1].verdict == "miss"
    del recording.ends[-1]
    rounds = findings.count_rows(recording, CLIP, 4, 60)[0]
    assert (rounds.measured, rounds.verdict) == ("5 to 6", "miss")


def test_final_words_are_counted_where_there_are_words() -> None:
    recording = soaked()
    recording.models = {"words": "moonshine (tiny-en)"}
    recording.transcripts = [replace(end) for end in recording.ends[1:]]
    row = findings.count_rows(recording, CLIP, 4, 60)[1]
    assert row.values == {"wrong_labels": 0, "wrong_words": 1}
    assert row.verdict == "miss"


def watched(mb_per_hour: float = 0.0, threads: int = 0, interrupted: bool = False) -> Watched:
    """An hour of the clip in a quarter of an hour; ``threads`` more in the second half."""
    jitter = np.random.default_rng(0).normal(0, 0.5, 900)
    samples = tuple(
        Sample(t, 400 + mb_per_hour * t / 900 + jitter[t], t / 2, 20 + threads * (t > 500), 30)
        for t in range(900)
    )
    return Watched(900, 2.0, 450, 500, samples, interrupted=interrupted)


def test_memory_is_an_hour_of_the_clip() -> None:
    row = findings.memory_row(watched(3), 4.0, 3600)
    assert row.values["mb_per_hour"] == pytest.approx(3, abs=0.5)
    assert row.verdict == "miss"
    assert findings.memory_row(watched(0), 4.0, 3600).verdict == "pass"
    assert findings.memory_row(watched(50), 4.0, 3600).verdict == "miss"
    assert findings.memory_row(watched(50), 4.0, 900).verdict == "not evaluated"
    assert findings.memory_row(Watched(9, 1, 1, 1), 4.0, 36).measured == "not measured"


def test_what_the_heaps_use_is_told_from_what_lies_free_in_them() -> None:
    def heaps(used: float, free: float) -> SoakRecording:
        moments = [(5.0 * n, 150 + used * n, 80 + free * n) for n in range(720)]
        return replace(soaked(), heaps=moments)

    row = findings.heaps_row(heaps(0.0, 0.05), 3600)
    assert row.verdict == "pass"
    assert "150 MB in use" in row.note
    assert findings.heaps_row(heaps(0.01, 0.0), 3600).verdict == "miss"
    assert findings.heaps_row(soaked(), 3600).measured == "not measured"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's report")
def test_the_allocator_reports_what_is_taken_and_freed() -> None:
    before = heaps_mb()
    if before is None:
        pytest.skip("no mallinfo2: glibc is older than 2.33, or it is not glibc")
    taken = np.ones(20 * 2**20, np.uint8)
    during = heaps_mb()
    assert during is not None
    assert during[0] - before[0] == pytest.approx(len(taken) / 2**20, abs=2)
    del taken
    after = heaps_mb()
    assert after is not None
    assert after[0] == pytest.approx(before[0], abs=2)


def test_threads_must_not_grow() -> None:
    held = replace(soaked(), resources=[("begin", 2, 5), ("closed", 3, 5)])
    row = findings.resources_row(held.resources, watched(), 4.0)
    assert row.verdict == "pass"
    assert "closed: 3 threads, 5 files" in row.note
    assert findings.resources_row(held.resources, watched(threads=1), 4.0).verdict == "miss"


def test_delays_are_evaluated_at_the_worlds_pace_alone() -> None:
    rows = {r.key: r for r in findings.rows(soaked(), watched(), CLIP, 60, 4.0)}
    assert "--real" in rows["final_label_slope"].note
    assert rows["final_label_slope"].passed is None
    assert rows["lag_s"].values["lag_s"] == pytest.approx(0.5)
    late = replace(soaked(), over=250.0)
    assert findings.pace_row(late, CLIP, False).verdict == "miss"


def test_what_was_not_played_is_not_missed() -> None:
    played = findings.played_part(CLIP, 125.0, True)
    assert played.seconds == 125
    assert len(played.spans) == 13
    assert findings.played_part(CLIP, 125.0, False) is CLIP
    stopped = replace(soaked(), over=125.0)
    rows = {r.key: r for r in findings.rows(stopped, watched(interrupted=True), CLIP, 60, 1.0)}
    assert rows["lag_s"].verdict == "not evaluated"
    assert "2 whole rounds" in rows["utterances_per_round"].note


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"hours": 0.0}, {"hours": 100.0}, {"rate": 0.0}):
        with pytest.raises(MmerError, match="must be above 0"):
            Soak(**wrong).check()
    assert Soak(hours=1).rounds == 60


needs_networks = pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)


ROUND_S = 20
"""Of the soaks below, in place of a minute: six sentences."""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of temporary files in which the second soak finds the clip of the first."""
    return tmp_path_factory.mktemp("temporary")


@pytest.mark.slow
@needs_networks
def test_a_round_in_seconds(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr("mmer.benchmarks.soak.command.ROUND_S", ROUND_S)
    found, drawn = tmp_path / "found.json", tmp_path / "found.png"
    cli.main(["soak", "--hours", "0.005", "--rate", "6", "--asr", "none",
              "--json", str(found), "--plot", str(drawn)])  # fmt: skip
    assert "mmer-bench soak: 0.01 h of the clip at 6 times" in capsys.readouterr().out
    report = json.loads(found.read_text())
    rows = {row["key"]: row for row in report["rows"]}
    assert rows["finals_per_utterance"]["passed"]
    assert rows["utterances_per_round"]["values"]["least"] > 3
    # on one timeline, whatever this machine's load
    assert max(map(abs, rows["av_drift"]["samples"]["offset_ms"])) < 1
    assert len(report["series"]["av_offset_ms"]) > 3
    assert drawn.stat().st_size > 10_000


@pytest.mark.slow
@needs_networks
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a single process")
def test_an_interrupted_soak_tells_what_it_measured(tmp_path: Path, temporary: Path) -> None:
    found = tmp_path / "found.json"
    code = (
        "from mmer.benchmarks import cli; from mmer.benchmarks.soak import command; "
        f"command.ROUND_S = {ROUND_S}; cli.main()"
    )
    command = [sys.executable, "-c", code, "soak", "--hours", "0.05", "--real", "--asr", "none"]
    child = subprocess.Popen(
        [*command, "--json", str(found)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size > 12_000 for p in temporary.rglob("lines.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    assert "interrupted" in said
    assert json.loads(found.read_text())["settings"]["played_s"] < 60
