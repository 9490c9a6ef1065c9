"""What the encoders say of items that they were not fitted to: what a fusion learns from.

Voice: RAVDESS actors 17-20. Words: MELD's development split. Faces: FER+'s public test split. Each
item is judged in several states (cut short, in noise, misheard, far away, dark, blurred), and each
judgement has the quality that the live blocks would give it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, load_card, weights_dir
from mmer.models.cards.seen import digest64, file_digest
from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.prediction import Prediction
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.text_style import TextStyle
from mmer.models.quality import duration_quality, text_quality
from mmer.training.augment.asr_errors import misrecognize
from mmer.training.augment.degrade import face_quality, far_dark_blurred, in_noise
from mmer.training.datasets.data_folder import need
from mmer.training.datasets.faces import read_development as read_faces
from mmer.training.datasets.likeness import image_key, text_key
from mmer.training.datasets.media import decode, trim
from mmer.training.datasets.registry import read as read_corpus
from mmer.training.datasets.texts import as_recognized, bare

SPEECH_STATES: Final = (
    *("whole", "first 2 s", "first 1 s", "first 0.5 s"),
    *("noise 20 dB", "noise 10 dB", "noise 5 dB", "noise 0 dB"),
)
TEXT_STATES: Final = (
    *("as written", "as recognized", "15 % wrong", "bare, 30 % wrong"),
    *("first half", "bare, no past"),
)
FACE_STATES: Final = ("as it is", "far", "dark", "blurred")


@dataclass(frozen=True, eq=False)
class Posteriors:
    """One encoder's opinions of N items in S states; the first state is the item as it is."""

    states: tuple[str, ...]
    log_probs: NDArray[np.float32]  # shape (N, S, 7), calibrated
    quality: NDArray[np.float32]  # shape (N, S), 0..1; 0 gives no evidence
    labels: NDArray[np.int64]  # shape (N,)
    groups: NDArray[np.str_]  # shape (N,): speaker, dialogue or picture, as in ``Seen``
    contents: NDArray[np.uint64]  # shape (N,): the key of the file, the text or the picture

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: NDArray[np.bool_]) -> Posteriors:
        """Some of the items; ``rows`` is bool (N,)."""
        return Posteriors(
            self.states,
            *(getattr(self, name)[rows] for name in _ARRAYS),
        )


_ARRAYS: Final = ("log_probs", "quality", "labels", "groups", "contents")
_Judged = tuple[int, str, int, Sequence[tuple[Prediction, float]]]
"""Label, group, content and, for each state, prediction and quality."""


def _gather(states: tuple[str, ...], judged: Iterator[_Judged]) -> Posteriors:
    rows = list(judged)
    return Posteriors(
        states,
        np.array([[p.log_probs for p, _ in said] for *_, said in rows], np.float32),
        np.array([[quality for _, quality in said] for *_, said in rows], np.float32),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows], np.uint64),
    )


def _some(labels: NDArray[np.int64], per_class: int) -> NDArray[np.int64]:
    """At most ``per_class`` rows of each class, evenly spaced, in order."""
    rows = [np.flatnonzero(labels == c) for c in range(len(EMOTIONS))]
    kept = [r[np.linspace(0, len(r) - 1, min(len(r), per_class)).astype(int)] for r in rows]
    return np.sort(np.concatenate([k for k, r in zip(kept, rows, strict=True) if len(r)]))


def judge_voices(data: Path, model: SpeechModel, per_class: int) -> Posteriors:
    """The development actors' clips without the silence at their ends."""
    noises = [
        decode(path).astype(np.float64)
        for path in sorted(need(data / "audio/esc10").rglob("*.*"))
        if path.suffix in (".opus", ".wav", ".ogg")
    ]
    items = read_corpus("ravdess", data / "audio/ravdess", "speech", "dev").items

    def judge() -> Iterator[_Judged]:
        for row in _some(np.array([i.label for i in items]), per_class):
            item, rng = items[row], np.random.default_rng([1, int(row)])
            assert item.path is not None
            whole = trim(decode(item.path))
            sounds = [whole, *(whole[: round(s * SAMPLE_RATE)] for s in (2.0, 1.0, 0.5))]
            for snr_db in (20, 10, 5, 0):
                noise = noises[int(rng.integers(len(noises)))]
                sounds.append(in_noise(whole, noise, snr_db, rng))
            said = [(p, duration_quality(s) * p.usable) for s in sounds for p in [model.predict(s)]]
            yield item.label, item.speaker_group, file_digest(item.path), said

    return _gather(SPEECH_STATES, judge())


