"""Inputs to compare engines on and to calibrate by: made by code, the same everywhere.

No recording of anybody is among them. They are not what a network was trained on, but they are
what its own preprocessing makes of a sound, a picture and words: voiced sounds with a melody and
vowels' resonances in noise, drawn faces, sentences. ``from_file`` takes your own instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card
from mmer.models.engine.precision import Inputs
from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel

COUNT: Final = 64
"""Inputs of a sound or a picture."""

SENTENCES: Final = (
    *("I can't believe you did that!", "that is wonderful news", "leave me alone"),
    *("What do you mean, gone?", "I miss him so much", "this smells rotten, take it away"),
    *("it is half past nine", "Oh my God, you scared me!", "we won, we actually won"),
    *("the report is on your desk", "I am so sorry for your loss", "how dare you talk to me"),
    *(
        "did you hear that noise",
        "No. Absolutely not.",
        "she said yes",
        "where were you last night",
    ),
    *("please don't go in there", "could you pass the salt", "you have got to be kidding me"),
    *("I don't know what to do any more", "ha, very funny", "the train leaves from platform two"),
    *("there is a hair in my soup", "you came back!", "nobody ever listens to me"),
    *("I'm fine", "get out", "what a beautiful morning", "they found something on the scan"),
    *("I think we should see other people", "okay", "and then he just walked away"),
)
"""Of ours; each is judged alone and after the two before it."""


def stored_inputs(card: Card, folder: Path) -> list[Inputs]:
    """What the network of a card is compared on, a batch of one each, always the same.

    Args:
        card: of a network of speech, text or face.
        folder: where the card lies, and a network of words' tokenizer.

    Raises:
        MmerError: the card is of another kind: a fusion, or a run of ``mmer-train`` with a
            preparation of its own.
    """
    makers = {"speech": _speech, "text": _text, "face": _face}
    if card.modality not in makers or "input" in card.preprocessing:
        raise MmerError(
            f"{card.name}: no inputs are stored for such a network, only for those of speech, text "
            "and face as they are shipped; name a file of your own with --inputs"
        )
    return makers[card.modality](card, folder)


def from_file(path: Path, names: Sequence[str]) -> list[Inputs]:
    """Inputs from an .npz file that holds, of each input and number N, one array NAME.N.

    Raises:
        MmerError: it cannot be read, or an array is missing.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise MmerError(f"cannot read the inputs {path}: {error}") from error
    count = len(arrays) // len(names)
    expected = {f"{name}.{i}" for name in names for i in range(count)}
    if not count or set(arrays) != expected:
        raise MmerError(
            f"{path}: expected arrays {', '.join(f'{n}.0, {n}.1' for n in names)} and so on, got "
            f"{', '.join(sorted(arrays)[:4])}"
        )
    return [{name: arrays[f"{name}.{i}"] for name in names} for i in range(count)]


def _speech(card: Card, folder: Path) -> list[Inputs]:
    bank = LogMel(**card.setting("logmel"))
    random = np.random.default_rng(0)
    low, high = card.number("min_s"), card.number("max_s")
    return [
        {"features": bank(_voice(random, low + (high - low) * random.random()))[None]}
        for _ in range(COUNT)
    ]


def _voice(random: np.random.Generator, length_s: float) -> NDArray[np.float32]:
    """Syllables of a voice in noise, 16 kHz: a glottal pulse train through two resonances."""
    n = int(length_s * SAMPLE_RATE)
    time = np.arange(n) / SAMPLE_RATE
    pitch = random.uniform(80, 300)
    melody = 1 + random.uniform(0.02, 0.4) * np.sin(
        2 * np.pi * random.uniform(0.3, 2) * time + random.uniform(0, 6)
    )
    phase = np.cumsum(pitch * melody) / SAMPLE_RATE
    pulses = np.zeros(n)
    pulses[1:] = np.diff(np.floor(phase)) > 0
    voice = pulses
    for centre in (random.uniform(300, 900), random.uniform(900, 2600)):
        decay = 0.99 - 0.02 * random.random()
        ring = decay ** np.arange(300) * np.cos(2 * np.pi * centre / SAMPLE_RATE * np.arange(300))
        voice = np.convolve(voice, ring)[:n]
    syllables = np.sin(np.pi * random.uniform(2, 6) * time) ** 2
    noise = random.normal(size=n) * 10 ** random.uniform(-3, -0.5)
    voice = voice / max(float(np.abs(voice).max()), 1e-9)
    return np.asarray(voice * syllables + noise * np.abs(voice).mean(), np.float32)


def _face(card: Card, folder: Path) -> list[Inputs]:
    random = np.random.default_rng(1)
    size = int(card.number("size"))
    return [{"image": _drawn_face(random, size)[None, None]} for _ in range(COUNT)]


def _drawn_face(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A grey face (size, size), 0..255, eyes where a crop has them: brows, mouth and light vary."""
    y, x = np.mgrid[0:size, 0:size] / size
    picture = 90 + 60 * random.random() + random.uniform(-60, 60) * (x - 0.5)
    head = ((x - 0.5) / 0.42) ** 2 + ((y - 0.52) / 0.55) ** 2 < 1
    picture = np.where(head, picture + random.uniform(20, 70), picture * random.uniform(0.3, 0.9))
    dark = random.uniform(60, 130)
    opened = random.uniform(0.02, 0.06)
    raised, tilt = random.uniform(0.10, 0.18), random.uniform(-0.3, 0.3)
    for side in (-1, 1):
        across = x - 0.5 - side * 0.18
        picture -= dark * ((across / 0.08) ** 2 + ((y - 0.38) / opened) ** 2 < 1)
        brow = 0.38 - raised + tilt * side * across
        picture -= dark * ((np.abs(y - brow) < 0.02) & (np.abs(across) < 0.11))
    bend, gape = random.uniform(-1.5, 1.5), random.uniform(0.01, 0.1)
    lips = 0.75 - bend * (x - 0.5) ** 2
    picture -= dark * ((np.abs(y - lips) < gape) & (np.abs(x - 0.5) < random.uniform(0.1, 0.2)))
    picture = picture + random.normal(size=(size, size)) * random.uniform(1, 12)
    return np.asarray(np.clip(picture, 0, 255), np.float32)


def _text(card: Card, folder: Path) -> list[Inputs]:
    from mmer.models.text import FIRST, SEPARATOR, lay_out, open_tokenizer

    tokenizer = open_tokenizer(card, folder)
    first, separator = tokenizer.token_to_id(FIRST), tokenizer.token_to_id(SEPARATOR)
    if first is None or separator is None:
        raise MmerError(f"card {card.name}: its tokenizer is of another kind")
    pieces = [tokenizer.encode(said, add_special_tokens=False).ids for said in SENTENCES]
    longest = int(card.number("max_tokens"))
    inputs: list[Inputs] = []
    for i in range(len(pieces)):
        for oldest in (i, max(0, i - 2)):
            tokens, turns = lay_out(pieces[oldest : i + 1], first, separator, longest)
            inputs.append({"tokens": tokens[None], "turns": turns[None]})
    return inputs
