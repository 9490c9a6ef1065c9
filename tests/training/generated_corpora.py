"""Corpora made on the spot in the official layouts of MELD and RAVDESS, with sound and faces.

What a modality shows of the emotion is planted: ``signal`` says with which probability a clip's
voice ("speech"), words ("text") or picture ("face") are those of its own emotion; else they are
those of one drawn at random, whatever the label. So with strength s a perfect model of one
modality is right in s + (1 - s) / emotions of the clips, and with 0 no better than chance. What is
not named has strength 0.

    python generated_corpora.py meld FOLDER --count 20 --signal speech=0.9 text=0.6

The face is that of mmer's demo clip (NASA, public domain), tinted and with a mouth painted over;
the voice is arithmetic: harmonics under formants.
"""

from __future__ import annotations

import argparse
import csv
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.demo import clip

RATE = 16_000
FPS = 10
WIDTH, HEIGHT = 160, 120
MOVES = (176, 132)  # the picture that the view wanders over
BEFORE_S, SPOKEN_S, AFTER_S = 0.2, 1.0, 0.4
SPLITS = {  # of MELD: the table, the folder of clips
    "train": ("train_sent_emo.csv", "train/train_splits"),
    "dev": ("dev_sent_emo.csv", "dev/dev_splits_complete"),
    "test": ("test_sent_emo.csv", "test/output_repeated_splits_test"),
}
MELD_COLUMNS = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime"
)
RAVDESS_CODES = {
    "neutral": "01",
    "joy": "03",
    "sadness": "04",
    "anger": "05",
    "fear": "06",
    "disgust": "07",
    "surprise": "08",
}


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds, looks and speaks here (no claim about people)."""

    formants_hz: tuple[float, float, float]
    pitch: float  # times the speaker's own
    vowel_s: float
    level_db: float
    tint: tuple[int, int, int]  # blue, green, red
    mouth: tuple[int, int]  # half width and half height, pixels of the demo's picture
    words: tuple[str, ...]


MANNERS = {
    "anger": Manner(
        (660, 1720, 2410), 1.20, 0.12, -15, (40, 40, 230), (58, 6), ("hate", "damn", "furious")
    ),
    "disgust": Manner(
        (640, 1190, 2390), 0.85, 0.25, -20, (40, 160, 60), (24, 26), ("gross", "sick", "yuck")
    ),
    "fear": Manner(
        (300, 870, 2240), 1.35, 0.10, -24, (170, 40, 140), (40, 16), ("scared", "afraid", "help")
    ),
    "joy": Manner(
        (270, 2290, 3010), 1.25, 0.16, -17, (40, 210, 240), (58, 26), ("happy", "great", "love")
    ),
    "neutral": Manner(
        (490, 1350, 1690), 1.00, 0.20, -20, (128, 128, 128), (40, 6), ("tuesday", "nine", "report")
    ),
    "sadness": Manner(
        (570, 840, 2410), 0.80, 0.30, -26, (220, 90, 40), (24, 6), ("miss", "alone", "cry")
    ),
    "surprise": Manner(
        (730, 1090, 2440), 1.50, 0.14, -16, (250, 250, 250), (24, 38), ("wow", "really", "sudden")
    ),
}
FILLERS = (
    "the a this that you we they it was is on in at to with for and but then there here well now "
    "house door table train morning letter coffee friend street window"
)


def write_meld(
    root: Path,
    seed: int,
    dialogues: int,
    signal: Mapping[str, float],
    *,
    utterances: int = 4,
    emotions: Sequence[str] = EMOTIONS,
    clips: bool = True,
) -> Path:
    """MELD's tables and clips below ``root``; returns the folder to read (``MELD.Raw``).

    ``dialogues`` of ``utterances`` in train, half as many in dev and in test. The emotions come
    equally often, in random order. ``clips`` False: tables alone.
    """
    random = np.random.default_rng(seed)
    top = root / "MELD.Raw"
    top.mkdir(parents=True)
    for name, (table, folder) in SPLITS.items():
        count = dialogues if name == "train" else -(-dialogues // 2)
        labels = _shuffled(random, emotions, count * utterances)
        if clips:
            (top / folder).mkdir(parents=True)
        with (top / table).open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, MELD_COLUMNS.split(","))
            rows.writeheader()
            for i, emotion in enumerate(labels):
                dialogue, utterance = divmod(i, utterances)
                shown = _shown(random, emotion, signal, emotions)
                rows.writerow(
                    {
                        "Sr No.": i + 1,
                        "Utterance": sentence(random, shown["text"]),
                        "Speaker": ("Ross", "Rachel", "Joey", "Monica")[i % 4],
                        "Emotion": emotion,
                        "Sentiment": "neutral",
                        "Dialogue_ID": dialogue,
                        "Utterance_ID": utterance,
                        "Season": 1,
                        "Episode": 1,
                        "StartTime": f"00:{dialogue % 60:02d}:{2 * utterance:02d},000",
                        "EndTime": f"00:{dialogue % 60:02d}:{2 * utterance + 1:02d},600",
                    }
                )
                if clips:
                    sound = voice(random, shown["speech"], 110.0 + 25 * (i % 4))
                    path = top / folder / f"dia{dialogue}_utt{utterance}.mp4"
                    write_clip(path, sound, pictures(random, shown["face"]))
    return top


def write_ravdess(
    root: Path,
    actors: Sequence[int],
    per_class: int,
    signal: Mapping[str, float],
    *,
    seed: int = 0,
    emotions: Sequence[str] = EMOTIONS,
) -> Path:
    """RAVDESS' sound (03-01-....wav) and video (01-01-....mp4) below ``root``; returns it.

    ``per_class`` performances of each emotion by each actor, 8 at most (neutral has 4 at most, as
    there). The words are the corpus' two sentences, so ``signal`` has no "text".
    """
    if "text" in signal:
        raise ValueError("RAVDESS has two sentences for all emotions: no signal in its text")
    random = np.random.default_rng(seed)
    for actor in actors:
        sounds = root / "Audio_Speech_Actors_01-24" / f"Actor_{actor:02d}"
        videos = root / f"Video_Speech_Actor_{actor:02d}" / f"Actor_{actor:02d}"
        sounds.mkdir(parents=True)
        videos.mkdir(parents=True)
        for emotion in emotions:
            intensities = ("01",) if emotion == "neutral" else ("01", "02")
            takes = [
                f"{intensity}-{words}-{repetition}"
                for repetition in ("01", "02")
                for words in ("01", "02")
                for intensity in intensities
            ]
            for take in takes[:per_class]:
                shown = _shown(random, emotion, signal, emotions)
                sound = voice(random, shown["speech"], 100.0 + 4 * actor + 60 * (actor % 2 == 0))
                name = f"01-{RAVDESS_CODES[emotion]}-{take}-{actor:02d}"
                write_wav(sounds / f"03-{name}.wav", sound)
                write_clip(videos / f"01-{name}.mp4", sound, pictures(random, shown["face"]))
    return root


def sentence(random: np.random.Generator, emotion: str) -> str:
    """Six words, two of them of the emotion."""
    words = [*random.choice(FILLERS.split(), 4), *random.choice(MANNERS[emotion].words, 2)]
    return " ".join(random.permutation(words)).capitalize() + "."


def voice(random: np.random.Generator, emotion: str, pitch_hz: float) -> NDArray[np.int16]:
    """Silence, a second of vowels in the emotion's manner, silence; 16 kHz mono, (n,)."""
    manner = MANNERS[emotion]
    t = np.arange(round(SPOKEN_S * RATE)) / RATE
    hz = pitch_hz * manner.pitch * random.uniform(0.95, 1.05)
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.05 * np.sin(2 * np.pi * 0.7 * t))) / RATE
    k = np.arange(1, int(3800 / hz))
    vowels = (manner.formants_hz, (500.0, 1500.0, 2500.0))  # its own and a neutral one in turn
    near = np.array(
        [[sum(1 / (1 + ((n * hz - f) / 80) ** 2) for f in v) for n in k] for v in vowels]
    )
    loud = near[(t / manner.vowel_s).astype(int) % 2].T / np.sqrt(k)[:, None]
    spoken = (loud * np.sin(k[:, None] * phase)).sum(axis=0)
    spoken *= 1 - 0.8 * np.abs(np.cos(np.pi * t / manner.vowel_s)) ** 8
    spoken *= 10 ** (manner.level_db / 20) / np.sqrt(np.mean(spoken**2))
    out = np.pad(spoken, (round(BEFORE_S * RATE), round(AFTER_S * RATE)))
    out += random.normal(0.0, 1e-4, len(out))
    return np.asarray(np.clip(out * 32768, -32768, 32767), np.int16)


