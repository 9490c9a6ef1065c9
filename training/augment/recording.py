"""Augmentation of recordings in the waveform: voice, room, codec, noise and level."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from mmer.models.preparation.logmel import SAMPLE_RATE

CODECS: Final = (
    ("ogg", "libopus", 16_000, (6_000, 8_000, 12_000, 16_000)),
    ("mp3", "libmp3lame", 16_000, (16_000, 24_000, 32_000)),
    ("amr", "libopencore_amrnb", 8_000, (4_750, 7_950, 12_200)),
    ("wav", "pcm_mulaw", 8_000, (64_000,)),
    ("wav", "pcm_alaw", 8_000, (64_000,)),
)
"""Container, PyAV's encoder, sampling rate in Hz and bit rates: calls, conferences, messengers."""


@dataclass(frozen=True)
class RecordingChanges:
    """Ranges and probabilities of the augmentation of a recording."""

    voice_probability: float = 0.8
    voice: float = 0.14
    """Largest change of pitch, formants and pace together: played faster or slower."""
    room_probability: float = 0.6
    reverberation_s: tuple[float, float] = (0.15, 0.8)
    """Time in which the room's sound decays by 60 dB."""
    direct_db: tuple[float, float] = (-3.0, 12.0)
    """Level of the direct sound above the reverberation."""
    codec_probability: float = 0.5


def play(samples: np.ndarray, factor: float) -> np.ndarray:
    """Resample to ``factor`` times the speed, pitch included: float (n,) to float (n / factor,)."""
    size = round(len(samples) / factor)
    spectrum = np.fft.rfft(samples)
    bins = size // 2 + 1
    fitted = np.zeros(bins, spectrum.dtype)
    fitted[: min(bins, len(spectrum))] = spectrum[:bins]
    return np.asarray(np.fft.irfft(fitted, size) * (size / max(1, len(samples))))


def impulse_response(
    rng: np.random.Generator, reverberation_s: float, direct_db: float
) -> np.ndarray:
    """A direct sound of 1 and, 2-20 ms later, noise that decays exponentially, high notes sooner.

    Polack's statistical model of the late reverberation; float (n,) at 16 kHz.
    """
    time = np.arange(round(reverberation_s * SAMPLE_RATE)) / SAMPLE_RATE
    decay = np.log(1000) / reverberation_s  # 60 dB in amplitude
    low, high = rng.standard_normal((2, len(time)))
    low = np.convolve(low, np.hanning(18) / 9, "same")  # below about 1.5 kHz
    tail = low * np.exp(-decay * time) + 0.5 * high * np.exp(-2 * decay * time)
    tail *= 10 ** (-direct_db / 20) / np.sqrt((tail**2).sum())
    late = round(rng.uniform(0.002, 0.02) * SAMPLE_RATE)
    return np.concatenate([[1.0], np.zeros(late), tail])


def in_room(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve float (n,) with an impulse response; its tail is kept."""
    n = len(samples) + len(response) - 1
    size = 1 << (n - 1).bit_length()  # a power of two is transformed fastest
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(spectrum, size)[:n])


def through_codec(
    samples: np.ndarray, container: str, encoder: str, rate: int, bit_rate: int
) -> np.ndarray:
    """int16 (n,) at 16 kHz encoded at ``rate`` Hz and ``bit_rate`` bit/s, decoded: int16 (m,)."""
    import av

    packed = io.BytesIO()
    with av.open(packed, "w", format=container) as out:
        # PyAV's types know this encoder's name for none of theirs
        stream = cast("av.AudioStream", out.add_stream(encoder, rate=rate))
        stream.layout, stream.bit_rate = "mono", bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        down = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=rate,
            frame_size=stream.codec_context.frame_size or 0,
        )  # fmt: skip
        for part in [*down.resample(frame), *down.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    packed.seek(0)
    with av.open(packed, "r") as read:
        up = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = [*read.decode(audio=0), None]
        parts = [p.to_ndarray().reshape(-1) for f in frames for p in up.resample(f)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def to_int16(samples: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """Float (n,) of any scale, its loudest sample at ``peak`` of full scale."""
    loudest = float(np.abs(samples).max(initial=0.0)) or 1.0
    return np.asarray(samples * (peak * 32_767 / loudest), dtype=np.int16)


def in_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Speech (n,) in noise of any length, repeated to fit, by mean power: float (n,)."""
    noise = np.resize(noise.astype(np.float64), len(speech))
    power = np.mean(speech.astype(np.float64) ** 2) / max(np.mean(noise**2), 1e-12)
    return np.asarray(speech + noise * np.sqrt(power * 10 ** (-snr_db / 10)))


def limited(samples: np.ndarray, peak: float = 32_767.0) -> np.ndarray:
    """Float (n,) as int16, scaled down where its loudest sample is above ``peak``."""
    loudest = float(np.abs(samples).max(initial=0.0))
    return np.asarray(samples / max(1.0, loudest / peak), dtype=np.int16)


def change_recording(
    samples: np.ndarray, rng: np.random.Generator, by: RecordingChanges
) -> np.ndarray:
    """int16 (n,) at 16 kHz in another voice, in a room, through a codec, each at random."""
    sound = samples.astype(np.float64)
    if rng.random() < by.voice_probability:
        sound = play(sound, float(np.exp(rng.uniform(-by.voice, by.voice))))
    if rng.random() < by.room_probability:
        response = impulse_response(
            rng, rng.uniform(*by.reverberation_s), rng.uniform(*by.direct_db)
        )
        sound = in_room(sound, response)[: len(sound) + SAMPLE_RATE // 4]
    changed = to_int16(sound)
    if rng.random() < by.codec_probability:
        container, encoder, rate, bit_rates = CODECS[int(rng.integers(len(CODECS)))]
        coded = through_codec(changed, container, encoder, rate, int(rng.choice(bit_rates)))
        changed = coded if len(coded) else changed
    return changed
