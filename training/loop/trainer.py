"""Training loop: epochs with exact resumption, averaged weights and curves on disk."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import nn

from mmer.models.errors import MmerError
from mmer.training.loop.curves import draw_curves, write_curves
from mmer.training.metrics.figures import Figures, figures, log_softmax
from mmer.training.recipes.recipe import Recipe
from mmer.training.storage import CHECKPOINT
from mmer.training.tasks.task import Arrays, Task

DRAW_EVERY_S = 5.0
"""A plot takes 0.2 s: of epochs shorter than this not each is drawn, of the last one always."""


@dataclass(frozen=True)
class EpochReport:
    """Result of one epoch; ``figures`` are of the averaged weights on development data."""

    epoch: int
    train_loss: float
    development_loss: float
    figures: Figures
    seconds: float


def class_weights(shares: np.ndarray, balance: float) -> np.ndarray:
    """Weight of each class's target mass, shape (7,), with a mean of 1 over that mass."""
    weights = np.where(shares > 0, np.maximum(shares, 1e-6) ** -balance, 0.0)
    return np.asarray(weights / (weights * shares).sum(), dtype=np.float32)


def tensors(inputs: Arrays, device: torch.device | None = None) -> list[torch.Tensor]:
    """Arrays in the order of the network's arguments, by default on the CPU."""
    return [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in inputs.values()]


