"""Unpacking of an archive into a folder with a manifest of its files."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from mmer.models.bounded_json import read_json
from mmer.models.checksum import sha256_of
from mmer.models.errors import brief
from mmer.models.store.catalogue import Asset, Unavailable

MANIFEST: Final = ".mmer.json"
"""Written last into an unpacked folder: its archive's hash, each file's size, time and hash."""
LARGEST: Final = 1_000_000_000
"""Bytes that an archive may unpack to: ten times the largest of the catalogue."""
MOST_FILES: Final = 1000


def extract(asset: Asset, archive: Path, into: Path) -> Path:
    """Unpack ``archive`` and write the manifest; the answer is ``into`` / the archive's one folder.

    Raises:
        Unavailable: not a sound zip, or a name in it leads out of the folder, or it unpacks to
            more than ``LARGEST`` or ``MOST_FILES``, or it lacks a file that ``asset`` needs.
    """
    folder = asset.folder or archive.stem
    try:
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                parts = _parts(name)
                if not parts or parts[0] != folder or ".." in parts:
                    raise Unavailable(f"{archive} holds {name!r}, outside of {folder}")
            end = archive.stat().st_size
            if any(not 0 <= entry.header_offset < end for entry in file.infolist()):
                raise zipfile.BadZipFile("its table leads out of it")
            size = sum(entry.file_size for entry in file.infolist())
            if size > LARGEST or len(file.namelist()) > MOST_FILES:
                raise Unavailable(
                    f"{archive} would unpack to {size / 1e6:.0f} MB in {len(file.namelist())} "
                    f"files, more than the {LARGEST / 1e6:.0f} MB in {MOST_FILES} of any model"
                )
            file.extractall(into)
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError),
        *(NotImplementedError, RuntimeError),  # a method that is not known, a password
    ) as error:
        raise Unavailable(f"{archive} cannot be unpacked: {brief(str(error))}") from error
    fresh = into / folder
    missing = [needed for needed in asset.needs if not (fresh / needed).is_file()]
    if missing:
        raise Unavailable(f"{archive} lacks {', '.join(missing)}")
    files = {}
    for path in sorted(p for p in fresh.rglob("*") if p.is_file()):
        stat = path.stat()
        files[path.relative_to(fresh).as_posix()] = (
            stat.st_size,
            stat.st_mtime_ns,
            sha256_of(path),
        )
    manifest = {"archive_sha256": asset.sha256, "files": files}
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return fresh


def intact(asset: Asset, folder: Path) -> bool:
    """Whether an unpacked folder of the cache is as its manifest says, without a file more.

    Only touched files are read again.
    """
    try:
        manifest = read_json(folder / MANIFEST)
        if manifest["archive_sha256"] != asset.sha256:
            return False
        for name, (size, mtime_ns, sha256) in manifest["files"].items():
            if not _parts(name) or ".." in _parts(name) or name.startswith("/"):
                return False
            stat = (folder / name).stat()
            if stat.st_size != size:
                return False
            if stat.st_mtime_ns != mtime_ns and sha256_of(folder / name) != sha256:
                return False
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
        return there - {MANIFEST} == set(manifest["files"]) >= set(asset.needs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # no manifest, or not one that we wrote


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts
