"""Multimodal task: named encoders and a named fusion on one corpus, absent modalities masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys, file_digest
from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.networks.multimodal import Branch, MultimodalNetwork
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import image_key, text_key
from mmer.training.multimodal.build import (
    CLASSES,
    build_encoders,
    build_network,
    open_fusion,
    sources_of,
)
from mmer.training.multimodal.items import group_of, read_parts
from mmer.training.multimodal.options import read_options
from mmer.training.multimodal.sources import Rows
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Arrays, Task

if TYPE_CHECKING:
    import torch

MIN_S = 0.5
"""Speech is evaluated from so many seconds of an utterance on."""


class MultimodalTask(Task):
    """The task of ``MultimodalNetwork``; targets are (B, 7 + modalities): class, present mask.

    A frozen encoder's outputs are computed once for each item and trained on (``Branch.kept``); the
    exported network includes the encoder. Without ``rows`` no item is prepared: there are no
    batches then, only the items and the network.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        cache: Path | None,
        weights: Path | None = None,
        *,
        rows: bool = True,
    ) -> None:
        self.recipe = recipe
        self.options = options = read_options(recipe)
        self.modality = options.modalities[0] if len(options.modalities) == 1 else "fusion"
        self.parts = read_parts(options, data, recipe.seed)
        self.dropped: dict[str, int] = {
            f"{options.corpus}: {why}": n for why, n in self.parts.dropped.items()
        }
        self.encoders = build_encoders(recipe)
        self.sources = sources_of(recipe, cache, self.encoders)
        self.sets: dict[str, dict[str, Rows]] = {}
        """Rows by set (train, development, evaluated) and modality."""
        self.development_data = self._development_words()
        self.outputs = (
            ("logits", "embedding") if len(options.modalities) == 1 else ("logits", "shares")
        )
        if rows:
            self._prepare()

    def _prepare(self) -> None:
        """Prepare every item, and count what is missing."""
        recipe, options = self.recipe, self.options
        for name, items in (("train", self.parts.train), ("development", self.parts.development)):
            self.sets[name] = self._rows(items)
        self.sets["evaluated"] = (
            self.sets["development"]
            if self.parts.evaluated is self.parts.development
            else self._rows(self.parts.evaluated)
        )
        self._fit()
        present = self._present("train")
        self._usable = np.flatnonzero(present.any(axis=1))
        if lost := len(present) - len(self._usable):
            self.dropped[f"{options.corpus}: none of the modalities, not trained on"] = lost
        for m, found in zip(options.modalities, present.T, strict=True):
            if missing := int((~found).sum()):
                self.dropped[f"{options.corpus}: no {m}, masked"] = missing
        for name, made in self.sets.items():
            if name == "evaluated" and made is self.sets["development"]:
                continue
            where = "" if name == "train" else f" of the {name} items"
            for m, rows in made.items():
                if rows.unread:
                    first = next(iter(rows.unread.values()))
                    why = f"{options.corpus}: {m}{where} cannot be read ({first})"
                    self.dropped[why] = len(rows.unread)
        self._labels = np.array([item.label for item in self.parts.train])
        counts = np.bincount(self._labels[self._usable], minlength=CLASSES)
        self.class_shares = counts / counts.sum()
        self.batches_per_epoch = max(1, len(self._usable) // recipe.batch)
        if len(self._usable) < recipe.batch:
            raise MmerError(
                f"recipe {recipe.name}: {len(self._usable)} items are fewer than a batch of "
                f"{recipe.batch}; use a smaller batch"
            )

    def _rows(self, items: list[Item]) -> dict[str, Rows]:
        room = self.options.memory_gb * 1e9 - sum(
            rows.size for made in self.sets.values() for rows in made.values()
        )
        made: dict[str, Rows] = {}
        for m, source in self.sources.items():
            made[m] = Rows(source, items, room)
            room -= made[m].size
        return made

    def _fit(self) -> None:
        """Fit the encoders that standardise their input to the training items."""
        for m, rows in self.sets["train"].items():
            encoder = self.encoders[m]
            if not self.options.encoders[m].frozen and type(encoder).fit is not Encoder.fit:
                encoder.fit(rows.all())

    def _present(self, name: str) -> np.ndarray:
        """Present mask of the items of a set, bool (N, modalities)."""
        return np.stack([rows.present for rows in self.sets[name].values()], axis=1)

    def network(self) -> nn.Module:
        return build_network(self.recipe, self.encoders)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Each trained encoder at its own rate, and the rest; frozen encoders are left out."""
        assert isinstance(network, MultimodalNetwork)
        groups = []
        inside: set[int] = set()
        for m in self.options.modalities:
            branch = network.branches[m]
            assert isinstance(branch, Branch)
            inside |= {id(p) for p in branch.encoder.parameters()}
            own = [p for p in branch.encoder.parameters() if p.requires_grad]
            if own and not branch.kept:
                groups.append({"params": own, "scale": self.options.encoders[m].rate})
        rest = [p for p in network.parameters() if id(p) not in inside]
        return [*groups, {"params": rest}] if rest else groups

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Every item with a modality once, in random order, items of similar length together."""
        size = self.recipe.batch
        order = rng.permutation(self._usable)
        longest = np.max([rows.lengths for rows in self.sets["train"].values()], axis=0)
        pool = 20 * size
        chunks = []
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            part = part[np.argsort(longest[part], kind="stable")]
            chunks += [part[k : k + size] for k in range(0, len(part), size)]
        whole = [rows for rows in chunks if len(rows) == size]
        for k in rng.permutation(len(whole))[: self.batches_per_epoch]:
            rows = np.sort(whole[k])
            present = self._present("train")[rows]
            hidden = rng.random(present.shape) < self.options.drop_modalities
            shown = present & ~hidden
            shown[~shown.any(axis=1)] = present[~shown.any(axis=1)]
            targets = np.zeros((size, CLASSES + present.shape[1]), np.float32)
            targets[np.arange(size), self._labels[rows]] = 1
            targets[:, CLASSES:] = shown
            yield self._inputs("train", rows, shown), targets

    def _inputs(self, name: str, rows: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
        inputs: dict[str, np.ndarray] = {}
        for column, (m, made) in enumerate(self.sets[name].items()):
            *arrays, mask = made.batch(rows.tolist())
            mask = mask * present[:, column, None].astype(np.float32)
            for key, array in zip((*self.sources[m].names, "mask"), (*arrays, mask), strict=True):
                inputs[f"{m}_{key}"] = array
        if len(self.sources) > 1:
            # where nothing is present, the first modality is taken as empty
            some = np.where(
                present.any(axis=1, keepdims=True), present, np.eye(1, present.shape[1])
            )
            inputs["present"] = some.astype(np.float32)
        return inputs

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        yield from self.of("development")

    def of(self, name: str) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Inputs and labels of a set ("train", "development", "evaluated"), in order."""
        items = self.parts.train if name == "train" else getattr(self.parts, name)
        present = self._present(name)
        for start in range(0, len(items), self.recipe.batch):
            rows = np.arange(start, min(start + self.recipe.batch, len(items)))
            yield (
                self._inputs(name, rows, present[rows]),
                np.array([items[int(k)].label for k in rows]),
            )

    def loss(
        self,
        outputs: tuple[torch.Tensor, ...],
        targets: torch.Tensor,
        weights: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """Cross-entropy of the fused logits, and of each modality's own where it is present."""
        wanted, present = targets[:, :CLASSES], targets[:, CLASSES:]
        smooth = wanted * (1 - smoothing) + smoothing / CLASSES
        fused = -(weights * smooth * outputs[0].float().log_softmax(dim=1)).sum(dim=1).mean()
        if present.shape[1] == 1:
            return fused
        each = -(weights * smooth * outputs[2].float().log_softmax(dim=2)).sum(dim=2)  # (M, B)
        own = (each.T * present).sum() / present.sum()
        return fused + self.options.each_weight * own

    def single(self, inputs: Arrays, row: int) -> Arrays:
        out = {}
        for m, source in self.sources.items():
            steps = max(1, int(inputs[f"{m}_mask"][row].sum()))
            for key in (*source.names, "mask"):
                out[f"{m}_{key}"] = inputs[f"{m}_{key}"][row : row + 1, :steps]
        if "present" in inputs:
            out["present"] = inputs["present"][row : row + 1]
        return out

    def development_groups(self) -> list[str]:
        return [group_of(item) for item in self.parts.development]

    def seen(self) -> Seen:
        items = self.parts.train
        groups = {g for i in items for g in (i.speaker_group, i.dialogue_group) if g}
        files = {i.path for i in items if i.path is not None and i.path.is_file()}
        texts = [text_key(i.text) for i in items if i.text and "text" in self.sources]
        images = [i.pixels for i in items if i.pixels is not None and "face" in self.sources]
        return Seen(
            frozenset(groups),
            files=as_keys(file_digest(f) for f in sorted(files)),
            texts=as_keys(texts),
            images=as_keys(image_key(image) for image in images),
        )

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        axes: dict[str, Mapping[int, str]] = {
            f"{m}_{key}": {0: "batch", 1: f"{m}_steps"}
            for m, source in self.sources.items()
            for key in (*source.names, "mask")
        }
        if len(self.sources) > 1:
            axes["present"] = {0: "batch"}
        return axes

    def preprocessing(self) -> dict[str, Any]:
        """The preprocessing of each part's card, by its name."""
        parts: dict[str, Any] = {
            m: {"input": e.preparation.settings()} for m, e in self.encoders.items()
        }
        if "speech" in parts:
            parts["speech"]["min_s"] = MIN_S
        named = list(self.options.modalities)
        fusion = open_fusion(self.recipe)
        uses = fusion.uses if fusion else "embedding"
        table = {"modalities": named, "uses": uses, "kind": self.options.fusion}
        return parts | {"fusion": table}

    def training_data(self) -> tuple[TrainingData, ...]:
        o = self.options
        split = (
            f"folds other than {o.fold} and {(o.fold + 1) % o.folds} of {o.folds} of "
            f"{', '.join(o.train)}"
            if o.folds
            else ", ".join(o.train)
        )
        return (training_data(o.corpus, split, len(self.parts.train)),)

    def notes(self) -> tuple[str, ...]:
        if not self.recipe.patience:
            return ()
        return (
            f"The epoch was chosen by the development data's {self.recipe.watch}, whose figures "
            "are therefore better than those of new data.",
        )

    def _development_words(self) -> str:
        o = self.options
        if o.folds:
            return f"{o.corpus}, fold {(o.fold + 1) % o.folds} of {o.folds} of {', '.join(o.train)}"
        return f"{o.corpus}, {o.development}"
