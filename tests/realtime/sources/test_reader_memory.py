"""A file of hours does not grow in memory as it is read."""

from __future__ import annotations

from itertools import islice
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

    def grown_mb() -> float:
        with open_container(str(path), network=False) as container:
            packets = (packet for packet in container.demux() if packet.dts is not None)
            assert sum(1 for _ in islice(packets, 1_500)) == 1_500
            before = heaps_mb()[0]
            assert sum(1 for _ in packets) > 2_500  # each is an entry of 24 bytes
            return heaps_mb()[0] - before

    # the less of two: what is left of other tests may allocate meanwhile
    assert min(grown_mb(), grown_mb()) < 0.04
