"""Download of one file over HTTP: verified, all or nothing, with a bounded wait."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from mmer.models.checksum import sha256_of
from mmer.models.store.catalogue import Asset, Unavailable

Step: TypeAlias = Callable[[int, int | None], None]
"""Called ten times a second, in the thread that waits, with the bytes so far and, where the server
says it, the bytes in all. What it raises ends the download."""

_PART: Final = ".part"  # ends the name of whatever is not whole yet
_STALE_S: Final = 24 * 3600.0
_POLL_S: Final = 0.1


class Patience:
    """How long a silent network is borne, over all hosts together.

    A host may stay silent for ``host_s``; what it wasted is taken from ``total_s``, of which the
    other hosts get the rest, so that a machine without a network waits ``total_s`` once and not
    once a file. An answer restores it all, and so does a minute: networks come back.
    """

    _FORGIVE_S: Final = 60.0

    def __init__(self, total_s: float = 4.5, host_s: float = 3.8) -> None:
        self.total_s = total_s
        self._host_s = host_s
        self._lock = threading.Lock()
        self._failed: dict[str, str] = {}  # host -> why
        self._wasted_s = 0.0
        self._last = 0.0  # monotonic time of the last failure

    def grant(self, host: str) -> float:
        """Seconds that ``host`` may stay silent; raises Unavailable where it is known to be so."""
        with self._lock:
            if time.monotonic() - self._last > self._FORGIVE_S:
                self._failed.clear()
                self._wasted_s = 0.0
            if host in self._failed:
                raise Unavailable(self._failed[host])
            left_s = self.total_s - self._wasted_s
            if left_s < 0.1:
                raise Unavailable("no network")
            return min(self._host_s, left_s)

    def failed(self, host: str, why: str, waited_s: float) -> None:
        """``host`` could not be reached, which took ``waited_s``."""
        with self._lock:
            self._failed[host] = why
            self._wasted_s += waited_s
            self._last = time.monotonic()

    def answered(self, host: str) -> None:
        """There is a network."""
        with self._lock:
            self._failed.pop(host, None)
            self._wasted_s = 0.0


PATIENCE: Final = Patience()
"""The process's own: a second store does not wait again for what the first found out."""


class _Abandoned(Exception):
    """Ends the transfer's thread when nobody waits for it any more."""


class _Transfer:
    """One download in a daemon thread: a look-up of a name can hang and cannot be interrupted.

    It stands in as the progress bar of pooch's downloader, which sets ``total`` as soon as the
    server has answered, then calls ``update`` for every chunk.
    """

    def __init__(self, url: str, part: Path, timeout_s: float, most_bytes: int) -> None:
        self.answered = False
        self.done = 0
        self._came = 0
        self._most_bytes = most_bytes
        self.error: Exception | None = None
        self.finished = threading.Event()
        self.abandoned = False
        self._total: int | None = None
        self._url = url
        self._part = part
        self._timeout_s = timeout_s
        threading.Thread(target=self._work, name=f"download {part.name}", daemon=True).start()

    @property
    def total(self) -> int | None:
        """Bytes in all, where the server says it."""
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        self._total = value or None
        self.answered = True

    def update(self, n: int) -> None:
        """Some more bytes came (pooch counts whole chunks, so the last one may be too many)."""
        if self.abandoned:
            raise _Abandoned
        self._came += n
        if self._came > self._most_bytes:
            raise ValueError(f"more than {self._most_bytes / 1e6:.0f} MB came")
        self.done = min(self.done + n, self._total or sys.maxsize)

    def reset(self) -> None:
        """Pooch starts to count again at the end, to fill the bar by one update of all bytes."""
        self._came = 0

    def close(self) -> None:
        """Nothing to close."""

    def _work(self) -> None:
        try:
            import pooch

            # a chunk comes when it is full: small ones, or a slow line would look like a stall
            fetch = pooch.HTTPDownloader(
                progressbar=self, chunk_size=1 << 13, timeout=self._timeout_s
            )
            fetch(self._url, str(self._part), None)
        except Exception as error:  # noqa: BLE001 - handed over to the thread that waits
            self.error = error
        finally:
            self.finished.set()
            if self.abandoned:
                self._part.unlink(missing_ok=True)


