"""The table of the person's baseline: mixes, changes with intervals, and what decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.compare import Stored, read_stored
from mmer.benchmarks.personal.clips import OF_HALF, OF_NEUTRAL, WHAT, Clip, Clips
from mmer.benchmarks.personal.command import (
    each_once,
    evaluated,
    mixes_of,
    stored_voices,
)
from mmer.benchmarks.personal.sessions import (
    BALANCED,
    LENGTH,
    MINUTE,
    Change,
    Corpus,
    changes,
    once_each,
    session,
)
from mmer.benchmarks.personal.voices import Voices
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import EMOTIONS
from mmer.models.prediction import log_softmax
from mmer.realtime.messages import Evidence
from mmer.realtime.options import Options

PAGE = Path(__file__).resolve().parents[3] / "benchmarks/baseline.json"
SHIFTS = np.array([[0, 0, 0, 0, 2.6, 0, 0], [2.4, 0, 0, -1, 0, 0, 0], [0, -1, 0, 0, 0, 2.5, 0]])


def voices(each: int = 8) -> Voices:
    """Three people, each shifted towards an emotion."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat(np.arange(7), each), 3)
    who = np.repeat(np.arange(3), 7 * each)
    logits = 2.4 * np.eye(7)[labels] + SHIFTS[who] + rng.normal(0, 0.4, (len(labels), 7))
    return Voices("made", log_softmax(logits), labels, who.astype(np.str_), np.full(len(who), 4.0))


@pytest.mark.parametrize(("mix", "main"), [(BALANCED, 0.14), ("neutral", 0.8), ("anger", 0.8)])
def test_a_session_has_its_mix_and_repeats_items_only_when_it_must(mix: str, main: float) -> None:
    labels = np.repeat(np.arange(7), 8)
    rows = {c: np.flatnonzero(labels == c) for c in range(7)}
    found = session(rows, mix, np.random.default_rng(0))
    assert len(found) == LENGTH
    shares = np.bincount(labels[found], minlength=7) / LENGTH
    emotion = 0 if mix == BALANCED else EMOTIONS.index(mix)
    assert shares[emotion] == pytest.approx(main, abs=0.04)
    assert shares.min() > 0
    if mix == BALANCED:
        assert len(set(found)) == LENGTH
        assert not np.array_equal(found, session(rows, mix, np.random.default_rng(1)))


def test_shifted_people_gain_and_intervals_hold_the_difference() -> None:
    found = changes(voices().corpus(), orders=2)
    assert set(found) == {BALANCED, MINUTE, *EMOTIONS}
    balanced = found[BALANCED]
    assert balanced.points > 5
    assert balanced.low <= balanced.points <= balanced.high
    assert balanced.plain < 90
    assert found[MINUTE].points < balanced.points + 5


def test_no_baseline_changes_nothing() -> None:
    made = voices()
    same = made.corpus()
    still = Corpus(*(getattr(same, n) for n in ("name", "modality", "labels", "speakers")),
                   same.seconds, same.plain, same.plain)  # fmt: skip
    for change in changes(still, orders=1).values():
        assert (change.points, change.low, change.high) == (0, 0, 0)


def test_speakers_with_few_items_or_emotions_are_left_out() -> None:
    made = voices()
    keep = (made.speakers != "1") | (made.labels < 2)
    few = (made.speakers != "2") | (np.cumsum(made.speakers == "2") <= 7)
    rows = keep & few
    part = Voices("made", made.log_probs[rows], made.labels[rows], made.speakers[rows],
                  made.seconds[rows])  # fmt: skip
    assert part.corpus().people() == ["0"]


def test_items_read_aloud_are_neutral_and_in_no_session() -> None:
    made = voices()
    read = made.read_aloud()
    assert read is not None
    neutral = EMOTIONS.index("neutral")
    left = np.bincount(read.labels, minlength=7)
    assert left[neutral] == 3 * 4
    assert (np.delete(left, neutral) == 3 * 8).all()
    some = np.arange(len(read.labels))
    assert np.abs(read.adapted(some) - read.plain(some)).max() > 0.1
    assert voices(each=4).read_aloud() is None


