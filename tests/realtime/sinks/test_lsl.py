"""Lab Streaming Layer sink, received by an inlet and by pyxdf."""

from __future__ import annotations

import math
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.sinks.lsl import CHANNELS, Lsl

pylsl = pytest.importorskip("pylsl", reason="needs the extra lsl", exc_type=Exception)


class Received:
    """What one inlet got: numbers or texts with their stamps, and the stream's description."""

    def __init__(self, name: str) -> None:
        (info,) = pylsl.resolve_byprop("name", name, timeout=10.0)
        self.inlet = pylsl.StreamInlet(info)
        self.inlet.open_stream(timeout=10.0)
        self.xml = self.inlet.info(timeout=10.0).as_xml()
        self.samples: list[list[Any]] = []
        self.stamps: list[float] = []

    def pull(self, n: int) -> Received:
        until = time.monotonic() + 10.0
        while len(self.samples) < n and time.monotonic() < until:
            sample, stamp = self.inlet.pull_sample(timeout=0.5)
            if sample is not None:
                self.samples.append(sample)
                self.stamps.append(stamp)
        return self


@pytest.fixture(scope="module")
def received(make: SimpleNamespace) -> SimpleNamespace:
    """A session of which every sample was received; second 0 was 5 s before its opening."""
    name = f"mmer-test-{time.monotonic_ns()}"
    sink = Lsl(name)
    origin = time.monotonic() - 5.0
    sink.open(make.info(live=True, origin=origin))
    numbers, texts = Received(name), Received(f"{name}-markers")
    events = [
        *make.session(),
        make.estimate(2.75, None, present=()),
        make.transcript(2, 2.0, 2.6, "a; b\nc"),
    ]
    events.append(make.provisional(2.8, 2, (2.0, 2.6)))
    for event in events:
        sink.write(event, 3.0)
    numbers.pull(4)
    texts.pull(4)
    sink.close(None)
    return SimpleNamespace(numbers=numbers, texts=texts, origin=origin)


def test_every_running_estimate_is_a_sample(received: SimpleNamespace) -> None:
    samples = received.numbers.samples
    assert len(samples) == 4
    joy = dict(zip(CHANNELS, samples[1], strict=True))
    assert joy["joy"] == pytest.approx(0.7)
    assert joy["fear"] == pytest.approx(0.05)
    assert joy["confidence"] == pytest.approx(0.7)
    assert joy["valence"] == pytest.approx(0.433, abs=1e-3)  # 0.7 x 0.76 and a little of each
    assert all(math.isnan(value) for value in samples[0])  # silence


def test_stamps_are_capture_times(received: SimpleNamespace) -> None:
    expected = [received.origin + t for t in (1.0, 1.5, 2.5, 2.75)]
    assert received.numbers.stamps == pytest.approx(expected, abs=0.001)
    ends = [received.origin + t for t in (1.9, 1.9, 2.6, 2.6)]
    assert received.texts.stamps == pytest.approx(ends, abs=0.001)


def test_finals_and_transcripts_are_markers(received: SimpleNamespace) -> None:
    assert [text for (text,) in received.texts.samples] == [
        "transcript;1;what a wonderful day",
        "final;1;joy;0.7000",
        "transcript;2;a, b c",
        "provisional;2;joy;0.7000",
    ]


def test_channels_have_labels(received: SimpleNamespace) -> None:
    xml = received.numbers.xml
    places = [xml.index(f"<label>{name}</label>") for name in CHANNELS]
    assert places == sorted(places)
    assert CHANNELS[:7] == EMOTIONS
    assert "<channel_format>float32" in xml


def test_a_recording_is_read_by_pyxdf(received: SimpleNamespace, tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf")
    path = write_xdf(tmp_path / "run.xdf", received)
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    numbers, texts = sorted(streams, key=lambda s: s["info"]["stream_id"])
    labels = [c["label"][0] for c in numbers["info"]["desc"][0]["channels"][0]["channel"]]
    assert tuple(labels) == CHANNELS
    np.testing.assert_allclose(
        numbers["time_series"], np.array(received.numbers.samples, np.float32)
    )
    np.testing.assert_allclose(numbers["time_stamps"], received.numbers.stamps)
    assert texts["time_series"] == received.texts.samples


def write_xdf(path: Path, received: SimpleNamespace) -> Path:
    """Extensible Data Format 1.0, as LabRecorder writes it, of what the inlets received."""

    def varlen(n: int) -> bytes:
        return struct.pack("<BI", 4, n)

    def chunk(tag: int, content: bytes) -> bytes:
        return varlen(len(content) + 2) + struct.pack("<H", tag) + content

    out = b"XDF:" + chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    for number, stream in enumerate((received.numbers, received.texts), 1):
        head = struct.pack("<I", number)
        out += chunk(2, head + stream.xml.encode())
        rows = b""
        for sample, stamp in zip(stream.samples, stream.stamps, strict=True):
            rows += struct.pack("<Bd", 8, stamp)
            if isinstance(sample[0], str):
                data = sample[0].encode()
                rows += varlen(len(data)) + data
            else:
                rows += struct.pack(f"<{len(sample)}f", *sample)
        out += chunk(3, head + varlen(len(stream.samples)) + rows)
        count = len(stream.samples)
        footer = (
            f"<info><first_timestamp>{stream.stamps[0]}</first_timestamp><last_timestamp>"
            f"{stream.stamps[-1]}</last_timestamp><sample_count>{count}</sample_count></info>"
        )
        out += chunk(6, head + footer.encode())
    path.write_bytes(out)
    return path


def test_without_liblsl_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(MmerError, match=r"--lsl needs the extra: pip install 'mmer-live\[lsl\]'"):
        Lsl("mmer")