@torch.no_grad()
def development_logits(network: nn.Module, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 7) and class indices (N,) of the development fold."""
    network.eval()
    device = next(network.parameters()).device
    logits, labels = [], []
    for inputs, label in task.development():
        logits.append(network(*tensors(inputs, device))[0].float().cpu().numpy())
        labels.append(label)
    return np.concatenate(logits), np.concatenate(labels)


class Trainer:
    """Trains one task by one recipe; the state is saved after every epoch.

    The weights that are evaluated and exported are a running average over steps, after the last
    epoch: no epoch is chosen by its development figures unless the recipe has ``patience``. The
    random numbers of an epoch depend on the recipe's seed and its number alone, so an interrupted
    run that is resumed ends with the same weights as an unbroken one.

    Under ``accelerate launch`` every process trains on its share of the batches; the first one
    evaluates and saves.
    """

    def __init__(
        self, recipe: Recipe, task: Task, folder: Path, device: torch.device | None = None
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.task, self.folder = recipe, task, folder
        self.processes = PartialState(cpu=not torch.cuda.is_available())
        self.device = device or self.processes.device
        self.network = task.network()
        self.network.to(self.device)
        for parameter in self.network.parameters():
            if parameter.dim() == 4:  # channels_last is for 4 axes; 3D convolutions have 5
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        if recipe.start:
            self._load_start(self.network)
        self.average = deepcopy(self.network).requires_grad_(False)
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[recipe.optimizer]
        self.optimizer = kind(
            task.parameter_groups(self.network),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self._scaler = torch.amp.GradScaler(
            self.device.type, enabled=recipe.mixed_precision == "fp16" and self.device.type != "cpu"
        )
        self.epoch = 0
        self._best: tuple[float, int, dict[str, torch.Tensor]] | None = None
        self._epochs: list[dict[str, Any]] = []
        self._drawn_at = time.perf_counter()
        weights = class_weights(task.class_shares, recipe.class_balance)
        self._weights = torch.from_numpy(weights).to(self.device)
        self._batches = task.batches_per_epoch // self.processes.num_processes
        if not self._batches:
            raise MmerError(
                f"recipe {recipe.name}: {task.batches_per_epoch} batches an epoch are too few for "
                f"{self.processes.num_processes} processes; use a smaller batch"
            )
        self._updates = math.ceil(self._batches / recipe.accumulate)
        self._trained = self._shared()
        self._check_space()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _load_start(self, network: nn.Module) -> None:
        """Load the averaged weights of the runs in the recipe's ``start`` into ``network``."""
        paths = [self.folder.parent / run / CHECKPOINT for run in self.recipe.start]
        for path in paths:
            if not path.is_file():
                raise MmerError(
                    f"recipe {self.recipe.name} begins with the weights of another run, and {path} "
                    f"does not exist: run mmer-train {path.parent.name} first"
                )
        states = [self._read(path) for path in paths]
        # of a run with patience those that it exported, not those of its last epoch
        weights = self.task.joined([s["best"][2] if s["best"] else s["average"] for s in states])
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            names = ", ".join(str(path) for path in paths)
            raise MmerError(f"{names}: of another network than this recipe's") from error

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
            raise MmerError(f"{path} is damaged; train anew, without --resume") from error
        return dict(state)

    def resume(self) -> None:
        """Continue from the checkpoint in the folder.

        Raises:
            MmerError: there is none, or another recipe wrote it.
        """
        if not self._checkpoint.is_file():
            raise MmerError(f"nothing to resume: {self._checkpoint} does not exist")
        state = self._read(self._checkpoint)
        written = Recipe.from_fingerprint(state["recipe"], str(self._checkpoint))
        if written.fingerprint() != self.recipe.fingerprint():
            raise MmerError(
                f"{self._checkpoint} was written by another recipe: choose another --output"
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.epoch = state["epoch"]
        self._best = state["best"]
        self._epochs = state["course"]

    def run(self, on_step: Callable[[float], None] = lambda loss: None) -> Iterator[EpochReport]:
        """Train to the recipe's last epoch or the end of its patience.

        ``on_step`` is called with the loss of each batch. Only the first of several processes
        reports.
        """
        if self.recipe.start and self.epoch < self.recipe.last_epoch:
            # not self.network, which may be that of a later epoch
            first = self.task.network().to(self.device)
            self._load_start(first)
            self.task.begin(first)
        while not self._is_over():
            begun = time.perf_counter()
            train_loss = self._train_epoch(on_step)
            logits, labels = development_logits(self.average, self.task)
            log_probs = log_softmax(logits)
            self.epoch += 1
            report = EpochReport(
                self.epoch,
                train_loss,
                float(-log_probs[np.arange(len(labels)), labels].mean()),
                figures(log_probs, labels),
                time.perf_counter() - begun,
            )
            self._remember_best(report)
            if self.processes.is_main_process:
                self._save(report)
                if self._is_over() or time.perf_counter() - self._drawn_at > DRAW_EVERY_S:
                    self._draw()
                yield report
            self.processes.wait_for_everyone()
        if self._best is not None:
            self.average.load_state_dict(self._best[2])

    def _remember_best(self, report: EpochReport) -> None:
        """Store the weights where the recipe has patience and this epoch is the best so far."""
        if not self.recipe.patience:
            return
        watch = self.recipe.watch
        value = -report.development_loss if watch == "loss" else getattr(report.figures, watch)
        if self._best is None or value > self._best[0]:
            weights = {name: v.cpu().clone() for name, v in self.average.state_dict().items()}
            self._best = (float(value), self.epoch, weights)

    def _is_over(self) -> bool:
        """Whether this was the last epoch, or patience is exhausted."""
        if self.epoch >= self.recipe.last_epoch:
            return True
        patience = self.recipe.patience
        return bool(patience and self._best and self.epoch - self._best[1] >= patience)

    def _train_epoch(self, on_step: Callable[[float], None]) -> float:
        recipe, rank = self.recipe, self.processes.process_index
        torch.manual_seed(recipe.seed * 100_003 + self.epoch + 7919 * rank)
        rng = np.random.default_rng([recipe.seed, self.epoch])
        self.network.train()
        losses = []
        update = self.epoch * self._updates
        ours = islice(self.task.batches(rng), rank, None, self.processes.num_processes)
        mixed = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(recipe.mixed_precision)
        if mixed is torch.float16 and self.device.type == "cpu":
            mixed = None
        for number, (inputs, targets) in enumerate(islice(ours, self._batches)):
            # the last update of an epoch may have fewer batches than the others
            together = min(
                recipe.accumulate, self._batches - number // recipe.accumulate * recipe.accumulate
            )
            with torch.autocast(self.device.type, mixed, enabled=mixed is not None):
                outputs = self._trained(*tensors(inputs, self.device))
            goal = torch.from_numpy(targets).to(self.device)
            loss = self.task.loss(outputs, goal, self._weights, recipe.label_smoothing)
            self._scaler.scale(loss / together).backward()
            losses.append(float(loss.detach()))
            on_step(losses[-1])
            if (number + 1) % recipe.accumulate == 0 or number + 1 == self._batches:
                self._update(update)
                update += 1
        return float(np.mean(losses))

    def _shared(self) -> nn.Module:
        """The network, with gradients averaged over several processes."""
        if self.processes.num_processes == 1:
            return self.network
        # a modality that no item of a batch has leaves its encoder without gradients
        return nn.parallel.DistributedDataParallel(self.network, find_unused_parameters=True)

    def _update(self, number: int) -> None:
        """One optimizer step on the accumulated gradients; ``number`` counts updates from 0."""
        for group in self.optimizer.param_groups:
            rate = self.recipe.learning_rate * group.get("scale", 1.0)
            group["lr"] = rate * self._schedule(number)
        self._scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad()
        self._update_average(number + 1)

    def _schedule(self, update: int) -> float:
        total: int = self.recipe.epochs * self._updates
        warm: float = max(1.0, self.recipe.warm_up * total)
        if update < warm:
            return (update + 1) / warm
        part: float = min(1.0, (update - warm) / (total - warm + 1))
        if self.recipe.schedule == "constant":
            return 1.0
        if self.recipe.schedule == "linear":
            return 1 - part
        return 0.5 * (1 + math.cos(math.pi * part))

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        decay = min(self.recipe.average_decay, step / (step + 10))
        ours = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(ours[name], 1 - decay)
            else:
                value.copy_(ours[name])

    def _check_space(self) -> None:
        # two checkpoints while the new one replaces the old, the network twice, room to spare
        weights = sum(p.numel() * p.element_size() for p in self.network.parameters())
        needed = 12 * weights + 20_000_000
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise MmerError(
                f"not enough room in {self.folder}: training needs {needed / 1e6:.0f} MB, "
                f"{free / 1e6:.0f} MB are free; choose another --output"
            )

    def _save(self, report: EpochReport) -> None:
        row = {k: v for k, v in asdict(report).items() if k != "figures"} | asdict(report.figures)
        self._epochs.append(row)
        state = {
            "recipe": self.recipe.fingerprint(),
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "best": self._best,
            "course": self._epochs,
        }
        partial = self._checkpoint.with_suffix(".partial")
        try:
            torch.save(state, partial)
            partial.replace(self._checkpoint)
            write_curves(self._epochs, self.folder)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            partial.unlink(missing_ok=True)
            raise MmerError(f"cannot write into {self.folder}: {error}") from error

    def _draw(self) -> None:
        try:
            draw_curves(self._epochs, self.folder, f"{self.recipe.name}: training")
        except OSError as error:
            raise MmerError(f"cannot write into {self.folder}: {error}") from error
        self._drawn_at = time.perf_counter()
