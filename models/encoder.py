"""Encoder models: a card, its preparation and its network, opened and run alike for all networks.

A network that mmer ships and one that a user trained and exported differ in the preparation that
the card names, and in nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, find_card, open_network
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.preparation.dialogue_tokens import FIRST
from mmer.models.preparation.frames import Images
from mmer.models.preparation.grey_face import GreyFace
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import Preparation, Utterance, stack
from mmer.models.preparation.sound import GrowingSound, SoundPreparation
from mmer.models.preparation.text_style import STYLES, TextStyle
from mmer.models.preparation.text_tokens import TokenPreparation

Model = TypeVar("Model", bound="EncoderModel")


class EncoderModel:
    """Signal -> preparation -> network -> ``Prediction``; immutable, safe to call from any thread.

    ``gives`` is what a prediction holds as ``embedding``: "tokens", (T, E), of a network made for a
    fusion of tokens, else "embedding", (E,). The steps (B, T, E) and their mask (B, T)
    are such a network's third and fourth output, by any name ("tokens" may be an input's). An
    output "usable" (B,) is the logit of there being something to evaluate.
    """

    modality: ClassVar[str]
    preparations: ClassVar[tuple[type[Preparation[Any]], ...]]
    """What a card of this modality may name."""

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        self.card = card
        self.provider = engine.provider
        self._steps = engine.outputs[2:4] if len(engine.outputs) >= 4 else ()
        self.gives = "tokens" if self._steps else "embedding"
        self.preparation = preparation
        self.engine = engine

    @classmethod
    def load(cls: type[Model], folder: Path | None = None, provider: str = "auto") -> Model:
        """Open MODALITY.json in ``folder`` (or a card), its network and its preparation's files.

        The shipped one by default.

        Raises:
            MmerError: a file is missing, damaged or of another kind; a package that the
                preparation needs is not installed; the provider cannot run.
        """
        card, path = find_card(folder, cls.modality)
        preparation = preparation_of(card, path.parent)
        if not isinstance(preparation, cls.preparations):
            raise MmerError(
                f"card {card.name}: input {preparation.kind!r} is not of {card.modality}"
            )
        lengths = preparation.lengths()
        engine = open_network(card, path, provider, preparation.names, ("mask",), lengths=lengths)
        return cls(card, engine, preparation)

    def _predict(self, row: tuple[NDArray[Any], ...] | None, usable: float = 1.0) -> Prediction:
        """Prediction from a prepared signal; None is one with nothing to evaluate."""
        if row is None:
            return Prediction.unknown()
        arrays = dict(zip(self.engine.inputs, stack([row]), strict=False))  # mask or none
        out = {name: array[0] for name, array in self.engine.run(arrays).items()}
        embedding = out["embedding"]
        if self._steps:
            steps, mask = (out[name] for name in self._steps)
            embedding = steps[mask > 0.5]
        if "usable" in out:
            usable *= 0.5 * (1 + math.tanh(float(out["usable"]) / 2))
        return Prediction.from_logits(out["logits"], self.card.temperature, embedding, usable)


class SpeechModel(EncoderModel):
    """Speech emotion model; ``min_s`` and ``max_s`` bound the sound that it evaluates, in seconds.

    A shorter sound is less usable; of a longer one the end counts. ``growing()`` is the preparation
    of one sound that grows, a stream's own.
    """

    modality = "speech"
    preparations = (SoundPreparation,)

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        assert isinstance(preparation, SoundPreparation)
        self.min_s, self.max_s = card.number("min_s"), preparation.longest_s
        self.growing = preparation.growing

    def predict(
        self, samples: NDArray[np.int16], begin: int = 0, prepare: GrowingSound | None = None
    ) -> Prediction:
        """Emotion of int16 (n,) at 16 kHz mono, of which the last ``max_s`` count.

        Of a sound that grows, ``samples`` may be the newest part, from its sample ``begin`` on, and
        ``prepare`` what ``growing()`` made for it: the same prediction with less work.

        Silence and no samples at all are ``Prediction.unknown()``; of a sound shorter than
        ``min_s``, ``usable`` is the share of it that is there. Whether a sound is speech is for the
        voice activity detector to say.

        Raises:
            ValueError: not int16 (n,).
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"expected samples int16 (n,), got {samples.dtype} {samples.shape}")
        row = self.preparation(samples) if prepare is None else prepare(samples, begin)
        return self._predict(row, min(1.0, len(samples) / round(self.min_s * SAMPLE_RATE)))


