"""Readers of the corpora that name their files after speaker and emotion: official layouts."""

from __future__ import annotations

import re
from typing import Final

from mmer.training.datasets.named_files import NamedFiles


def _actors(first: int, last: int) -> frozenset[str]:
    return frozenset(f"{n:02d}" for n in range(first, last + 1))


def _emogator_codes() -> dict[str, str]:
    seven = {"03": "anger", "10": "disgust", "15": "fear", "18": "neutral", "24": "sadness"}
    seven |= {"02": "joy", "13": "joy", "27": "surprise", "28": "surprise"}  # amusement, elation
    return {f"{n:02d}": "other" for n in range(1, 31)} | seven


RAVDESS: Final = NamedFiles(
    "ravdess",
    "Actor_01/03-01-05-01-01-01-01.wav (speech), 01-01-... or 02-01-....mp4 (video)",
    re.compile(
        r"(?:(?P<silent>02)|0[13])-(?:(?P<song>02)|01)-"
        r"(?P<take>(?P<code>\d\d)-\d\d-(?P<words>\d\d)-\d\d-(?P<speaker>\d\d))"
        r"(?:_(?P<frame>\d+))?"
    ),
    {"01": "neutral", "02": "calm", "03": "happy", "04": "sad"}
    | {"05": "angry", "06": "fearful", "07": "disgust", "08": "surprised"},
    ("speech", "face", "clip"),
    {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."},
    {"train": _actors(2, 16), "dev": _actors(17, 20), "test": _actors(21, 24)},
)
EMODB: Final = NamedFiles(
    "emodb",
    "wav/03a01Fa.wav",
    re.compile(r"(?P<speaker>\d\d)[abc]\d\d(?P<code>[A-Z])[a-z]?"),
    {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness"}
    | {"T": "sadness", "N": "neutral"},
)
TESS: Final = NamedFiles(
    "tess",
    "OAF_angry/OAF_back_angry.wav",
    re.compile(r"(?P<speaker>OAF?|YAF)_[A-Za-z]+_(?P<code>[a-z]+)"),
    {c: c for c in ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")},
    slips={"OA": "OAF"},  # there is one OA_bite_neutral.wav
)
SAVEE: Final = NamedFiles(
    "savee",
    "AudioData/DC/a01.wav or DC_a01.wav",
    re.compile(r"(?P<speaker>DC|JE|JK|KL)[/_](?P<code>sa|su|[adfhn])\d{1,2}"),
    {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral"}
    | {"sa": "sadness", "su": "surprise"},
    ("speech", "face", "clip"),
)
NEMO: Final = NamedFiles(
    "nemo",
    "samples/WR0_surprised_64.wav",
    re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<code>[a-z]+)_\d+"),
    {c: c for c in ("anger", "fear", "happiness", "neutral", "sadness", "surprised")},
)
URDU: Final = NamedFiles(
    "urdu",
    "Angry/SM1_F7_A07.wav",
    re.compile(r"(?P<speaker>S[MF]\d+)_F\d+_(?P<code>[A-Z])\d+"),
    {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"},
)
EMOGATOR: Final = NamedFiles(
    "emogator",
    "data/mp3/000001-03-1.mp3",
    re.compile(r"(?P<speaker>\d{6})-(?P<code>\d\d)-\d+"),
    _emogator_codes(),
)
CREMAD: Final = NamedFiles(
    "cremad",
    "AudioWAV/1001_DFA_ANG_XX.wav or VideoFlash/1001_DFA_ANG_XX.flv",
    re.compile(r"(?P<speaker>\d{4})_(?P<words>[A-Z]{3})_(?P<code>[A-Z]{3})_[A-Z]{1,2}"),
    {c: c.lower() for c in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")},
    ("speech", "face", "clip"),
    {
        "IEO": "It's eleven o'clock.",
        "TIE": "That is exactly what happened.",
        "IOM": "I'm on my way to the meeting.",
        "IWW": "I wonder what this is about.",
        "TAI": "The airplane is almost full.",
        "MTI": "Maybe tomorrow it will be cold.",
        "IWL": "I would like a new alarm clock.",
        "ITH": "I think I have a doctor's appointment.",
        "DFA": "Don't forget a jacket.",
        "ITS": "I think I've seen this before.",
        "TSI": "The surface is slick.",
        "WSI": "We'll stop in a couple of minutes.",
    },
)
GRID: Final = NamedFiles(
    "grid",
    "s1/bbaf2n.mpg",
    re.compile(r"(?:s(?P<speaker>\d+)/)?(?:id\d+_vcd_)?[blps][bgrw][abiw][a-z][z1-9][anps]"),
    {"": "neutral"},  # read commands
    ("speech", "face", "clip"),
)
YALEFACES: Final = NamedFiles(
    "yalefaces",
    "subject01.happy.png",
    re.compile(r"subject(?P<speaker>\d\d)\.(?P<code>[a-z]+)"),
    {c: c for c in ("happy", "sad", "surprised", "normal", "sleepy", "wink")},
    ("face",),
)
