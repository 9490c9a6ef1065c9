import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.training.datasets.media import decode, sound_files, trim

Write = Callable[..., Path]


def tone(path: Path, rate: int = 44_100) -> Path:
    """A second of 440 Hz, then a second of 880 Hz, in stereo."""
    t = np.arange(rate) / rate
    samples = np.concatenate([8000 * np.sin(2 * np.pi * hz * t) for hz in (440, 880)]).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.stack([samples, samples], axis=1).tobytes())
    return path


def pitch(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples))


def test_a_recording_becomes_16_khz_mono(tmp_path: Path) -> None:
    samples = decode(tone(tmp_path / "a.wav"))
    assert samples.dtype == np.int16
    assert len(samples) == pytest.approx(32_000, abs=40)
    assert pitch(samples[:16_000]) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("start_s", "end_s", "n", "hz"),
    [(None, 0.9, 14_400, 440), (1.1, None, 14_400, 880), (1.25, 1.75, 8000, 880), (5, 6, 0, 0)],
)
def test_a_part_of_a_recording(
    start_s: float | None, end_s: float | None, n: int, hz: float, tmp_path: Path
) -> None:
    samples = decode(tone(tmp_path / "a.wav"), start_s, end_s)
    assert len(samples) == pytest.approx(n, abs=40)
    if n:
        assert pitch(samples) == pytest.approx(hz, abs=3)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("flac", "flac"), ("opus", "libopus"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("mkv", "aac")],
)
def test_what_pyav_reads_is_decoded(suffix: str, codec: str, tmp_path: Path) -> None:
    source, path = tone(tmp_path / "a.wav", 48_000), tmp_path / f"A.{suffix.upper()}"
    with av.open(str(source)) as read, av.open(str(path), "w", format=_FORMATS[suffix]) as out:
        stream = out.add_stream(codec, rate=48_000)
        for frame in read.decode(audio=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert pitch(decode(path, 0.2, 0.8)) == pytest.approx(440, abs=3)


_FORMATS = {"flac": "flac", "opus": "opus", "mp3": "mp3", "m4a": "ipod", "mkv": "matroska"}


@pytest.mark.parametrize("content", [b"", b"not a sound", None])
def test_an_unreadable_recording_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.opus"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MmerError, match=r"cannot read .*a\.opus"):
        decode(path)


def test_silence_is_cut_off_both_ends() -> None:
    sound = (8000 * np.sin(np.arange(8000) * 0.2)).astype(np.int16)
    still = np.zeros(16_000, np.int16)
    trimmed = trim(np.concatenate([still, sound, still]))
    assert len(trimmed) == pytest.approx(8000 + 2 * 0.15 * 16_000, abs=640)
    assert len(trim(sound)) == len(sound)
    for odd in (np.zeros(0, np.int16), np.zeros(5000, np.int16), sound[:100]):
        assert len(trim(odd)) == len(odd)


def test_recordings_without_emotion_are_found(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no recordings below .* esc10"):
        sound_files(tmp_path, "esc10")
    rain = write("002 - Rain/1-1-A.ogg")
    write("ATTRIBUTION.tsv", "x")
    assert sound_files(tmp_path, "esc10") == [rain]
