"""The networks that are timed, each with an input of the usual size, and what prepares it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.networks import folder_of
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.models.cards.card import KINDS, Card, card_path, check_file, load_card
from mmer.models.engine import lengths_of
from mmer.models.engine.shapes import Lengths
from mmer.models.errors import MmerError
from mmer.models.face import LUMA_BGR
from mmer.models.fusion import Opinion, stacked
from mmer.models.labels import MODALITIES
from mmer.models.preparation.face_crop import CropGeometry, align
from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel
from mmer.models.text import FIRST, SEPARATOR, lay_out, open_tokenizer

SPEECH_S: Final = 3.0
Inputs = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Subject:
    """A network: where it lies, what its usual input is, and what makes that input."""

    card: Card
    path: Path
    lengths: Lengths | None
    what: str  # the input, in words
    inputs: Inputs  # a batch of one
    prepare: Callable[[], object] | None = None
    prepared_by: str = ""  # what ``prepare`` does, in words

    def batch(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """The same input ``rows`` times."""
        return {name: np.repeat(array, rows, axis=0) for name, array in self.inputs.items()}


def subjects(weights: Path | None, kinds: Sequence[str] = KINDS) -> list[Subject]:
    """The networks of some ``kinds``: those of ``weights``, the shipped ones for the rest.

    Raises:
        MmerError: a file is missing or damaged, or a network prepares its input in its own way.
    """
    makers = {"speech": _speech, "face": _face, "text": _text, "fusion": _fusion}
    found = []
    for kind in [kind for kind in KINDS if kind in kinds]:
        path = card_path(folder_of(weights, kind), kind)
        card = load_card(path)
        if "input" in card.preprocessing or "uses" in card.preprocessing:
            raise MmerError(
                f"{path} is of a run of mmer-train with a preparation of its own: mmer-bench "
                "encoders times networks of the shipped kinds"
            )
        network = path.with_name(card.file)
        check_file(network, card.sha256)
        found.append(makers[kind](card, network))
    return found


def _speech(card: Card, path: Path) -> Subject:
    bank = LogMel(**card.setting("logmel"))
    sound = np.concatenate([u.samples for u in demo_utterances()])[: round(SPEECH_S * SAMPLE_RATE)]
    return Subject(
        card,
        path,
        lengths_of("speech", card.preprocessing),
        f"{SPEECH_S:g} s of speech",
        {"features": bank(sound)[None]},
        lambda: bank(sound),
        f"log-mel spectrum of {SPEECH_S:g} s",
    )


def _face(card: Card, path: Path) -> Subject:
    (left, right), size = (card.setting(f"{side}_eye") for side in ("left", "right")), 480
    geometry = CropGeometry(int(card.number("size")), tuple(left), tuple(right))
    picture = np.random.default_rng(0).integers(0, 256, (size, 640, 3), np.uint8)
    eyes = np.array([(280, 200), (350, 205)], np.float32)  # of a face a metre from a webcam

    def prepare() -> NDArray[np.float32]:
        grey: NDArray[np.float32] = align(picture, eyes, geometry).astype(np.float32) @ LUMA_BGR
        return grey

    return Subject(
        card,
        path,
        None,
        f"one face, {geometry.size}x{geometry.size}",
        {"image": prepare()[None, None]},
        prepare,
        "alignment: the face out of 640x480, grey",
    )


def _text(card: Card, path: Path) -> Subject:
    from mmer.realtime.demo import clip

    tokenizer = open_tokenizer(card, path.parent)
    first, separator = tokenizer.token_to_id(FIRST), tokenizer.token_to_id(SEPARATOR)
    if first is None or separator is None:
        raise MmerError(f"card {card.name}: its tokenizer is of another kind")
    longest = int(card.number("max_tokens"))
    told = json.loads(clip().with_suffix(".json").read_text(encoding="utf-8"))["sentences"]
    said = [str(sentence["text"]) for sentence in told][: card.count("past_utterances") + 1]

    def prepare() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pieces = [tokenizer.encode(text, add_special_tokens=False).ids for text in said]
        return lay_out(pieces, first, separator, longest)

    tokens, turns = prepare()
    return Subject(
        card,
        path,
        lengths_of("text", card.preprocessing),
        f"an utterance after {len(said) - 1} others, {len(tokens)} word pieces",
        {"tokens": tokens[None], "turns": turns[None]},
        prepare,
        f"tokenizer: {len(said)} utterances",
    )


def _fusion(card: Card, path: Path) -> Subject:
    opinions = {}
    for k, modality in enumerate(MODALITIES):
        logits = np.eye(7)[k] * 2
        opinions[modality] = Opinion(logits - np.log(np.exp(logits).sum()), 0.8, 0.2)
    return Subject(card, path, None, "three opinions", stacked(opinions))
