"""Evaluation of weights on a corpus: read, refuse leaks, predict, figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.face_baseline import FaceBaseline
from mmer.models.labels import MODALITIES
from mmer.realtime.commands.needs import version
from mmer.training.datasets.images import image_or_none
from mmer.training.datasets.item import Item
from mmer.training.datasets.registry import default_split, read
from mmer.training.evaluation.adapt import Adapting, in_random_order
from mmer.training.evaluation.answers import Answer, Answerer, Change, answers_of
from mmer.training.evaluation.leaks import LEAK, TWIN, describe, find_leaks, find_twins, leave_out
from mmer.training.evaluation.result import Evaluation, evaluation_of
from mmer.training.evaluation.settings import Settings
from mmer.training.evaluation.weights import Weights, weights_of
from mmer.training.metrics.bootstrap import group
from mmer.training.metrics.figures import figures

if TYPE_CHECKING:
    from mmer.training.evaluation.clip_workers import ClipWorkers

UNREADABLE: Final = "cannot be read"
_SHOWN: Final = 3
_VERSIONS: Final = ("mmer-live", "numpy", "onnxruntime", "opencv-contrib-python")


@dataclass
class _Run:
    """Counts and warnings of an evaluation under way."""

    dropped: Counter[str]
    about: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def evaluate(
    modality: str,
    dataset: str,
    root: Path,
    *,
    split: str | None = None,
    weights: Path | None = None,
    settings: Settings | None = None,
    change: Change | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
    ray: str | None = None,
) -> Evaluation:
    """Figures of a model's likeliest label for every item of a corpus' split.

    Args:
        modality: speech, text, face or clip.
        dataset: a name that ``mmer.training.datasets.registry`` knows.
        root: the corpus' folder; a manifest's CSV file.
        split: by default that of ``default_split``.
        weights: NAME.onnx, its card NAME.json or their folder; for a clip a folder; by default
            the shipped ones.
        settings: see ``Settings``.
        change: applied to each input before prediction: trimmed sound int16 (n,), an image uint8
            (H, W, 3) BGR, a text. Not for clips.
        progress: called with items done and items in all.
        workers, ray: for clips, so many processes, or actors of the Ray cluster at that address;
            the figures are those of one.

    Raises:
        MmerError: a file is missing or damaged, the items leak, or none can be read.
    """
    settings = settings or Settings()
    settings.check(modality)
    if modality == "clip" and change is not None:
        raise ValueError("change is for a single modality, not for clips")
    if modality != "clip" and (workers != 1 or ray is not None):
        raise MmerError(f"--workers and --ray are for clip, not for {modality}")
    evaluated = weights_of(modality, weights, settings)
    items, run = _items(modality, dataset, root, split, evaluated, settings)
    answerer: Answerer | ClipWorkers
    if workers == 1 and ray is None:
        answerer, items = _answerer(modality, weights, evaluated[0], settings, change, items, run)
        coming = answers_of(answerer, items)
    else:
        from mmer.training.evaluation.clip_workers import ClipWorkers

        answerer = ClipWorkers(weights, settings, workers, ray)
        coming = answerer.answers(items)
    items, answers = _predicted(coming, items, run, progress)
    unanswered = sum(not answer.usable for answer in answers)
    run.about |= {"unanswered": unanswered, **answerer.about()}
    run.warnings += answerer.notices
    return _evaluation(modality, evaluated[0], items, answers, settings, run)


def _items(
    modality: str,
    dataset: str,
    root: Path,
    split: str | None,
    evaluated: Sequence[Weights],
    settings: Settings,
) -> tuple[list[Item], _Run]:
    """The items of the split, without leaks, in the order in which they are predicted."""
    reading = read(dataset, root, modality, split)
    run = _Run(
        Counter(reading.dropped),
        {
            "modality": modality,
            "dataset": dataset,
            "split": default_split(dataset) if split is None else split,
            "weights": {w.card.modality: w.card.sha256 for w in evaluated},
            "options": settings.for_json(modality),
            "versions": {name: version(name) for name in _VERSIONS},
        },
    )
    items = _without_leaks(reading.items, evaluated, settings, run)
    items = _without_twins(items, evaluated, settings, run)
    return in_random_order(items, settings.seed) if settings.adapt else items, run


def _evaluation(
    modality: str,
    evaluated: Weights,
    items: list[Item],
    answers: list[Answer],
    settings: Settings,
    run: _Run,
) -> Evaluation:
    """Figures of the answers, with a warning where some rest on no evidence."""
    labels = np.array([item.label for item in items], np.int64)
    log_probs = np.array([answer.log_probs for answer in answers], np.float64)
    if unanswered := run.about["unanswered"]:
        run.warnings.append(
            f"{unanswered} of {len(items)} items had no evidence (silence, no word): they "
            "count with the uniform answer, whose first label is anger"
        )
    if modality == "clip":
        run.about["parts"] = _parts(answers, labels)
    elif (limit := evaluated.card.abstain_below) > 0:
        run.about["selective"] = _selective(log_probs, labels, limit)
    return evaluation_of(
        log_probs,
        labels,
        group(items, dialogues_first=modality == "text"),
        dropped=run.dropped,
        about=run.about,
        warnings=tuple(run.warnings),
        ids=tuple(item.id for item in items),
        resamples=settings.resamples,
        seed=settings.seed,
    )


def _without_leaks(
    items: list[Item], evaluated: Sequence[Weights], settings: Settings, run: _Run
) -> list[Item]:
    reasons: dict[int, str] = {}
    for w in evaluated:
        if w.seen is None:
            run.warnings.append(
                f"{w.path.name} does not say what it was trained on: leaks cannot be checked"
            )
            continue
        leaks = find_leaks(items, w.seen)
        if not leaks:
            continue
        message = describe(leaks, len(items), w.path)
        if not (settings.allow_leak or settings.drop_leaks):
            raise MmerError(
                f"{message}. Such figures would flatter: --drop-leaks leaves these items out, "
                "--allow-leak evaluates all the same"
            )
        run.warnings.append(message + ("" if settings.allow_leak else ": left out"))
        reasons = {k: LEAK[kind] for k, (kind, _) in leaks.items()} | reasons
    run.about["leaks"] = dict(Counter(reasons.values()))
    return items if settings.allow_leak else _remaining(items, reasons, run)


def _without_twins(
    items: list[Item], evaluated: Sequence[Weights], settings: Settings, run: _Run
) -> list[Item]:
    twins = np.zeros(len(items), np.bool_)
    for w in evaluated:
        if w.seen is not None:
            twins |= find_twins(items, w.seen, image_or_none)
    run.about["twins"] = int(twins.sum())
    if 2 * twins.sum() >= len(items):
        run.warnings.append(
            f"{twins.sum()} of {len(items)} items look like training data: these figures are "
            "those of a memory; --drop-twins leaves such items out"
        )
    if not settings.drop_twins:
        return items
    return _remaining(items, {int(k): TWIN for k in np.flatnonzero(twins)}, run)


def _remaining(items: list[Item], reasons: dict[int, str], run: _Run) -> list[Item]:
    remaining = leave_out(items, reasons, run.dropped)
    if not remaining:
        why = ", ".join(f"{reason} ({n})" for reason, n in run.dropped.items())
        raise MmerError(f"nothing is left to evaluate: {why}")
    return remaining


def _answerer(
    modality: str,
    weights: Path | None,
    evaluated: Weights,
    settings: Settings,
    change: Change | None,
    items: list[Item],
    run: _Run,
) -> tuple[Answerer, list[Item]]:
    """The answerer of a modality, and the items as it is to read them."""
    if modality == "clip":
        from mmer.training.evaluation.clip import ClipAnswerer

        return ClipAnswerer(weights, settings), items
    if modality in ("speech", "face"):
        opened = _speech if modality == "speech" else _face
        return opened(evaluated, settings, change), items
    from mmer.training.evaluation.text import (
        TextAnswerer,
        prepared_items,
        style_of,
        warn_of_context,
    )

    texts = TextAnswerer(evaluated.path, settings.provider, change, style_of(settings))
    run.warnings += warn_of_context(settings.context, texts.past_utterances)
    return texts, prepared_items(items, settings, texts.past_utterances)


def _speech(evaluated: Weights, settings: Settings, change: Change | None) -> Answerer:
    from mmer.training.evaluation.speech import SpeechAnswerer

    answerer = SpeechAnswerer(evaluated.path, settings.provider, change)
    return Adapting(answerer, "speech") if settings.adapt else answerer


def _face(evaluated: Weights, settings: Settings, change: Change | None) -> Answerer:
    from mmer.models.encoder import FaceModel
    from mmer.training.evaluation.face import FaceAnswerer
    from mmer.training.evaluation.image_sequence import SequenceAnswerer

    cropped, offline = settings.cropped, settings.offline
    model = FaceModel.load(evaluated.path, settings.provider)
    answerer: Answerer
    if model.clips:
        answerer = SequenceAnswerer(model, change, cropped=cropped)
    else:
        answerer = FaceAnswerer(model, change, cropped=cropped, offline=offline)
    if not settings.adapt:
        return answerer
    return Adapting(answerer, "face", FaceBaseline.of(evaluated.card, evaluated.path.parent))


def _predicted(
    coming: Iterator[Answer | MmerError],
    items: list[Item],
    run: _Run,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Item], list[Answer]]:
    """The items that could be read, and their answers."""
    answered, answers, problems = [], [], []
    for done, (item, found) in enumerate(zip(items, coming, strict=True), 1):
        if isinstance(found, MmerError):
            problems.append(str(found))
        else:
            answers.append(found)
            answered.append(item)
        if progress is not None:
            progress(done, len(items))
    if not answers:
        raise MmerError(f"none of {len(items)} items could be read: {problems[0]}")
    if problems:
        run.dropped[UNREADABLE] += len(problems)
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        run.warnings.append(
            f"{len(problems)} items are left out: {'; '.join(problems[:_SHOWN])}{more}"
        )
    return answered, answers


def _parts(answers: Sequence[Answer], labels: np.ndarray) -> dict[str, Any]:
    """Figures of each modality over the clips in which it has evidence."""
    out: dict[str, Any] = {}
    for modality in MODALITIES:
        rows = [k for k, answer in enumerate(answers) if modality in answer.parts]
        if rows:
            f = figures(np.array([answers[k].parts[modality] for k in rows]), labels[rows])
            out[modality] = {
                "n": f.n,
                "accuracy": f.accuracy,
                "unweighted_recall": f.unweighted_recall,
            }
    return out


def _selective(log_probs: np.ndarray, labels: np.ndarray, limit: float) -> dict[str, Any]:
    """Coverage and accuracy at the card's threshold."""
    sure = np.exp(log_probs.max(axis=1)) >= limit
    right = log_probs.argmax(axis=1) == labels
    accuracy = float(right[sure].mean()) if sure.any() else None
    return {"threshold": limit, "coverage": float(sure.mean()), "accuracy": accuracy}
