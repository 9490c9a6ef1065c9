"""Clips with known transcripts (RAVDESS, GRID), sounds without speech, and noise under speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.utterances import read_sound, speech_span
from mmer.models.errors import MmerError
from mmer.realtime.messages import SAMPLE_RATE

DEV_ACTORS: Final = range(17, 21)
TRAINING_ACTORS: Final = range(2, 17)  # of Actor_01 there are videos, which other tests use
STATEMENTS: Final = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}

GRID_WORDS: Final[tuple[dict[str, str], ...]] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {chr(c): chr(c) for c in range(ord("a"), ord("z") + 1)},
    {"z": "zero", **{str(digit): str(digit) for digit in range(1, 10)}},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
"""Words of a GRID command (Cooke et al. 2006, JASA 120:2421) by the letters of its file name."""


@dataclass(frozen=True, eq=False)
class SpokenClip:
    """A recording and its transcript."""

    name: str
    samples: NDArray[np.int16]  # shape (n,), 16 kHz mono
    text: str

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE


def ravdess(data: Path, actors: Iterable[int]) -> list[SpokenClip]:
    """All clips of some actors below ``data``/audio/ravdess; raises MmerError without any."""
    folder = data / "audio" / "ravdess"
    paths = [p for n in actors for p in sorted(folder.glob(f"Actor_{n:02d}/03-01-*"))]
    if not paths:
        raise MmerError(f"no RAVDESS clips (Actor_NN/03-01-*) in {folder}: check --data")
    return [SpokenClip(p.stem, read_sound(p), STATEMENTS[p.stem.split("-")[4]]) for p in paths]


def grid(data: Path) -> list[SpokenClip]:
    """All clips below ``data``/video/grid; none where the folder is not there."""
    paths = sorted((data / "video" / "grid").glob("*.mp4"))
    return [SpokenClip(path.stem, read_sound(path), grid_text(path.stem)) for path in paths]


def grid_text(name: str) -> str:
    """Transcript that a file's name spells: "id2_vcd_swwp2s" is "set white with p 2 soon".

    Raises:
        MmerError: the name is none of GRID.
    """
    letters = name.rpartition("_")[2]
    try:
        return " ".join(words[c] for words, c in zip(GRID_WORDS, letters, strict=True))
    except (KeyError, ValueError) as error:
        raise MmerError(f"{name}.mp4 is not named as a clip of GRID is (bbaf2n)") from error


def sounds(folder: Path, pattern: str, count: int | None = None) -> list[NDArray[np.int16]]:
    """Recordings below ``folder``, int16 (n,) each: all, or ``count`` chosen by a seed.

    Raises:
        MmerError: there is none.
    """
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        raise MmerError(f"no recordings ({pattern}) in {folder}: check --data")
    if count is not None and count < len(paths):
        chosen = np.random.default_rng(0).choice(len(paths), count, replace=False)
        paths = [paths[k] for k in sorted(chosen)]
    return [read_sound(path) for path in paths]


def in_noise(
    clips: Sequence[SpokenClip], noises: Sequence[NDArray[np.int16]], snr_db: float
) -> list[SpokenClip]:
    """The clips, each with a recording of noise under it.

    The same clip gets the same part of the same noise at every ratio (seeded by its place). The
    ratio is that of the powers: of the speech between its onset and its end (``speech_span``), of
    the noise over the whole clip.
    """
    return [
        replace(clip, samples=mixed(clip.samples, noises, snr_db, np.random.default_rng(k)))
        for k, clip in enumerate(clips)
    ]


def mixed(
    speech: NDArray[np.int16],
    noises: Sequence[NDArray[np.int16]],
    snr_db: float,
    random: np.random.Generator,
) -> NDArray[np.int16]:
    """Speech (n,) with a looped part of one of the noises; scaled down where it would clip."""
    begin, end = speech_span(speech)
    noise = np.zeros(len(speech))
    while not noise.any():  # a dog that barks once leaves seconds of digital silence
        chosen = noises[int(random.integers(len(noises)))].astype(np.float64)
        noise = np.resize(np.roll(chosen, -int(random.integers(len(chosen)))), len(speech))
    power = np.mean(np.square(speech[begin:end].astype(np.float64)))
    noise *= np.sqrt(power / np.mean(np.square(noise)) / 10 ** (snr_db / 10))
    both = speech + noise
    peak = float(np.abs(both).max())
    return np.asarray(np.rint(both / max(1.0, peak / 32767)), np.int16)
