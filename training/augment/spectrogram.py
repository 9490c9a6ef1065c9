"""Augmentation of log-mel spectra that preserves the emotion.

Rooms, codecs and other voices need the waveform: see ``recording``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.whisper_mel import WhisperMel


@dataclass(frozen=True)
class SpeechChanges:
    """Ranges of the augmentation of a log-mel spectrum."""

    speed: float = 0.12
    """Largest relative change of pace."""
    warp_bins: float = 2.5
    """Largest shift along the mel axis: another vocal tract, a higher or lower voice."""
    tilt_db: float = 8.0
    """Largest difference that a random microphone response makes across the band."""
    noise_probability: float = 0.6
    snr_db: tuple[float, float] = (0.0, 35.0)
    masks: int = 2
    """Time stripes and frequency stripes blanked out each (SpecAugment, Park et al. 2019)."""
    mask_frames: int = 20
    mask_bins: int = 8
    beginnings: float = 0.0
    """Share of the pieces that are a clip's beginning, which is what live classifies first."""


def fit_length(
    raw: np.ndarray, frames: int, rng: np.random.Generator, beginnings: float = 0.0
) -> np.ndarray:
    """A random piece of ``frames`` frames; a shorter spectrum is set into silence."""
    spare = len(raw) - frames
    if spare >= 0:
        start = 0 if rng.random() < beginnings else int(rng.integers(0, spare + 1))
        return raw[start : start + frames]
    out = np.full((frames, raw.shape[1]), raw.min(), dtype=raw.dtype)
    start = int(rng.integers(0, -spare + 1))
    out[start : start + len(raw)] = raw
    return out


def _resample(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of ``values`` at fractional positions, linearly between neighbours, ends held."""
    at = np.clip(at, 0, len(values) - 1)
    low = np.minimum(at.astype(int), max(0, len(values) - 2))
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low)[:, None].astype(np.float32)
    return np.asarray(values[low] * (1 - part) + values[high] * part)


def change_speech(
    raw: np.ndarray,
    frames: int,
    noises: Sequence[np.ndarray],
    rng: np.random.Generator,
    by: SpeechChanges,
) -> np.ndarray:
    """A piece of ``frames`` frames of a raw log-mel (T, bins), as another voice and in noise.

    ``noises`` are raw log-mel spectra of sounds; powers add, so mixing needs no waveform.
    """
    pace = 1 + rng.uniform(-by.speed, by.speed)
    x = fit_length(raw, max(2, round(frames * pace)), rng, by.beginnings).astype(np.float32)
    x = _resample(x, np.linspace(0, len(x) - 1, frames))
    bins = x.shape[1]
    x = _resample(x.T, np.arange(bins) + rng.uniform(-by.warp_bins, by.warp_bins)).T
    if noises and rng.random() < by.noise_probability:
        noise = noises[int(rng.integers(len(noises)))]
        while len(noise) < frames:
            noise = np.concatenate([noise, noise])
        noise = fit_length(noise, frames, rng).astype(np.float32)
        gap = np.log(np.exp(x).mean() + 1e-20) - np.log(np.exp(noise).mean() + 1e-20)
        x = np.logaddexp(x, noise + gap - rng.uniform(*by.snr_db) * np.log(10) / 10)
    # a smooth random response of the microphone and the room
    knots = rng.uniform(-by.tilt_db / 2, by.tilt_db / 2, 4) * np.log(10) / 10
    x = x + np.interp(np.linspace(0, 3, bins), np.arange(4), knots)
    return np.asarray(x, dtype=np.float32)


def mask_speech(features: np.ndarray, rng: np.random.Generator, by: SpeechChanges) -> np.ndarray:
    """Blank random stripes of normalised features (T, bins) with their mean; returns a copy."""
    out = features.copy()
    mean = features.mean()
    for _ in range(by.masks):
        width = int(rng.integers(0, min(by.mask_frames, len(out) // 5) + 1))
        start = int(rng.integers(0, len(out) - width + 1))
        out[start : start + width] = mean
        width = int(rng.integers(0, by.mask_bins + 1))
        start = int(rng.integers(0, out.shape[1] - width + 1))
        out[:, start : start + width] = mean
    return out


def coloured_noise(n: int, rng: np.random.Generator, db_per_octave: float) -> np.ndarray:
    """Noise whose power changes by ``db_per_octave`` (0 white, -3 pink, -6 brown): float (n,)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (db_per_octave / 6.02)
    return np.asarray(np.fft.irfft(spectrum, n))


def tone(n: int, rng: np.random.Generator) -> np.ndarray:
    """A beep, hum, siren or chord, float (n,) at 16 kHz: 50-4000 Hz, steady, gliding or pulsed."""
    time = np.arange(n) / SAMPLE_RATE
    sound = np.zeros(n)
    for _ in range(int(rng.integers(1, 4))):
        hertz = np.exp(rng.uniform(np.log(50), np.log(4000)))
        glide = rng.uniform(-0.3, 0.3) if rng.random() < 0.3 else 0.0
        phase = 2 * np.pi * hertz * (time + glide * time**2 / 2)
        overtones = int(rng.integers(1, 7)) if rng.random() < 0.5 else 1
        sound += sum(np.sin(k * phase) / k for k in range(1, overtones + 1))
    if rng.random() < 0.3:
        sound *= np.sin(2 * np.pi * rng.uniform(0.5, 8) * time) > 0
    return sound + rng.standard_normal(n) * 10 ** rng.uniform(-4, -1.5)


def synthetic_sounds(mel: WhisperMel, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """``count`` noises and as many tones, raw log-mel (T, bins) float16, 4 s each."""
    n = 4 * SAMPLE_RATE
    noises = [coloured_noise(n, rng, rng.uniform(-9, 3)) for _ in range(count)]
    tones = [tone(n, rng) for _ in range(count)]
    return [mel.raw(sound).astype(np.float16) for sound in (*noises, *tones)]
