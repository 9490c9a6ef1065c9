"""Log-mel spectra of whole corpora, computed once and kept in a cache folder if one is given."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mmer.models.preparation.logmel import LogMel
from mmer.training.augment.recording import RecordingChanges, change_recording
from mmer.training.datasets.media import decode, trim

Span = tuple[float | None, float | None]
"""Start and end in seconds; None is the recording's own."""
WHOLE: Span = (None, None)
SHARD = 256
"""Clips a cache file: what an interruption loses at most, and what is held twice in memory."""


def _fingerprint(paths: Sequence[Path], settings: object) -> str:
    digest = hashlib.sha256(repr(settings).encode())
    for path in paths:
        digest.update(f"{path}|{path.stat().st_size}|".encode())
    return digest.hexdigest()[:16]


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path) as data:
        return np.split(data["features"], data["ends"][:-1])


def _write(path: Path, features: Sequence[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    ends = np.cumsum([len(f) for f in features])
    np.savez(partial, features=np.concatenate(features), ends=ends)
    partial.replace(path)


def clip_features(
    paths: Sequence[Path],
    mel: LogMel,
    cache: Path | None,
    on_clip: Callable[[], None] = lambda: None,
    *,
    spans: Sequence[Span] = (),
    corpus: str = "",
    version: int = 0,
    changes: RecordingChanges | None = None,
) -> list[np.ndarray]:
    """Raw log-mel (T, bins), float16, of each recording without the silence at its ends.

    Of a recording only the seconds of its span count, where ``spans`` are given, one a path.
    With ``changes`` a recording is changed first, by random numbers that ``version``, the corpus
    and the file's name decide. The cache is keyed by the paths and sizes of the files, the filter
    bank and the changes; it is written ``SHARD`` recordings at a time, so that a run that was
    interrupted goes on where it stopped.

    Raises:
        MmerError: a recording cannot be read.
    """
    features: list[np.ndarray] = []
    for start in range(0, len(paths), SHARD):
        part = paths[start : start + SHARD]
        cut = list(spans[start : start + SHARD]) or [WHOLE] * len(part)
        settings = (mel, version, changes)
        key = _fingerprint(part, settings if set(cut) == {WHOLE} else (*settings, cut))
        kept = cache / f"logmel-{key}.npz" if cache else None
        if kept and kept.is_file():
            features += _read(kept)
            continue
        fresh = []
        for path, span in zip(part, cut, strict=True):
            samples = trim(decode(path, *span))
            if changes:
                name = f"{corpus}/{path.parent.name}/{path.name}"
                if span != WHOLE:
                    name += f"@{span[0]}-{span[1]}"
                seed = [version, zlib.crc32(name.encode())]
                samples = change_recording(samples, np.random.default_rng(seed), changes)
            fresh.append(mel.raw(samples).astype(np.float16))
            on_clip()
        if kept:
            _write(kept, fresh)
        features += fresh
    return features
