"""Acoustic descriptors of a recording by librosa: their mean and deviation over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Sound
from mmer.models.preparation.sound import SoundPreparation, audible

_WINDOW: Final = 1024
_HOP: Final = 256
_LOW_HZ, _HIGH_HZ = 65.0, 500.0
"""Where the pitch of a voice is looked for."""

OVER_TIME: Final = (
    *(f"mfcc_{i}" for i in range(20)),
    *(f"chroma_{i}" for i in range(12)),
    "pitch_log2_hz",
    "centroid_hz",
    "bandwidth_hz",
    "rolloff_hz",
    *(f"contrast_{i}" for i in range(7)),
    "flatness",
    "zero_crossings",
    "rms",
)
"""What is measured in each window of 64 ms, every 16 ms."""
NAMES: Final = (
    *(f"{name}_mean" for name in OVER_TIME),
    *(f"{name}_deviation" for name in OVER_TIME),
)
"""What each number of the vector is."""


@dataclass(frozen=True)
class Descriptors(SoundPreparation):
    """MFCC, chroma, pitch and spectral descriptors by librosa, float32 (1, D): see ``NAMES``.

    After Issa, Demirci and Yazici 2020, "Speech emotion recognition with deep convolutional neural
    networks". Samples are brought to a root mean square of 0.1 first, so that gain does not count.
    Pitch is that of yin (de Cheveigne and Kawahara 2002), in octaves above 1 Hz. None where all is
    silent.
    """

    kind = "descriptors"
    title = "descriptors"
    names = ("descriptors",)

    longest_s: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            import librosa  # noqa: F401
        except ImportError as error:
            raise MmerError(
                "the descriptors need librosa: pip install 'mmer-live[train]'"
            ) from error

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(descriptors float32 (1, D),) of 16 kHz samples int16."""
        samples = audible(raw, self.longest_s, least=2 * _WINDOW)
        if samples is None:
            return None
        signal = samples.astype(np.float32)
        tracks = _tracks(signal * np.float32(0.1 / np.sqrt(np.mean(signal**2))))  # (D / 2, frames)
        vector = np.concatenate([tracks.mean(axis=1), tracks.std(axis=1)])
        return (vector[None].astype(np.float32),)


def _tracks(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """``OVER_TIME`` of samples (n,), (len(OVER_TIME), frames)."""
    from librosa import feature, power_to_db, stft, yin

    window: dict[str, Any] = {"hop_length": _HOP, "frame_length": _WINDOW}
    magnitude = np.abs(stft(signal, n_fft=_WINDOW, hop_length=_HOP))
    of = {"S": magnitude, "sr": SAMPLE_RATE}
    mel = feature.melspectrogram(S=magnitude**2, sr=SAMPLE_RATE, n_mels=64)
    pitch = yin(signal, fmin=_LOW_HZ, fmax=_HIGH_HZ, sr=SAMPLE_RATE, **window)
    rows = [
        feature.mfcc(S=power_to_db(mel), n_mfcc=20),
        feature.chroma_stft(S=magnitude**2, sr=SAMPLE_RATE, tuning=0.0),
        np.log2(pitch)[None],
        feature.spectral_centroid(**of),
        feature.spectral_bandwidth(**of),
        feature.spectral_rolloff(**of),
        feature.spectral_contrast(**of),
        feature.spectral_flatness(S=magnitude),
        feature.zero_crossing_rate(signal, **window),
        feature.rms(y=signal, **window),
    ]
    return np.concatenate(rows).astype(np.float64)
