"""Study of the speech network's heads: ensembles, mixup, adversarial and group-robust losses.

``python -m mmer.training.studies.speech_heads --data DATA --cache CACHE`` trains heads on the
recipe's pools of statistics of frozen blocks, on all corpora and with each left out, and prints a
row of figures a variant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from mmer.models.command import run_command
from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.speech import Head, SpeechNetwork
from mmer.training.datasets.data_folder import data_dir
from mmer.training.metrics.figures import (
    expected_calibration_error,
    figures,
    fit_temperature,
    log_softmax,
)
from mmer.training.recipes.recipe import Recipe, load_recipe
from mmer.training.storage import cached_arrays
from mmer.training.tasks import whisper
from mmer.training.tasks.speech import SpeechTask
from mmer.training.tasks.speech_data import paths_of

EVERY: Final = {"nemo": 4}
"""Evaluate every n-th clip of a large corpus."""
SHOWN: Final = ("", "ESC-10 sounds at 10 dB", "its first 1 s", "white noise at 10 dB")
"""Development states with a column each; "" is clean."""


@dataclass(frozen=True)
class Variant:
    """Settings of the heads and their loss."""

    heads: int = 4
    linear: bool = False
    dropout: float = 0.4
    smoothing: float = 0.1
    own_classes: bool = True
    even: bool = False
    """Draw all corpora equally often, instead of by the recipe's shares."""
    mixup: float = 0.0
    """Alpha, across corpora."""
    adversarial: float = 0.0
    """Weight of the reversed gradient of a classifier of corpora (Ganin et al. 2016)."""
    robust: float = 0.0
    """Step of the weights of the worst corpora (group DRO, Sagawa et al. 2020)."""
    mean_of_probabilities: bool = False
    """Average the heads' probabilities, not their logits."""


VARIANTS: Final = {
    "linear head": Variant(heads=1, linear=True),
    "one head": Variant(heads=1),
    "four heads": Variant(),
    "mean of probabilities": Variant(mean_of_probabilities=True),
    "even shares": Variant(even=True),
    "dropout 0.6": Variant(dropout=0.6),
    "adversarial 0.1": Variant(adversarial=0.1),
    "group-robust 0.05": Variant(robust=0.05),
    "mixup 0.4": Variant(mixup=0.4),
    "all classes compete": Variant(own_classes=False),
}


class Reversed(torch.autograd.Function):
    """The identity, whose gradient is ``-weight`` times what comes."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: float) -> torch.Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.weight * gradients[0], None


class Pools:
    """Statistics (N, C) and targets (N, 14) of some corpora, equally many of each."""

    def __init__(self, task: SpeechTask, shares: dict[str, float]) -> None:
        self.shares = shares
        self._found = {corpus: task.pool(corpus) for corpus in shares}

    def of(self, corpora: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Those of ``corpora``, one after another."""
        parts = zip(*(self._found[corpus] for corpus in corpora), strict=True)
        inputs, targets = (torch.from_numpy(np.concatenate(part)) for part in parts)
        return inputs.float(), targets


