"""Sounds made by arithmetic, for tests of what listens: int16 at 16 kHz, the same every time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE, AudioBlock

Sound = NDArray[np.int16]
FORMANTS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410))  # the vowels of ah, ee, aw


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def voice(seconds: float, level_db: float = -20, pitch_hz: float = 120) -> Sound:
    """Vowels of 0.2 s, with a dip between, from harmonics under formants."""
    n = round(seconds * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t))) / SAMPLE_RATE
    vowel = (t / 0.2).astype(int) % len(FORMANTS_HZ)
    out = np.zeros(n)
    for k in range(1, int(3800 / pitch_hz)):
        near = [sum(1 / (1 + ((k * pitch_hz - f) / 80) ** 2) for f in v) for v in FORMANTS_HZ]
        out += np.array(near)[vowel] * np.sin(k * phase) / k**0.5
    return scaled(out * (1 - 0.8 * np.abs(np.cos(np.pi * t / 0.2)) ** 8), level_db)


def tone(seconds: float, hz: float = 1000, level_db: float = -20) -> Sound:
    return scaled(
        np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE), level_db
    )


def noise(seconds: float, level_db: float = -20, seed: int = 0) -> Sound:
    random = np.random.default_rng(seed)
    return scaled(random.standard_normal(round(seconds * SAMPLE_RATE)), level_db)


def clicks(seconds: float, period_s: float = 0.13, level_db: float = -30) -> Sound:
    """Short bursts of noise, as of typing."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    burst = np.exp(-(t % period_s) / 0.004)
    return scaled(np.random.default_rng(1).standard_normal(len(t)) * burst, level_db)


def scaled(wave: NDArray[np.float64], level_db: float) -> Sound:
    """Brought to a root mean square of ``level_db`` below full scale."""
    if len(wave) == 0:
        return np.zeros(0, np.int16)
    wave = wave * 10 ** (level_db / 20) / np.sqrt(np.mean(wave**2))
    return np.clip(wave * 32768, -32768, 32767).astype(np.int16)


def mixed(*sounds: Sound) -> Sound:
    return np.clip(sum(s.astype(np.int32) for s in sounds), -32768, 32767).astype(np.int16)


def joined(*sounds: Sound) -> Sound:
    return np.concatenate(sounds)


def blocks(sound: Sound, size: int | Sequence[int] = 320, t0: float = 0.0) -> list[AudioBlock]:
    """Cut into blocks of ``size`` samples; several sizes are used in turn."""
    sizes = [size] if isinstance(size, int) else list(size)
    out: list[AudioBlock] = []
    start = 0
    while start < len(sound):
        n = sizes[len(out) % len(sizes)]
        out.append(AudioBlock(t0 + start / SAMPLE_RATE, sound[start : start + n]))
        start += n
    return out


def decoded(path: Path) -> Sound:
    """The sound of a media file."""
    import av

    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    with av.open(str(path)) as file:
        parts = [p.to_ndarray()[0] for f in file.decode(audio=0) for p in resampler.resample(f)]
    return np.concatenate(parts)


def data_folder() -> Path:
    """Where the real data are; skips the test where nobody said it."""
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    return Path(os.environ["MMER_DATA"])
