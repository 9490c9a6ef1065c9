"""Sounds without speech, made by code: noise, near silence, music. Seeded, int16 (n,), 16 kHz."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE

LENGTHS_S: Final = (0.5, 1.0, 2.0, 5.0)
HARMONICS: Final = 8
SCALE: Final = (0, 2, 4, 5, 7, 9, 11)  # semitones of a major key


def white_noise(count: int, low_db: float, high_db: float, seed: int) -> list[NDArray[np.int16]]:
    """White noise of 0.5 to 5 s with levels from ``low_db`` to ``high_db`` dBFS."""
    random = np.random.default_rng(seed)
    out = []
    for k in range(count):
        size = round(LENGTHS_S[k % len(LENGTHS_S)] * SAMPLE_RATE)
        level = 10 ** (random.uniform(low_db, high_db) / 20)
        out.append(_int16(random.normal(0, level, size)))
    return out


def music(count: int, seed: int) -> list[NDArray[np.int16]]:
    """Melodies and chords of 0.5 to 5 s at -30 to -12 dBFS: decaying tones of eight harmonics.

    One to four voices of a major key, a note each 0.15 to 0.5 s.
    """
    random = np.random.default_rng(seed)
    out = []
    for k in range(count):
        size = round(LENGTHS_S[k % len(LENGTHS_S)] * SAMPLE_RATE)
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
