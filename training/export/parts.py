"""Export of a run's branches and their fusion, one ONNX file each, compared with torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import Parity
from mmer.models.errors import MmerError
from mmer.models.fusion import OUTPUTS, USES
from mmer.models.networks.fusions.fusion import Fusion, Part
from mmer.models.networks.multimodal import Branch, MultimodalNetwork
from mmer.models.preparation.preparation import stack
from mmer.training.export.card import Answers
from mmer.training.export.onnx_file import Axes, torch_outputs, write_onnx
from mmer.training.export.parity import measure, spread
from mmer.training.multimodal.items import group_of
from mmer.training.multimodal.task import MultimodalTask
from mmer.training.tasks.task import Arrays

STEPS: Final = ("steps", "steps_mask")
"""Outputs of a branch with its tokens, since an input may be called so."""
_PLACES: Final = {"logits": ("logits",), "embedding": ("embedding",), "tokens": STEPS}
"""Outputs of a branch that a fusion uses, in the order of ``USES``."""
COMPARED: Final = 3
"""Rows on which a file is compared with torch as it is written."""


@dataclass(frozen=True, eq=False)
class Exported:
    """One written network, and its answers to the development items that have its modality."""

    name: str
    path: Path
    files: Mapping[str, bytes]
    answers: Answers
    parity: Parity
    latency_ms: float
    outputs: list[dict[str, np.ndarray] | None]
    """Of each item, None where it lacks the modality: the trained network's, by name."""
    exported: list[dict[str, np.ndarray] | None]
    """The same of the exported network."""


class BranchOut(nn.Module):
    """A branch as it is exported: logits, embedding and, for fusions of tokens, these and mask."""

    def __init__(self, branch: Branch) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The encoder's inputs and the mask."""
        part: Part = self.branch(*arrays)
        if self.branch.uses != "tokens":
            return part.logits, part.embedding
        return tuple(part)


class FusionOut(nn.Module):
    """A fusion as it is exported: what it uses of each modality, then ``present``.

    Of tokens each modality's mask follows them.
    """

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *given, present = arrays
        parts = []
        if self.fusion.uses == "tokens":
            for tokens, mask in zip(given[::2], given[1::2], strict=True):
                first = tokens[:, 0]
                parts.append(Part(first, first, tokens, mask))
        else:
            for one in given:
                parts.append(Part(one, one, one.unsqueeze(1), torch.ones_like(one[:, :1])))
        return tuple(self.fusion(parts, present))


def write_all(task: MultimodalTask, network: MultimodalNetwork, folder: Path) -> list[Exported]:
    """Write every branch and the fusion into ``folder``.

    Raises:
        MmerError: one does not answer as torch does, or no development item has a modality.
    """
    network.eval()
    chosen = spread(len(task.parts.development))
    items = [task.parts.development[k] for k in chosen]
    labels = np.array([item.label for item in items])
    groups = [group_of(item) for item in items]
    written: list[Exported] = []
    for modality, branch in network.branches.items():
        assert isinstance(branch, Branch)
        branch.kept = False
        preparation = branch.encoder.preparation
        names = (*preparation.names, "mask")
        prepared = [task.sources[modality].prepare(item) for item in items]
        rows = [
            None if row is None else dict(zip(names, stack([row]), strict=True)) for row in prepared
        ]
        if not any(rows):
            raise MmerError(f"no development item has {modality}: nothing to compare with")
        example = preparation(preparation.example(np.random.default_rng(0)))
        assert example is not None
        steps = {} if preparation.lengths() is None else {1: "steps"}
        written.append(
            _write(
                BranchOut(branch),
                rows,
                rows,
                {name: {0: "batch"} | steps for name in names},
                ("logits", "embedding", *(STEPS if branch.uses == "tokens" else ())),
                folder / f"{modality}.onnx",
                preparation.files(),
                labels,
                groups,
                [dict(zip(names, stack([example]), strict=True))],
            )
        )
    if network.fusion is not None:
        written.append(_fusion(network.fusion, written, labels, groups, folder))
    return written


def _write(
    module: nn.Module,
    trained_rows: Sequence[Arrays | None],
    rows: Sequence[Arrays | None],
    axes: Axes,
    outputs: tuple[str, ...],
    path: Path,
    files: Mapping[str, bytes],
    labels: np.ndarray,
    groups: list[str],
    examples: Sequence[Arrays] = (),
) -> Exported:
    """Write a network and run it on ``rows``, and torch on ``trained_rows``, None where absent.

    ``examples`` come before the longest rows as the ones that the file is written by.
    """
    there = [k for k, row in enumerate(rows) if row is not None]
    own = [row for row in rows if row is not None]
    by_length = sorted(own, key=lambda row: -sum(a.shape[1] for a in row.values()))
    samples = [*examples, *by_length[:COMPARED]]
    engine = write_onnx(module, samples, axes, outputs, path)
    exported: list[dict[str, np.ndarray] | None] = [None] * len(rows)
    trained: list[dict[str, np.ndarray] | None] = [None] * len(rows)
    times = []
    for k, row in zip(there, own, strict=True):
        begun = time.perf_counter()
        exported[k] = dict(engine.run(row))
        times.append(time.perf_counter() - begun)
        theirs = trained_rows[k]
        assert theirs is not None
        trained[k] = dict(zip(outputs, torch_outputs(module, theirs), strict=True))
    logits = _logits(exported)
    parity = measure(_logits(trained), logits, logits, by_probability=True)
    answers = Answers([logits], labels[there], [groups[k] for k in there])
    latency_ms = 1e3 * float(np.median(times))
    return Exported(path.stem, path, files, answers, parity, latency_ms, trained, exported)


def _logits(found: Sequence[Mapping[str, np.ndarray] | None]) -> np.ndarray:
    return np.concatenate([one["logits"] for one in found if one is not None])


def _fusion(
    fusion: Fusion,
    branches: Sequence[Exported],
    labels: np.ndarray,
    groups: list[str],
    folder: Path,
) -> Exported:
    """The fusion's file on the exported branches' outputs, against torch on torch's."""
    rows, trained_rows = (
        [_fusion_row(fusion.uses, branches, found, k) for k in range(len(labels))]
        for found in ([b.exported for b in branches], [b.outputs for b in branches])
    )
    first = [row for row in rows if row is not None]
    axes: dict[str, Mapping[int, str]] = {}
    for name in first[0]:
        steps = max(row[name].shape[1] for row in first)
        varies = fusion.uses == "tokens" and name != "present" and steps > 1
        axes[name] = {0: "batch", 1: f"{name}_steps"} if varies else {0: "batch"}
    path = folder / "fusion.onnx"
    return _write(FusionOut(fusion), trained_rows, rows, axes, OUTPUTS, path, {}, labels, groups)


def _fusion_row(
    uses: str, branches: Sequence[Exported], found: Sequence[Sequence[Any]], item: int
) -> dict[str, np.ndarray] | None:
    """The fusion's inputs for one item, from its branches' outputs; zeros of an absent one."""
    present = np.array([[outputs[item] is not None for outputs in found]], np.float32)
    if not present.any():
        return None
    row: dict[str, np.ndarray] = {}
    for branch, outputs in zip(branches, found, strict=True):
        known = next(one for one in outputs if one is not None)
        for name, output in zip(USES[uses], _PLACES[uses], strict=True):
            empty = np.zeros_like(known[output])
            row[f"{branch.name}_{name}"] = empty if outputs[item] is None else outputs[item][output]
    return row | {"present": present}
