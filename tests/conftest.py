"""Set-up of all tests."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest

gc.disable()  # a quarter of the time of a collection, which imports what stays


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """The garbage collector leaves alone what the collection has made."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: processes that take file by file end together."""

    def is_long(item: pytest.Item) -> bool:
        return any(item.get_closest_marker(name) for name in ("slow", "data"))

    long = {item.path for item in items if is_long(item)}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two sentences of the demo clip: a face and a voice, and no long run."""
    return beginning(tmp_path_factory.mktemp("short") / "short.mp4", 6.2)


@pytest.fixture(scope="session")
def brief_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of the demo clip: a face, and half a sentence."""
    return beginning(tmp_path_factory.mktemp("brief") / "brief.mp4", 2.0)


def beginning(path: Path, seconds: float) -> Path:
    """The first ``seconds`` of the demo clip, as they are."""
    import av

    from mmer.realtime.demo import clip

    with av.open(str(clip())) as source, av.open(str(path), "w") as out:
        copied = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = copied[packet.stream_index]
                out.mux(packet)
    return path


@pytest.fixture(scope="session", autouse=True)
def heed_signals() -> None:
    """Jobs in the background ignore SIGINT, those of nohup SIGHUP; tests send both."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        signal.signal(hangup, signal.SIG_DFL)
