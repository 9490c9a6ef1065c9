import math
import os
import shutil
import struct
import threading
import unicodedata
import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from synthetic_media import clicks, onsets, pictures, steady, tone, write_media, write_wav

from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, Gap, Notice, VideoFrame
from mmer.realtime.pacing import captured_at
from mmer.realtime.sources.media import MediaFile


class Played:
    """Everything that a source gave, sorted by kind."""

    def __init__(self, path, **options):
        self.source = MediaFile(path, **options)
        self.source.open(ManualClock())
        self.messages = list(self.source.messages())
        self.source.close()
        self.blocks = [m for m in self.messages if isinstance(m, AudioBlock)]
        self.frames = [m for m in self.messages if isinstance(m, VideoFrame)]
        self.gaps = [m for m in self.messages if isinstance(m, Gap)]
        self.notices = [m for m in self.messages if isinstance(m, Notice)]

    @property
    def samples(self):
        return np.concatenate([b.samples for b in self.blocks])

    def assert_orderly(self):
        times = [captured_at(m) for m in self.messages]
        assert times == sorted(times)
        for block in self.blocks:
            assert block.samples.dtype == np.int16
            assert block.samples.ndim == 1
        for frame in self.frames:
            assert frame.image.dtype == np.uint8
            assert frame.image.flags.c_contiguous
            assert frame.image.ndim == 3


def refusal(path, **options):
    source = MediaFile(path, **options)
    with pytest.raises(MmerError) as caught:
        source.open(ManualClock())
    source.close()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "codec", "sample_format"),
    [
        ("8k_stereo.wav", 8_000, 2, "pcm_s16le", "s16"),
        ("96k_float.wav", 96_000, 1, "pcm_f32le", "flt"),
        ("24bit.wav", 48_000, 2, "pcm_s24le", "s32"),
        ("own.wav", 16_000, 1, "pcm_s16le", "s16"),
        ("44k.flac", 44_100, 1, "flac", "s16"),
        ("surround.mkv", 48_000, 6, "pcm_s16le", "s16"),
        ("44k.m4a", 44_100, 2, "aac", "fltp"),
        ("48k.mp3", 48_000, 2, "libmp3lame", "fltp"),
        ("48k.opus", 48_000, 1, "libopus", "flt"),
    ],
)
def test_any_sound_becomes_16_khz_mono_at_the_right_times(
    tmp_path, name, rate, channels, codec, sample_format
):
    at = [0.5, 1.0, 1.75]
    sound = clicks(2.01, rate, at, channels)
    path = write_media(tmp_path / name, sound, rate, sound_codec=codec, sound_format=sample_format)
    played = Played(path)
    played.assert_orderly()
    assert played.source.streams == {"audio"}
    assert played.source.duration_s == pytest.approx(2.01, abs=0.05)
    assert played.gaps == [Gap("video", 0.0, math.inf, "no picture in the source")]
    assert played.notices == []
    first = played.blocks[0].t0
    assert first == pytest.approx(0.0, abs=1e-6)
    # lossy codecs pad their last frame
    assert len(played.samples) == pytest.approx(2.01 * 16_000, abs=2 if "pcm" in codec else 1200)
    # the onset of a band-limited click rises up to half a millisecond before and after it
    assert onsets(played.samples) == pytest.approx(at, abs=0.0015)


def test_blocks_meet_exactly_and_the_last_partial_one_is_delivered(tmp_path):
    sound = tone(1.007, 44_100)
    path = write_media(
        tmp_path / "a.wav", sound, 44_100, sound_codec="pcm_s16le", sound_format="s16"
    )
    blocks = Played(path, block_s=0.02).blocks
    assert {len(b.samples) for b in blocks[:-1]} == {320}
    assert 0 < len(blocks[-1].samples) < 320
    assert all(a.t1 == b.t0 for a, b in pairwise(blocks))
    assert blocks[-1].t1 == pytest.approx(1.007, abs=1e-4)
    peak = np.abs(np.concatenate([b.samples for b in blocks]).astype(int)).max()
    assert peak == pytest.approx(0.5 * 32767, rel=0.02)


