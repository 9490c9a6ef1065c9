"""Face baseline task: sessions of people made of the face network's answers to pseudo-sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys, digest64
from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.models.face_baseline import INPUTS, progress_of
from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.face_baseline import FaceBaselineNetwork
from mmer.models.prediction import log_softmax
from mmer.training.augment.talking import TalkingChanges, talking
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.faces import image_keys, read_development, read_train
from mmer.training.datasets.subset import evenly_per_class
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.storage import cached_arrays
from mmer.training.tasks.task import Arrays, Task

NEUTRAL: Final = EMOTIONS.index("neutral")
ITEM_S: Final = 3.5
"""Seconds of face in an item of a session: an utterance."""
LONGEST: Final = 24
"""Items in a session."""
DEVELOPMENT_SESSIONS: Final = 2100
CLEAR: Final = 0.6
"""Least share of the votes for an image's emotion."""


@dataclass(frozen=True)
class FaceBaselineOptions:
    """Options of the recipe."""

    weights: str = ""
    """Folder of the face network; empty for the shipped one."""
    draws: int = 64_000
    """Sessions an epoch."""
    per_class: int = 450
    """Images of each emotion, at most."""
    frames: int = 5
    step_s: float = 0.2
    """Frames of a pseudo-sequence and the time between them."""
    quietest: float = 0.2
    """Share, 0 to 1, that is left of an expression at least."""
    unevenness: float = 3.0
    """Deviation of the logarithm of an emotion's frequency in a session."""
    prior_s: float = 12.0
    """Weight of "nothing is known" against the seconds of face seen."""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.quietest <= 1 or self.unevenness < 0 or not self.prior_s > 0:
            raise MmerError(
                "quietest must be 0..1, unevenness 0 or more, prior_s above 0, got "
                f"{self.quietest}, {self.unevenness}, {self.prior_s}"
            )


@dataclass(frozen=True, eq=False)
class Shown:
    """Mean log-probabilities of each pseudo-sequence and its image's emotion and key."""

    log_probs: NDArray[np.float64]  # shape (N, 7)
    labels: NDArray[np.int64]  # shape (N,)
    keys: NDArray[np.uint64]  # shape (N,)


class Sessions:
    """Draws items of people who look otherwise than everybody and show quiet expressions.

    A person is a neutral image's difference from the mean neutral one; an expression is another
    image's difference from that mean, of a random share, on top of it.

    Raises:
        MmerError: an emotion has no image.
    """

    def __init__(self, shown: Shown, options: FaceBaselineOptions) -> None:
        self._shown, self._options = shown, options
        self._rows = [np.flatnonzero(shown.labels == c) for c in range(len(EMOTIONS))]
        if lacking := [e for e, r in zip(EMOTIONS, self._rows, strict=True) if not len(r)]:
            raise MmerError(f"no clear image of {', '.join(lacking)} to make sessions of")
        self._neutral = shown.log_probs[self._rows[NEUTRAL]].mean(axis=0)

    def draw(
        self, n: int, rng: np.random.Generator
    ) -> tuple[Arrays, NDArray[np.int64], NDArray[np.int64]]:
        """``n`` items after up to ``LONGEST`` - 1 others of the person; every emotion as often.

        Returns inputs, labels (n,) and the rows of the items' images (n,).
        """
        options, classes = self._options, len(EMOTIONS)
        asked = rng.permutation(np.arange(n) % classes)
        frequency = np.exp(rng.normal(0.0, options.unevenness, (n, classes)))
        ends = (frequency / frequency.sum(axis=1, keepdims=True)).cumsum(axis=1)
        labels = (rng.random((n, LONGEST, 1)) > ends[:, None]).sum(axis=2).clip(0, classes - 1)
        labels[:, 0] = asked
        rows = np.empty((n, LONGEST), np.int64)
        for emotion, own in enumerate(self._rows):
            of = labels == emotion
            rows[of] = rng.choice(own, int(of.sum()))
        logs = self._shown.log_probs
        person = logs[rng.choice(self._rows[NEUTRAL], n)]
        share = rng.uniform(options.quietest, 1.0, (n, LONGEST, 1))
        items = log_softmax(person[:, None] + share * (logs[rows] - self._neutral))
        seen = (np.arange(LONGEST) < rng.integers(1, LONGEST + 1, (n, 1)))[..., None]
        count = seen.sum(axis=1)
        mean = (items * seen).sum(axis=1) / count
        probs = (np.exp(items) * seen).sum(axis=1) / count
        progress = progress_of(ITEM_S * count[:, 0], options.prior_s, probs)
        arrays = (items[:, 0], mean, probs, progress)
        inputs = {k: a.astype(np.float32) for k, a in zip(INPUTS, arrays, strict=True)}
        return inputs, asked, rows[:, 0]


