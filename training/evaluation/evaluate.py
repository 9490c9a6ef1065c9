"""From a corpus and weights to figures: read, refuse leaks, ask the model, count, judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.realtime.commands.needs import version
from mmer.training.datasets.item import Item
from mmer.training.datasets.registry import default_split, read
from mmer.training.evaluation.answers import Answer, Answerer, Change
from mmer.training.evaluation.images import picture_or_none
from mmer.training.evaluation.leaks import LEAK, TWIN, find_leaks, find_twins, leave_out, tell
from mmer.training.evaluation.result import Evaluation, judge
from mmer.training.evaluation.settings import Settings
from mmer.training.evaluation.weights import Weights, weights_of
from mmer.training.metrics.bootstrap import group
from mmer.training.metrics.figures import figures

UNREADABLE: Final = "cannot be read"
_NAMED: Final = 3
_VERSIONS: Final = ("mmer-live", "numpy", "onnxruntime", "opencv-contrib-python")


@dataclass
class _Run:
    """What gathers on the way."""

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
) -> Evaluation:
    """Judge a model by the likeliest answer to every item of a corpus' split.

    Args:
        modality: speech, text, face or clip.
        dataset: a name that ``mmer.training.datasets.registry`` knows.
        root: the corpus' folder; a manifest's CSV file.
        split: by default the official test split, else everything.
        weights: NAME.onnx, its card NAME.json or their folder; for a clip a folder; by default
            the shipped ones.
        settings: how; see ``Settings``.
        change: done to each input before it is judged: trimmed sound int16 (n,), a picture uint8
            (H, W, 3) BGR, a text. Not for clips.
        progress: called with items done and items in all.

    Raises:
        MmerError: something is missing or not sound, the items leak, or none can be read.
    """
    settings = settings or Settings()
    settings.check(modality)
    if modality == "clip" and change is not None:
        raise ValueError("change is for a single modality, not for clips")
    judged = weights_of(modality, weights, settings)
    reading = read(dataset, root, modality, split)
    run = _Run(
        Counter(reading.dropped),
        {
            "modality": modality,
            "dataset": dataset,
            "split": default_split(dataset) if split is None else split,
            "weights": {w.card.modality: w.card.sha256 for w in judged},
            "options": settings.for_json(modality),
            "versions": {name: version(name) for name in _VERSIONS},
        },
    )
    items = _without_leaks(reading.items, judged, settings, run)
    items = _without_twins(items, judged, settings, run)
    answerer, items = _answerer(modality, weights, judged[0], settings, change, items, run)
    items, answers = _ask(answerer, items, run, progress)
    labels = np.array([item.label for item in items], np.int64)
    log_probs = np.array([answer.log_probs for answer in answers], np.float64)
    unanswered = sum(not answer.usable for answer in answers)
    run.about |= {"unanswered": unanswered, **answerer.about()}
    run.warnings += answerer.notices
    if unanswered:
        run.warnings.append(
            f"{unanswered} of {len(items)} items had nothing to judge (silence, no word): they "
            "count with the uniform answer, whose first label is anger"
        )
    if modality == "clip":
        run.about["parts"] = _parts(answers, labels)
    elif (limit := judged[0].card.abstain_below) > 0:
        run.about["selective"] = _selective(log_probs, labels, limit)
    return judge(
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
    items: list[Item], judged: Sequence[Weights], settings: Settings, run: _Run
) -> list[Item]:
    reasons: dict[int, str] = {}
    for w in judged:
        if w.seen is None:
            run.warnings.append(
                f"{w.path.name} does not say what it was trained on: leaks cannot be checked"
            )
            continue
        leaks = find_leaks(items, w.seen)
        if not leaks:
            continue
        told = tell(leaks, len(items), w.path)
        if not (settings.allow_leak or settings.drop_leaks):
            raise MmerError(
                f"{told}. Such figures would flatter: --drop-leaks leaves these items out, "
                "--allow-leak evaluates all the same"
            )
        run.warnings.append(told + ("" if settings.allow_leak else ": left out"))
        reasons = {k: LEAK[kind] for k, (kind, _) in leaks.items()} | reasons
    run.about["leaks"] = dict(Counter(reasons.values()))
    return items if settings.allow_leak else _kept(items, reasons, run)


def _without_twins(
    items: list[Item], judged: Sequence[Weights], settings: Settings, run: _Run
) -> list[Item]:
    twins = np.zeros(len(items), np.bool_)
    for w in judged:
        if w.seen is not None:
            twins |= find_twins(items, w.seen, picture_or_none)
    run.about["twins"] = int(twins.sum())
    if 2 * twins.sum() >= len(items):
        run.warnings.append(
            f"{twins.sum()} of {len(items)} items look like training data: these figures are "
            "those of a memory; --drop-twins leaves such items out"
        )
    if not settings.drop_twins:
        return items
    return _kept(items, {int(k): TWIN for k in np.flatnonzero(twins)}, run)


def _kept(items: list[Item], reasons: dict[int, str], run: _Run) -> list[Item]:
    kept = leave_out(items, reasons, run.dropped)
    if not kept:
        raise MmerError(f"nothing is left to evaluate: {_told(run.dropped)}")
    return kept


def _told(dropped: Counter[str]) -> str:
    return ", ".join(f"{reason} ({n})" for reason, n in dropped.items())


def _answerer(
    modality: str,
    weights: Path | None,
    judged: Weights,
    settings: Settings,
    change: Change | None,
    items: list[Item],
    run: _Run,
) -> tuple[Answerer, list[Item]]:
    """Who answers, and the items as they are shown to it."""
    if modality == "clip":
        from mmer.training.evaluation.clip import ClipAnswerer

        return ClipAnswerer(weights, settings), items
    if modality == "speech":
        from mmer.training.evaluation.speech import SpeechAnswerer

        return SpeechAnswerer(judged.path, settings.provider, change), items
    if modality == "face":
        from mmer.models.encoder import FaceModel
        from mmer.training.evaluation.face import FaceAnswerer

        cropped, offline = settings.cropped, settings.offline
        model = FaceModel.load(judged.path, settings.provider)
        if model.clips:
            from mmer.training.evaluation.image_sequence import PicturesAnswerer

            return PicturesAnswerer(model, change, cropped=cropped), items
        return FaceAnswerer(model, change, cropped=cropped, offline=offline), items
    from mmer.training.evaluation.text import (
        TextAnswerer,
        as_heard,
        style_of,
        warn_of_context,
    )

    texts = TextAnswerer(judged.path, settings.provider, change, style_of(settings))
    run.warnings += warn_of_context(settings.context, texts.past_utterances)
    return texts, as_heard(items, settings, texts.past_utterances)


def _ask(
    answerer: Answerer,
    items: list[Item],
    run: _Run,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Item], list[Answer]]:
    answered, answers, problems = [], [], []
    for done, item in enumerate(items, 1):
        try:
            answers.append(answerer.answer(item))
            answered.append(item)
        except MmerError as problem:
            problems.append(str(problem))
        if progress is not None:
            progress(done, len(items))
    if not answers:
        raise MmerError(f"none of {len(items)} items could be read: {problems[0]}")
    if problems:
        run.dropped[UNREADABLE] += len(problems)
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        run.warnings.append(
            f"{len(problems)} items are left out: {'; '.join(problems[:_NAMED])}{more}"
        )
    return answered, answers


def _parts(answers: Sequence[Answer], labels: np.ndarray) -> dict[str, Any]:
    """By modality: of how many clips it said something, and how right that was."""
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
    """What the card's threshold would leave unanswered, and how right the rest would be."""
    sure = np.exp(log_probs.max(axis=1)) >= limit
    right = log_probs.argmax(axis=1) == labels
    accuracy = float(right[sure].mean()) if sure.any() else None
    return {"threshold": limit, "coverage": float(sure.mean()), "accuracy": accuracy}