class Batches:
    """Standardised statistics (B, C), wanted and allowed classes (B, 7 each), and corpora (B,)."""

    def __init__(self, pools: Pools, corpora: Sequence[str], by: Variant, size: int) -> None:
        self._rng = np.random.default_rng(1)
        self._by, self._size = by, size
        self._inputs, self._targets = pools.of(corpora)
        self._of_each = len(self._inputs) // len(corpora)
        self.mean, self.deviation = self._inputs.mean(dim=0), self._inputs.std(dim=0) + 1e-4
        shares = np.array([1.0 if by.even else pools.shares[c] for c in corpora])
        self._shares = shares / shares.sum()

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The next batch, mixed up where the variant asks for it."""
        rng, size = self._rng, self._size
        source = rng.choice(len(self._shares), size, p=self._shares)
        rows = torch.from_numpy(source * self._of_each + rng.integers(self._of_each, size=size))
        x, targets = (self._inputs[rows] - self.mean) / self.deviation, self._targets[rows]
        wanted, allowed = targets[:, : len(EMOTIONS)], targets[:, len(EMOTIONS) :]
        if not self._by.own_classes:
            allowed = torch.ones_like(allowed)
        if alpha := self._by.mixup:
            part = float(rng.beta(alpha, alpha))
            other = torch.from_numpy(rng.permutation(size))
            x = part * x + (1 - part) * x[other]
            wanted = part * wanted + (1 - part) * wanted[other]
            allowed = torch.maximum(allowed, allowed[other])
        return x, wanted, allowed, torch.from_numpy(source)


class Loss:
    """Cross-entropy of a head over the allowed classes; it keeps the worst corpora's weights."""

    def __init__(self, by: Variant, corpora: int) -> None:
        self._by = by
        self._weights = torch.ones(corpora) / corpora

    def __call__(
        self,
        logits: torch.Tensor,
        wanted: torch.Tensor,
        allowed: torch.Tensor,
        source: torch.Tensor,
    ) -> torch.Tensor:
        """Of logits (B, 7): the mean over the examples, or over the corpora by their weights."""
        by = self._by
        smooth = wanted * (1 - by.smoothing) + by.smoothing * allowed / allowed.sum(1, keepdim=True)
        log_probs = logits.masked_fill(allowed == 0, -1e4).log_softmax(dim=1)
        each = -(smooth * log_probs).sum(dim=1)
        if not by.robust:
            return each.mean()
        present = sorted({*source.tolist()})
        losses = torch.stack([each[source == k].mean() for k in present])
        self._weights[present] *= (by.robust * losses.detach()).exp()
        self._weights /= self._weights.sum()
        return (self._weights[present] * losses).sum()


def untrained(by: Variant, width: int) -> list[Head]:
    """Heads of a variant for statistics (N, width), with random weights."""
    heads = [Head(width, 48, by.dropout) for _ in range(by.heads)]
    if by.linear:
        for head in heads:
            head.project = nn.Sequential(nn.Dropout(by.dropout))
            head.classify = nn.Linear(width, len(EMOTIONS))
    return heads


def train(
    pools: Pools, corpora: Sequence[str], by: Variant, steps: int, batch: int = 128
) -> Answering:
    """Heads trained on some corpora."""
    torch.manual_seed(1)
    batches, loss_of = Batches(pools, corpora, by, batch), Loss(by, len(corpora))
    heads = untrained(by, len(batches.mean))
    critics = [nn.Linear(48, len(corpora)) for _ in heads]
    parameters = [p for module in (*heads, *critics) for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps, pct_start=0.05)
    reverse: Any = Reversed.apply
    for _ in range(steps):
        x, wanted, allowed, source = batches.draw()
        loss = torch.zeros(())
        for head, critic in zip(heads, critics, strict=True):
            logits, embedding = head(x)
            loss = loss + loss_of(logits, wanted, allowed, source)
            if by.adversarial:
                predicted = critic(reverse(embedding, by.adversarial))
                loss = loss + F.cross_entropy(predicted, source)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return Answering(heads, batches.mean, batches.deviation, by.mean_of_probabilities)


