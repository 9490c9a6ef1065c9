"""Log-mel spectra of whole corpora, computed once and kept in a cache folder if one is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mmer.models.logmel import LogMel
from mmer.training.datasets.clips import Clip, decode, trim


def _fingerprint(clips: Sequence[Clip], mel: LogMel) -> str:
    digest = hashlib.sha256(repr(mel).encode())
    for clip in clips:
        digest.update(f"{clip.path}|{clip.path.stat().st_size}|".encode())
    return digest.hexdigest()[:16]


def clip_features(
    clips: Sequence[Clip],
    mel: LogMel,
    cache: Path | None,
    on_clip: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """Raw log-mel (T, bins), float16, of each clip without the silence at its ends.

    The cache is keyed by the paths and sizes of the clips and by the filter bank.
    """
    path = cache / f"logmel-{_fingerprint(clips, mel)}.npz" if cache else None
    if path and path.is_file():
        with np.load(path) as data:
            return np.split(data["features"], data["ends"][:-1])
    features = []
    for clip in clips:
        features.append(mel.raw(trim(decode(clip.path))).astype(np.float16))
        on_clip()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(
            partial,
            features=np.concatenate(features),
            ends=np.cumsum([len(f) for f in features]),
        )
        partial.replace(path)
    return features
