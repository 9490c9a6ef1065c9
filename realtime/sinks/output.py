"""Output files: checks of the path, whole lines, detection of a closed pipe."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from mmer.models.errors import MmerError

STDOUT: Final = Path("-")
"""Standard output in the place of a file."""


class ReaderGone(Exception):
    """The reader of the output has closed it (``mmer-live ... | head -1``): end quietly.

    Not a user's error: commands end with status 0 and print nothing.
    """


def check_output_path(path: Path, suffix: str | None = None) -> None:
    """Raise MmerError if ``path`` cannot be written; creates and changes nothing.

    Parents are never created: a mistyped folder must not become one. ``suffix`` (".mp4") is the
    ending that the name must have, upper or lower case.
    """
    if "\0" in str(path):
        raise MmerError(f"cannot write {str(path)!r}: no name holds a NUL character")
    if suffix is not None and path.suffix.lower() != suffix:
        raise MmerError(f"cannot write {path}: the name must end in {suffix}")
    try:
        os.fsencode(path)  # no file has a name that is not text
        if path.is_dir():
            raise MmerError(f"cannot write {path}: it is a folder; name a file in it")
        if not path.parent.exists():
            raise MmerError(f"cannot write {path}: there is no folder {path.parent}; create it")
        if not path.parent.is_dir():
            raise MmerError(f"cannot write {path}: {path.parent} is not a folder")
        exists = path.exists()
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be entered
        why = getattr(error, "strerror", None) or error
        raise MmerError(f"cannot write {path}: {why}") from error
    if not os.access(path if exists else path.parent, os.W_OK):
        what = "it" if exists else f"its folder {path.parent}"
        raise MmerError(f"cannot write {path}: {what} is not writable")


def refuse_input(path: Path, *inputs: str | os.PathLike[str]) -> None:
    """Raise MmerError if writing ``path`` would destroy one of the files that are being read.

    An input that is no file (an address, a device's name) is passed over.
    """
    for given in inputs:
        try:
            same = path.exists() and os.path.samefile(path, given)
        except (OSError, ValueError):
            continue
        if same:
            raise MmerError(f"cannot write {path}: it is the input itself; choose another name")


def refuse_twice(paths: Sequence[Path]) -> None:
    """Raise MmerError if two outputs would write to one file; "-" is standard output."""
    for n, path in enumerate(paths):
        if any(_same_file(path, other) for other in paths[:n]):
            what = "standard output" if path == STDOUT else str(path.absolute())
            raise MmerError(f"two outputs name {what}: choose two files for them both")


def _same_file(path: Path, other: Path) -> bool:
    if path == other or STDOUT in (path, other):
        return path == other
    try:
        if os.path.realpath(path) == os.path.realpath(other):
            return True
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them is not there yet, or cannot be
        return False


def stdout_closed() -> bool:
    """Whether the program was started without a standard output (``>&-``, some daemons)."""
    return sys.stdout is None or getattr(sys.stdout, "name", "") == os.devnull


def print_line(stream: IO[str], line: str) -> None:
    """Write one line and flush it; what the stream's encoding lacks becomes "?".

    Raises ReaderGone when the pipe is closed, MmerError when the disk is full.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError as error:
        mute_stdout(stream)
        raise ReaderGone from error
    except OSError as error:
        raise MmerError(f"cannot write the results: {error.strerror or error}") from error


class LineFile:
    """File, or standard output for "-", of whole lines, each appended at once.

    ``write`` raises ReaderGone when the pipe is closed, MmerError when the disk is full;
    ``broken`` is then True: no more can be written. Raises MmerError (constructor) if the file
    cannot be opened or standard output is closed.
    """

    def __init__(self, path: str) -> None:
        self._name = "standard output" if path == "-" else path
        self._stdout = path == "-"
        self.broken = False
        if self._stdout:
            if stdout_closed():
                raise MmerError("standard output is closed: name a file in place of -")
            return
        try:
            self._open(os.O_TRUNC)
        except OSError as error:
            raise MmerError(f"cannot write {path}: {error.strerror or error}") from error

    def _open(self, flags: int = 0) -> None:
        """Open for appending: others may write to the file, cut it or rotate it."""
        flags |= os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        opened = os.open(self._name, flags, 0o666)
        try:
            found = os.fstat(opened)
            regular = stat.S_ISREG(found.st_mode)
            # some network file systems number a file anew at every look: there nothing can be told
            watched = regular and os.path.samestat(os.stat(self._name), found)
        except OSError:
            os.close(opened)
            raise
        self._fd, self._regular, self._watched = opened, regular, watched
        self._size = found.st_size  # bytes, as this program left it

    def changed(self) -> str:
        """What another program did to the file since the last line, as one line; or "".

        A file that was moved or removed is opened anew under its name, as log rotation expects;
        where that fails (the whole folder was moved), the moved file goes on.
        """
        if self._stdout or not self._watched or self.broken:
            return ""
        try:
            mine = os.fstat(self._fd)
        except OSError as error:  # the network drive that holds it has gone
            self.broken = True
            raise self._cannot_write(error) from error
        cut, self._size = mine.st_size < self._size, mine.st_size
        try:
            moved = not os.path.samestat(os.stat(self._name), mine)
        except FileNotFoundError:
            moved = True
        except OSError:  # it cannot be looked up just now, which says nothing about the file
            moved = False
        if moved:
            before = self._fd
            try:
                self._open()
            except OSError:
                return ""
            os.close(before)
            return self._changed("moved or removed")
        return self._changed("truncated") if cut else ""

    def _changed(self, what: str) -> str:
        return f"{self._name} was {what} by another program: earlier lines are not in this file"

    def write(self, line: bytes) -> None:
        """All of ``line`` (newline included) or, where the disk is full, nothing of it."""
        try:
            if self._stdout:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
                return
            rest = line
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            self._size += len(line)
        except BrokenPipeError as error:
            self.broken = True
            if self._stdout:
                mute_stdout()
            raise ReaderGone from error
        except OSError as error:
            self.broken = True
            if not self._stdout and self._regular:
                self._take_back(len(line) - len(rest))
            raise self._cannot_write(error) from error

    def _take_back(self, n: int) -> None:
        """Remove the ``n`` bytes of a line that could not be finished."""
        if n:
            os.ftruncate(self._fd, max(os.fstat(self._fd).st_size - n, 0))

    def close(self) -> None:
        """Close the file; standard output stays open.

        Raises MmerError where the last lines cannot be written: network drives say so only now.
        """
        if self._stdout:
            return
        try:
            os.close(self._fd)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> MmerError:
        return MmerError(f"cannot write {self._name}: {error.strerror or error}")


def mute_stdout(stream: object = None) -> None:
    """Point a broken standard output at nothing, so that Python's last flush stays silent."""
    if stream is not None and stream is not sys.stdout:
        return
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):  # replaced by something without a descriptor
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
