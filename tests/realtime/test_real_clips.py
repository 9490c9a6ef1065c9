"""The whole recognizer over real clips: everything runs to its end and finds what is there."""

from __future__ import annotations

import csv
import os
from itertools import accumulate
from pathlib import Path

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
SPOKEN = {"ravdess", "ravdess_actor01_frames", "grid"}
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


@pytest.mark.parametrize("name", sorted({row["set"] for row in ROWS}))
def test_the_clips_of_a_set_run_to_their_ends(name: str) -> None:
    for row in clips(name):
        result = mmer.recognize(VIDEO / name / row["file"], asr="none", offline=True)
        ticks = [e for e in result.estimates if not e.final]
        last = ticks[-1].t
        assert last == pytest.approx(float(row["seconds"]), abs=0.6), row["file"]
        assert [n for n in result.notices if n.level != "info"] == [], row["file"]
        faces = sum(e.modalities["face"] is not None for e in ticks)
        if name in SPOKEN:
            assert result.utterances, f"{row['file']}: no speech found"
            assert faces >= 0.8 * len(ticks), f"{row['file']}: face in {faces} of {len(ticks)}"
        if row["audio"] in ("none", "silent"):
            assert not result.utterances, f"{row['file']}: speech found in silence"


def heard(name: str) -> set[str]:
    """Words that are transcribed in all clips of a set."""
    found: set[str] = set()
    for row in (row for row in ROWS if row["set"] == name):
        result = mmer.recognize(VIDEO / name / row["file"], asr="moonshine", offline=True)
        found |= {w.strip(".,?!").lower() for t in result.transcripts for w in t.text.split()}
    return found


@pytest.mark.slow
def test_words_of_known_sentences_are_recognized() -> None:
    moonshine_files()
    assert len(heard("grid") & COMMANDS) >= 14
    assert heard("ravdess") >= {"kids", "are", "talking", "by", "the", "door", "dogs", "sitting"}
