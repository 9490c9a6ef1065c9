"""Emotional speech: clips with speaker and emotion, read by the corpora's index.

The folder ``audio`` holds one folder a corpus and ``index.csv`` with a row a clip: path, corpus,
language, speaker, label, emotion (one of the seven, or empty) and seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.logmel import SAMPLE_RATE
from mmer.training.datasets.corpora import need

DEVELOPMENT_SPEAKERS: Final = frozenset({("ravdess", f"{n:02d}") for n in (17, 18, 19, 20)})
"""Speakers whose clips measure a speech model and never train one."""
HELD_OUT_SPEAKERS: Final = frozenset({("ravdess", "01")})
"""The speaker of the audio-visual development clips: out of training and out of the fold above."""


@dataclass(frozen=True)
class Clip:
    """One recording; ``label`` is an index into EMOTIONS, or -1 where the corpus says none."""

    path: Path
    corpus: str
    speaker: str
    label: int
    seconds: float


def read_clips(root: Path, corpora: Sequence[str]) -> list[Clip]:
    """All clips of the named corpora, in the order of the index.

    Raises:
        MmerError: the index or a corpus is missing, or a row is not understood.
    """
    audio = root / "audio"
    clips = []
    with need(audio / "index.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                if row["corpus"] not in corpora:
                    continue
                emotion = row["emotion"]
                if emotion and emotion not in EMOTIONS:
                    raise ValueError(f"{emotion!r} is none of {', '.join(EMOTIONS)}")
                label = EMOTIONS.index(emotion) if emotion else -1
                clip = Clip(
                    audio / row["path"], row["corpus"], row["speaker"], label, float(row["seconds"])
                )
            except (KeyError, ValueError, TypeError) as error:
                raise MmerError(f"{audio / 'index.csv'}, line {number}: {error}") from error
            clips.append(clip)
    if missing := sorted(set(corpora) - {c.corpus for c in clips}):
        raise MmerError(f"{audio / 'index.csv'} has no clips of {', '.join(missing)}")
    return clips


def _key(clip: Clip) -> tuple[str, str]:
    # The index writes RAVDESS speakers as "01", "1" or "Actor_01" depending on who made it.
    digits = clip.speaker.removeprefix("Actor_")
    return clip.corpus, digits.zfill(2) if digits.isdigit() else clip.speaker


def training_clips(clips: Iterable[Clip]) -> list[Clip]:
    """Clips with an emotion, of speakers that are neither held out nor for development."""
    barred = DEVELOPMENT_SPEAKERS | HELD_OUT_SPEAKERS
    return [c for c in clips if c.label >= 0 and _key(c) not in barred]


def development_clips(clips: Iterable[Clip]) -> list[Clip]:
    """Clips with an emotion, of the development speakers."""
    return [c for c in clips if c.label >= 0 and _key(c) in DEVELOPMENT_SPEAKERS]


def decode(path: Path) -> np.ndarray:
    """A recording as 16 kHz mono int16 (n,).

    Raises:
        MmerError: it cannot be read.
    """
    import av

    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            parts = [
                part.to_ndarray().reshape(-1)
                for frame in [*container.decode(audio=0), None]
                for part in resampler.resample(frame)
            ]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise MmerError(f"cannot read {path}: {error}") from error
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def trim(samples: np.ndarray, below_peak_db: float = 35.0, margin_s: float = 0.15) -> np.ndarray:
    """Cut silence off both ends: frames of 20 ms that are ``below_peak_db`` under the loudest.

    Acted corpora have up to a second of it, which a voice detector would never pass on.
    """
    frame = SAMPLE_RATE // 50
    n = len(samples) // frame
    if n < 2:
        return samples
    power = (samples[: n * frame].reshape(n, frame).astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_peak_db / 10))
    if not len(loud):
        return samples
    margin = round(margin_s * SAMPLE_RATE)
    return samples[max(0, loud[0] * frame - margin) : (loud[-1] + 1) * frame + margin]
