"""Mixing to mono: no channel is lost, whatever the file says or does not say of their places."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_media import tone

from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, Notice
from mmer.realtime.sources.media import MediaFile

RATE = 16_000
LAYOUT_5_1 = 0x3F
_GUID = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"


def played(path: Path) -> tuple[np.ndarray, list[str]]:
    """Samples of the sound, and the texts of the notices."""
    source = MediaFile(path)
    source.open(ManualClock())
    messages = list(source.messages())
    source.close()
    sound = [m.samples for m in messages if isinstance(m, AudioBlock)]
    return np.concatenate(sound), [m.text for m in messages if isinstance(m, Notice)]


def wav(path: Path, sound: np.ndarray, mask: int | None = None) -> Path:
    """A WAV of int16, float32 or float64 ``sound`` (channels, n); ``mask`` makes it extensible."""
    n, width = len(sound), sound.dtype.itemsize
    code = 1 if sound.dtype.kind == "i" else 3
    head = struct.pack(
        "<HHIIHH",
        code if mask is None else 0xFFFE,
        *(n, RATE, RATE * n * width, n * width, 8 * width),
    )
    if mask is not None:
        head += struct.pack("<HHIH", 22, 8 * width, mask, code) + _GUID
    data = np.ascontiguousarray(sound.T).tobytes()
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head
    body += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def peak(samples: np.ndarray) -> int:
    return int(np.abs(samples.astype(int)).max())


@pytest.mark.parametrize("mask", [None, 0])
@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
def test_one_voice_among_tracks_is_as_loud_wherever_it_is(tmp_path, channels, mask):
    voice = np.int16(20_000 * 2 * tone(0.5, RATE)[0])
    for place in range(channels):
        sound = np.zeros((channels, len(voice)), np.int16)
        sound[place] = voice
        samples, notices = played(wav(tmp_path / "tracks.wav", sound, mask))
        assert peak(samples) == pytest.approx(20_000, rel=0.02), place
        assert notices == []


def test_surround_sound_that_says_so_is_mixed_as_ffmpeg_does(tmp_path):
    voice = np.int16(20_000 * 2 * tone(0.5, RATE)[0])
    weights = []
    for place in range(6):
        sound = np.zeros((6, len(voice)), np.int16)
        sound[place] = voice
        samples, notices = played(wav(tmp_path / "5.1.wav", sound, LAYOUT_5_1))
        weights.append(peak(samples) / 20_000)
        assert notices == []
    assert weights == pytest.approx([0.207, 0.207, 0.293, 0.0, 0.146, 0.146], abs=0.01)


def test_cancelling_is_looked_for_in_the_mix_that_is_made(tmp_path):
    voice = 10_000 * 2 * tone(2.0, RATE)
    alternating = np.int16(voice * np.array([[1], [-1], [1], [-1], [1], [-1]]))  # its mean is 0
    samples, notices = played(wav(tmp_path / "a.wav", alternating, LAYOUT_5_1))
    assert notices == []
    assert peak(samples) == pytest.approx(2_930, rel=0.03)
    centre = np.int16(voice * np.array([[1], [1], [-(2**0.5)], [1], [0], [0]]))  # its mean is not
    samples, notices = played(wav(tmp_path / "b.wav", centre, LAYOUT_5_1))
    (notice,) = notices
    assert "cancel each other: channel 3 is used" in notice
    assert peak(samples[RATE:]) == pytest.approx(14_142, rel=0.02)


@pytest.mark.parametrize("share", [0.99, 0.95, 0.8, 0.6, 0.5])
def test_channels_that_cancel_each_other_in_part_are_noticed(tmp_path, share):
    voice = 20_000 * 2 * tone(3.0, RATE)
    for sound in ([[1], [-share]], [[-share], [1]]):
        samples, notices = played(wav(tmp_path / "s.wav", np.int16(voice * np.array(sound))))
        (notice,) = notices
        assert f"channel {sound.index([1]) + 1} is used" in notice
        assert peak(samples[2 * RATE :]) == pytest.approx(20_000, rel=0.02)


def test_the_one_channel_that_is_used_is_given_up_once_it_alone_is_silent(tmp_path):
    """As where a device with its microphone in the other channel takes a lost one's place."""
    voice, pause = 20_000 * 2 * tone(3.0, RATE), np.zeros((2, 3 * RATE))
    cancelling, other = voice * np.array([[-0.9], [1]]), voice * np.array([[1], [0]])
    sound = np.concatenate([cancelling, pause, cancelling, other, cancelling], axis=1)
    samples, notices = played(wav(tmp_path / "two.wav", np.int16(sound)))
    assert [n.split("; ")[0].split(": ", 1)[1] for n in notices] == [
        "the channels of its sound cancel each other: channel 2 is used",
        "channel 2 of its sound is silent: all are used again",
        "the channels of its sound cancel each other: channel 2 is used",
    ]
    parts = [samples[k * RATE : (k + 1) * RATE] for k in (2, 7, 11, 14)]
    assert [peak(p) for p in parts] == pytest.approx([20_000] * 4, rel=0.02)


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("place", [0, 1])
def test_a_microphone_in_one_channel_of_two_is_as_loud_as_in_mono(tmp_path, place, noise):
    voice = 20_000 * 2 * tone(2.0, RATE)[0]
    sound = np.random.default_rng(0).normal(0, noise, (2, 6 * RATE))  # of the empty input, -80 dBFS
    sound[place, : 4 * RATE] += np.tile(voice, 2)
    sound[1 - place, 4 * RATE :] += voice  # and now there is one
    samples, notices = played(wav(tmp_path / "one.wav", np.int16(sound)))
    assert notices == []
    assert len(samples) == 6 * RATE
    parts = [samples[k * RATE : (k + 1) * RATE] for k in (0, 2, 5)]
    assert [peak(p) for p in parts] == pytest.approx([20_000, 20_000, 10_000], rel=0.02)