def pictures(random: np.random.Generator, emotion: str) -> list[NDArray[np.uint8]]:
    """A face in the emotion's manner under a view that wanders, each uint8 (120, 160, 3) BGR."""
    count = round((BEFORE_S + SPOKEN_S + AFTER_S) * FPS)
    start, turns = random.uniform(0, 2 * np.pi, 2), random.uniform(0.5, 1.5, 2)
    out = []
    for i in range(count):
        x, y = (0.5 + 0.5 * np.sin(start + turns * i / FPS)) * (
            MOVES[0] - WIDTH,
            MOVES[1] - HEIGHT,
        )
        view = face(emotion)[round(y) : round(y) + HEIGHT, round(x) : round(x) + WIDTH]
        bright = random.uniform(0.95, 1.05)
        out.append(np.asarray(np.clip(view * bright, 0, 255), np.uint8))
    return out


@cache
def face(emotion: str) -> NDArray[np.uint8]:
    """The demo's face with the emotion's tint and mouth, (132, 176, 3) BGR."""
    capture = cv2.VideoCapture(str(clip()))
    _, image = capture.read()
    capture.release()
    manner = MANNERS[emotion]
    cv2.ellipse(image, (308, 250), manner.mouth, 0, 0, 360, (30, 20, 60), -1, cv2.LINE_AA)
    tinted = 0.65 * image + 0.35 * np.array(manner.tint)
    small = cv2.resize(tinted, MOVES, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def write_clip(
    path: Path, sound: NDArray[np.int16] | None, shown: Sequence[NDArray[np.uint8]]
) -> None:
    """MP4: H.264, and AAC of ``sound`` (n,) where there is any."""
    with av.open(str(path), "w") as container:
        packets = []
        if len(shown):
            video = container.add_stream("libx264", rate=FPS)
            video.height, video.width = shown[0].shape[:2]
            video.pix_fmt = "yuv420p"
            video.options = {"preset": "ultrafast", "crf": "18", "threads": "1"}
        if sound is not None:
            audio = container.add_stream("aac", rate=RATE, layout="mono")
            for frame in audio_frames(sound):
                packets += audio.encode(frame)
            packets += audio.encode(None)
        for i, image in enumerate(shown):
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = i, Fraction(1, FPS)
            packets += video.encode(picture)
        if len(shown):
            packets += video.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)


