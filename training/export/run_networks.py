"""One ONNX file a branch and one for the fusion, compared with torch on development items."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mmer.models.cards.card import Parity
from mmer.models.engine import Engine, open_engine
from mmer.models.errors import MmerError
from mmer.models.networks.fusions.fusion import Fusion, Part
from mmer.models.networks.multimodal import Branch, MultimodalNetwork
from mmer.models.preparation.preparation import stack
from mmer.training.export.onnx_file import write_onnx
from mmer.training.export.parity import ITEMS
from mmer.training.export.run import compared
from mmer.training.multimodal.items import group_of
from mmer.training.multimodal.task import MultimodalTask
from mmer.training.tasks.task import Arrays

STEPS: Final = ("steps", "steps_mask")
"""What a branch calls its tokens, since an input may be called so."""


@dataclass(frozen=True, eq=False)
class Exported:
    """One written network, and what it says of development items that have its modality."""

    name: str
    path: Path
    files: Mapping[str, bytes]
    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: list[str]
    parity: Parity
    latency_ms: float


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
    """A fusion as it is exported: what it uses of each modality, then ``present``."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class; of tokens each modality's mask follows them."""
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


@dataclass
class Samples:
    """Inputs by name of some items, one at a time: what ``write_onnx`` asks of a task."""

    rows: Sequence[Mapping[str, np.ndarray]]
    axes: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]
    labels: Sequence[int] = field(default_factory=list)

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Every item."""
        for row in self.rows:
            yield row, np.zeros(1, np.int64)

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """Which axes vary."""
        return self.axes


def write_all(task: MultimodalTask, network: MultimodalNetwork, folder: Path) -> list[Exported]:
    """Write every branch and the fusion into ``folder``.

    Raises:
        MmerError: one does not answer as torch does, or no development item has a modality.
    """
    network.eval()
    for branch in network.branches.values():
        assert isinstance(branch, Branch)
        branch.kept = False
    items = task.parts.development
    chosen = np.unique(np.linspace(0, len(items) - 1, min(ITEMS, len(items))).round().astype(int))
    some = [items[k] for k in chosen]
    labels = np.array([item.label for item in some])
    groups = [group_of(item) for item in some]
    written: list[Exported] = []
    said: dict[str, list[dict[str, np.ndarray] | None]] = {}
    ours: dict[str, list[tuple[torch.Tensor, ...] | None]] = {}
    for modality, branch in network.branches.items():
        assert isinstance(branch, Branch)
        source = task.sources[modality]
        prepared = [source.prepare(item) for item in some]
        there = [k for k, row in enumerate(prepared) if row is not None]
        if not there:
            raise MmerError(f"no development item has {modality}: nothing to compare with")
        names = (*branch.encoder.preparation.names, "mask")
        rows = [dict(zip(names, stack([prepared[k]]), strict=True)) for k in there]
        outputs: tuple[str, ...] = ("logits", "embedding")
        if branch.uses == "tokens":
            outputs = (*outputs, *STEPS)
        out = BranchOut(branch)
        path = folder / f"{modality}.onnx"
        _write(out, rows, names, outputs, path)
        engine = open_engine(path, "cpu")
        answers, times = _answers(engine, rows)
        with torch.no_grad():
            torchs = [out(*(torch.from_numpy(row[n]) for n in names)) for row in rows]
        logits = np.concatenate([a["logits"] for a in answers])
        parity = compared(np.concatenate([t[0].numpy() for t in torchs]), logits, modality)
        written.append(
            Exported(
                modality,
                path,
                branch.encoder.preparation.files(),
                logits,
                labels[there],
                [groups[k] for k in there],
                parity,
                1e3 * float(np.median(times)),
            )
        )
        said[modality] = _spread(answers, there, len(some))
        ours[modality] = _spread(torchs, there, len(some))
    if network.fusion is not None:
        written.append(_fusion(network.fusion, said, ours, labels, groups, folder))
    return written


def _write(
    module: nn.Module,
    rows: Sequence[Mapping[str, np.ndarray]],
    names: Sequence[str],
    outputs: tuple[str, ...],
    path: Path,
) -> None:
    """Export with the longest row as the example: an axis of length 1 would become a constant."""
    steps = {name: max(row[name].shape[1] for row in rows) for name in names}
    axes = {
        name: {0: "batch", 1: f"{name}_steps"} if steps[name] > 1 else {0: "batch"}
        for name in names
    }
    order = sorted(range(len(rows)), key=lambda k: -rows[k][names[0]].shape[1])
    write_onnx(module, Samples([rows[k] for k in order], axes, outputs), path)


def _answers(
    engine: Engine, rows: Sequence[Mapping[str, np.ndarray]]
) -> tuple[list[dict[str, np.ndarray]], list[float]]:
    """What the network says of each row, and the seconds that took."""
    answers, times = [], []
    for row in rows:
        begun = time.perf_counter()
        answers.append(dict(engine.run(row)))
        times.append(time.perf_counter() - begun)
    return answers, times


def _spread(found: list[Any], there: list[int], n: int) -> list[Any]:
    """Answers of some items in their places among all, None elsewhere."""
    out: list[Any] = [None] * n
    for k, one in zip(there, found, strict=True):
        out[k] = one
    return out


def _fusion(
    fusion: Fusion,
    said: Mapping[str, list[dict[str, np.ndarray] | None]],
    ours: Mapping[str, list[tuple[torch.Tensor, ...] | None]],
    labels: np.ndarray,
    groups: list[str],
    folder: Path,
) -> Exported:
    """The fusion's file, judged on the exported branches' answers against torch's."""
    modalities = list(said)
    # what it is called there, what the branch calls it, and where it stands in a Part
    used = {
        "logits": (("logits", "logits", 0),),
        "embedding": (("embedding", "embedding", 1),),
        "tokens": (("tokens", STEPS[0], 2), ("mask", STEPS[1], 3)),
    }[fusion.uses]
    names = [f"{m}_{name}" for m in modalities for name, _, _ in used]
    known = {m: next(a for a in said[m] if a is not None) for m in modalities}
    rows: list[dict[str, np.ndarray]] = []
    wanted = []
    there = [k for k in range(len(labels)) if any(said[m][k] is not None for m in modalities)]
    out = FusionOut(fusion)
    for k in there:
        row: dict[str, np.ndarray] = {}
        theirs: list[torch.Tensor] = []
        for m in modalities:
            answer, torchs = said[m][k], ours[m][k]
            for name, output, place in used:
                empty = np.zeros_like(known[m][output])
                row[f"{m}_{name}"] = empty if answer is None else answer[output]
                theirs.append(torch.from_numpy(empty) if torchs is None else torchs[place])
        present = np.array([[said[m][k] is not None for m in modalities]], np.float32)
        row["present"] = present
        rows.append(row)
        with torch.no_grad():
            wanted.append(out(*theirs, torch.from_numpy(present))[0].numpy())
    path = folder / "fusion.onnx"
    axes: dict[str, Mapping[int, str]] = {"present": {0: "batch"}}
    for name in names:
        steps = max(row[name].shape[1] for row in rows) if fusion.uses == "tokens" else 1
        axes[name] = {0: "batch", 1: f"{name}_steps"} if steps > 1 else {0: "batch"}
    order = sorted(range(len(rows)), key=lambda k: -sum(rows[k][n].shape[1] for n in names))
    write_onnx(out, Samples([rows[k] for k in order], axes, ("logits", "shares")), path)
    answers, times = _answers(open_engine(path, "cpu"), rows)
    logits = np.concatenate([a["logits"] for a in answers])
    return Exported(
        "fusion",
        path,
        {},
        logits,
        labels[there],
        [groups[k] for k in there],
        compared(np.concatenate(wanted), logits, "fusion"),
        1e3 * float(np.median(times)),
    )