def test_two_channels_with_sound_are_mixed_from_the_first_frame_on(tmp_path):
    voice = 10_000 * 2 * tone(1.0, RATE)
    for share in (1.0, 0.1, 0.003):  # the last 50 dB below the other, and still heard
        sound = np.int16(voice * np.array([[1], [share]]))
        samples, notices = played(wav(tmp_path / "stereo.wav", sound))
        assert notices == []
        assert peak(samples) == pytest.approx(10_000 * (1 + share) / 2, rel=0.02), share


@pytest.mark.parametrize("delay_s", [0.0003, 0.001, 0.003])
def test_two_microphones_in_one_room_are_mixed(tmp_path, delay_s):
    hum = np.random.default_rng(0).normal(0, 1, 4 * RATE)
    spectrum = np.fft.rfft(hum)
    hz = np.fft.rfftfreq(len(hum), 1 / RATE)
    spectrum[(hz < 100) | (hz > 3000)] = 0.0  # as wide as speech
    voice = np.fft.irfft(spectrum)
    voice *= 8_000 / np.abs(voice).max()
    sound = np.int16(np.stack([voice, np.roll(voice, round(delay_s * RATE))]))
    assert played(wav(tmp_path / "room.wav", sound))[1] == []


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("channels", "mask"), [(1, None), (2, None), (6, None), (8, 0x63F)])
def test_samples_that_are_no_numbers_are_silence_and_reported_once(
    tmp_path, channels, mask, bad, kind
):
    sound = np.tile(0.1 * tone(1.0, RATE), (channels, 1)).astype(kind)
    whole, notices = played(wav(tmp_path / "whole.wav", sound, mask))
    assert notices == []
    sound[:, 4_000:4_100] = bad
    sound[0, 12_000] = bad
    samples, notices = played(wav(tmp_path / "holes.wav", sound, mask))
    (notice,) = notices
    assert "NaN or infinite" in notice
    assert len(samples) == len(whole)
    assert not samples[4_000:4_100].any()
    intact = np.ones(len(whole), bool)
    intact[4_000:4_100] = intact[12_000] = False
    assert np.abs(samples.astype(int) - whole)[intact].max() <= 1


@pytest.mark.parametrize("channels", [1, 2])
def test_floats_beyond_all_measure_are_no_error(tmp_path, channels):
    sound = np.tile(1e30 * tone(0.5, RATE), (channels, 1)).astype(np.float32)
    samples, notices = played(wav(tmp_path / "huge.wav", sound))
    assert notices == []
    assert peak(samples) == pytest.approx(32_768, abs=1_000)
    samples, (notice,) = played(wav(tmp_path / "huger.wav", 1e270 * sound.astype(np.float64)))
    assert "NaN or infinite" in notice
    assert not samples.any()


@pytest.mark.parametrize("layout", ["5.1", "7.1", "7.1(wide)"])
def test_surround_sound_of_planes_is_decoded(tmp_path, layout):
    path = tmp_path / "surround.mkv"
    n = av.AudioLayout(layout).nb_channels
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=48_000, layout=layout)
        pack = av.AudioResampler(format="fltp", layout=layout, rate=48_000)
        wave = tone(1.0, 48_000, channels=n)
        for at in range(0, wave.shape[1], 960):
            piece = np.ascontiguousarray(wave[:, at : at + 960].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
            for packed in pack.resample(frame):
                out.mux(stream.encode(packed))
        out.mux(stream.encode(None))
    samples, notices = played(path)
    assert notices == []
    assert len(samples) == pytest.approx(RATE, abs=1200)
    assert peak(samples) > 8_000
