"""Model store: search, verification, download and unpacking of the models that are not shipped.

Searched in this order: the folders of ``MMER_MODELS``, the Python package that brings the model
where there is one, our cache (``MMER_HOME``, else the user's cache folder), and last the network.
Only what a sha256 of the catalogue covers is used: files, and archives that were unpacked into the
cache. A folder that others unpacked cannot be checked, and is not used.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from mmer.models.checksum import sha256_of
from mmer.models.store.catalogue import FACE_DETECTOR, MOONSHINE, VOSK_MODEL, Asset, Unavailable
from mmer.models.store.download import (
    PATIENCE,
    Patience,
    download,
    new_scratch,
    terminal_bar,
    writable,
)
from mmer.models.store.unpack import extract, intact

__all__ = ["Store", "Unavailable", "default_home", "model_folders"]


def default_home() -> Path:
    """The cache: ``MMER_HOME``, else the place that the system has for such things."""
    if home := os.environ.get("MMER_HOME"):
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("mmer", appauthor=False))


def model_folders() -> list[Path]:
    """The folders of ``MMER_MODELS``, separated as in PATH."""
    names = os.environ.get("MMER_MODELS", "").split(os.pathsep)
    return [Path(name).expanduser() for name in names if name]


def is_offline() -> bool:
    """Whether ``MMER_OFFLINE`` forbids the network."""
    return os.environ.get("MMER_OFFLINE", "").strip().lower() not in ("", "0", "no", "false")


class Store:
    """Answers with the path of a model that is whole, and fetches it where it must and may.

    Threads may share one: they fetch one after the other.

    Args:
        home: the cache; default ``default_home()``.
        folders: searched before it; default ``model_folders()``.
        offline: never connect; default as ``MMER_OFFLINE`` says.
        report: gets each notice, one line; default: standard error.
        progress: gets (asset, bytes so far, bytes in all or None) ten times a second, and may
            raise to end the download; default: a bar on standard error where that is a terminal.
        face: the face detector's entry of the catalogue.
        vosk: the Vosk model's.
        moonshine: the entries of Moonshine's files.
        patience: how long a silent network is borne; default: the process's own.
        stall_s: how long a transfer may stand still.
    """

    def __init__(
        self,
        home: Path | None = None,
        folders: Sequence[Path] | None = None,
        offline: bool | None = None,
        report: Callable[[str], None] | None = None,
        *,
        progress: Callable[[Asset, int, int | None], None] | None = None,
        face: Asset = FACE_DETECTOR,
        vosk: Asset = VOSK_MODEL,
        moonshine: Sequence[Asset] = MOONSHINE,
        patience: Patience = PATIENCE,
        stall_s: float = 15.0,
    ) -> None:
        self.home = default_home() if home is None else home
        self.folders = tuple(model_folders() if folders is None else folders)
        self.offline = is_offline() if offline is None else offline
        self.face, self.vosk, self.moonshine = face, vosk, tuple(moonshine)
        self._report = report or (lambda line: print(f"mmer: {line}", file=sys.stderr))
        self._progress = progress
        self._patience = patience
        self._stall_s = stall_s
        self._said: set[str] = set()
        self._lock = threading.Lock()  # one download, one bar, one wait for the network at a time
        for folder in self.folders:
            if not folder.is_dir():
                self._say(f"MMER_MODELS names {folder}, which is not a folder; it is skipped")

    @property
    def assets(self) -> tuple[Asset, ...]:
        """All that this store can get."""
        return (self.face, *self.moonshine, self.vosk)

    def asset(self, name: str) -> Asset:
        """The entry of that name; raises KeyError."""
        return {asset.name: asset for asset in self.assets}[name]

    def get(self, asset: Asset) -> Path:
        """The file or folder of ``asset``, fetched if it is nowhere; raises Unavailable."""
        with self._lock:
            return self.find(asset) or self._fetch(asset)

    def find(self, asset: Asset) -> Path | None:
        """The file or folder of ``asset`` if it is on this machine and whole; never connects.

        An archive found whole is unpacked into the cache. What is damaged is reported and not used.
        """
        if asset.folder is None:
            paths = [folder / asset.file for folder in self.folders]
            if packaged := _in_package(asset):
                paths.append(packaged)
            return self._find_file(asset, [*paths, self.home / asset.file])
        return self._find_folder(asset, asset.folder)

    def fetch_all(self) -> list[tuple[Asset, Path | str]]:
        """Get everything; with each, its path or the reason why it cannot be had."""
        results: list[tuple[Asset, Path | str]] = []
        for asset in self.assets:
            try:
                results.append((asset, self.get(asset)))
            except Unavailable as error:
                results.append((asset, str(error)))
        return results

    def _fetch(self, asset: Asset) -> Path:
        if self.offline:
            raise self._unavailable(asset, "offline mode is on")
        self._say(f"downloading the {asset.title}, {asset.size}, from {asset.host} to {self.home}")
        try:
            if asset.folder is None:
                return self._download(asset, self.home / asset.file)
            with new_scratch(self.home / asset.folder) as scratch:
                archive = self._download(asset, Path(scratch) / asset.file)
                return self._unpack(asset, archive, asset.folder)
        except Unavailable as error:
            raise self._unavailable(asset, str(error)) from error

    def _find_file(self, asset: Asset, paths: Iterable[Path]) -> Path | None:
        for path in paths:
            try:
                if not os.path.isfile(path):
                    continue
                if sha256_of(path) == asset.sha256:
                    return path
                self._say(f"{path} is not used: it is damaged or another version (wrong sha256)")
            except OSError as error:
                self._say(f"{path} is not used: it cannot be read ({error.strerror or error})")
        return None

    def _find_folder(self, asset: Asset, name: str) -> Path | None:
        cached = self.home / name
        for place in self.folders:
            # the cache may hold what this archive unpacks to: then its 40 MB need no reading
            if os.path.isfile(place / asset.file) and (
                found := cached if intact(asset, cached) else self._find_archive(asset, place, name)
            ):
                return found
            if os.path.isdir(place / name):
                self._say(
                    f"{place / name} is not used: an unpacked folder cannot be checked; put "
                    f"{asset.file} beside it"
                )
        if intact(asset, cached):
            return cached
        if cached.exists():
            self._say(f"{cached} is not used: it is damaged or not whole")
        return self._find_archive(asset, self.home, name)

    def _find_archive(self, asset: Asset, place: Path, name: str) -> Path | None:
        archive = self._find_file(asset, [place / asset.file])
        if archive is None:
            return None
        try:
            return self._unpack(asset, archive, name)
        except Unavailable as error:
            self._say(f"{archive} is not used: {error}")
            return None

    def _unpack(self, asset: Asset, archive: Path, name: str) -> Path:
        """The archive's folder in the cache, which appears whole or not at all."""
        target = self.home / name
        with new_scratch(target) as scratch, writable(self.home):
            fresh = extract(asset, archive, Path(scratch))
            for attempt in range(3):  # another process may be doing the same
                if intact(asset, target):
                    break
                try:
                    if target.exists():
                        target.rename(Path(scratch) / f"damaged{attempt}")
                    fresh.rename(target)
                    break
                except OSError:
                    if attempt == 2:
                        raise
        return target

    def _download(self, asset: Asset, target: Path) -> Path:
        with self._step(asset) as step:
            download(asset, target, step=step, patience=self._patience, stall_s=self._stall_s)
        return target

    @contextmanager
    def _step(self, asset: Asset) -> Iterator[Callable[[int, int | None], None]]:
        if self._progress is None:
            with terminal_bar(asset.file) as step:
                yield step
        else:
            progress = self._progress
            yield lambda done, total: progress(asset, done, total)

    def _unavailable(self, asset: Asset, why: str) -> Unavailable:
        package = f", `pip install '{asset.requirement}'`" if asset.requirement else ""
        return Unavailable(
            f"the {asset.title} is not on this machine and cannot be fetched: {why}. "
            f"Run `mmer-live --fetch` with a network{package}, or name in MMER_MODELS a folder "
            f"that has {asset.file}"
        )

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._report(line)


def _in_package(asset: Asset) -> Path | None:
    """Where an installed distribution keeps the file; its Python code is not imported."""
    if asset.package is None:
        return None
    distribution, file = asset.package
    try:
        return Path(str(metadata.distribution(distribution).locate_file(file)))
    except metadata.PackageNotFoundError:
        return None
