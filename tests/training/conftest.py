"""Tiny corpora in the layout of the real ones, generated: classes that a network can tell apart."""

from __future__ import annotations

import csv
import gzip
import wave
from pathlib import Path

import numpy as np
import pytest

from mmer.models.labels import EMOTIONS

RATE = 16_000
# FER+'s ten columns
VOTES = ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "?", "NF")
WORDS = {
    "anger": "hate damn shut",
    "disgust": "gross ew nasty",
    "fear": "scared help afraid",
    "joy": "great love thanks",
    "neutral": "table walks paper",
    "sadness": "sorry lost alone",
    "surprise": "wow really what",
}


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def write_rows(path: Path, rows: list[dict[str, object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def make_audio(root: Path, rng: np.random.Generator) -> None:
    def add(path: str, hz: float) -> None:
        t = np.arange(RATE) / RATE
        sound = 6000 * np.sin(2 * np.pi * hz * t) * (1 + 0.3 * np.sin(2 * np.pi * 4 * t))
        write_wav(root / "audio" / path, sound + rng.normal(0, 30, len(t)))

    for actor in ("01", "02", "17", "20"):
        # RAVDESS' codes in the order of EMOTIONS; 02 is calm
        for index, code in enumerate(("05", "07", "06", "03", "01", "04", "08")):
            add(f"ravdess/Actor_{actor}/03-01-{code}-01-01-01-{actor}.wav", 150 * 1.6**index)
        add(f"ravdess/Actor_{actor}/03-01-02-01-01-01-{actor}.wav", 200)
    for index, letter in enumerate("WEAF"):
        add(f"emodb/wav/03a01{letter}a.wav", 160 * 1.6**index)
    add("esc10/002 - Rain/1-10000-A.wav", 900)


def make_faces(root: Path, rng: np.random.Generator) -> None:
    def some(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = np.arange(n) % len(EMOTIONS)
        images = rng.integers(90, 110, (n, 48, 48)).astype(np.uint8)
        votes = np.zeros((n, 10), np.uint8)
        majority = np.zeros(n, np.int8)
        for row, label in enumerate(labels):
            images[row, 6 * label : 6 * label + 6, 8:40] = 230
            majority[row] = VOTES.index(EMOTIONS[label])
            votes[row, majority[row]] = 9
            votes[row, 8] = 1
        return images, votes, majority

    folder = root / "face/fer2013"
    folder.mkdir(parents=True)
    images, votes, majority = some(70)
    np.savez(folder / "train.npz", images=images, ferplus_votes=votes, ferplus_majority=majority)
    images, votes, majority = some(21)
    twin = np.zeros(21, bool)
    twin[-1] = True
    votes[-2], majority[-2] = np.eye(10, dtype=np.uint8)[7] * 9, 7  # contempt
    votes[-3], majority[-3] = 1, -1
    np.savez(
        folder / "public_test.npz",
        images=images,
        ferplus_votes=votes,
        ferplus_majority=majority,
        near_duplicate_of_train=twin,
    )


def make_texts(root: Path, rng: np.random.Generator) -> None:
    def sentence(emotion: str) -> str:
        filler = rng.choice(["the", "a", "you", "we", "so", "it", "then", "and"], 4)
        return " ".join([*filler[:2], str(rng.choice(WORDS[emotion].split())), *filler[2:]]) + "."

    def meld(n: int) -> list[dict[str, object]]:
        return [
            {"Utterance": sentence(e), "Emotion": e, "Dialogue_ID": i // 3, "Utterance_ID": i % 3}
            for i in range(n)
            for e in [EMOTIONS[i % len(EMOTIONS)]]
        ]

    text = root / "text"
    development = [
        *meld(28),
        {
            "Utterance": "You’ve got to be kidding me, Ross!",
            "Emotion": "anger",
            "Dialogue_ID": 99,
            "Utterance_ID": 0,
        },
        {"Utterance": "Okay.", "Emotion": "neutral", "Dialogue_ID": 99, "Utterance_ID": 1},
    ]
    write_rows(text / "meld/dev_sent_emo.csv", development)
    train = meld(140)
    train.append({"Utterance": "OKAY!", "Emotion": "joy", "Dialogue_ID": 500, "Utterance_ID": 0})
    write_rows(text / "meld/train_sent_emo.csv", train)
    emory = [
        ("s01e01c01", "you've got to be kidding me ross", "anger"),
        ("s01e01c01", "What a day that was.", "sadness"),
        ("s01e01c02", "okay", "neutral"),
        ("s01e01c02", "That is great, thanks!", "joy"),
        ("s01e01c02", "Peaceful words.", ""),
    ]
    write_rows(
        text / "emorynlp/train.tsv.gz",
        [{"dialogue": d, "text": t, "label7": e} for d, t, e in emory],
        "\t",
    )
    comments = [
        ("I love\tthis, [NAME]", "joy"),
        ("both of them", "joy,anger"),
        ("...", "neutral"),
        ('She said "wow"', "surprise"),
    ]
    write_rows(
        text / "goemotions/train.tsv.gz",
        [{"id": str(i), "text": t, "labels7": e} for i, (t, e) in enumerate(comments)],
        "\t",
    )
    write_rows(
        text / "dailydialog/train.tsv.gz",
        [{"dialogue": "d-1", "text": "It ' s gross , ew !He left .", "label7": "disgust"}],
        "\t",
    )


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder; treat it as read-only."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    make_audio(root, rng)
    make_faces(root, rng)
    make_texts(root, rng)
    return root