def write_wav(path: Path, sound: NDArray[np.int16]) -> None:
    """16 kHz mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.astype("<i2").tobytes())


def audio_frames(sound: NDArray[np.int16]) -> Iterator[av.AudioFrame]:
    """Sound (n,) in frames of up to 1024 samples, as encoders need them."""
    samples = (sound / 32768).astype(np.float32)
    for start in range(0, len(samples), 1024):
        piece = np.ascontiguousarray(samples[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame


def _shuffled(random: np.random.Generator, emotions: Sequence[str], count: int) -> list[str]:
    return [str(e) for e in random.permutation([emotions[i % len(emotions)] for i in range(count)])]


def _shown(
    random: np.random.Generator,
    emotion: str,
    signal: Mapping[str, float],
    emotions: Sequence[str],
) -> dict[str, str]:
    """Which emotion each modality of a clip shows."""
    if unknown := set(signal) - set(MODALITIES):
        raise ValueError(f"no modality {sorted(unknown)}; there are {MODALITIES}")
    return {
        m: emotion if random.random() < signal.get(m, 0.0) else str(random.choice(emotions))
        for m in MODALITIES
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=("meld", "ravdess"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=8, help="dialogues of train, or actors")
    parser.add_argument("--per-class", type=int, default=2, help="of each actor (RAVDESS)")
    parser.add_argument("--signal", nargs="*", default=[], help="speech=0.9 and so on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal = {name: float(share) for name, share in (s.split("=") for s in given.signal)}
    if given.corpus == "meld":
        write_meld(given.folder, given.seed, given.count, signal)
    else:
        actors = range(1, given.count + 1)
        write_ravdess(given.folder, actors, given.per_class, signal, seed=given.seed)


if __name__ == "__main__":
    main()
