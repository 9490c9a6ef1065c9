"""Plan cache: one file each, whole or not there.

A plan fits one GPU, one TensorRT and one network; a file's name is a digest of all that it was
built from, so that what does not fit is never found. It begins with a line of JSON that says the
same in words, and the plan's own digest: a damaged plan is known before TensorRT reads it. Several
processes may build and read at once: a file is written under another name, then renamed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.store.store import default_home
from mmer.models.whole_file import whole_file

FORMAT: Final = "mmer plan 1"
SUFFIX: Final = ".plan"


class DamagedPlan(Exception):
    """A file of the cache that is not whole, or no plan at all."""


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on; another value of any of them is another plan."""

    model: str  # the file's name without its ending
    sha256: str  # of the ONNX file
    precision: str
    gpu: str
    capability: str
    tensorrt: str
    shapes: str
    graph: str  # what was done to the network before TensorRT saw it

    @property
    def file(self) -> str:
        """The name of the plan's file."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.model}-{self.precision}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class Entry:
    """One file of the cache. ``key`` is None, and ``problem`` says why, where it is not sound."""

    path: Path
    size: int  # bytes
    built: str  # local time
    key: PlanKey | None
    problem: str = ""


def plans_folder() -> Path:
    """Where plans are kept: below ``MMER_HOME`` or the user's cache folder."""
    return default_home() / "engines"


class Plans:
    """The plans in a folder; it need not exist."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = plans_folder() if folder is None else folder

    def path(self, key: PlanKey) -> Path:
        """Where this plan is, or would be."""
        return self.folder / (key.file + SUFFIX)

    def read(self, key: PlanKey) -> bytes | None:
        """The plan; None where none was built.

        Raises:
            DamagedPlan: it is there, and cannot be read, is cut short or altered.
        """
        path = self.path(key)
        if not path.exists():
            return None
        found, plan = _parse(path)
        if found != key:
            raise DamagedPlan(f"{path} is of another network or machine than its name says")
        return plan

    def write(self, key: PlanKey, plan: bytes) -> Path:
        """Keep a plan.

        Raises:
            MmerError: the folder cannot be made or written.
        """
        digest = hashlib.sha256(plan).hexdigest()
        head = json.dumps({"format": FORMAT, "plan_sha256": digest, **asdict(key)})
        path = self.path(key)
        write_whole(path, head.encode() + b"\n" + plan)
        return path

    def any_of(self, model: str) -> bool:
        """Whether there is a plan of that name at all: a look at the folder, without TensorRT."""
        return any(self.folder.glob(f"{model}-*{SUFFIX}"))

    def entries(self) -> Iterator[Entry]:
        """Every file of the cache, the one built last first."""
        files = self.folder.glob(f"*{SUFFIX}") if self.folder.is_dir() else ()
        for path in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True):
            about = path.stat()
            when = datetime.fromtimestamp(about.st_mtime, timezone.utc).astimezone()
            built = when.isoformat(sep=" ", timespec="minutes")[:16]
            try:
                key, _ = _parse(path)
            except DamagedPlan as problem:
                yield Entry(path, about.st_size, built, None, str(problem))
            else:
                yield Entry(path, about.st_size, built, key)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of the cache, whole or not at all; its folder is made.

    Raises:
        MmerError: the folder cannot be made or written, or the disk is full.
    """
    try:
        with whole_file(path) as part:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
    except MmerError as error:
        raise MmerError(f"{error}; MMER_HOME can name another folder") from error


def stale(key: PlanKey, now: PlanKey) -> str:
    """Why a plan does not fit the present state of things, or nothing."""
    reasons = {
        "sha256": "the network has changed",
        "gpu": f"built on another GPU than {now.gpu}",
        "capability": f"built for another GPU than {now.gpu}",
        "tensorrt": f"built by TensorRT {key.tensorrt}, here is {now.tensorrt}",
        "shapes": f"built for {key.shapes}, the card now says {now.shapes}",
        "graph": "built by another version of mmer",
    }
    return ", ".join(
        why for name, why in reasons.items() if getattr(key, name) != getattr(now, name)
    )


def _parse(path: Path) -> tuple[PlanKey, bytes]:
    try:
        head, _, plan = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise DamagedPlan(f"{path} cannot be read: {error.strerror}") from error
    try:
        table = json.loads(head)
        key = PlanKey(**{f.name: str(table[f.name]) for f in fields(PlanKey)})
        digest = table["plan_sha256"]
        sound = table["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedPlan(f"{path} is damaged: its head cannot be read") from error
    if not sound or hashlib.sha256(plan).hexdigest() != digest:
        raise DamagedPlan(f"{path} is damaged: its bytes are not those that were written")
    return key, plan


def cannot_keep(folder: Path, error: OSError) -> MmerError:
    """What to tell where a plan was built and cannot be kept."""
    return MmerError(
        f"the plan cannot be kept in {folder} ({error.strerror}): make it writable, or name "
        "another folder with MMER_HOME"
    )
