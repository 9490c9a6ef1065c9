"""A file of hours does not grow in memory as it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_media import write_media

from mmer.benchmarks.soak.allocator import heaps_mb
from mmer.realtime.sources.reader import open_container


def test_the_index_for_seeking_stays_small(tmp_path: Path) -> None:
    if heaps_mb() is None:
        pytest.skip("no mallinfo2: glibc is older than 2.33, or it is not glibc")
    quiet = np.zeros((1, 8_000 * 600), np.float32)
    path = write_media(
        tmp_path / "long.mkv", quiet, 8_000, sound_codec="pcm_s16le", sound_format="s16"
    )
    with open_container(str(path), network=False) as container:
        used = [heaps_mb()[0] for packet in container.demux() if packet.dts is not None]
    assert len(used) > 4_000  # packets: each is an entry of 24 bytes
    assert used[-1] - used[len(used) // 3] < 0.04  # MB
