"""Files of a corpus: folders, texts and tables as they are found on disks.

Hidden files (macOS leaves ``._name.wav`` behind) are passed over, links are followed, suffixes may
be written large, tables may begin with a byte order mark or be in Windows' encoding.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError, brief
from mmer.realtime.sources.suffixes import SOUNDS, VIDEOS, suffixes

IMAGE_SUFFIXES: Final = suffixes(
    "png jpg jpeg jpe jfif bmp dib tif tiff webp avif jp2 gif pgm ppm pbm pnm pam sr ras"
)
"""What OpenCV reads in 8 bits; of an animation the first frame."""
NOTES: Final = suffixes("txt md csv tsv json xml html pdf db ini yaml yml")
"""What lies beside the images and recordings of a corpus and is neither."""

# 0x80 to 0x9f are printable in Windows' encoding alone; it leaves five of them undefined
_CONTROLS: Final = {
    code: bytes([code]).decode("cp1252", errors="ignore") or " " for code in range(0x80, 0xA0)
}


def need_folder(root: Path, corpus: str) -> Path:
    """``root``, if it is a folder.

    Raises:
        MmerError: it is not.
    """
    if not root.is_dir():
        kind = "is a file" if root.is_file() else "does not exist"
        raise MmerError(f"{root} {kind}: give the folder of {corpus}")
    return root


def walk(root: Path) -> list[Path]:
    """All files below a folder, in the order of their paths relative to it."""
    found, entered = [], set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:  # a link that leads back up
            folders.clear()
            continue
        entered.add(real)
        folders[:] = [f for f in folders if not f.startswith(".") and f != "__MACOSX"]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def media_files(files: Iterable[Path], modality: str) -> list[Path]:
    """Videos and, for speech, after them the sound files."""
    wanted = [VIDEOS, SOUNDS] if modality == "speech" else [VIDEOS]
    return [path for kinds in wanted for path in files if path.suffix.lower() in kinds]


def read_text(path: Path) -> str:
    """A text file, UTF-8 or else Windows' encoding; stray control characters become quotes.

    Raises:
        MmerError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MmerError(f"cannot read {path}: {error.strerror}") from error
    return decode_text(content)


def decode_text(content: bytes) -> str:
    """The content of a text file as in ``read_text``."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    return text.translate(_CONTROLS)


def read_table(
    path: Path, needed: Sequence[str], delimiter: str = ",", text: str | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table as (line number, {column: value}), both stripped of blanks.

    Columns are found by name whatever their case; a row may lack values at its end only where the
    columns are not ``needed``. ``text`` is the content where the file is packed.

    Raises:
        MmerError: the file cannot be read, or a needed column or value is missing.
    """
    content = read_text(path) if text is None else text
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if missing := [name for name in needed if name.lower() not in header]:
            raise MmerError(
                f"{path} has no column {', '.join(missing)}; "
                f"it has {brief(', '.join(header)) or 'no line at all'}"
            )
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            row = dict(zip(header, (value.strip() for value in values), strict=False))
            if short := [name for name in needed if name.lower() not in row]:
                raise MmerError(f"{path}, line {reader.line_num}: no value for {', '.join(short)}")
            yield reader.line_num, row
    except csv.Error as error:
        raise MmerError(f"{path}, line {reader.line_num}: {error}") from error