def test_sound_and_picture_share_one_timeline(tmp_path):
    frames = pictures(steady(3.0, 30), white=(1.5, 1.7))
    path = write_media(tmp_path / "av.mp4", clicks(3.0, 48_000, [1.5]), frames=frames)
    played = Played(path, video_fps=None)
    played.assert_orderly()
    assert played.source.streams == {"audio", "video"}
    assert played.gaps == []
    assert played.notices == []
    assert len(played.frames) == 90
    flash = next(f.t for f in played.frames if f.image.mean() > 200)
    assert flash == pytest.approx(1.5, abs=0.001)
    assert onsets(played.samples) == pytest.approx([1.5], abs=0.002)
    assert played.source.duration_s == pytest.approx(3.0, abs=0.05)


def test_later_sound_keeps_its_offset_and_the_wait_is_a_gap(tmp_path):
    frames = pictures(steady(3.0, 25), white=(2.0, 2.2))
    sound = clicks(2.0, 48_000, [1.0])
    path = write_media(tmp_path / "late.mkv", sound, sound_start=1.0, frames=frames)
    played = Played(path, video_fps=None)
    played.assert_orderly()
    gap = played.gaps[0]
    assert (gap.stream, gap.t0) == ("audio", 0.0)
    assert gap.t1 == played.blocks[0].t0 == pytest.approx(1.0, abs=0.03)
    flash = next(f.t for f in played.frames if f.image.mean() > 200)
    click = played.blocks[0].t0 + onsets(played.samples)[0]
    assert click - flash == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("wanted", ["audio", "video"])
def test_an_unwanted_stream_is_left_out_but_still_counts_for_second_0(tmp_path, wanted):
    frames = pictures(steady(2.0, 25))
    path = write_media(tmp_path / "b.mkv", tone(1.0, 48_000), sound_start=1.0, frames=frames)
    played = Played(path, wanted=frozenset({wanted}))
    assert played.source.streams == {wanted}
    if wanted == "audio":
        assert played.frames == []
        assert played.blocks[0].t0 == pytest.approx(1.0, abs=0.03)
    else:
        assert played.blocks == []
        assert played.frames[0].t == 0.0
    assert all(g.stream == wanted for g in played.gaps)


def test_a_timeline_that_starts_anywhere_is_moved_to_0(tmp_path):
    path = write_media(
        tmp_path / "ts.ts",
        clicks(1.0, 48_000, [0.5]),
        sound_codec="mp2",
        sound_format="s16",
        frames=pictures(steady(1.0, 25), white=(0.48, 0.7)),
        picture_codec="mpeg4",
    )
    played = Played(path, video_fps=None)  # transport streams begin at 1.4 s
    assert min(played.blocks[0].t0, played.frames[0].t) == pytest.approx(0.0, abs=1e-6)
    flash = next(f.t for f in played.frames if f.image.mean() > 200)
    click = played.blocks[0].t0 + onsets(played.samples)[0]
    assert click - flash == pytest.approx(0.02, abs=0.002)


def test_a_hole_in_the_sound_is_a_gap_and_the_timeline_jumps(tmp_path):
    path = write_media(
        tmp_path / "hole.mkv",
        clicks(3.0, 48_000, [0.5, 2.5]),
        sound_codec="pcm_s16le",
        sound_format="s16",
        holes=[(1.0, 1.5)],
    )
    played = Played(path)
    played.assert_orderly()
    hole = next(g for g in played.gaps if g.stream == "audio")
    assert (hole.t0, hole.t1) == pytest.approx((1.0, 1.5), abs=0.002)
    before = np.concatenate([b.samples for b in played.blocks if b.t1 <= hole.t0 + 1e-6])
    after = np.concatenate([b.samples for b in played.blocks if b.t0 >= hole.t1 - 1e-6])
    assert len(before) + len(after) == len(played.samples) == pytest.approx(2.5 * 16_000, abs=4)
    assert onsets(before) == pytest.approx([0.5], abs=0.0015)
    assert hole.t1 + onsets(after)[0] == pytest.approx(2.5, abs=0.0015)


@pytest.mark.parametrize(("given", "asked", "expected"), [(30, 20, 20), (25, 20, 20), (15, 20, 15)])
def test_pictures_are_thinned_to_what_is_asked(tmp_path, given, asked, expected):
    path = write_media(tmp_path / "v.mp4", frames=pictures(steady(3.0, given)))
    played = Played(path, video_fps=asked)
    assert len(played.frames) == pytest.approx(3 * expected, abs=1)
    assert played.gaps == [Gap("audio", 0.0, math.inf, "no sound in the source")]
    for second in range(3):
        inside = [f for f in played.frames if second <= f.t < second + 1]
        assert len(inside) == pytest.approx(expected, abs=1)


