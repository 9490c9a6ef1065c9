"""Encoder outputs on held-out items: the training data of a fusion.

Speech: RAVDESS actors 17-20. Text: MELD's development split. Faces: FER+'s public test split. Each
item is predicted in several states (cut short, in noise, misrecognized, far away, dark, blurred),
and each prediction has the quality that the live blocks would assign.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, load_card, weights_dir
from mmer.models.cards.seen import digest64, file_digest
from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.prediction import Prediction
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.text_style import TextStyle
from mmer.models.quality import SpeechLimits, speech_quality, text_quality
from mmer.training.augment.asr_errors import misrecognize
from mmer.training.augment.degrade import face_quality, far_dark_blurred, in_noise
from mmer.training.datasets.faces import read_development as read_faces
from mmer.training.datasets.likeness import image_key, text_key
from mmer.training.datasets.media import decode, sound_files, trim
from mmer.training.datasets.registry import read as read_corpus
from mmer.training.datasets.subset import evenly_per_class
from mmer.training.datasets.texts import as_recognized, bare
from mmer.training.storage import cached_arrays
from mmer.training.tasks.speech_data import HELD_NOISE

PREDICTED: Final = 2
"""Version of the outputs: 2, noises of the held-out fold, and qualities as live."""

SPEECH_STATES: Final = (
    *("whole", "first 2 s", "first 1 s", "first 0.5 s"),
    *("noise 20 dB", "noise 10 dB", "noise 5 dB", "noise 0 dB"),
)
TEXT_STATES: Final = (
    *("as written", "as recognized", "15 % wrong", "bare, 30 % wrong"),
    *("first half", "bare, no past"),
)
PUNCTUATED: Final = ("as written", "as recognized", "15 % wrong", "first half")
"""States of a text that have punctuation."""
FACE_STATES: Final = ("as it is", "far", "dark", "blurred")


@dataclass(frozen=True, eq=False)
class EncoderOutputs:
    """One encoder's outputs on N items in S states; the first state is the item as it is."""

    states: tuple[str, ...]
    log_probs: NDArray[np.float32]  # shape (N, S, 7), calibrated
    quality: NDArray[np.float32]  # shape (N, S), 0..1; 0 is no evidence
    labels: NDArray[np.int64]  # shape (N,)
    groups: NDArray[np.str_]  # shape (N,): speaker, dialogue or image, as in ``Seen``
    contents: NDArray[np.uint64]  # shape (N,): the key of the file, the text or the image

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: NDArray[np.bool_]) -> EncoderOutputs:
        """The items whose row, bool (N,), is set."""
        return EncoderOutputs(self.states, *(getattr(self, name)[rows] for name in _ARRAYS))


_ARRAYS: Final = ("log_probs", "quality", "labels", "groups", "contents")
_Item = tuple[int, str, int, Sequence[tuple[Prediction, float]]]
"""Label, group, content and, for each state, prediction and quality."""


def _gather(states: tuple[str, ...], items: Iterator[_Item]) -> EncoderOutputs:
    labels, groups, contents, predictions = zip(*items, strict=True)
    return EncoderOutputs(
        states,
        np.array([[p.log_probs for p, _ in row] for row in predictions], np.float32),
        np.array([[quality for _, quality in row] for row in predictions], np.float32),
        np.array(labels, np.int64),
        np.array(groups),
        np.array(contents, np.uint64),
    )


def noise_files(data: Path) -> list[Path]:
    """ESC-10's fold that the speech network was not trained with.

    Accuracy's noise conditions use the same ten sounds, of the speech network alone.

    Raises:
        MmerError: there is none of it in ``data``/audio/esc10.
    """
    root = data / "audio/esc10"
    held_out = [path for path in sound_files(root, "esc10") if path.name.startswith(HELD_NOISE)]
    if not held_out:
        raise MmerError(f"no recording below {root} begins with {HELD_NOISE}: its fifth fold")
    return held_out


def _sound_quality(samples: NDArray[np.int16], model: SpeechModel, prediction: Prediction) -> float:
    """As in ``blocks.speech_encoder``, where too short or silent a sound is no evidence."""
    if len(samples) < round(model.min_s * SAMPLE_RATE) or prediction.usable <= 0.0:
        return 0.0
    return speech_quality(samples, SpeechLimits())


def _speech(
    data: Path, model: SpeechModel, per_class: int, noise: Sequence[Path]
) -> Iterator[_Item]:
    """The development actors' clips without the silence at their ends."""
    noises = [decode(path).astype(np.float64) for path in noise]
    items = read_corpus("ravdess", data / "audio/ravdess", "speech", "dev").items
    for row in evenly_per_class(np.array([i.label for i in items]), per_class):
        item, rng = items[row], np.random.default_rng([1, int(row)])
        assert item.path is not None
        whole = trim(decode(item.path))
        sounds = [whole, *(whole[: round(s * SAMPLE_RATE)] for s in (2.0, 1.0, 0.5))]
        for snr_db in (20, 10, 5, 0):
            sounds.append(in_noise(whole, noises[int(rng.integers(len(noises)))], snr_db, rng))
        predictions = [(p, _sound_quality(s, model, p)) for s in sounds for p in [model.predict(s)]]
        yield item.label, item.speaker_group, file_digest(item.path), predictions