class Answering:
    """Trained heads: statistics (N, C) to logits (N, 7)."""

    def __init__(
        self,
        heads: Sequence[Head],
        mean: torch.Tensor,
        deviation: torch.Tensor,
        probabilities: bool,
    ) -> None:
        self._heads = [head.eval() for head in heads]
        self._mean, self._deviation = mean, deviation
        self._probabilities = probabilities

    @torch.no_grad()
    def __call__(self, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, 7)."""
        x = (torch.from_numpy(statistics) - self._mean) / self._deviation
        logits = torch.stack([head(x)[0] for head in self._heads])
        if self._probabilities:
            return np.asarray(logits.softmax(dim=2).mean(dim=0).log().numpy())
        return np.asarray(logits.mean(dim=0).numpy())


def cache_name(task: SpeechTask, recipe: Recipe) -> str:
    """File name of what ``evaluated`` computes, by all that it depends on.

    That is Whisper's weights, the filter bank, the recipe's options, the clips and the noise.
    """
    clips = (*task.data.train, *task.data.development)
    files = {*paths_of(clips), *task.data.noise_files}
    sizes = sorted((path.name, path.stat().st_size) for path in files)
    about = (whisper.SHA256, task.mel, recipe.options, SHOWN, task.usual, EVERY, sizes)
    return f"speech-heads-{hashlib.sha256(repr(about).encode()).hexdigest()[:16]}.npz"


@torch.no_grad()
def evaluated(task: SpeechTask, shares: dict[str, float]) -> dict[str, NDArray[Any]]:
    """Statistics and labels of the development states, and of the corpora's clips as they are."""
    network = task.network().eval()
    assert isinstance(network, SpeechNetwork)

    def of(features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(network.statistics(torch.from_numpy(features[None]))[0].numpy())

    found: dict[str, NDArray[Any]] = {}
    for state in dict.fromkeys((*SHOWN, *task.usual)):
        items = [(i["features"][0], y[0]) for i, y in task.development(state or None)]
        found[f"dev/{state}"] = np.stack([of(x) for x, _ in items])
        found["dev/labels"] = np.array([y for _, y in items])
    for corpus in shares:
        rows = [k for group in task.data.groups[corpus].values() for k in group]
        rows = sorted(rows)[:: EVERY.get(corpus, 1)]
        normal = [task.mel.normalise(task.data.versions[k][0][-400:]) for k in rows]
        found[f"{corpus}/x"] = np.stack([of(x) for x in normal])
        found[f"{corpus}/labels"] = np.array([task.data.train[k].label for k in rows])
    return found


@dataclass(frozen=True)
class Arguments:
    """Train heads of several kinds on frozen statistics, with every corpus and without each."""

    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    cache: Path | None = None
    """Folder for features and statistics, reused by later runs."""
    steps: int = 800
    """Updates of each training."""
    only: str = ""
    """Variants whose name holds this."""


def main() -> None:
    """The command."""
    run_command("speech_heads", _run, "stopped")


def _run() -> None:
    arguments = tyro.cli(Arguments, prog="speech_heads")
    torch.set_num_threads(1)
    recipe = load_recipe("speech")
    task = SpeechTask(recipe, data_dir(arguments.data), arguments.cache)
    shares = {str(c): float(s) for c, s in recipe.options["shares"].items()}
    path = arguments.cache / cache_name(task, recipe) if arguments.cache else None
    statistics = cached_arrays(path, lambda: evaluated(task, shares))
    pools = Pools(task, shares)
    print("| variant | clean | 10 dB | 1 s | white | " + " | ".join(shares) + " | mean | ECE |")
    print("|---" * (8 + len(shares)) + "|")
    for name, variant in VARIANTS.items():
        if arguments.only in name:
            print(_row(name, variant, pools, statistics, task.usual, arguments.steps), flush=True)


def _row(
    name: str,
    variant: Variant,
    pools: Pools,
    statistics: Mapping[str, NDArray[Any]],
    usual: Sequence[str],
    steps: int,
) -> str:
    """A variant's recall by development state and left-out corpus, and its calibration errors."""
    corpora = list(pools.shares)
    recalls, errors, temperature = _development_figures(
        train(pools, corpora, variant, steps), statistics, usual
    )
    left_out = []
    for corpus in corpora:
        others = train(pools, [c for c in corpora if c != corpus], variant, steps)
        logits, labels = others(statistics[f"{corpus}/x"]), statistics[f"{corpus}/labels"]
        left_out.append(_recall(logits, labels))
        errors.append(_error(logits / temperature, labels))
    cells = [*recalls, *left_out, float(np.mean(left_out))]
    shown = " ".join(f"{error:.2f}" for error in errors)
    return f"| {name} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + f" | {shown} |"


def _development_figures(
    answer: Answering, statistics: Mapping[str, NDArray[Any]], usual: Sequence[str]
) -> tuple[list[float], list[float], float]:
    """Recall by state, calibration error, and the temperature fitted to the usual states."""
    labels = statistics["dev/labels"]
    states = {s: answer(statistics[f"dev/{s}"]) for s in dict.fromkeys((*SHOWN, *usual))}
    fitted = np.concatenate([states[s] for s in ("", *usual)])
    repeated = np.tile(labels, 1 + len(usual))
    temperature = fit_temperature(fitted, repeated)
    recalls = [_recall(states[s], labels) for s in SHOWN]
    return recalls, [_error(fitted / temperature, repeated)], temperature


def _recall(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    return figures(log_softmax(logits), labels).unweighted_recall


def _error(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    return expected_calibration_error(log_softmax(logits), labels)


if __name__ == "__main__":
    main()
