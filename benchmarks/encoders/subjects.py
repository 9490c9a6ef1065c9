"""Networks to be timed, each with an input of the usual size, and its preparation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.models.bundle import Bundle
from mmer.models.cards.card import KINDS, Card, card_path
from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.engine import Lengths
from mmer.models.fusion import OPINIONS, FusionModel, Opinion
from mmer.models.prediction import log_softmax
from mmer.models.preparation.face_crop import align
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Preparation, Utterance, stack
from mmer.realtime.blocks.speech_encoder import SpeechEncoderConfig

SPEECH_S: Final = 3.0
GROWN_S: Final = SpeechEncoderConfig.step_s
EYES: Final = np.array([(280, 200), (350, 205)], np.float32)
"""Of a face a metre from a webcam of 640x480."""
Inputs = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Subject:
    """A network: where it lies, its usual input, and the preparation that makes that input."""

    card: Card
    path: Path
    lengths: Lengths | None
    what: str  # the input, described
    inputs: Inputs  # a batch of one
    preparation: Preparation[Any] | None = None
    prepare: Callable[[], object] | None = None
    prepared_by: str = ""  # what ``prepare`` does, described
    grow: Callable[[], object] | None = None
    """As ``prepare``, of a sound that has grown by ``GROWN_S`` since the last call."""

    def batch(self, rows: int) -> dict[str, NDArray[np.generic]]:
        """The same input ``rows`` times."""
        return {name: np.repeat(array, rows, axis=0) for name, array in self.inputs.items()}


def subjects(weights: Path | None, kinds: Sequence[str] = KINDS) -> list[Subject]:
    """The networks of some ``kinds``: those of ``weights``, the shipped ones for the rest.

    Of a run of ``mmer-export`` its own networks alone.

    Raises:
        MmerError: a file is missing or damaged.
    """
    bundle = Bundle(weights)
    makers = {"speech": _speech, "text": _text, "face": _face, "fusion": _fusion}
    return [
        makers[kind](bundle)
        for kind in KINDS
        if kind in kinds and (kind in bundle.cards or not bundle.is_run)
    ]


def _subject(
    model: SpeechModel | TextModel | FaceModel,
    place: Path | None,
    what: str,
    raw: Callable[[], Any],
    prepared_by: str,
) -> Subject:
    def prepare() -> tuple[NDArray[Any], ...]:
        row = model.preparation(raw())
        assert row is not None
        return row

    return Subject(
        model.card,
        card_path(place, model.modality).with_name(model.card.file),
        model.preparation.lengths(),
        what,
        dict(zip(model.engine.inputs, stack([prepare()]), strict=False)),
        model.preparation,
        prepare,
        prepared_by,
    )


def _speech(bundle: Bundle) -> Subject:
    place = bundle.place("speech")
    sound = np.concatenate([u.samples for u in demo_utterances()])[: round(SPEECH_S * SAMPLE_RATE)]
    model = SpeechModel.load(place, "cpu")
    what, how = f"{SPEECH_S:g} s of speech", f"{model.preparation.title} of {SPEECH_S:g} s"
    subject = _subject(model, place, what, lambda: sound, how)
    return replace(subject, grow=_growing(model, sound))


def _growing(model: SpeechModel, sound: NDArray[np.int16]) -> Callable[[], object]:
    """Prepares the newest part of ``sound`` (n,) played over and over, as long as it."""
    prepare, twice = model.growing(), np.concatenate([sound, sound])
    begins = count(step=round(GROWN_S * SAMPLE_RATE))

    def grow() -> object:
        begin = next(begins)
        at = begin % len(sound)
        return prepare(twice[at : at + len(sound)], begin)

    return grow


def _text(bundle: Bundle) -> Subject:
    from mmer.realtime.demo import clip

    place = bundle.place("text")
    model = TextModel.load(place, "cpu")
    demo = json.loads(clip().with_suffix(".json").read_text(encoding="utf-8"))["sentences"]
    *past, text = [str(sentence["text"]) for sentence in demo][: model.past_utterances + 1]
    utterance = Utterance(text, tuple(past))
    row = model.preparation(utterance)
    assert row is not None
    what = f"an utterance after {len(past)} others, {len(row[0])} word pieces"
    return _subject(model, place, what, lambda: utterance, f"tokenizer: {len(past) + 1} utterances")


def _face(bundle: Bundle) -> Subject:
    place = bundle.place("face")
    model = FaceModel.load(place, "cpu")
    shape = (model.count, 480, 640, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def raw() -> NDArray[np.uint8]:
        if model.sees == "frames":
            return frames
        crops = np.stack([align(frame, EYES, model.geometry) for frame in frames])
        return crops if model.clips else crops[0]

    side = f"{model.size}x{model.size}"
    if not model.clips:
        how = "alignment: the face out of 640x480, grey"
        return _subject(model, place, f"one face, {side}", raw, how)
    how = f"{model.count} {model.sees} out of 640x480"
    return _subject(model, place, f"{model.count} {model.sees}, {side}", raw, how)


def _fusion(bundle: Bundle) -> Subject:
    model = FusionModel.load(bundle.place("fusion"))
    path = card_path(bundle.place("fusion"), "fusion").with_name(model.card.file)
    opinions: dict[str, Opinion] = {}
    for k, modality in enumerate(model.modalities):
        embedding = None
        if model.uses != OPINIONS:
            embedding = _embedding(bundle, modality)
        opinions[modality] = Opinion(log_softmax(np.eye(7)[k] * 2), 0.8, 0.2, embedding)
    number = {1: "one opinion", 2: "two opinions", 3: "three opinions"}[len(opinions)]
    return Subject(model.card, path, None, number, model.inputs(opinions))


def _embedding(bundle: Bundle, modality: str) -> NDArray[np.float32] | None:
    """The embedding of a made-up signal."""
    model = bundle.load_encoder(modality, "cpu")
    raw: Any = model.preparation.example(np.random.default_rng(0))
    arguments = (raw.text, raw.past) if isinstance(raw, Utterance) else (raw,)
    found: NDArray[np.float32] | None = model.predict(*arguments).embedding
    return found
