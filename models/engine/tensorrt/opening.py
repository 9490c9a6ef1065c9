"""Opening of a network on TensorRT, by a cached plan or by one built now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mmer.models.checksum import sha256_of
from mmer.models.engine.precision import PRECISIONS, Inputs
from mmer.models.engine.shapes import MAX_BATCH, Lengths
from mmer.models.engine.tensorrt import cuda, library
from mmer.models.engine.tensorrt.build import build_plan
from mmer.models.engine.tensorrt.engine import TensorRTEngine
from mmer.models.engine.tensorrt.graph import GRAPH, graph_for
from mmer.models.engine.tensorrt.plans import (
    DamagedPlan,
    PlanKey,
    Plans,
    cannot_keep,
    write_whole,
)
from mmer.models.engine.tensorrt.progress import terminal_progress
from mmer.models.errors import MmerError

DEFAULT_PRECISION = "fp16"


def plan_key(path: Path, precision: str, lengths: Lengths | None) -> PlanKey:
    """What a plan of this network is known by, on this machine.

    Raises:
        MmerError: there is no TensorRT, no cuda-python or no GPU.
    """
    tensorrt, gpu = library.load(), cuda.load().gpu()
    length = "" if lengths is None else f", length {lengths.least}..{lengths.usual}..{lengths.most}"
    return PlanKey(
        model=path.stem,
        sha256=sha256_of(path),
        precision=precision,
        gpu=gpu.name,
        capability=gpu.capability,
        tensorrt=tensorrt.version,
        shapes=f"batch 1..{MAX_BATCH}{length}",
        graph=GRAPH,
    )


def open_built(path: Path, lengths: Lengths | None, precision: str | None = None) -> TensorRTEngine:
    """Open the plan that was built last for this network and machine; build nothing.

    Args:
        path: the network.
        lengths: of its axis that is not fixed.
        precision: of the plan; default: any.

    Raises:
        MmerError: there is no such plan, or it is damaged; TensorRT cannot run here.
    """
    plans = Plans()
    if not library.installed():
        raise MmerError(f"TensorRT's Python package is not installed: {library.HOW_TO_GET}")
    command = f"mmer-engine build {path.stem}"
    if not plans.any_of(path.stem):
        raise MmerError(f"no plan of {path.name} has been built: {command}")
    keys = [plan_key(path, p, lengths) for p in ([precision] if precision else PRECISIONS)]
    there = [key for key in keys if plans.path(key).exists()]
    if not there:
        raise MmerError(f"no plan of {path.name} was built for this GPU and TensorRT: {command}")
    newest = max(there, key=lambda key: plans.path(key).stat().st_mtime)
    try:
        plan = plans.read(newest)
    except DamagedPlan as problem:
        raise MmerError(f"{problem}: {command}") from problem
    if plan is None:
        raise MmerError(f"the plan of {path.name} has been taken away: {command}")
    return TensorRTEngine(library.load(), cuda.load(), plan, path.name)


def open_tensorrt(
    path: Path, lengths: Lengths | None, precision: str | None = None
) -> TensorRTEngine:
    """As ``open_built``; where that has no plan, one is built, in ``DEFAULT_PRECISION``.

    Where it cannot be kept, a line on standard error says so and the next start builds again.

    Raises:
        MmerError: TensorRT cannot run here, or not this network.
    """
    plans = Plans()
    library.load()
    cuda.load()
    try:
        return open_built(path, lengths, precision)
    except MmerError as reason:
        print(f"mmer: {reason}; building it now", file=sys.stderr)
    key = plan_key(path, precision or DEFAULT_PRECISION, lengths)
    plan = build(path, key, lengths, (), plans)
    try:
        plans.write(key, plan)
    except MmerError as error:
        print(f"mmer: the plan cannot be kept: {error}", file=sys.stderr)
    return TensorRTEngine(library.load(), cuda.load(), plan, path.name)


def keep_built(
    path: Path,
    precision: str,
    lengths: Lengths | None,
    calibration: Sequence[Inputs],
) -> Path:
    """Build a plan and keep it, in the place of an older one; its file.

    Raises:
        MmerError: TensorRT cannot run here, or not this network; the plan cannot be kept.
    """
    plans = Plans()
    key = plan_key(path, precision, lengths)
    try:
        plans.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_keep(plans.folder, error) from error
    return plans.write(key, build(path, key, lengths, calibration, plans))


def build(
    path: Path,
    key: PlanKey,
    lengths: Lengths | None,
    calibration: Sequence[Inputs],
    plans: Plans,
) -> bytes:
    """Build the plan of ``key``, with progress; the timings of earlier builds make it quicker.

    Raises:
        MmerError: TensorRT cannot read or build the network.
        KeyboardInterrupt: it was interrupted; nothing was written.
    """
    tensorrt = library.load()
    graph = graph_for(path, key.precision, tensorrt.major, calibration)
    gpu = "".join(c if c.isalnum() else "-" for c in f"{key.gpu}-{key.capability}")
    timing_file = plans.folder / f"timings-{gpu}-{key.tensorrt}.cache"
    timings = timing_file.read_bytes() if timing_file.is_file() else b""
    title = f"building {key.model} ({key.precision}) for {key.gpu}"
    with terminal_progress(title) as report:
        plan, timings = build_plan(
            tensorrt, cuda.load(), graph, key.precision, lengths, calibration, timings, report
        )
    try:
        write_whole(timing_file, timings)
    except MmerError as error:
        print(f"mmer: the timings cannot be kept: {error}", file=sys.stderr)
    return plan
