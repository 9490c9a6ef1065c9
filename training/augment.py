"""Random changes to training inputs that leave the emotion as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SpeechChanges:
    """How far a log-mel spectrum may be changed."""

    speed: float = 0.12
    """Largest relative change of pace."""
    warp_bins: float = 2.5
    """Largest shift along the mel axis: another vocal tract, a higher or lower voice."""
    tilt_db: float = 8.0
    """Largest difference that a random microphone response makes across the band."""
    noise_probability: float = 0.6
    snr_db: tuple[float, float] = (3.0, 35.0)
    masks: int = 2
    """Time stripes and frequency stripes blanked out each (SpecAugment, Park et al. 2019)."""
    mask_frames: int = 20
    mask_bins: int = 8


def fit_length(raw: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """A random piece of ``frames`` frames; a shorter spectrum is set into silence."""
    spare = len(raw) - frames
    if spare >= 0:
        start = int(rng.integers(0, spare + 1))
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
    part = (at - low)[:, None]
    return np.asarray(values[low] * (1 - part) + values[high] * part)


def change_speech(
    raw: np.ndarray,
    frames: int,
    noises: list[np.ndarray],
    rng: np.random.Generator,
    by: SpeechChanges,
) -> np.ndarray:
    """A piece of ``frames`` frames of a raw log-mel (T, bins), as another voice, room and noise.

    ``noises`` are raw log-mel spectra of sounds; powers add, so mixing needs no waveform.
    """
    pace = 1 + rng.uniform(-by.speed, by.speed)
    x = fit_length(raw, max(2, round(frames * pace)), rng).astype(np.float32)
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


@dataclass(frozen=True)
class TextChanges:
    """How far a text may be changed."""

    bare_probability: float = 0.5
    """How often a text is taken without its punctuation, as speech recognizers write."""
    unknown: float = 0.1
    """Share of its tokens that become unknown: misheard words, words of other people."""


def change_text(
    tokens: np.ndarray,
    bare_tokens: np.ndarray,
    unknown: int,
    rng: np.random.Generator,
    by: TextChanges,
) -> np.ndarray:
    """One of two spellings of a text, int64 (T,), some tokens replaced by ``unknown``."""
    chosen = bare_tokens if rng.random() < by.bare_probability else tokens
    return np.where(rng.random(len(chosen)) < by.unknown, unknown, chosen)