def judge_words(data: Path, model: TextModel, per_class: int) -> Posteriors:
    """MELD's development utterances, after what was said before."""
    items = read_corpus("meld", data / "text/meld", "text", "dev").items
    texts = [item.text or "" for item in items]
    rates: tuple[tuple[float, TextStyle], ...] = ((0.15, "asr"), (0.3, "bare"))
    misheard = [misrecognize(texts, rate, texts, 1, style) for rate, style in rates]

    def judge() -> Iterator[_Judged]:
        for row in _some(np.array([i.label for i in items]), per_class):
            item, words = items[row], as_recognized(texts[row]).split()
            past = tuple(map(as_recognized, item.past))
            bare_past = tuple(map(bare, item.past))
            # text, context, style, and confidence of the recognizer
            states: tuple[tuple[str, Sequence[str], TextStyle, float], ...] = (
                (texts[row], item.past, "written", 1.0),
                (" ".join(words), past, "asr", 1.0),
                (misheard[0][row], past, "asr", 0.85),
                (misheard[1][row], bare_past, "bare", 0.7),
                (" ".join(words[: (len(words) + 1) // 2]), past, "asr", 1.0),
                (bare(texts[row]), (), "bare", 1.0),
            )
            said = []
            for text, context, style, trust in states:
                prediction = model.predict(text, context, style)
                said.append((prediction, text_quality(text, trust) * prediction.usable))
            yield item.label, item.dialogue_group, text_key(texts[row]), said

    return _gather(TEXT_STATES, judge())


def judge_faces(data: Path, model: FaceModel, per_class: int) -> Posteriors:
    """The pictures with a majority for one of the seven that do not occur in the train split."""
    import cv2

    faces = read_faces(data)
    size = model.geometry.size

    def judge() -> Iterator[_Judged]:
        for row in _some(faces.labels, per_class):
            image, rng = faces.images[row], np.random.default_rng([3, int(row)])
            said = []
            for picture, eyes_px in far_dark_blurred(image, model.geometry, rng):
                crop = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
                prediction = model.predict(np.asarray(crop, np.uint8))
                usable = prediction.usable if prediction.usable >= model.usable_below else 0.0
                said.append((prediction, face_quality(picture, eyes_px) * usable))
            key = image_key(image)
            yield int(faces.labels[row]), f"fer2013/{key:016x}", key, said

    return _gather(FACE_STATES, judge())


def read(
    data: Path, weights: Path | None, cache: Path | None, per_class: int
) -> dict[str, Posteriors]:
    """By modality, what the encoders in ``weights`` (by default the shipped) say.

    ``per_class`` bounds the items of each emotion; ``cache`` keeps the answers between runs, keyed
    by the encoder.

    Raises:
        MmerError: a corpus or an encoder is missing or damaged.
    """
    folder = weights or weights_dir()
    speech = SpeechModel.load(folder, "cpu")
    text = TextModel.load(folder, "cpu")
    face = FaceModel.load(folder, "cpu")
    judges: dict[str, tuple[Card, Callable[[], Posteriors]]] = {
        "speech": (speech.card, lambda: judge_voices(data, speech, per_class)),
        "text": (text.card, lambda: judge_words(data, text, per_class)),
        "face": (face.card, lambda: judge_faces(data, face, per_class)),
    }
    return {
        modality: judge() if cache is None else _kept(cache, f"{per_class}", card, judge)
        for modality, (card, judge) in judges.items()
    }


def _kept(cache: Path, how: str, card: Card, judge: Callable[[], Posteriors]) -> Posteriors:
    key = digest64(f"{how} {card.sha256} {card.temperature}".encode())
    path = cache / f"posteriors-{card.modality}-{key:016x}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        said = judge()
        arrays: dict[str, Any] = {name: getattr(said, name) for name in _ARRAYS}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, states=np.array(said.states), **arrays)
        partial.replace(path)
        return said
    with np.load(path, allow_pickle=False) as data:
        states = tuple(str(state) for state in data["states"])
        return Posteriors(states, *(data[name] for name in _ARRAYS))


def encoders(weights: Path | None) -> dict[str, str]:
    """By modality, the SHA-256 of the encoder's network in ``weights``, as its card says.

    Raises:
        MmerError: a card is missing or not sound.
    """
    folder = weights or weights_dir()
    return {m: load_card(folder / f"{m}.json").sha256 for m in MODALITIES}
