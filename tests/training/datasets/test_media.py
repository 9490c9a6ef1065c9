import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock
from mmer.realtime.sources.media import MediaFile
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


def live_sound(path: Path, seconds: float) -> np.ndarray:
    """What the live path makes of a file's sound, on its timeline."""
    source = MediaFile(path)
    source.open(ManualClock())
    sound = np.zeros(round(seconds * 16_000), np.int16)
    for message in source.messages():
        if isinstance(message, AudioBlock):
            at = round(message.t0 * 16_000)
            sound[at : at + len(message.samples)] = message.samples[: len(sound) - at]
    source.close()
    return sound


def matroska(path: Path, late_s: float = 0.0, hole: tuple[float, float] = (0.0, 0.0)) -> Path:
    """Three seconds of video with two tracks of sound: 440 Hz, and 880 Hz, the default one."""
    with av.open(str(path), "w", format="matroska") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [out.add_stream("pcm_s16le", rate=16_000, layout="stereo") for _ in range(2)]
        tracks[0].disposition = 0
        tracks[1].disposition = Disposition.default.value
        for n in range(30):
            image = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "bgr24")
            image.pts, image.time_base = n, Fraction(1, 10)
            out.mux(video.encode(image))
            if n / 10 < late_s or hole[0] <= n / 10 < hole[1]:
                continue
            t = (np.arange(1600) + 1600 * n) / 16_000
            for track, hz in zip(tracks, (440, 880), strict=True):
                tone = (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)
                sound = av.AudioFrame.from_ndarray(tone.repeat(2)[None], "s16", "stereo")
                sound.sample_rate, sound.time_base, sound.pts = (
                    16_000,
                    Fraction(1, 16_000),
                    1600 * n,
                )
                out.mux(track.encode(sound))
        for stream in (video, *tracks):
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "how", [{}, {"late_s": 1.0}, {"hole": (1.0, 1.5)}], ids=["whole", "late", "hole"]
)
def test_training_cuts_the_live_track_by_the_files_own_timeline(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    path = matroska(tmp_path / "two tracks.mkv", **how)
    live = live_sound(path, 3.0)
    assert pitch(live[32_000:]) == pytest.approx(880, abs=2)  # the default track, not the first
    whole = decode(path)
    assert np.array_equal(whole, live[: len(whole)])
    assert len(whole) == pytest.approx(48_000, abs=16)
    for start_s, end_s in ((0.5, 1.25), (1.4, 2.0), (2.0, 2.5)):
        part = decode(path, start_s, end_s)
        assert np.array_equal(part, live[round(start_s * 16_000) : round(end_s * 16_000)])


@pytest.mark.parametrize("channels", [3, 6, 32])
def test_many_channels_are_mixed_in_training_as_live(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "tracks.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.full(channels * 16_000, 5000, "<i2").tobytes())
    assert np.array_equal(decode(path), live_sound(path, 1.0))
    assert decode(path)[8000] == pytest.approx(5000, abs=50)


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
