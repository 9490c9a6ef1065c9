"""Files of a batch's folder: its JSON lines, facts and lock."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.whole_file import PART, whole_file

FACTS: Final = "batch.json"
"""Options and models of the folder's lines."""
_LOCK: Final = ".lock"
_ABSENT: Final = "absent"  # a key that another version of mmer has


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write all of ``lines``, or nothing; raises MmerError, and what ``lines`` raises.

    Folders that are missing are made.
    """
    with whole_file(path) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.writelines(lines)


def settle(folder: Path, facts: str) -> None:
    """Note in ``folder`` what its lines are made by, or check that it is the same as before.

    Raises:
        MmerError: the folder holds the lines of other options or models.
    """
    if (before := _read(folder)) is None:
        write_lines(folder / FACTS, [facts.encode()])
    elif before != json.loads(facts):
        raise _mixed(folder, before, json.loads(facts))


def check_options(folder: Path, options: Mapping[str, Any]) -> None:
    """Raise MmerError where the folder holds the lines of other options."""
    before = _read(folder)
    given = json.loads(json.dumps(options))
    if before is not None and before["options"] != given:
        raise _mixed(folder, before["options"], given)


def _read(folder: Path) -> dict[str, Any] | None:
    """The folder's facts; None where it has none yet."""
    path = folder / FACTS
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MmerError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("options"), dict):
        raise MmerError(f"{path} is damaged: choose another --output, or remove the folder")
    return found


def _mixed(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> MmerError:
    for key in {**now, **before}:
        was, wanted = before.get(key, _ABSENT), now.get(key, _ABSENT)
        if was != wanted:
            break
    return MmerError(
        f"{folder} holds results with {key} {was}, now it is {wanted}: "
        "choose another --output, or remove the folder"
    )


def remove_parts(folder: Path) -> None:
    """Delete what processes that were killed have left half-written."""
    for part in folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against another batch; raises MmerError where one has it.

    The system lets go when the process ends, however it ends. Where the file system knows no locks
    nothing is held.
    """
    try:
        file = (folder / _LOCK).open("a+b")
    except OSError as error:
        raise MmerError(f"cannot write into {folder}: {error.strerror or error}") from error
    with file:
        try:
            _lock_function()(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            raise MmerError(f"another mmer-batch is writing into {folder}") from error
        except OSError:
            pass
        yield


def _lock_function() -> Callable[[int], None]:
    if sys.platform == "win32":
        import msvcrt

        return lambda descriptor: msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    import fcntl

    return lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
