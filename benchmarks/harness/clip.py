"""The annotated clip: spoken sentences between silences, each begin and end known to the sample.

The frames are the bundled demo's, where the face is in it, played to and fro; the sound is PCM in
Matroska: no encoder delay, no priming, so that sample n of the clip is sample n of the truth.
Deterministic for fixed versions of the tools, and cached in a temporary folder.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip_format import FPS, HEIGHT, WIDTH, Frame, FrameAt
from mmer.benchmarks.harness.clip_frames import own_frames, there_and_back
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.errors import MmerError
from mmer.models.whole_file import whole_file
from mmer.realtime.messages import SAMPLE_RATE

SHORTEST_PAUSE_S: Final = 0.8  # well beyond any hangover: what follows is a new utterance
VERSION: Final = 2  # part of the name in the cache; goes up when the making changes

Mark: TypeAlias = Callable[[Frame, int], Frame]
"""Draws the number of a frame into a copy of it."""


@dataclass(frozen=True)
class Span:
    """One spoken sentence in a clip: first sample and one past the last."""

    begin: int
    end: int
    name: str
    emotion: str | None = None  # that was acted, where the sentence has a true one

    @property
    def t0(self) -> float:
        """Begin of the speech, in seconds."""
        return self.begin / SAMPLE_RATE

    @property
    def t1(self) -> float:
        """End of the speech, in seconds."""
        return self.end / SAMPLE_RATE


@dataclass(frozen=True)
class AnnotatedClip:
    """A media file and what is spoken in it when."""

    path: Path
    seconds: int
    spans: tuple[Span, ...]

    @property
    def speech_s(self) -> float:
        """Seconds of speech in it."""
        return sum(s.end - s.begin for s in self.spans) / SAMPLE_RATE


def lay_out(utterances: Sequence[Utterance], seconds: int, share: float = 0.5) -> tuple[Span, ...]:
    """Spans of the sentences: as many as make ``share`` of ``seconds``, over and over in order.

    The silences between them differ by up to 30 % (seeded); one stands at the start and one at
    the end, so that the clip can be looped. Raises MmerError where the silences get too short.
    """
    if not utterances:
        raise MmerError("a benchmark clip needs at least one utterance")
    chosen: list[Utterance] = []
    spoken = 0
    while True:
        following = utterances[len(chosen) % len(utterances)]
        if chosen and spoken + len(following.samples) / 2 > share * seconds * SAMPLE_RATE:
            break
        chosen.append(following)
        spoken += len(following.samples)
    silence = seconds * SAMPLE_RATE - spoken
    weights = np.random.default_rng(0).uniform(0.7, 1.3, len(chosen) + 1)
    pauses = np.floor(silence * weights / weights.sum()).astype(int)
    if pauses.min() < SHORTEST_PAUSE_S * SAMPLE_RATE:
        raise MmerError(
            f"{len(chosen)} utterances of {spoken / SAMPLE_RATE:.1f} s in {seconds} s leave pauses "
            f"below {SHORTEST_PAUSE_S} s: make the clip longer"
        )
    spans = []
    at = 0
    for pause, utterance in zip(pauses, chosen, strict=False):
        at += int(pause)
        spans.append(Span(at, at + len(utterance.samples), utterance.name, utterance.emotion))
        at = spans[-1].end
    return tuple(spans)


def mix(
    spans: Sequence[Span], utterances: Sequence[Utterance], seconds: int, noise_db: float
) -> NDArray[np.int16]:
    """The clip's sound: int16 (seconds * 16000,), white noise of ``noise_db`` dBFS under it all."""
    noise = np.random.default_rng(1).normal(0, 32768 * 10 ** (noise_db / 20), seconds * SAMPLE_RATE)
    for i, span in enumerate(spans):
        noise[span.begin : span.end] += utterances[i % len(utterances)].samples
    return np.clip(np.rint(noise), -32768, 32767).astype(np.int16)


