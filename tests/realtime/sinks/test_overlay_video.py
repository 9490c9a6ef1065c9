from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from synthetic_media import write_wav

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.sinks.drawing import annotate
from mmer.realtime.sinks.overlay_audio import SourceSound
from mmer.realtime.sinks.overlay_video import OverlayVideo
from mmer.realtime.sinks.state import OverlayState

RATE = 16_000


def make_source(
    path: Path,
    seconds: float,
    picture: bool,
    sound: bool,
    sound_from: float = 0.0,
    hole: tuple[float, float] = (0.0, 0.0),
) -> None:
    """A clip whose sound is a 440 Hz tone; in Matroska, which keeps the offset of streams."""
    with av.open(str(path), "w", format="matroska") as out:
        video = out.add_stream("mpeg4", rate=10) if picture else None
        audio = out.add_stream("pcm_s16le", rate=RATE, layout="mono") if sound else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
            for n in range(round(seconds * 10)):
                image = av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), "bgr24")
                image.pts, image.time_base = n, Fraction(1, 10)
                out.mux(video.encode(image))
            out.mux(video.encode(None))
        if audio is not None:
            n = round((seconds - sound_from) * RATE)
            tone = (8000 * np.sin(np.arange(n) * 2 * np.pi * 440 / RATE)).astype(np.int16)
            for start in range(0, n, 1600):
                if hole[0] <= start / RATE < hole[1]:
                    continue
                block = av.AudioFrame.from_ndarray(tone[None, start : start + 1600], "s16", "mono")
                block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
                block.pts = round(sound_from * RATE) + start
                out.mux(audio.encode(block))
            out.mux(audio.encode(None))


def record(
    make: SimpleNamespace,
    out: Path,
    source: Path,
    events: list[Message],
    end: float,
    streams: tuple[str, ...] = ("audio", "video"),
) -> None:
    sink = OverlayVideo(out, source)
    sink.open(make.info(streams=frozenset(streams)))
    for event in events:
        sink.write(event, None)
    sink.close(SessionEnd(end, 0, 0, {}))


def pictures(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with av.open(str(path)) as clip:
        frames = list(clip.decode(video=0))
    return [float(f.time) for f in frames], [f.to_ndarray(format="bgr24") for f in frames]


def sound_of(path: Path) -> tuple[np.ndarray, float]:
    """The samples at 48 kHz, laid out from second 0 by their times."""
    with av.open(str(path)) as clip:
        frames = list(clip.decode(audio=0))
    start = round(float(frames[0].time) * 48_000)
    samples = np.concatenate([f.to_ndarray()[0] for f in frames])
    return np.concatenate((np.zeros(start), samples)), len(samples) / 48_000


def test_frames_keep_their_times_and_the_sound_comes_along(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 2.0, picture=True, sound=True)
    times = [0.0, 0.1, 0.233, 0.5, 0.9, 1.0, 1.4, 1.95]  # the rate varies
    record(make, out, source, [make.frame(t) for t in times], 2.0)
    got, images = pictures(out)
    assert got == pytest.approx(times, abs=0.001)
    assert images[0].shape == (120, 160, 3)
    samples, seconds = sound_of(out)
    assert seconds == pytest.approx(2.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[:48_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=1)
    assert set(os.listdir(tmp_path)) == {"in.mkv", "out.mp4"}


def test_sound_that_starts_later_stays_later(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 2.0, picture=True, sound=True, sound_from=0.5)
    record(make, out, source, [make.frame(n / 10) for n in range(20)], 2.0)
    samples, _ = sound_of(out)
    loud = np.nonzero(np.abs(samples) > 0.05)[0]
    assert loud[0] / 48_000 == pytest.approx(0.5, abs=0.03)


def test_a_hole_in_the_sound_is_silence(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 2.0, picture=True, sound=True, hole=(0.5, 1.0))
    record(make, out, source, [make.frame(n / 10) for n in range(20)], 2.0)
    samples, seconds = sound_of(out)
    loudness = [np.abs(samples[int(t * 48_000) :][:4800]).max() for t in (0.3, 0.7, 1.2)]
    assert seconds == pytest.approx(2.0, abs=0.05)
    assert loudness[0] > 0.1
    assert loudness[1] < 0.02
    assert loudness[2] > 0.1


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (3, 1), (6, 1), (9, 1), (64, 1)])
def test_sound_of_any_number_of_channels(tmp_path: Path, channels: int, kept: int) -> None:
    path = write_wav(tmp_path / "in.wav", np.full((channels, RATE), 8_000, np.int16))
    source = SourceSound(str(path))
    sound = np.concatenate([samples for _, samples in source.pieces()], axis=1)
    source.close()
    assert source.channels == kept
    assert sound.shape == (kept, 48_000)
    assert sound.max() > 0.2


def test_a_source_without_sound(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=False)
    record(make, out, source, [make.frame(n / 10) for n in range(10)], 1.0, ("video",))
    with av.open(str(out)) as clip:
        assert not clip.streams.audio
    assert len(pictures(out)[0]) == 10