def clip(label: int, shift: np.ndarray, rng: np.random.Generator) -> Clip:
    def said(modality: str, t0: float, t1: float, partial: bool) -> Evidence:
        x = log_softmax(2.4 * np.eye(7)[label] + shift + rng.normal(0, 0.3, 7))
        return Evidence(modality, t0, t1, x.astype(np.float32), 0.9, partial, utterance=1, track=1)  # type: ignore[arg-type]

    frames = [said("face", t, t, True) for t in np.arange(0.0, 3.0, 0.25)]
    return Clip(label, "01", 3.0, [*frames, said("speech", 0.5, 2.5, False)])


def test_clips_are_corrected_by_modality_and_fused() -> None:
    rng = np.random.default_rng(0)
    made = [clip(k % 7, SHIFTS[0], rng) for k in range(28)]
    voice, face, fused = Clips("made", made, FusionModel.load()).corpora()
    assert [c.modality for c in (voice, face, fused)] == ["speech", "face", "fused"]
    assert fused.resampled == "item"
    rows = np.arange(28)
    for corpus in (voice, face, fused):
        plain, adapted = corpus.plain(rows), corpus.adapted(rows)
        np.testing.assert_allclose(np.exp(adapted).sum(axis=1), 1, atol=1e-4)
        right = [(a.argmax(axis=1) == corpus.labels).mean() for a in (plain, adapted)]
        assert right[1] > right[0]
        np.testing.assert_array_equal(adapted, corpus.adapted(rows))  # nobody is remembered


def test_files_of_clips_are_of_the_persons_others() -> None:
    """An item counts in no file that corrects it: another answer of its own changes no other's."""
    rng = np.random.default_rng(0)
    made = [clip(k % 7, SHIFTS[0], rng) for k in range(28)]
    row = 4  # neutral
    changed = [*made]
    changed[row] = clip(4, 6 * SHIFTS[1], rng)
    read, again = (Clips("made", c, FusionModel.load()).from_files() for c in (made, changed))
    assert [(c.name, c.modality) for c in read] == [
        (f"made, {of}", what) for of in (OF_NEUTRAL, OF_HALF) for what in WHAT
    ]
    rows = np.arange(28)
    for before, after in zip(read, again, strict=True):
        plain, adapted = before.plain(rows), before.adapted(rows)
        right = [(a.argmax(axis=1) == before.labels).mean() for a in (plain, adapted)]
        assert right[1] >= right[0]
        assert np.abs(adapted - plain).max() > 0.1
        moved = np.abs(after.adapted(rows) - adapted).max(axis=1) > 1e-6
        if OF_NEUTRAL in before.name:
            assert moved.all()  # its own answer, and every file but its own
        else:  # its own answer, and the files of the other half
            np.testing.assert_array_equal(
                moved, (rows == row) | (before.speakers != before.speakers[row])
            )
    assert len(read[-1].people()) == 2
    halves = [read[-1].labels[read[-1].speakers == who] for who in read[-1].people()]
    np.testing.assert_array_equal(*(np.bincount(half) for half in halves))


def test_the_fusion_is_told_how_far_the_baseline_has_come() -> None:
    class Asked:
        told: ClassVar[list[float]] = []

        def fuse(self, given: dict[str, Opinion]) -> tuple[np.ndarray, dict[str, float]]:
            self.told.append(given["speech"].baseline)
            return given["speech"].log_probs, {}

    rng = np.random.default_rng(0)
    made = [clip(k % 7, SHIFTS[0], rng) for k in range(14)]
    fused = Clips("made", made, Asked()).corpora()[-1]  # type: ignore[arg-type]
    fused.plain(np.arange(14))
    assert Asked.told == [0.0] * 14
    Asked.told.clear()
    fused.adapted(np.arange(14))
    assert (np.diff(Asked.told) > 0).all()
    assert Asked.told[-1] > 0.5


