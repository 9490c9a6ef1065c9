"""Media files made on the spot: clicks and tones, flashes and moving squares."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TIME_BASE = Fraction(1, 3_000)  # frames at 15, 25 and 30 fps fall on it; MPEG-4 takes no finer


def clicks(duration_s: float, rate: int, at: Sequence[float], channels: int = 1) -> np.ndarray:
    """Silence with a 2 ms burst from each time on: float32 (channels, n)."""
    sound = np.zeros((channels, round(duration_s * rate)), np.float32)
    for t in at:
        start = round(t * rate)
        sound[:, start : start + round(0.002 * rate)] = 0.8
    return sound


def tone(duration_s: float, rate: int, hz: float = 440.0, channels: int = 1) -> np.ndarray:
    """A sine of amplitude 0.5: float32 (channels, n)."""
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def onsets(samples: np.ndarray, threshold: int = 8000) -> list[float]:
    """Seconds at which int16 ``samples`` become loud after 0.1 s without."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > threshold) / 16_000
    return [t for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > 0.1]


def pictures(
    times: Iterable[float], size: tuple[int, int] = (64, 48), white: tuple[float, float] = (9, 9)
) -> list[tuple[float, np.ndarray]]:
    """Grey frames with a moving square at ``times``, white from ``white[0]`` to ``white[1]``."""
    frames = []
    for i, t in enumerate(times):
        image = np.full((size[1], size[0], 3), 60, np.uint8)
        image[8:16, i % 32 : i % 32 + 8] = 120
        if white[0] <= t < white[1]:
            image[:] = 255
        frames.append((t, image))
    return frames


def steady(duration_s: float, fps: float) -> list[float]:
    """Times of frames at a constant rate."""
    return [i / fps for i in range(round(duration_s * fps))]


def write_wav(path: Path, sound: np.ndarray, rate: int = 16_000, **declared: int) -> Path:
    """Write int16 sound (channels, n) by hand; ``declared`` data and riff lengths may be false."""
    data = np.ascontiguousarray(sound.T, "<i2").tobytes()
    n = declared.get("data", len(data))
    head = struct.pack(
        "<IHHIIHH", 16, 1, len(sound), rate, 2 * rate * len(sound), 2 * len(sound), 16
    )
    riff = struct.pack("<I", declared.get("riff", min(n + 36, 2**32 - 1)))
    path.write_bytes(b"RIFF" + riff + b"WAVEfmt " + head + b"data" + struct.pack("<I", n) + data)
    return path


def write_media(
    path: Path,
    sound: np.ndarray | None = None,
    rate: int = 48_000,
    sound_start: float = 0.0,
    sound_codec: str = "aac",
    sound_format: str = "fltp",
    frames: Sequence[tuple[float, np.ndarray]] = (),
    picture_codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    pixel_aspect: Fraction = Fraction(1),
    holes: Sequence[tuple[float, float]] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Write sound (channels, n) and pictures; ``holes`` are spans of sound left out."""
    with av.open(str(path), "w", options=options or {}) as container:
        packets = []
        video = audio = None
        if len(frames):
            height, width = frames[0][1].shape[:2]
            video = container.add_stream(picture_codec, rate=30)
            video.width, video.height, video.pix_fmt = width, height, pixels
            video.codec_context.time_base = TIME_BASE
            if picture_codec == "libx264":
                video.options = {"preset": "ultrafast", "crf": "10"}
            if pixel_aspect != 1:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = container.add_stream(sound_codec, rate=rate, format=sound_format, layout=layout)
        if video is not None:
            for t, image in frames:
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = round(t / TIME_BASE), TIME_BASE
                packets += video.encode(frame)
            packets += video.encode(None)
        if audio is not None:
            packets += _encode_sound(audio, sound, rate, sound_start, sound_format, holes)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _encode_sound(audio, sound, rate, start, sample_format, holes):
    packets = []
    size = audio.codec_context.frame_size or 960
    for i in range(0, sound.shape[1], size):
        t = i / rate
        if any(t0 <= t < t1 for t0, t1 in holes):
            continue
        piece = sound[:, i : i + size]
        frame = av.AudioFrame.from_ndarray(*_as(sample_format, piece), layout=audio.layout.name)
        frame.sample_rate = rate
        frame.pts, frame.time_base = round(start * rate) + i, Fraction(1, rate)
        packets += audio.encode(frame)
    return packets + audio.encode(None)


def _as(sample_format, piece):
    if sample_format in ("fltp", "flt"):
        data = piece.astype(np.float32)
    elif sample_format.startswith("s32"):
        data = (piece.astype(np.float64) * (2**31 - 1)).astype(np.int32)
    else:
        data = (piece * 32767).astype(np.int16)
    if not sample_format.endswith("p"):
        data = data.T.reshape(1, -1)
    return np.ascontiguousarray(data), sample_format
