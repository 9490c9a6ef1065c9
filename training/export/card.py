"""Card of an exported network: figures, temperature and threshold from its development answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmer.models.cards.card import Card, Development, Parity
from mmer.models.checksum import sha256_of
from mmer.models.labels import EMOTIONS
from mmer.models.machine import cpu_name
from mmer.training.metrics.calibration import (
    ABSTENTION,
    choose_threshold,
    coverage_curve,
    cross_fitted,
)
from mmer.training.metrics.figures import class_recall, confusion, figures, fit_temperature
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Task

WEAK_RECALL = 0.5
LARGE_GROUP = 20
"""So many items make a speaker's accuracy worth a line."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits of an exported network on development items, in one state of them or several.

    ``states`` (each (N, 7)) begins with the items as they are; the temperature is fitted to the
    first ``fitted`` of them.
    """

    states: Sequence[np.ndarray]
    labels: np.ndarray  # class indices (N,)
    groups: list[str]
    fitted: int = 1

    def temperature(self) -> float:
        """By which the logits are divided."""
        together = np.concatenate(self.states[: self.fitted])
        return fit_temperature(together, np.tile(self.labels, self.fitted))

    def scaled(self) -> list[np.ndarray]:
        """Log-probabilities of each state, each half by the temperature of the other half."""
        return cross_fitted(list(self.states), self.labels, self.groups, self.fitted)


def make_card(
    path: Path,
    recipe: Recipe,
    task: Task,
    answers: Answers,
    parity: Parity,
    latency_ms: float,
    note: str,
    **about: Any,
) -> Card:
    """The card of the network at ``path``; ``about`` are its fields that differ or are added."""
    scaled = answers.scaled()
    curve = coverage_curve(np.concatenate(scaled), np.tile(answers.labels, len(answers.states)))
    failures = shown_failures(scaled[0], answers.labels, answers.groups)
    card: dict[str, Any] = {
        "name": path.stem,
        "modality": task.modality,
        "file": path.name,
        "sha256": sha256_of(path),
        "labels": EMOTIONS,
        "temperature": round(answers.temperature(), 4),
        "training": task.training_data(),
        "recipe": recipe.as_dict(),
        "development": development_figures(task.development_data, scaled[0], answers.labels, note),
        "notes": task.notes(),
        "intended_use": task.intended_use,
        "unintended_use": task.unintended_use,
        "known_failures": (*failures, *task.known_failures),
        "starting_point": task.starting_point,
        "seen": f"{path.stem}.seen.npz",
        "latency_ms": round(latency_ms, 2),
        "machine": cpu_name(),
        "parity": parity,
        "coverage": curve,
        "abstain_below": choose_threshold(curve),
        "abstention": ABSTENTION,
    }
    return Card(**card | about)


def development_figures(
    data: str, log_probs: np.ndarray, labels: np.ndarray, note: str = ""
) -> Development:
    """Figures for a card of log-probabilities (N, 7) against class indices (N,)."""
    rounded: dict[str, Any] = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(figures(log_probs, labels)).items()
    }
    recall = class_recall(confusion(labels, log_probs.argmax(axis=1)))
    return Development(
        data=data, note=note, recall={k: round(v, 4) for k, v in recall.items()}, **rounded
    )


def shown_failures(log_probs: np.ndarray, labels: np.ndarray, groups: list[str]) -> tuple[str, ...]:
    """What the development figures themselves show of who and what it does badly on."""
    table = confusion(labels, log_probs.argmax(axis=1))
    lines = []
    for k, emotion in enumerate(EMOTIONS):
        n = table[k].sum()
        if n and table[k, k] < WEAK_RECALL * n:
            others = table[k].copy()
            others[k] = 0
            lines.append(
                f"{emotion}: of {n} development items it finds {table[k, k] / n:.0%} and takes "
                f"{others.max() / n:.0%} for {EMOTIONS[int(others.argmax())]}."
            )
    right = log_probs.argmax(axis=1) == labels
    names = np.array(groups)
    accuracies = {
        name: float(right[names == name].mean())
        for name, n in zip(*np.unique(names, return_counts=True), strict=True)
        if n >= LARGE_GROUP
    }
    if len(accuracies) > 1:
        worst, best = min(accuracies, key=lambda k: accuracies[k]), max(accuracies.values())
        lines.append(
            f"Accuracy differs from one to another of {len(accuracies)} development groups: "
            f"{accuracies[worst]:.0%} for {worst}, {best:.0%} for the best."
        )
    return tuple(lines)
