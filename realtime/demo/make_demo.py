"""Generator of the bundled demo clip: a synthetic voice over a moving crop of a portrait.

Run as ``python -m mmer.realtime.demo.make_demo --output demo.mp4``; a JSON file beside the clip
has the sentences and their times. The sentences and the voice were chosen by measurement: the
embedded recognizer makes no word error in them (CARD.md has the figures). Deterministic for fixed
versions of the tools.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.command import run_command
from mmer.models.errors import MmerError

VOICE: Final = "rms"
RATE: Final = 16_000  # samples a second
FPS: Final = 25
WIDTH, HEIGHT = 640, 480
CRF: Final = "25"
AUDIO_BITS_S: Final = 48_000
PEAK: Final = 20_000  # of a sentence with gain 1, of 32767
HISS: Final = 3.0  # standard deviation of the background, in units of int16
LEAD_S: Final = 0.8  # silence before the first sentence
TAIL_S: Final = 1.2  # silence after the last one


@dataclass(frozen=True)
class Line:
    """One sentence, the feeling it means, tempo (above 1: slower), loudness, pause after it."""

    text: str
    feeling: str
    stretch: float
    gain: float
    pause_s: float


LINES: Final = (
    Line("the train leaves at nine in the morning", "neutral", 1.0, 0.7, 0.9),
    Line("I am so happy to see you", "joy", 0.95, 0.9, 0.9),
    Line("oh my god what are you doing here", "surprise", 0.95, 1.0, 1.2),
    Line("please help me I am so scared", "fear", 0.95, 0.8, 0.9),
    Line("I am very angry with you", "anger", 0.95, 1.0, 1.2),
    Line("this makes me sick", "disgust", 1.0, 0.8, 0.9),
    Line("I lost my best friend and I feel so sad", "sadness", 1.15, 0.6, TAIL_S),
)
AWAY_DURING: Final = (3, 4)  # the face is out of the frame from this line to that one
AWAY_AROUND_S: Final = 0.35  # and so long before and after them
PAN_S: Final = 0.4  # time in which the view moves off the face, and back
FACE: Final = (230.0, 140.0, 330.0)  # centre x, y and width of the view, in pixels of the portrait
AWAY: Final = (405.0, 170.0, 200.0)  # the same without the face: the model of the shuttle


@dataclass(frozen=True)
class Script:
    """The sound and the places of its lines; times in samples."""

    sound: NDArray[np.int16]  # shape (n,)
    spans: tuple[tuple[int, int], ...]  # first sample and one past the last, a line

    @property
    def away_s(self) -> tuple[float, float]:
        """When the face is out of the frame entirely: from, to, in seconds."""
        first, last = self.spans[AWAY_DURING[0]][0], self.spans[AWAY_DURING[1]][1]
        return round(first / RATE - AWAY_AROUND_S, 2), round(last / RATE + AWAY_AROUND_S, 2)


def make_demo(output: Path) -> None:
    """Write ``output`` (MP4: H.264, AAC) and the ``.json`` beside it. Raises MmerError."""
    if output.suffix != ".mp4" or not output.parent.is_dir():
        raise MmerError(f"cannot write {output}: name an .mp4 file in a folder that exists")
    portrait = _portrait()
    script = compose()
    _write_clip(output, script, portrait)
    output.with_suffix(".json").write_text(json.dumps(describe(script), indent=1) + "\n")


def compose() -> Script:
    """Speak the lines and join them with pauses over a faint hiss. Raises MmerError."""
    parts: list[NDArray[np.float64]] = [np.zeros(round(LEAD_S * RATE))]
    spans = []
    at = len(parts[0])
    for line in LINES:
        voice = _speak(line)
        spans.append((at, at + len(voice)))
        parts += [voice, np.zeros(round(line.pause_s * RATE))]
        at += len(voice) + len(parts[-1])
    sound = np.concatenate(parts)
    sound += np.random.default_rng(0).normal(0.0, HISS, len(sound))
    return Script(np.rint(sound).astype(np.int16), tuple(spans))


def describe(script: Script) -> dict[str, Any]:
    """The contents of demo.json."""
    return {
        "duration_s": round(len(script.sound) / RATE, 4),
        "sentences": [
            {
                "t0": round(first / RATE, 5),
                "t1": round(end / RATE, 5),
                "text": line.text,
                "feeling": line.feeling,
            }
            for line, (first, end) in zip(LINES, script.spans, strict=True)
        ],
        "face_absent_s": list(script.away_s),
        "picture": {"width": WIDTH, "height": HEIGHT, "fps": FPS},
        "sound": {"rate": RATE, "channels": 1, "voice": f"flite {VOICE}"},
        "made_with": _versions(),
        "see": "CARD.md",
    }


def _speak(line: Line) -> NDArray[np.float64]:
    """One sentence, its own silence cut off, its peak at ``gain`` times PEAK; shape (n,)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        stretch = f"duration_stretch={line.stretch}"
        _flite("-voice", VOICE, "--setf", stretch, "-t", line.text, "-o", str(path))
        with wave.open(str(path)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                raise MmerError(
                    f"flite's voice {VOICE} gave {file.getframerate()} Hz: expected {RATE} Hz, "
                    "mono, 16 bit; install Debian's flite"
                )
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    voice = samples.astype(np.float64)
    loud = np.flatnonzero(np.abs(voice) > 0.01 * np.abs(voice).max())
    voice = voice[loud[0] : loud[-1] + 1]
    return np.asarray(voice * (line.gain * PEAK / np.abs(voice).max()), np.float64)


def _flite(*arguments: str) -> str:
    try:
        done = subprocess.run(["flite", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MmerError("flite is not installed: apt-get install flite") from error
    if done.returncode and "--version" not in arguments:  # which flite ends with status 1
        raise MmerError(f"flite failed: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _portrait() -> NDArray[np.uint8]:
    """Eileen Collins by NASA: uint8 (512, 512, 3), BGR."""
    try:
        from skimage import data
    except ImportError as error:
        raise MmerError("the portrait comes with scikit-image: pip install scikit-image") from error
    portrait: NDArray[np.uint8] = data.astronaut()  # RGB
    return np.ascontiguousarray(portrait[..., ::-1])


def view(t: float, away_s: tuple[float, float]) -> tuple[float, float, float]:
    """Centre x, centre y and width of the crop at ``t``, in pixels of the portrait."""
    periods = np.array((9, 6.5, 13))  # seconds; the swing is in pixels
    here = np.array(FACE) + np.array((14, 5, 25)) * np.sin(2 * np.pi * t / periods)
    away = np.clip(min(t - away_s[0], away_s[1] - t) / PAN_S + 1, 0, 1)
    away = away * away * (3 - 2 * away)  # smoothstep
    x, y, width = here + away * (np.array(AWAY) + 0.2 * (here - FACE) - here)
    return float(x), float(y), float(width)


def frames(portrait: NDArray[np.uint8], script: Script) -> Iterator[NDArray[np.uint8]]:
    """The clip's frames in order: uint8 (HEIGHT, WIDTH, 3), BGR."""
    import cv2

    for n in range(round(len(script.sound) / RATE * FPS)):
        x, y, width = view(n / FPS, script.away_s)
        scale = width / WIDTH
        move = np.array([[scale, 0, x - width / 2], [0, scale, y - scale * HEIGHT / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        yield np.asarray(cv2.warpAffine(portrait, move, (WIDTH, HEIGHT), flags=flags), np.uint8)


def _write_clip(output: Path, script: Script, portrait: NDArray[np.uint8]) -> None:
    import av

    # bitexact: no encoder versions or dates in the file
    clip = av.open(
        str(output), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "faststart"}
    )
    with clip:
        options = {"crf": CRF, "preset": "slow", "threads": "1", "flags": "+bitexact"}
        video = clip.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = clip.add_stream("aac", rate=RATE, layout="mono", options={"flags": "+bitexact"})
        audio.bit_rate = AUDIO_BITS_S
        whole = av.AudioFrame.from_ndarray(script.sound[None], format="s16", layout="mono")
        whole.sample_rate, whole.pts, whole.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler("fltp", "mono", RATE, frame_size=1024)
        sound = iter([*resampler.resample(whole), *resampler.resample(None)])
        encoded = 0  # samples
        for n, image in enumerate(frames(portrait, script)):
            clip.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            while encoded < (n + 1) / FPS * RATE and (frame := next(sound, None)) is not None:
                clip.mux(audio.encode(frame))
                encoded += frame.samples
        clip.mux(video.encode(None))
        for frame in sound:
            clip.mux(audio.encode(frame))
        clip.mux(audio.encode(None))


def _versions() -> dict[str, str]:
    import av

    flite = re.search(r"flite-[\d.]+", _flite("--version"))
    return {
        "flite": flite.group().removeprefix("flite-") if flite else "unknown",
        "av": version("av"),
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        "scikit-image": version("scikit-image"),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: status 2 with one message for a user's mistake."""
    parser = argparse.ArgumentParser(description="Make mmer's demo clip.")
    parser.add_argument("--output", type=Path, required=True, help="MP4 file to write")
    output: Path = parser.parse_args(argv).output
    run_command("make_demo", lambda: make_demo(output))


if __name__ == "__main__":
    main()