def test_orders_of_one_persons_items_and_their_musts() -> None:
    rng = np.random.default_rng(0)
    made = [clip(k % 7, SHIFTS[0], rng) for k in range(21)]
    corpora = {c.modality: c for c in Clips("made", made, FusionModel.load()).corpora()}
    found = once_each(corpora["face"], 4)
    assert found.shape == (4,)
    assert ((found >= 0) & (found <= 100)).all()
    np.testing.assert_array_equal(found, once_each(corpora["face"], 4))
    with pytest.raises(ValueError, match="not of one person"):
        once_each(voices().corpus(), 1)
    rows = {
        row.key: row
        for row in each_once(
            {
                "speech": np.array([70.0, 80.0]),
                "face": np.array([40.0, 60.0]),
                "fused": np.array([72.0, 77.0]),
            }
        )
    }
    assert {key: row.verdict for key, row in rows.items()} == {
        "once speech": "", "once face": "miss", "once fused": "pass", "once difference": "pass",
    }  # fmt: skip
    assert rows["once fused"].measured == "74.5 (72.0 to 77.0)"
    assert rows["once difference"].measured == "-0.5 (-3.0 to +2.0)"
    assert "below in 50% of the orders" in rows["once difference"].note


def test_the_face_counts_around_speech_alone() -> None:
    made = clip(0, SHIFTS[0], np.random.default_rng(0))
    counted = [e.t1 for e in made.evidence if e.modality == "face" and made.of_utterance(e)]
    assert (min(counted), max(counted)) == (0.25, 2.75)


@pytest.mark.parametrize(
    ("gain", "neutral", "skewed", "default"),
    [(9, 0, 0, "session"), (7, 0, 0, "none"), (9, -3, 0, "none"), (9, 0, -9, "none")],
)
def test_the_musts_decide_the_default(
    gain: float, neutral: float, skewed: float, default: str
) -> None:
    def change(points: float) -> Change:
        return Change(50.0, 50.0 + points, points, points)

    good = dict.fromkeys(EMOTIONS, change(0)) | {"neutral": change(neutral)}
    table = {**good, "anger": change(skewed), BALANCED: change(gain), MINUTE: change(1)}
    rows = {row.key: row for row in evaluated([table])}
    assert rows["default"].measured == default
    assert rows["default"].passed == (default == "session")


def test_stored_voices_are_those_of_the_earlier_result() -> None:
    result = read_stored(PAGE)
    found, missing = stored_voices(result, orders=3)
    names = {name for name, _ in found["session"]}
    assert {"RAVDESS 17-20", "RAVDESS", "EmoDB", "nEMO", "EmoGator"} == names
    assert {name for name, _ in found["file"]} == {"EmoDB", "nEMO"}
    assert missing == ["URDU: fewer than two speakers show three emotions"]
    for how, changed in found.items():
        for (name, modality), mixes in changed.items():
            values = result.rows[f"{how} {modality} {name}"]["values"]
            for mix, change in mixes.items():
                assert change.points == values[f"{mix} adapted"] - values[f"{mix} plain"]
                assert (change.low, change.high) == (values[f"{mix} low"], values[f"{mix} high"])
    clips = [row["values"] for key, row in result.rows.items() if key.endswith("actor 01")]
    assert len(clips) == 3
    whole = [*found["session"].values(), *map(mixes_of, clips)]
    for row in evaluated(whole):
        assert row.measured == result.rows[row.key]["measured"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "live"}, "is of `mmer-bench live`, not of baseline"),
        ({"models": {"speech": "0" * 12}}, "of another speech network"),
        ({"settings": {"orders": 2}}, "has 2 sessions a person and mix"),
    ],
)
def test_voices_of_another_measurement_are_refused(changed: dict[str, Any], message: str) -> None:
    stored = Stored(PAGE, json.loads(PAGE.read_text()) | changed)
    with pytest.raises(MmerError, match=message):
        stored_voices(stored, orders=3)


def test_the_default_is_what_the_stored_table_decides() -> None:
    rows = {row["key"]: row for row in json.loads(PAGE.read_text())["rows"]}
    assert Options().baseline == rows["default"]["measured"]


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--data", str(tmp_path / "no")), ("--data", str(tmp_path))):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["baseline", *arguments])
        assert stopped.value.code == 2
    assert "nothing to measure" in capsys.readouterr().err
    shown = cli.repeatable(["baseline", "--data", "/x", "--runs", "/y", "--cache", "/z"])
    assert shown == "mmer-bench baseline --data DATA --runs RUNS"
