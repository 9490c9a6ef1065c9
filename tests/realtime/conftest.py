"""What the tests of the live path share."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from mmer.realtime.demo import clip

SHORT_S = 6.2


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two sentences of the demo clip: a face and a voice, and no long run."""
    path = tmp_path_factory.mktemp("short") / "short.mp4"
    with av.open(str(clip())) as source, av.open(str(path), "w") as out:
        copied = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts * packet.time_base < SHORT_S:
                packet.stream = copied[packet.stream_index]
                out.mux(packet)
    return path