class FaceBaselineTask(Task):
    """The task of ``FaceBaselineNetwork``."""

    modality = "face"
    development_data = (
        "sessions made of FER+ public test images without those that also occur in the training "
        "split: made up as in training, every emotion as often"
    )
    outputs = ("logits",)
    known_failures = (
        "A person who is neutral for minutes: small changes are then read as something else "
        "(training/studies/README.md, faces that talk).",
        "Fear is rarely found in a talking face: it is taken for neutral, surprise or sadness.",
    )

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None = None, weights: Path | None = None
    ) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(FaceBaselineOptions, recipe.options, where)
        by = from_table(TalkingChanges, options.changes, f"{where}.changes")
        folder = weights or (Path(options.weights) if options.weights else None)
        model = FaceModel.load(folder, "cpu")
        self._face = model.card.sha256
        train, held_out = read_train(data), read_development(data)
        labels = np.where(train.targets.max(axis=1) > CLEAR, train.targets.argmax(axis=1), -1)
        kept = evenly_per_class(labels, options.per_class)
        made_of = (options.per_class, options.frames, options.step_s, by, recipe.seed)
        key = digest64(f"{made_of} {self._face}".encode())
        sets = (("train", train.images, labels, kept), ("development", *_all(held_out, options)))
        made = []
        for number, (name, images, classes, rows) in enumerate(sets):
            rng = np.random.default_rng([recipe.seed, number])
            path = None if cache is None else cache / f"talking-{name}-{key:016x}.npz"

            def compute(
                images: NDArray[np.uint8] = images[rows], rng: np.random.Generator = rng
            ) -> Mapping[str, Any]:
                return {"log_probs": _answers(model, images, rng, by, options)}

            arrays = cached_arrays(path, compute)
            made.append(Shown(arrays["log_probs"], classes[rows], image_keys(images[rows])))
        self._train, self._held_out = made
        self._sessions = Sessions(self._train, options)
        self._development = Sessions(self._held_out, options).draw(
            DEVELOPMENT_SESSIONS, np.random.default_rng(1)
        )
        self.class_shares = np.full(len(EMOTIONS), 1 / len(EMOTIONS))
        self.batches_per_epoch = options.draws // recipe.batch

    def network(self) -> nn.Module:
        return FaceBaselineNetwork()

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        for _ in range(self.batches_per_epoch):
            inputs, labels, _ = self._sessions.draw(self._recipe.batch, rng)
            yield inputs, np.eye(len(EMOTIONS), dtype=np.float32)[labels]

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        inputs, labels, _ = self._development
        yield inputs, labels

    def development_groups(self) -> list[str]:
        """The image of each item, whose sequence is in several sessions."""
        _, _, rows = self._development
        return [f"fer2013/{key:016x}" for key in self._held_out.keys[rows]]

    def seen(self) -> Seen:
        return Seen(frozenset(), images=as_keys(int(key) for key in self._train.keys))

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        return {name: {0: "batch"} for name in INPUTS}

    def preprocessing(self) -> dict[str, Any]:
        return {"encoders": {"face": self._face}, "prior_s": self._options.prior_s}

    def training_data(self) -> tuple[TrainingData, ...]:
        return (training_data("fer2013", "train, clear votes", len(self._train.labels)),)

    def notes(self) -> tuple[str, ...]:
        o = self._options
        return (
            "No labelled video may be trained on. Each image was made a sequence of "
            f"{o.frames} frames: mouth warped as if it talked (whatever the expression), moved, "
            "blurred, relit, compressed. GRID, HDTF and RAVDESS are for evaluation and took no "
            "part in the weights; the least intensity, the unevenness of sessions and "
            "the prior were chosen by RAVDESS Actor_01 and GRID.",
            "People are made up: a neutral image's difference from the mean neutral one, under "
            f"{100 * o.quietest:.0f} to 100 % of other images' expressions. That these add up in "
            "log-probabilities is an assumption.",
            "The answers are to images that the face network was trained on, so they are surer "
            "than to strangers; the temperature makes up for it.",
            "FER+ has no subject ids: the same person may occur in both splits.",
        )


def _all(faces: Any, options: FaceBaselineOptions) -> tuple[Any, ...]:
    return faces.images, faces.labels, evenly_per_class(faces.labels, options.per_class // 4 + 1)


def _answers(
    model: FaceModel,
    images: NDArray[np.uint8],
    rng: np.random.Generator,
    by: TalkingChanges,
    options: FaceBaselineOptions,
) -> NDArray[np.float64]:
    """Mean log-probabilities (N, 7) of the network over each image's sequence."""
    found = []
    for image in images:
        frames = talking(image, rng, by, options.frames, options.step_s)
        found.append(np.mean([model.predict(frame).log_probs for frame in frames], axis=0))
    return np.array(found, np.float64)
