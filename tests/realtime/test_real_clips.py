"""The whole recognizer over real clips: everything runs to its end and finds what is there.

A face that does not show what is felt must not spoil what the voice says.
"""

from __future__ import annotations

import csv
import os
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from moonshine_files import moonshine_files

import mmer

pytestmark = pytest.mark.data

if not os.environ.get("MMER_DATA"):
    pytest.skip("MMER_DATA is not set: no real clips", allow_module_level=True)
VIDEO = Path(os.environ["MMER_DATA"]) / "video"
if not (VIDEO / "clips.csv").exists():
    pytest.skip(f"{VIDEO} has no clips.csv", allow_module_level=True)
with (VIDEO / "clips.csv").open(newline="") as file:
    ROWS = list(csv.DictReader(file))
ACTED = ("ravdess", "ravdess_actor01_frames")
SPOKEN = {*ACTED, "grid"}
COMMANDS = {
    "bin",
    "lay",
    "place",
    "set",
    "blue",
    "green",
    "red",
    "white",
    "at",
    "by",
    "in",
    "with",
    "again",
    "now",
    "please",
    "soon",
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
}


SECONDS = float(os.environ.get("MMER_CLIPS_S", "15"))
"""Seconds of clips, the shortest first, that are taken from each set."""


def clips(name: str) -> list[dict[str, str]]:
    rows = sorted((r for r in ROWS if r["set"] == name), key=lambda row: float(row["seconds"]))
    ends = list(accumulate(float(row["seconds"]) for row in rows))
    return [row for row, end in zip(rows, ends, strict=True) if row is rows[0] or end <= SECONDS]


@cache
def shared() -> mmer.SharedModels:
    return mmer.SharedModels()


@cache
def recognized(name: str, file: str) -> list[object]:
    """All events of a clip; words are not recognized."""
    path = VIDEO / name / file
    with mmer.Recognizer(path, asr="none", pace="max", offline=True, models=shared()) as made:
        return list(made.events())


@pytest.mark.parametrize("name", sorted({row["set"] for row in ROWS}))
def test_the_clips_of_a_set_run_to_their_ends(name: str) -> None:
    for row in clips(name):
        events = recognized(name, row["file"])
        estimates = [e for e in events if isinstance(e, mmer.EmotionEstimate)]
        ticks = [e for e in estimates if not e.final]
        utterances = [e for e in estimates if e.final]
        last = ticks[-1].t
        assert last == pytest.approx(float(row["seconds"]), abs=0.6), row["file"]
        notices = [e for e in events if isinstance(e, mmer.Notice)]
        assert [n for n in notices if n.level != "info"] == [], row["file"]
        faces = sum(e.modalities["face"] is not None for e in ticks)
        if name in SPOKEN:
            assert utterances, f"{row['file']}: no speech found"
            assert faces >= 0.8 * len(ticks), f"{row['file']}: face in {faces} of {len(ticks)}"
        if row["audio"] in ("none", "silent"):
            assert not utterances, f"{row['file']}: speech found in silence"


@pytest.mark.timeout(900)
def test_voice_and_face_are_not_worse_than_the_voice_alone() -> None:
    fused, voice = [], []
    for row in [row for row in ROWS if row["set"] in ACTED][::2]:
        events = recognized(row["set"], row["file"])
        finals = [e for e in events if isinstance(e, mmer.EmotionEstimate) and e.final]
        longest = max(finals, key=lambda e: e.window[1] - e.window[0])
        said = longest.modalities["speech"]
        fused.append(longest.label == row["emotion"])
        voice.append(said is not None and said.label == row["emotion"])
    # paired: what counts are the clips on which the two differ
    difference = np.array(fused, float) - np.array(voice, float)
    error = difference.std() / np.sqrt(len(difference))
    assert difference.mean() >= -1.96 * error, f"{np.mean(fused)} against {np.mean(voice)}"
    assert np.mean(fused) > 0.3  # always the commonest emotion: 0.16


def words_of(name: str) -> set[str]:
    """Words that are transcribed in all clips of a set."""
    found: set[str] = set()
    for row in (row for row in ROWS if row["set"] == name):
        path = VIDEO / name / row["file"]
        with mmer.Recognizer(
            path, modalities=("text",), asr="moonshine", pace="max", offline=True, models=shared()
        ) as made:
            finals = [e for e in made.events() if isinstance(e, mmer.Transcript) and not e.partial]
        found |= {w.strip(".,?!").lower() for t in finals for w in t.text.split()}
    return found


@pytest.mark.slow
def test_words_of_known_sentences_are_recognized() -> None:
    moonshine_files()
    assert len(words_of("grid") & COMMANDS) >= 14
    wanted = {"kids", "are", "talking", "by", "the", "door", "dogs", "sitting"}
    assert words_of("ravdess") >= wanted