def test_a_source_without_picture(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 2.0, picture=False, sound=True)
    events = [make.estimate(n * 0.25, "joy" if n < 5 else "anger") for n in range(1, 9)]
    record(make, out, source, events, 2.0, ("audio",))
    times, images = pictures(out)
    assert times == pytest.approx([n / 10 for n in range(20)], abs=0.001)
    assert sound_of(out)[1] == pytest.approx(2.0, abs=0.05)
    assert np.abs(images[0].astype(int) - images[-1]).max() > 50  # the label has changed


def test_a_frame_shows_what_was_known_at_its_time(make: SimpleNamespace, tmp_path: Path) -> None:
    """The face of a frame comes after it and is on it; the label decided later is not."""
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=False)
    events = [make.frame(0.0, 640, 480), make.face(0.0), make.estimate(0.05, "sadness")]
    events += [make.frame(0.1, 640, 480), make.frame(0.2, 640, 480)]
    record(make, out, source, events, 1.0, ("video",))
    _, (first, second, _) = pictures(out)
    bars = (slice(0, 250), slice(0, 250))
    assert np.abs(first[bars].astype(int) - second[bars]).max() > 100
    state = OverlayState()
    state.update(make.frame(0.0), None)
    state.update(make.face(0.0), None)
    expected = annotate(make.frame(0.0, 640, 480).image, state)
    assert np.abs(first.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(("width", "height"), [(161, 121), (160, 121), (320, 240)])
def test_odd_sizes_become_even(
    make: SimpleNamespace, tmp_path: Path, width: int, height: int
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=False)
    record(make, out, source, [make.frame(n / 10, width, height) for n in range(3)], 1.0)
    _, images = pictures(out)
    assert images[0].shape == (height + height % 2, width + width % 2, 3)
    assert images[0][-4:, -4:].mean() > 20  # repeated, not black


def test_frames_of_another_size_and_of_equal_times(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=False)
    frames = [make.frame(0.0), make.frame(0.1, 320, 200), make.frame(0.1), make.frame(0.2, 50, 90)]
    record(make, out, source, frames, 1.0)
    times, images = pictures(out)
    assert len(times) == 4
    assert times == sorted(times)
    assert {image.shape for image in images} == {(120, 160, 3)}


def test_pictures_that_were_promised_but_never_came(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=False, sound=True)
    record(make, out, source, [make.estimate(0.5)], 1.0)
    assert len(pictures(out)[0]) == 1
    assert sound_of(out)[1] == pytest.approx(1.0, abs=0.05)


def test_an_end_before_the_sounds_ends_it_as_well(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 3.0, picture=True, sound=True)
    record(make, out, source, [make.frame(n / 10) for n in range(10)], 1.0)
    assert sound_of(out)[1] == pytest.approx(1.0, abs=0.05)


def test_an_error_leaves_nothing(make: SimpleNamespace, tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=True)
    out.write_bytes(b"an older video")
    sink = OverlayVideo(out, source)
    sink.open(make.info())
    for n in range(5):
        sink.write(make.frame(n / 10), None)
    assert len(os.listdir(tmp_path)) == 3  # the hidden file
    sink.close(None)
    assert set(os.listdir(tmp_path)) == {"in.mkv", "out.mp4"}
    assert out.read_bytes() == b"an older video"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_an_error_while_drawing_leaves_nothing(
    make: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_source(source, 1.0, picture=True, sound=True)
    sink = OverlayVideo(out, source)
    sink.open(make.info())
    sink.write(make.frame(0.0), None)
    sink.write(make.frame(0.1), None)

    def fail(*_: object) -> None:
        raise error(28, "No space left on device")

    monkeypatch.setattr("mmer.realtime.sinks.overlay_video.annotate", fail)
    with pytest.raises(MmerError if error is OSError else error, match="No space left"):
        sink.write(make.frame(0.2), None)
    assert os.listdir(tmp_path) == ["in.mkv"]
    sink.close(make.end)  # harmless
    assert os.listdir(tmp_path) == ["in.mkv"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none/out.mp4", "there is no folder"),
        ("out.avi", "must end in .mp4"),
        ("folder.mp4", "is a folder"),
        ("in.mp4", "the input itself"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "in.mp4").write_bytes(b"precious")
    with pytest.raises(MmerError, match=says):
        OverlayVideo(tmp_path / name, tmp_path / "in.mp4")
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_cannot_be_read_a_second_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MmerError, match="give a file"):
        OverlayVideo(tmp_path / "out.mp4", tmp_path / "pipe")


def test_a_source_that_cannot_be_opened(make: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"not a video")
    sink = OverlayVideo(tmp_path / "out.mp4", tmp_path / "in.mp4")
    with pytest.raises(MmerError, match="cannot open"):
        sink.open(make.info())
    assert os.listdir(tmp_path) == ["in.mp4"]