def download(
    asset: Asset,
    target: Path,
    *,
    step: Step = lambda done, total: None,
    patience: Patience = PATIENCE,
    stall_s: float = 15.0,
) -> None:
    """Bring ``asset`` to ``target``, which then is whole and of the right hash, or is untouched.

    Several processes may do so at once: each writes a file of its own, and the renaming is atomic.

    Raises:
        Unavailable: nobody answers (within ``patience``), the transfer stalls for ``stall_s``,
            breaks or is far too large, the bytes are not those of the hash, or ``target`` cannot
            be written.
    """
    host = asset.host
    grant_s = patience.grant(host)
    part = _new_part(target)
    start = time.monotonic()
    # the loop below is the one to time it
    transfer = _Transfer(asset.url, part, stall_s + 5.0, asset.most_bytes)
    try:
        seen, seen_at = 0, start  # progress, and when it was last made
        while not transfer.finished.wait(_POLL_S):
            step(transfer.done, transfer.total)
            now = time.monotonic()
            if not transfer.answered:
                if now - start > grant_s:
                    why = f"{host} does not answer"
                    patience.failed(host, why, now - start)
                    raise Unavailable(why)
                seen_at = now
            elif transfer.done != seen:
                seen, seen_at = transfer.done, now
            elif now - seen_at > stall_s:
                raise Unavailable(f"the download from {host} stalled: nothing for {stall_s:g} s")
        if transfer.answered:
            patience.answered(host)
        if transfer.error is not None:
            why = _reason(transfer.error, host, target)
            if not transfer.answered:
                patience.failed(host, why, time.monotonic() - start)
            raise Unavailable(why) from transfer.error
        step(transfer.done, transfer.total)
        found = sha256_of(part)
        if found != asset.sha256:
            raise Unavailable(
                f"what {host} sent is not {asset.file}: sha256 {found[:12]}..., "
                f"expected {asset.sha256[:12]}..."
            )
        with writable(target.parent):
            os.replace(part, target)
    finally:
        transfer.abandoned = True
        with contextlib.suppress(PermissionError):  # Windows: the thread still has it open
            part.unlink(missing_ok=True)


def new_scratch(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside ``target``, gone after use, to make something in before it is renamed.

    Clears those of killed processes.
    """
    with writable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        for old in _stale(target.parent):
            shutil.rmtree(old, ignore_errors=True)
        return tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", suffix=_PART, dir=target.parent, ignore_cleanup_errors=True
        )


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn a failure to write into ``folder`` into one that says what to do."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise Unavailable(
            f"cannot write to {folder} ({why}; MMER_HOME can name another)"
        ) from error


def _new_part(target: Path) -> Path:
    """An empty file of this process's own, beside ``target``; clears those of killed processes."""
    with writable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        for old in _stale(target.parent):
            if old.is_file():
                old.unlink(missing_ok=True)
        # not mkstemp, whose files nobody else may read: a cache can be a lab's
        part = target.with_name(f".{target.name}.{secrets.token_hex(6)}{_PART}")
        part.touch(exist_ok=False)
    return part


def _stale(folder: Path) -> Iterator[Path]:
    """What killed processes left in ``folder``: old files and folders of downloads."""
    for old in folder.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):  # another process clears them, too
            if time.time() - old.stat().st_mtime > _STALE_S:
                yield old


def _reason(error: Exception, host: str, target: Path) -> str:
    """One short line for the many ways in which a transfer fails."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"{host} answers {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, exceptions.SSLError):
        return f"{host} does not prove who it is (TLS: a proxy or a wrong clock?)"
    if isinstance(error, exceptions.Timeout):
        return f"{host} does not answer"
    if isinstance(error, exceptions.ProxyError):
        return f"the proxy does not lead to {host}"
    if isinstance(error, (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError)):
        return f"the download from {host} broke off"
    if isinstance(error, exceptions.ConnectionError):
        return f"cannot reach {host}"
    if isinstance(error, OSError) and not isinstance(error, exceptions.RequestException):
        return f"cannot write to {target.parent} ({error.strerror or error})"
    return f"the download from {host} failed: {error}"


@contextmanager
def terminal_bar(title: str) -> Iterator[Step]:
    """A progress bar on standard error where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns: list[Any] = [title, BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def step(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield step