def make_clip(
    utterances: Sequence[Utterance],
    seconds: int = 60,
    noise_db: float = -60.0,
    folder: Path | None = None,
    mark: Mark | None = None,
) -> AnnotatedClip:
    """Assemble the clip (640x480, 25 frames/s, H.264; sound 16 kHz mono PCM), or find it made.

    The frames are the demo's face, or each sentence's own where it has some: before it, its first
    one stands still, and after it its last. ``mark`` draws a frame's number into it.
    """
    from importlib.metadata import version

    from mmer.realtime.demo import clip

    spans = lay_out(utterances, seconds)
    sound = mix(spans, utterances, seconds, noise_db)
    digest = hashlib.sha256(f"{VERSION} {seconds} {version('av')}".encode())
    digest.update(clip().read_bytes())
    digest.update(sound.tobytes())
    digest.update(b"own" if utterances[0].frames else b"")
    digest.update(b"" if mark is None else mark.__qualname__.encode())
    folder = folder or cache_folder()
    path = folder / f"clip-{seconds}s-{digest.hexdigest()[:16]}.mkv"
    made = AnnotatedClip(path, seconds, spans)
    if not path.exists():
        if utterances[0].frames:
            frame_at = own_frames([(s.begin, s.end) for s in spans], utterances)
        else:
            frame_at = there_and_back()
        with whole_file(path, _truth_beside) as part:
            _write(part, sound, frame_at, seconds, mark)
            _truth_beside(part).write_text(json.dumps(describe(made), indent=1) + "\n")
    return made


def _truth_beside(path: Path) -> Path:
    return path.with_suffix(".json")


def describe(clip: AnnotatedClip) -> dict[str, Any]:
    """The truth about a clip, for the JSON beside it; begin and end in samples of 16 kHz."""
    return {
        "seconds": clip.seconds,
        "speech_s": round(clip.speech_s, 4),
        "rate": SAMPLE_RATE,
        "picture": {"width": WIDTH, "height": HEIGHT, "fps": FPS},
        "utterances": [asdict(span) for span in clip.spans],
    }


def repeated(clip: AnnotatedClip, times: int) -> AnnotatedClip:
    """The clip ``times`` over in one file, its packets copied as they are."""
    import av

    if times == 1:
        return clip
    path = clip.path.with_name(f"{clip.path.stem}-x{times}.mkv")
    if not path.exists():
        with (
            whole_file(path) as part,
            av.open(str(clip.path)) as source,
            _new_matroska(part) as out,
        ):
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
            for i in range(times):
                source.seek(0)
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue  # the empty packet at the end of a stream
                    shift = round(i * clip.seconds / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return over_and_over(clip, path, times)


def over_and_over(clip: AnnotatedClip, path: Path, times: int) -> AnnotatedClip:
    """What is spoken in ``path``, which is the clip ``times`` over."""
    length = clip.seconds * SAMPLE_RATE
    spans = tuple(
        replace(s, begin=s.begin + i * length, end=s.end + i * length)
        for i in range(times)
        for s in clip.spans
    )
    return AnnotatedClip(path, clip.seconds * times, spans)


def rounds_of(minutes: float | None, seconds: int) -> int:
    """Rounds of a clip of ``seconds`` that last ``minutes`` (None: one); raises MmerError."""
    if minutes is None:
        return 1
    if not (math.isfinite(minutes) and minutes > 0):
        raise MmerError(f"--minutes is {minutes:g}: it must be above 0")
    return max(1, math.ceil(minutes * 60 / seconds))


def cache_folder() -> Path:
    """The user's own folder for assembled clips, among the system's temporary files."""
    folder = Path(tempfile.gettempdir()) / f"mmer-bench-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _new_matroska(path: Path) -> Any:
    import av

    try:
        # bitexact: no versions, dates or random ids in the file
        return av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"})
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error}") from error


def _write(
    path: Path, sound: NDArray[np.int16], frame_at: FrameAt, seconds: int, mark: Mark | None
) -> None:
    import av

    # no B frames and one thread: frames in order of time, and the same bytes each time
    options = {"crf": "23", "preset": "veryfast", "bf": "0", "threads": "1", "flags": "+bitexact"}
    per_frame = SAMPLE_RATE // FPS
    with _new_matroska(path) as out:
        video = out.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for n in range(seconds * FPS):
            image = frame_at(n) if mark is None else mark(frame_at(n), n)
            frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            out.mux(video.encode(frame))
            samples = np.ascontiguousarray(sound[None, n * per_frame : (n + 1) * per_frame])
            block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            block.sample_rate, block.pts = SAMPLE_RATE, n * per_frame
            block.time_base = Fraction(1, SAMPLE_RATE)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