def _text(data: Path, model: TextModel, per_class: int) -> Iterator[_Item]:
    """MELD's development utterances, after the utterances before them."""
    items = read_corpus("meld", data / "text/meld", "text", "dev").items
    texts = [item.text or "" for item in items]
    rates: tuple[tuple[float, TextStyle], ...] = ((0.15, "asr"), (0.3, "bare"))
    wrong = [misrecognize(texts, rate, texts, 1, style) for rate, style in rates]
    for row in evenly_per_class(np.array([i.label for i in items]), per_class):
        item, words = items[row], as_recognized(texts[row]).split()
        past = tuple(map(as_recognized, item.past))
        bare_past = tuple(map(bare, item.past))
        # text, context, style, and confidence of the recognizer
        states: tuple[tuple[str, Sequence[str], TextStyle, float], ...] = (
            (texts[row], item.past, "written", 1.0),
            (" ".join(words), past, "asr", 1.0),
            (wrong[0][row], past, "asr", 0.85),
            (wrong[1][row], bare_past, "bare", 0.7),
            (" ".join(words[: (len(words) + 1) // 2]), past, "asr", 1.0),
            (bare(texts[row]), (), "bare", 1.0),
        )
        predictions = []
        for text, context, style, confidence in states:
            prediction = model.predict(text, context, style)
            predictions.append((prediction, text_quality(text, confidence) * prediction.usable))
        yield item.label, item.dialogue_group, text_key(texts[row]), predictions


def _face(data: Path, model: FaceModel, per_class: int) -> Iterator[_Item]:
    """The images with a majority for one of the seven that do not occur in the train split."""
    import cv2

    faces, size = read_faces(data), model.geometry.size
    for row in evenly_per_class(faces.labels, per_class):
        image, rng = faces.images[row], np.random.default_rng([3, int(row)])
        predictions = []
        for degraded, eyes_px in far_dark_blurred(image, model.geometry, rng):
            crop = cv2.resize(degraded, (size, size), interpolation=cv2.INTER_LINEAR)
            prediction = model.predict(np.asarray(crop, np.uint8))
            usable = prediction.usable if prediction.usable >= model.usable_below else 0.0
            predictions.append((prediction, face_quality(degraded, eyes_px) * usable))
        key = image_key(image)
        yield int(faces.labels[row]), f"fer2013/{key:016x}", key, predictions


def read(
    data: Path, weights: Path | None, cache: Path | None, per_class: int
) -> dict[str, EncoderOutputs]:
    """Outputs of the encoders in ``weights`` (by default the shipped), by modality.

    ``per_class`` bounds the items of each emotion; ``cache`` is a folder for the outputs, keyed by
    the encoder and the states.

    Raises:
        MmerError: a corpus or an encoder is missing or damaged.
    """
    folder = weights or weights_dir()
    speech = SpeechModel.load(folder, "cpu")
    text = TextModel.load(folder, "cpu")
    face = FaceModel.load(folder, "cpu")
    noise = noise_files(data)
    found = (
        (speech.card, SPEECH_STATES, noise, partial(_speech, data, speech, per_class, noise)),
        (text.card, TEXT_STATES, (), partial(_text, data, text, per_class)),
        (face.card, FACE_STATES, (), partial(_face, data, face, per_class)),
    )
    return {
        card.modality: _cached(_path(cache, per_class, card, states, noise), states, predict)
        for card, states, noise, predict in found
    }


def _path(
    cache: Path | None,
    per_class: int,
    card: Card,
    states: Sequence[str],
    noise: Sequence[Path],
) -> Path | None:
    """The file in ``cache`` of all that the outputs depend on, beside the corpora."""
    if cache is None:
        return None
    # the preparation and, of a face, usable_below are among the preprocessing
    encoder = [card.sha256, card.temperature, dict(card.preprocessing)]
    names = [path.name for path in noise]
    key = json.dumps([PREDICTED, per_class, encoder, states, names], sort_keys=True)
    return cache / f"posteriors-{card.modality}-{digest64(key.encode()):016x}.npz"


def _cached(
    path: Path | None, states: tuple[str, ...], predict: Callable[[], Iterator[_Item]]
) -> EncoderOutputs:
    def compute() -> dict[str, Any]:
        outputs = _gather(states, predict())
        return {name: np.asarray(getattr(outputs, name)) for name in ("states", *_ARRAYS)}

    found = cached_arrays(path, compute)
    return EncoderOutputs(tuple(map(str, found["states"])), *(found[name] for name in _ARRAYS))


def encoders(weights: Path | None) -> dict[str, str]:
    """SHA-256 of each encoder's network in ``weights``, by modality, from its card.

    Raises:
        MmerError: a card is missing or not valid.
    """
    folder = weights or weights_dir()
    return {m: load_card(folder / f"{m}.json").sha256 for m in MODALITIES}