def test_variable_frame_rate_keeps_the_frames_own_times(tmp_path):
    times = [0.0, 0.03, 0.05, 0.4, 0.41, 0.42, 1.3, 1.35, 2.0]
    path = write_media(tmp_path / "vfr.mkv", frames=pictures(times))
    played = Played(path, video_fps=None)
    assert [f.t for f in played.frames] == pytest.approx(times, abs=0.001)
    thinned = [f.t for f in Played(path, video_fps=10).frames]
    # after a pause one frame comes on credit
    assert thinned == pytest.approx([0.0, 0.4, 0.41, 1.3, 1.35, 2.0], abs=0.001)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("odd.mkv", "ffv1", "bgr0"),
        ("odd.avi", "mjpeg", "yuvj420p"),
        ("odd.avi", "mpeg4", "yuv420p"),
    ],
)
def test_odd_sizes_come_whole_and_contiguous(tmp_path, name, codec, pixels):
    frames = pictures(steady(0.4, 25), size=(359, 241))
    path = write_media(tmp_path / name, frames=frames, picture_codec=codec, pixels=pixels)
    played = Played(path, video_fps=None)
    played.assert_orderly()
    assert {f.image.shape for f in played.frames} == {(241, 359, 3)}
    assert [f.t for f in played.frames] == pytest.approx(steady(0.4, 25), abs=0.001)
    assert np.abs(played.frames[0].image.astype(int) - frames[0][1]).mean() < 4


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV cannot write rotations"
)
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_phone_gives_upright_pictures(tmp_path, degrees):
    shown = np.full((48, 64, 3), 40, np.uint8)
    shown[:24, :32] = (250, 30, 30)  # blue in the upper left of what people should see
    # the display matrix turns counterclockwise, so what is stored is turned the other way
    stored = np.ascontiguousarray(np.rot90(shown, -degrees // 90))
    path = write_media(
        tmp_path / "r.mp4", frames=[(i / 25, stored) for i in range(5)], rotation=degrees
    )
    image = Played(path).frames[0].image
    assert image.shape == (48, 64, 3)
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - shown).mean() < 8


@pytest.mark.parametrize("name", ["dv.avi", "dvd.mp4", "hdv.mkv"])
@pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(8, 9), Fraction(4, 3)])
@pytest.mark.parametrize("rotation", [0, 90])
def test_pixels_that_are_not_square_are_shown_as_players_do(tmp_path, name, aspect, rotation):
    if rotation and name != "dvd.mp4":
        pytest.skip("kept by MP4 alone")
    if rotation and not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write rotations")
    rows, columns = np.mgrid[:240, :180]
    circle = ((columns - 90) * float(aspect)) ** 2 + (rows - 120) ** 2 < 70**2
    image = np.where(circle, 220, 30).astype(np.uint8)[..., None].repeat(3, axis=2)
    path = write_media(
        tmp_path / name,
        frames=[(t, image) for t in steady(0.4, 25)],
        picture_codec="mpeg4",
        pixel_aspect=aspect,
        rotation=rotation,
    )
    shown = Played(path).frames[0].image
    expected = (240, round(180 * aspect))
    assert shown.shape[:2] == (expected[::-1] if rotation else expected)
    assert shown.flags.c_contiguous
    height, width = np.ptp(np.argwhere(shown[..., 0] > 120), axis=0) + 1
    assert height == pytest.approx(width, abs=3)


def still(width, height):
    """A grey PNG of a few bytes, however large it is shown."""
    packer = zlib.compressobj()
    row = bytes(1 + width)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(name + data))
        content += struct.pack(">I", len(data)) + name + data + crc
    return content


