"""Composed videos: heads cut from clips move over a common ground, speak in turn and cross."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.messages import SAMPLE_RATE

FPS: Final = 20
WIDTH, HEIGHT = 960, 540
_FACE_PX: Final = 110  # width of a face in the composed video

Place = Callable[[float], "tuple[float, float] | None"]
"""Middle of a head at a time, in pixels; None where it is out of the picture."""


@dataclass(frozen=True, eq=False)
class Head:
    """Head of one person: cut-outs in the order of time, and the voice that goes with them."""

    name: str
    images: NDArray[np.uint8]  # shape (n, h, w, 3) BGR, at FPS frames a second
    alpha: NDArray[np.float32]  # shape (h, w, 1), 0..1
    voice: NDArray[np.int16]  # 16 kHz


@dataclass(frozen=True)
class Role:
    """A head, its way, and when it speaks; a later role stands in front of the earlier ones."""

    head: Head
    place: Place
    speaks: tuple[float, ...] = ()  # seconds at which its clip begins

    def turns(self) -> list[tuple[float, float]]:
        """Begin and end of each time that it speaks."""
        return [(t, t + len(self.head.voice) / SAMPLE_RATE) for t in self.speaks]


@dataclass(frozen=True)
class Truth:
    """Who is where: by frame, the middle of each face, None where it is not to be seen."""

    times: tuple[float, ...]
    places: tuple[dict[int, tuple[float, float]], ...]  # by index of the role
    turns: tuple[tuple[float, float, int], ...]  # begin, end, index of the role
    face_px: float = _FACE_PX


def head(path: Path, name: str, detector: Any, longest_s: float = 4.0) -> Head:
    """Cut a head out of a talking-head clip; raises MmerError where it has no face or no sound."""
    import av
    import cv2

    frames: list[tuple[float, NDArray[np.uint8]]] = []
    sound: list[NDArray[np.int16]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            t = float(frame.time or 0.0)
            if t > longest_s:
                break
            frames.append((t, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)))
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        for part in container.decode(audio=0):
            sound += [piece.to_ndarray()[0] for piece in resampler.resample(part)]
    detector.reset()
    faces = detector.detect(frames[0][1], 0.0)
    if not faces or not sound:
        raise MmerError(f"{path.name} has no face in its first frame, or no sound")
    x, y, w, h = max(faces, key=lambda f: f.score).box
    middle_x, middle_y = x + w / 2, y + h / 2 - 0.1 * h
    half_w, half_h = 0.85 * w, 1.1 * h
    scale = _FACE_PX / w
    size = (round(2 * half_w * scale), round(2 * half_h * scale))
    way = np.array(
        [[scale, 0, size[0] / 2 - middle_x * scale], [0, scale, size[1] / 2 - middle_y * scale]]
    )
    times = np.arange(0.0, frames[-1][0], 1 / FPS)
    stamps = np.array([t for t, _ in frames])
    images = np.stack(
        [
            cv2.warpAffine(
                frames[max(0, int(np.searchsorted(stamps, t + 1e-6)) - 1)][1],
                way,
                size,
                flags=cv2.INTER_AREA,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for t in times
        ]
    ).astype(np.uint8)
    grid_y, grid_x = np.mgrid[: size[1], : size[0]]
    radius = np.hypot((grid_x / size[0] - 0.5) / 0.46, (grid_y / size[1] - 0.5) / 0.46)
    alpha = np.clip((1.08 - radius) / 0.12, 0, 1).astype(np.float32)[..., None]
    voice = np.concatenate(sound)[: round(times[-1] * SAMPLE_RATE)]
    return Head(name, images, alpha, voice)


def compose(path: Path, roles: Sequence[Role], length_s: float) -> Truth:
    """Write the video, H.264 and FLAC in Matroska, and return its truth."""
    import av

    rng = np.random.default_rng(1)
    sound = rng.normal(0, 12, round(length_s * SAMPLE_RATE))  # a room, not a digital silence
    turns = []
    for index, role in enumerate(roles):
        for begin, end in role.turns():
            at = round(begin * SAMPLE_RATE)
            voice = role.head.voice[: len(sound) - at].astype(np.float64)
            level = max(float(np.sqrt(np.mean(voice**2))), 1.0)
            sound[at : at + len(voice)] += voice * (2000.0 / level)
            turns.append((begin, end, index))
    ground = _ground()
    times, places = [], []
    with av.open(str(path), "w", format="matroska") as out:
        video: Any = out.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": "18"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio: Any = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        for n in range(round(length_s * FPS)):
            t = n / FPS
            image, seen = _drawn(ground, roles, t)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = n
            out.mux(video.encode(frame))
            times.append(t)
            places.append(seen)
        out.mux(video.encode(None))
        samples = np.clip(sound, -32_000, 32_000).astype(np.int16)
        for begin in range(0, len(samples), 4096):
            part = av.AudioFrame.from_ndarray(
                samples[None, begin : begin + 4096], format="s16", layout="mono"
            )
            part.sample_rate, part.pts = SAMPLE_RATE, begin
            out.mux(audio.encode(part))
        out.mux(audio.encode(None))
    return Truth(tuple(times), tuple(places), tuple(sorted(turns)))


def _ground() -> NDArray[np.uint8]:
    """A room without faces: a wall with light from one side, and some furniture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wall = 120 + 40 * x / WIDTH - 30 * y / HEIGHT
    image = np.stack([wall * 0.95, wall, wall * 1.05], axis=-1)
    image[400:] = image[400:] * 0.7
    image[60:240, 90:160] = (90, 70, 60)
    image[80:300, 780:860] = (60, 90, 100)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _drawn(
    ground: NDArray[np.uint8], roles: Sequence[Role], t: float
) -> tuple[NDArray[np.uint8], dict[int, tuple[float, float]]]:
    """The picture at ``t``, and where the faces are that less than half is hidden of."""
    image = ground.copy()
    seen: dict[int, tuple[float, float]] = {}
    for index, role in enumerate(roles):
        where = role.place(t)
        if where is None:
            continue
        x, y = where[0] + 1.5 * np.sin(1.3 * t + index), where[1] + 1.0 * np.cos(1.7 * t)
        images = role.head.images
        turn = next((b for b, e in role.turns() if b <= t < e), None)
        # who is silent keeps still: the clip's first frame
        n = 0 if turn is None else min(int((t - turn) * FPS), len(images) - 1)
        h, w = images[n].shape[:2]
        x0, y0 = round(x - w / 2), round(y - h / 2)
        left, top = max(x0, 0), max(y0, 0)
        right, bottom = min(x0 + w, WIDTH), min(y0 + h, HEIGHT)
        if right <= left or bottom <= top:
            continue
        cut = np.s_[top - y0 : bottom - y0, left - x0 : right - x0]
        part = image[top:bottom, left:right]
        alpha = role.head.alpha[cut]
        part[:] = (part * (1 - alpha) + images[n][cut] * alpha).astype(np.uint8)
        # the face itself, not the hair, decides whether somebody is to be seen
        for other, (ox, oy) in list(seen.items()):
            if abs(ox - x) < 0.75 * _FACE_PX and abs(oy - y) < 1.0 * _FACE_PX:
                del seen[other]
        if _FACE_PX * 0.5 < x < WIDTH - _FACE_PX * 0.5:
            seen[index] = (float(x), float(y) + 0.1 * _FACE_PX)
    return image, seen


def still(x: float, y: float = 270.0) -> Place:
    """Somebody who stays."""
    return lambda t: (x, y)


def way(*points: tuple[float, float, float]) -> Place:
    """Straight lines between (t, x, y); before the first and after the last point the head is out.

    Two points at which x is NaN are a stretch outside of the picture.
    """

    def place(t: float) -> tuple[float, float] | None:
        for (t0, x0, y0), (t1, x1, y1) in pairwise(points):
            if t0 <= t < t1:
                if np.isnan(x0) or np.isnan(x1):
                    return None
                share = (t - t0) / (t1 - t0)
                return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        return None

    return place
