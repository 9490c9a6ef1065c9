"""Recordings on the disk: what a folder of ``--record`` holds, its header, and its expiry."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError

MEDIA: Final = "media.mkv"
"""Sound (FLAC) and video (H.264), whose second 0 is the session's."""
LINES: Final = "lines.jsonl"
"""The session's JSON lines; the key ``recording`` of the first has consent and expiry."""
_LONGEST_LINE: Final = 1 << 20
_FRESH_S: Final = 60.0
"""A recording without an end to which nothing was added for so long was cut short."""
_HARMLESS: Final = ("output", "pictures", "words", "ticks")
"""Mailboxes whose drops change no evidence: views, partial transcripts, estimates in between.

A final transcript that had to be left out has a notice of its own among the lines.
"""


def header(folder: Path) -> Mapping[str, Any] | None:
    """The session line of the recording in ``folder``; None where there is none."""
    try:
        with (folder / LINES).open("rb") as file:
            line = json.loads(file.readline(_LONGEST_LINE))
    except (OSError, ValueError):
        return None
    ours = isinstance(line, dict) and line.get("type") == "session"
    return line if ours and isinstance(line.get("recording"), dict) else None


def media_of(source: str) -> str:
    """The media file of a recording's folder; any other ``source`` as it is."""
    folder = Path(source)
    try:
        recorded = source != "" and folder.is_dir() and header(folder) is not None
    except (OSError, ValueError):  # a name too long, a NUL in it
        return source
    return str(folder / MEDIA) if recorded else source


def lines_of(run: Path) -> Path:
    """The JSON lines of a recording's folder; any other ``run`` as it is."""
    return run / LINES if header(run) is not None else run


def recorded_with(media: str) -> Mapping[str, Any] | None:
    """Configuration of the session whose recording ``media`` is a part of; None for other files.

    Such a file's times are the session's, and its frames were thinned already.
    """
    path = Path(media)
    if path.name != MEDIA or (line := header(path.parent)) is None:
        return None
    config = line.get("config")
    return config if isinstance(config, dict) else {}


def what_differs(media: str) -> str:
    """Why a replay of a recording can differ from its session: what was dropped; "" if nothing.

    Drops of the recorder itself count as well: the file lacks them.
    """
    end = _last_line(Path(media).with_name(LINES))
    if end.get("type") != "end" or not isinstance(end.get("drops"), dict):
        return "the recorded session was cut short: it has estimates up to there"
    dropped = {name: n for name, n in end["drops"].items() if n and name not in _HARMLESS}
    if not dropped:
        return ""
    counted = ", ".join(f"{name} {n}" for name, n in dropped.items())
    return f"the recorded session dropped {counted}: there its estimates can differ from these"


def _last_line(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LONGEST_LINE))
            found = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def check_folder(folder: Path) -> None:
    """Raise MmerError where no recording can be made in ``folder``; creates nothing.

    The folder above it may be missing: the recorder makes both.
    """
    parent = folder.absolute().parent
    try:
        if folder.is_dir():
            if (line := header(folder)) is not None:
                began = line["recording"].get("began") or "unknown"
                raise MmerError(
                    f"--record {folder} holds another session ({began}): name a new one"
                )
            if any(folder.iterdir()):
                raise MmerError(f"--record {folder} holds other files: name a new folder")
        elif folder.exists():
            raise MmerError(f"--record {folder} is a file: name a new folder")
        elif parent.exists() and not parent.is_dir():
            raise MmerError(f"--record {folder}: {folder.parent} is a file")
        elif not parent.parent.is_dir():
            above = folder.parent.parent
            raise MmerError(f"--record {folder}: there is no folder {above}; create it")
        place = next(p for p in (folder, parent, parent.parent) if p.is_dir())
    except OSError as error:
        raise MmerError(f"--record {folder}: {error.strerror or error}") from error
    if not os.access(place, os.W_OK):
        raise MmerError(f"--record {folder}: {place} is not writable")


def expire(parent: Path, now: datetime | None = None) -> list[Path]:
    """Delete the recordings in ``parent`` that are past their ``--keep-days``; their folders.

    Of a folder the recording's own files go, and the folder where nothing else is in it. Folders
    behind links are left alone, and so is what cannot be deleted, or is still being recorded.
    """
    now = datetime.now(timezone.utc) if now is None else now
    gone = []
    for folder in _folders(parent):
        line = header(folder)
        until = None if line is None else _time(line["recording"].get("delete_after"))
        if until is None or now < until or _goes_on(folder, now):
            continue
        try:
            (folder / MEDIA).unlink(missing_ok=True)
            (folder / LINES).unlink()  # last: it says what the folder is
            gone.append(folder)
            if not any(folder.iterdir()):
                folder.rmdir()
        except OSError:
            continue
    return gone


def _goes_on(folder: Path, now: datetime) -> bool:
    """Whether a session still writes lines, one a second: it has no end, and they are fresh."""
    lines = folder / LINES
    try:
        age_s = now.timestamp() - lines.stat().st_mtime
    except OSError:
        return False
    return age_s < _FRESH_S and _last_line(lines).get("type") != "end"


def _folders(parent: Path) -> Iterator[Path]:
    try:
        found = sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError as error:
        raise MmerError(f"cannot read {parent}: {error.strerror or error}") from error
    yield from found


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
