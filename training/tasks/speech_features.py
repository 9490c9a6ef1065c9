"""Log-mel features of corpora, computed once where a cache folder is given."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmer.models.preparation.whisper_mel import WhisperMel
from mmer.training.augment.recording import RecordingChanges, change_recording
from mmer.training.datasets.media import decode, trim
from mmer.training.storage import cached_arrays

Span = tuple[float | None, float | None]
"""Start and end in seconds; None is the recording's own."""
WHOLE: Span = (None, None)
SHARD = 256
"""Clips in a cache file: the most that an interruption loses, and that is in memory twice."""


def clip_features(
    paths: Sequence[Path],
    mel: WhisperMel,
    cache: Path | None,
    *,
    spans: Sequence[Span] = (),
    corpus: str = "",
    version: int = 0,
    changes: RecordingChanges | None = None,
) -> list[np.ndarray]:
    """Raw log-mel (T, bins), float16, of each recording without the silence at its ends.

    Args:
        paths: the recordings.
        mel: the filter bank.
        cache: folder of the cache, keyed by the paths and sizes of the files, the filter bank and
            the changes. ``SHARD`` recordings are written at a time: an interrupted run goes on
            where it stopped.
        spans: seconds of each recording to use, one a path; all of it by default.
        corpus: its name, which seeds the changes with ``version`` and the name of the file.
        version: number of the changed copy.
        changes: made to each recording first.

    Raises:
        MmerError: a recording cannot be read.
    """
    features: list[np.ndarray] = []
    for start in range(0, len(paths), SHARD):
        part = paths[start : start + SHARD]
        cut = list(spans[start : start + SHARD]) or [WHOLE] * len(part)
        settings = (mel, version, changes)
        key = _fingerprint(part, settings if set(cut) == {WHOLE} else (*settings, cut))
        arrays = cached_arrays(
            cache / f"logmel-{key}.npz" if cache else None,
            partial(_shard, part, cut, mel, corpus, version, changes),
        )
        features += np.split(arrays["features"], arrays["ends"][:-1])
    return features


def _fingerprint(paths: Sequence[Path], settings: object) -> str:
    digest = hashlib.sha256(repr(settings).encode())
    for path in paths:
        digest.update(f"{path}|{path.stat().st_size}|".encode())
    return digest.hexdigest()[:16]


def _shard(
    paths: Sequence[Path],
    spans: Sequence[Span],
    mel: WhisperMel,
    corpus: str,
    version: int,
    changes: RecordingChanges | None,
) -> dict[str, np.ndarray]:
    """Features of some recordings, one after another, and where each ends."""
    features = []
    for path, span in zip(paths, spans, strict=True):
        samples = trim(decode(path, *span))
        if changes:
            name = f"{corpus}/{path.parent.name}/{path.name}"
            if span != WHOLE:
                name += f"@{span[0]}-{span[1]}"
            seed = [version, zlib.crc32(name.encode())]
            samples = change_recording(samples, np.random.default_rng(seed), changes)
        features.append(mel.raw(samples).astype(np.float16))
    return {"features": np.concatenate(features), "ends": np.cumsum([len(f) for f in features])}
