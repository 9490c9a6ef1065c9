"""Clips with known transcripts (RAVDESS, GRID), sounds without speech, and noise under speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.utterances import Utterance, speech_span
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
LENGTHS_S: Final = (0.5, 1.0, 2.0, 5.0)
LONG_S: Final = (10.0, 20.0, 29.0)
HARMONICS: Final = 8
SCALE: Final = (0, 2, 4, 5, 7, 9, 11)  # semitones of a major key


def ravdess(data: Path, actors: Iterable[int]) -> list[Utterance]:
    """All clips of some actors below ``data``/audio/ravdess; raises MmerError without any."""
    folder = data / "audio" / "ravdess"
    paths = [p for n in actors for p in sorted(folder.glob(f"Actor_{n:02d}/03-01-*"))]
    if not paths:
        raise MmerError(f"no RAVDESS clips (Actor_NN/03-01-*) in {folder}: check --data")
    return [Utterance(p.stem, read_sound(p), text=STATEMENTS[p.stem.split("-")[4]]) for p in paths]


def grid(data: Path) -> list[Utterance]:
    """All clips below ``data``/video/grid; none where the folder is not there."""
    paths = sorted((data / "video" / "grid").glob("*.mp4"))
    return [Utterance(path.stem, read_sound(path), text=grid_text(path.stem)) for path in paths]


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
    clips: Sequence[Utterance], noises: Sequence[NDArray[np.int16]], snr_db: float
) -> list[Utterance]:
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


def white_noise(
    count: int,
    low_db: float,
    high_db: float,
    seed: int,
    lengths_s: Sequence[float] = LENGTHS_S,
) -> list[NDArray[np.int16]]:
    """White noise of these lengths in turn, with levels from ``low_db`` to ``high_db`` dBFS."""
    random = np.random.default_rng(seed)
    out = []
    for k in range(count):
        size = round(lengths_s[k % len(lengths_s)] * SAMPLE_RATE)
        level = 10 ** (random.uniform(low_db, high_db) / 20)
        out.append(_int16(random.normal(0, level, size)))
    return out


def music(count: int, seed: int, lengths_s: Sequence[float] = LENGTHS_S) -> list[NDArray[np.int16]]:
    """Melodies and chords of these lengths in turn at -30 to -12 dBFS: decaying tones of eight
    harmonics.

    One to four voices of a major key, a note each 0.15 to 0.5 s.
    """
    random = np.random.default_rng(seed)
    out = []
    for k in range(count):
        size = round(lengths_s[k % len(lengths_s)] * SAMPLE_RATE)
        note = round(random.uniform(0.15, 0.5) * SAMPLE_RATE)
        voices = int(random.integers(1, 5))
        root = random.uniform(45, 65)  # MIDI: 110 to 350 Hz
        wave = np.concatenate(
            [_chord(root, voices, note, random) for _ in range(-(-size // note))]
        )[:size]
        level = 10 ** (random.uniform(-30, -12) / 20)
        out.append(_int16(wave * level / np.sqrt(np.mean(np.square(wave)))))
    return out


def loudest_part(samples: NDArray[np.int16], seconds: float) -> NDArray[np.int16]:
    """The part with the most energy of a recording (n,), to 0.1 s."""
    size, step = round(seconds * SAMPLE_RATE), SAMPLE_RATE // 10
    starts = range(0, max(1, len(samples) - size + 1), step)
    power = np.square(samples.astype(np.float64))
    begin = max(starts, key=lambda at: power[at : at + size].sum())
    return samples[begin : begin + size]


def _chord(root: float, voices: int, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """One note of each voice: attack of 10 ms, then decay."""
    t = np.arange(size) / SAMPLE_RATE
    envelope = np.minimum(t / 0.01, 1.0) * np.exp(-3.0 * t)
    out = np.zeros(size)
    for step in random.choice(len(SCALE), voices, replace=False):
        pitch = root + SCALE[step] + 12 * int(random.integers(0, 2))
        hz = 440 * 2 ** ((pitch - 69) / 12)
        for k in range(1, HARMONICS + 1):
            out += np.sin(2 * np.pi * k * hz * t + random.uniform(0, 2 * np.pi)) / k
    return np.asarray(out * envelope, np.float64)


def _int16(wave: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(wave * 32768), -32768, 32767).astype(np.int16)
