"""A face that does not show what is felt must not spoil what the voice says, on real clips."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import mmer

pytestmark = pytest.mark.data

SETS = ("ravdess", "ravdess_actor01_frames")


@pytest.mark.timeout(900)
def test_voice_and_face_are_not_worse_than_the_voice_alone() -> None:
    if not os.environ.get("MMER_DATA"):
        pytest.skip("MMER_DATA is not set: no real clips")
    video = Path(os.environ["MMER_DATA"]) / "video"
    if not (video / "clips.csv").exists():
        pytest.skip(f"{video} has no clips.csv")
    with (video / "clips.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] in SETS]
    fused, voice = [], []
    shared = mmer.SharedModels()
    for row in rows:
        path = video / row["set"] / row["file"]
        with mmer.Recognizer(path, asr="none", pace="max", offline=True, models=shared) as made:
            finals = [e for e in made.events() if isinstance(e, mmer.EmotionEstimate) and e.final]
        longest = max(finals, key=lambda e: e.window[1] - e.window[0])
        said = longest.modalities["speech"]
        fused.append(longest.label == row["emotion"])
        voice.append(said is not None and said.label == row["emotion"])
    # paired: what counts are the clips on which the two differ
    difference = np.array(fused, float) - np.array(voice, float)
    error = difference.std() / np.sqrt(len(difference))
    assert difference.mean() >= -1.96 * error, f"{np.mean(fused)} against {np.mean(voice)}"
    assert np.mean(fused) > 0.3  # always the commonest emotion: 0.16