class TextModel(EncoderModel):
    """Text emotion model; ``past_utterances`` is how many earlier utterances it inputs."""

    modality = "text"
    preparations = (TokenPreparation,)

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        assert isinstance(preparation, TokenPreparation)
        self.past_utterances = preparation.past

    def predict(
        self, text: str, past: Sequence[str] = (), style: TextStyle = "written"
    ) -> Prediction:
        """Emotion of an utterance after ``past``, the utterances before it, oldest first.

        Of ``past`` the last ``past_utterances`` that have a word and fit count; of a longer text
        the end. A text without a word is ``Prediction.unknown()``. ``style`` is how all are
        written; networks trained on one style ignore it.
        """
        return self._predict(self.preparation(Utterance(text, tuple(past), style)))


class FaceModel(EncoderModel):
    """Face emotion model: of one crop, or of a clip of faces or whole frames (``clips``).

    ``sees`` is "faces" (crops aligned as ``geometry`` says: ``face_crop.align``) or "frames";
    ``count`` how many images of a clip the network takes at most, ``size`` their side in pixels.
    Below ``usable_below`` (0..1) a prediction's ``usable`` means that the crop is no face.
    """

    modality = "face"
    preparations = (Images, GreyFace)

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        assert isinstance(preparation, Images | GreyFace)
        self.clips = isinstance(preparation, Images)
        self.sees, self.geometry = preparation.sees, preparation.geometry
        self.size = self.geometry.size
        self.count = preparation.count if isinstance(preparation, Images) else 1
        # a network without that output has no limit for it
        self.usable_below = card.preprocessing.get("usable_below", 0.0)
        if not isinstance(self.usable_below, float | int) or not 0 <= self.usable_below <= 1:
            raise MmerError(
                f"card {card.name}: usable_below is {self.usable_below!r}, expected 0 to 1"
            )

    def predict(self, images: NDArray[np.uint8]) -> Prediction:
        """Emotion of an aligned crop, uint8 (S, S, 3) BGR or (S, S) grey, S = ``size``.

        Of a network of clips: of images uint8 (N, H, W, 3) BGR in the order of time, or of one;
        more than ``count`` are thinned evenly, and no image is ``Prediction.unknown()``.

        Raises:
            ValueError: another shape or type.
        """
        one = images[None] if self.clips and images.ndim == 3 else images
        return self._predict(self.preparation(one))


ENCODER_MODELS: Final[Mapping[str, type[EncoderModel]]] = {
    model.modality: model for model in (SpeechModel, TextModel, FaceModel)
}


def load_encoder(modality: str, folder: Path | None, provider: str = "auto") -> Any:
    """The model of "speech", "text" or "face": see ``EncoderModel.load``."""
    return ENCODER_MODELS[modality].load(folder, provider)


def preparation_of(card: Card, folder: Path) -> Preparation[Any]:
    """The preparation that a card names; its files lie in ``folder``.

    Raises:
        MmerError: the card is of a fusion or not understood; as ``open_preparation``.
    """
    table = card.preprocessing
    settings = table["input"] if "input" in table else _older(card)
    if not isinstance(settings, Mapping):
        raise MmerError(
            f"card {card.name}: input must be a table, got {settings!r}; export it again"
        )
    try:
        return open_preparation(settings, folder)
    except MmerError as error:
        raise MmerError(f"card {card.name}: {error}") from error


def _older(card: Card) -> Mapping[str, Any]:
    """The input of a card of before 0.2, of a network like the shipped ones."""
    table, setting = card.preprocessing, card.setting
    if card.modality == "speech":
        bank = setting("logmel")
        if not isinstance(bank, Mapping):
            raise MmerError(f"card {card.name}: logmel is {bank!r}; train it again")
        spans = {"least_s": card.number("min_s"), "longest_s": card.number("max_s")}
        return {"kind": "log-mel-segment", **bank, **spans}
    if card.modality == "text":
        names = ("max_tokens", "past_utterances", "tokenizer", "tokenizer_sha256")
        styles = table.get("styles") or dict.fromkeys(STYLES, FIRST)
        return {"kind": "dialogue-tokens", **{n: setting(n) for n in names}, "styles": styles}
    return {"kind": "grey-face", **{n: setting(n) for n in ("size", "left_eye", "right_eye")}}