def film(path, images, size):
    """PNG images as the frames of a .mov that declares ``size``, four a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("png", rate=4)
        (stream.width, stream.height), stream.pix_fmt = size, "gray"
        for i, image in enumerate(images):
            packet = av.Packet(image)
            packet.stream, packet.time_base = stream, Fraction(1, 4)
            packet.pts = packet.dts = i
            out.mux(packet)
    return path


TOO_LARGE = (8000, 5000)


@pytest.mark.parametrize("kind", ["png", "mov", "mov that declares less"])
def test_frames_that_are_too_large_are_refused_before_they_are_decoded(tmp_path, kind):
    path = tmp_path / f"bomb.{kind[:3]}"
    if kind == "png":
        path.write_bytes(still(*TOO_LARGE))
    else:
        film(path, [still(*TOO_LARGE)] * 2, (64, 48) if "less" in kind else TOO_LARGE)
    message = refusal(path)
    assert "more than 36 million pixels" in message
    assert "smaller frames" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mkv", "mpeg4", "yuv420p"),
        ("a.mkv", "ffv1", "bgr0"),
        ("a.webm", "libvpx", "yuv420p"),
    ],
)
def test_the_limit_of_a_frame_holds_for_every_codec(tmp_path, name, codec, pixels):
    path = write_media(
        tmp_path / name, frames=pictures(steady(0.4, 25)), picture_codec=codec, pixels=pixels
    )
    assert len(Played(path, video_fps=None).frames) == 10
    assert "more than 0.003071 million pixels" in refusal(path, largest_px=64 * 48 - 1)


def test_a_frame_that_is_too_large_among_others_is_left_out(tmp_path):
    images = [still(64, 48)] * 3
    path = film(tmp_path / "grows.mov", [*images, still(*TOO_LARGE), *images], (64, 48))
    played = Played(path)
    assert [f.t for f in played.frames] == pytest.approx([0.0, 0.25, 0.5, 1.0, 1.25, 1.5])
    (notice,) = played.notices
    assert "more than 36 million pixels" in notice.text
    assert notice.t == pytest.approx(0.5)


def test_sound_beside_frames_that_are_too_large_is_used(tmp_path):
    path = write_media(tmp_path / "b.mp4", tone(1.0, 48_000), frames=pictures(steady(1.0, 25)))
    played = Played(path, largest_px=64 * 48 - 1)
    assert played.source.streams == {"audio"}
    assert len(played.samples) == pytest.approx(16_000, abs=1200)
    (notice,) = played.notices
    assert "picture cannot be decoded (64x48 is more than 0.003071 million pixels)" in notice.text


@pytest.mark.parametrize("size", [(7680, 4320), (4320, 7680), (8192, 4320)])
def test_8k_video_is_decoded(tmp_path, size):
    path = film(tmp_path / "8k.mov", [still(*size)], size)
    assert [f.image.shape[1::-1] for f in Played(path).frames] == [size]


def test_square_pixels_make_no_frame_too_large(tmp_path):
    image = np.zeros((1200, 4000, 3), np.uint8)
    path = write_media(
        tmp_path / "wide.mkv",
        frames=[(0.0, image)],
        picture_codec="mpeg4",
        pixel_aspect=Fraction(8),
    )
    played = Played(path)
    assert played.frames == []
    (notice,) = played.notices
    assert "32000x1200 is more than 36 million pixels" in notice.text


def test_cover_art_is_no_picture(tmp_path):
    path = tmp_path / "song.mp4"
    sound = write_media(tmp_path / "s.m4a", tone(0.5, 48_000))
    with av.open(str(sound)) as source, av.open(str(path), "w") as song:
        copied = song.add_stream_from_template(source.streams[0])
        art = song.add_stream("mjpeg", rate=1)
        art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
        art.disposition = Disposition.attached_pic.value  # PyAV 17 takes no enum here
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copied
                song.mux(packet)
        cover = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
        song.mux([*art.encode(cover), *art.encode(None)])
    with av.open(str(path)) as song:
        assert len(song.streams.video) == 1
    played = Played(path)
    assert played.source.streams == {"audio"}
    assert played.gaps == [Gap("video", 0.0, math.inf, "no picture in the source")]


def test_a_stream_that_ends_early_says_so(tmp_path):
    path = write_media(tmp_path / "e.mp4", tone(1.0, 48_000), frames=pictures(steady(3.0, 25)))
    played = Played(path)
    played.assert_orderly()
    (gap,) = played.gaps
    assert gap.stream == "audio"
    assert gap.t0 == pytest.approx(1.0, abs=0.05)
    assert gap.t1 == math.inf
    assert played.notices == []


def test_the_same_file_gives_the_same_messages(tmp_path):
    path = write_media(
        tmp_path / "d.mp4", tone(1.0, 44_100), 44_100, frames=pictures(steady(1.0, 30))
    )

    def trace():
        return [
            (type(m).__name__, captured_at(m), getattr(m, "samples", getattr(m, "image", b"")))
            for m in Played(path).messages
        ]

    first, second = trace(), trace()
    assert len(first) == len(second)
    for (kind, t, data), (kind2, t2, data2) in zip(first, second, strict=True):
        assert (kind, t) == (kind2, t2)
        assert np.array_equal(data, data2)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    short = path.with_name("cut_" + path.name)
    short.write_bytes(data[: int(len(data) * share)])
    return short


def test_a_wav_cut_short_plays_as_far_as_it_goes(tmp_path):
    whole = write_media(tmp_path / "w.wav", tone(1.0, 16_000), 16_000, 0.0, "pcm_s16le", "s16")
    played = Played(cut(whole, 0.5))
    # FFmpeg 7 leaves out the last, broken packet of 1024 samples
    assert len(played.samples) == pytest.approx(8_000, abs=1_100)
    assert [n.level for n in played.notices] == ["warning"]
    assert Played(whole).notices == []


@pytest.mark.parametrize("name", ["t.mkv", "t.mp4", "t.avi"])
def test_a_file_cut_short_plays_as_far_as_it_goes(tmp_path, name):
    codec = ("mp2", "s16") if name == "t.avi" else ("aac", "fltp")
    whole = write_media(
        tmp_path / name,
        tone(4.0, 48_000),
        sound_codec=codec[0],
        sound_format=codec[1],
        frames=pictures(steady(4.0, 25)),
        picture_codec="mpeg4",
        options={"movflags": "faststart"} if name == "t.mp4" else None,
    )
    assert Played(whole).notices == []
    played = Played(cut(whole, 0.6))
    played.assert_orderly()
    assert 0.5 < played.blocks[-1].t1 < 3.9
    assert 0.5 < played.frames[-1].t < 3.9
    assert played.notices
    assert {(n.level, n.about) for n in played.notices} == {("warning", "source")}
    assert "cut_" + name in played.notices[0].text


@pytest.mark.parametrize("start_s", [0.0, 5.0, 3600.0])
@pytest.mark.parametrize("streams", ["both", "sound", "video", "later sound"])
@pytest.mark.parametrize(
    ("name", "options"), [("t.mkv", {}), ("t.mkv", {"live": "1"}), ("t.nut", {}), ("t.mov", {})]
)
def test_a_whole_file_that_begins_at_any_time_is_whole(tmp_path, name, options, streams, start_s):
    delay_s = 1.0 if streams == "later sound" else 0.0
    path = write_media(
        tmp_path / name,
        None if streams == "video" else tone(4.0, 48_000),
        sound_start=start_s + delay_s,
        sound_codec="pcm_s16le",
        sound_format="s16",
        frames=[] if streams == "sound" else pictures(start_s + t for t in steady(4.0, 25)),
        picture_codec="mpeg4",
        options=options,
    )
    played = Played(path)
    played.assert_orderly()
    assert played.notices == []
    if "live" not in options:  # which declares none: FFmpeg guesses it
        assert played.source.duration_s == pytest.approx(4.0 + delay_s, abs=0.1)
    if streams == "both":
        assert played.gaps == []


@pytest.mark.parametrize("start_s", [0.0, 5.0])
def test_a_matroska_file_cut_short_is_told_wherever_it_begins(tmp_path, start_s):
    whole = write_media(
        tmp_path / "t.mkv",
        tone(4.0, 48_000),
        sound_start=start_s,
        frames=pictures(start_s + t for t in steady(4.0, 25)),
        picture_codec="mpeg4",
    )
    (notice,) = Played(cut(whole, 0.6)).notices[-1:]
    assert "cut short" in notice.text or "cannot be decoded here" in notice.text


def test_damage_in_the_middle_is_passed_over(tmp_path):
    frames = pictures(steady(4.0, 25))
    path = write_media(tmp_path / "x.mp4", tone(4.0, 48_000), frames=frames, picture_codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 4000] = bytes(range(250)) * 16
    path.write_bytes(data)
    played = Played(path)
    played.assert_orderly()
    assert played.notices
    assert played.frames[-1].t > 3.5
    assert played.blocks[-1].t1 > 3.5


@pytest.mark.parametrize("declared", [0, 0x7FFFF000, 0x7FFFF024, 0x80000000, 0xFFFFFFDB])
def test_a_wav_whose_writer_could_not_know_its_length_is_whole(tmp_path, declared):
    sound = np.int16(32767 * tone(3.0, 16_000))
    played = Played(write_wav(tmp_path / "piped.wav", sound, data=declared))
    assert len(played.samples) == 48_000
    assert played.notices == []


def test_a_wav_whose_recorder_died_is_read_beyond_its_header(tmp_path):
    sound = np.int16(32767 * tone(3.0, 16_000))
    played = Played(write_wav(tmp_path / "died.wav", sound, data=48_000))
    assert len(played.samples) == 48_000
    assert played.notices == []


@pytest.mark.parametrize("tag", [b"LIST" + bytes([16, 0, 0, 0]) + bytes(16), b"TAG" + bytes(125)])
def test_tags_after_the_sound_of_a_wav_are_no_sound(tmp_path, tag):
    sound = np.int16(32767 * tone(1.0, 16_000))
    path = write_wav(tmp_path / "tagged.wav", sound)
    path.write_bytes(path.read_bytes() + tag)
    assert len(Played(path).samples) == 16_000


@pytest.mark.parametrize("channels", [9, 32, 64, 255])
def test_any_number_of_channels_is_mixed(tmp_path, channels):
    sound = np.int16(20_000 * 2 * np.repeat(tone(1.0, 16_000), channels, axis=0))
    played = Played(write_wav(tmp_path / "many.wav", sound))
    assert np.abs(played.samples).max() == pytest.approx(20_000, rel=0.02)
    sound[1:] = 0  # a recorder of many tracks with one microphone: as loud as it was
    played = Played(write_wav(tmp_path / "one.wav", sound))
    assert np.abs(played.samples).max() == pytest.approx(20_000, rel=0.02)
    assert played.notices == []


@pytest.mark.parametrize("channels", [2, 6, 32])
def test_channels_that_cancel_each_other_are_noticed_and_one_is_used(tmp_path, channels):
    sound = np.int16(20_000 * 2 * np.repeat(tone(2.0, 16_000), channels, axis=0))
    sound[:, :8_000] //= 1000  # quiet at first: nothing to be noticed
    sound[1::2] = -sound[1::2]
    played = Played(write_wav(tmp_path / "swapped.wav", sound))
    played.assert_orderly()
    assert np.abs(played.samples[12_000:]).max() == pytest.approx(20_000, rel=0.02)
    (notice,) = played.notices
    assert "cancel each other: channel 1 is used" in notice.text
    assert 0.5 < notice.t < 0.8


@pytest.mark.parametrize("second", ["another sound", "silence", "the same"])
def test_channels_that_differ_are_mixed_without_a_notice(tmp_path, second):
    first = tone(2.0, 16_000)
    other = {"another sound": tone(2.0, 16_000, 700), "silence": 0 * first, "the same": first}
    sound = np.int16(32767 * np.concatenate([first, other[second]]))
    played = Played(write_wav(tmp_path / "stereo.wav", sound))
    assert played.notices == []
    assert np.abs(played.samples).max() >= 8_000


@pytest.mark.parametrize("suffix", ["ul", "al", "sw", "sb", "ub", "sln", "gsm", "g722", "G729"])
def test_sound_without_a_header_is_refused_not_guessed(tmp_path, suffix):
    path = tmp_path / f"call.{suffix}"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 24_000).astype(np.uint8).tobytes())
    message = refusal(path)
    assert "no header" in message
    assert "ffmpeg -f" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("rate", [1, 999, 1_073_789_824])
def test_sound_of_a_rate_that_none_has_is_refused(tmp_path, rate):
    path = write_wav(tmp_path / "odd.wav", np.zeros((1, 16_000), np.int16), rate=16_000)
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)
    assert f"it holds: audio at {rate} Hz" in refusal(path)


def test_a_files_uri_is_its_path(tmp_path):
    path = write_media(tmp_path / "a b#1.mp4", tone(0.5, 48_000))
    for uri in (path.as_uri(), path.as_uri().replace("file:", "FILE:"), f"file:{path}"):
        played = Played(uri)
        assert played.source.name == "a b#1.mp4"
        assert len(played.blocks) > 20
    assert "no such file: " in refusal((tmp_path / "not here.mp4").as_uri())


@pytest.mark.parametrize(("disk", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_name_in_another_unicode_normalization_is_found(tmp_path, disk, typed):
    name = "Gespräch.wav"
    write_wav(tmp_path / unicodedata.normalize(disk, name), np.zeros((1, 1600), np.int16))
    assert len(Played(tmp_path / unicodedata.normalize(typed, name)).samples) == 1600


def test_an_address_in_capitals_is_one(tmp_path):
    assert "Protocol not found" not in refusal("HTTP://127.0.0.1:9/a.mp4")


def test_what_is_no_media_file_is_refused_in_words(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("I am not a video.\n" * 100)
    assert "text file" in refusal(text)
    plain = tmp_path / "notes.txt"
    plain.write_text("I am not a video either.\n" * 100)
    assert "neither sound nor picture" in refusal(plain)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty (0 bytes)" in refusal(empty)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    assert "no media file" in refusal(noise)
    assert "no such file" in refusal(tmp_path / "nothing.mp4")
    assert "is a directory" in refusal(tmp_path)
    assert "no such file" in refusal("a\0b.mp4")


def test_a_recording_without_its_index_is_refused(tmp_path):
    path = write_media(tmp_path / "m.mp4", tone(1.0, 48_000), frames=pictures(steady(1.0, 25)))
    assert "cut short" in refusal(cut(path, 0.5))


def test_subtitles_alone_are_refused(tmp_path):
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n")
    assert "neither sound nor picture" in refusal(path)
    assert "subtitle" in refusal(path)


def test_asking_for_what_is_not_there_is_refused(tmp_path):
    path = write_media(tmp_path / "s.wav", tone(0.2, 16_000), 16_000, 0.0, "pcm_s16le", "s16")
    assert "no picture" in refusal(path, wanted=frozenset({"video"}))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = write_media(tmp_path / "s.wav", tone(0.2, 16_000), 16_000, 0.0, "pcm_s16le", "s16")
    path.chmod(0)
    assert "may not be read" in refusal(path)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.mp4", "nonsense://x"])
def test_an_address_that_does_not_answer_is_refused(address):
    message = refusal(address)
    assert address in message
    assert "cannot open" in message


def test_a_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    write_media(tmp_path / "s.wav", tone(0.2, 16_000), 16_000, 0.0, "pcm_s16le", "s16")
    shutil.move(tmp_path / "s.wav", tmp_path / "http:clip.wav")
    monkeypatch.chdir(tmp_path)
    assert len(Played("http:clip.wav").samples) == 3200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_once_in_order(tmp_path):
    frames = pictures(steady(2.0, 25), white=(1.0, 1.2))
    path = write_media(tmp_path / "p.mkv", clicks(2.0, 48_000, [1.0]), frames=frames)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True)
    writer.start()
    played = Played(pipe, video_fps=None)
    writer.join(5)
    played.assert_orderly()
    whole = Played(path, video_fps=None)
    assert [f.t for f in played.frames] == [f.t for f in whole.frames]
    assert np.array_equal(played.samples, whole.samples)


def test_stop_ends_it_and_close_is_harmless(tmp_path):
    path = write_media(tmp_path / "q.mp4", tone(5.0, 48_000), frames=pictures(steady(5.0, 25)))
    source = MediaFile(path)
    source.close()  # never opened
    source = MediaFile(path)
    source.open(ManualClock())
    got = 0
    for _ in source.messages():
        got += 1
        if got == 10:
            source.stop()
            source.stop()
    assert got == 10
    source.close()
    source.close()


@pytest.mark.data
def test_every_real_clip_plays_to_its_end():
    root = os.environ.get("MMER_DATA")
    if not root:
        pytest.skip("MMER_DATA is not set")
    clips = sorted((Path(root) / "video").rglob("*.mp4"))
    assert clips, f"no clips in {root}/video"
    for clip in clips:
        played = Played(clip, video_fps=5)
        played.assert_orderly()
        assert played.notices == [], clip
        ends = [b.t1 for b in played.blocks[-1:]] + [f.t for f in played.frames[-1:]]
        assert max(ends) == pytest.approx(played.source.duration_s, abs=0.25), clip
        assert all(g.t0 == 0.0 and g.t1 == math.inf for g in played.gaps), clip
