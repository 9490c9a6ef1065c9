"""Headers of the outputs, and what none of them may hold: sound and pictures."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.exports.registry import FORMATS
from mmer.realtime.messages import FaceObservation, SpeechState, SpeechUpdate, VideoFrame
from mmer.realtime.sinks.jsonl import session_line
from mmer.realtime.sinks.registry import make_output

ROOT = Path(__file__).resolve().parents[3]


def test_the_headers_name_the_policy(make: SimpleNamespace, tmp_path: Path) -> None:
    info = make.info(policy="text-only")
    assert session_line(info)["policy"] == "text-only"
    for suffix in (".vtt", ".xml", ".eaf", ".parquet"):
        pytest.importorskip(FORMATS[suffix].package or "json", reason="needs the extra export")
        path = tmp_path / f"run{suffix}"
        sink = make_output("export", str(path))
        sink.open(info)
        for event in make.session():
            sink.write(event, None)
        sink.close(make.end)
        assert b"text-only" in path.read_bytes(), suffix


MARK = np.arange(3000, 3256, dtype=np.int16)
"""Samples that no result holds by chance."""
PIXELS = np.random.default_rng(7).integers(0, 256, (48, 48, 3)).astype(np.uint8)


def traces(array: np.ndarray) -> list[bytes]:
    """Ways in which an array could stand in a file: raw, as base64, as hex, as a list."""
    raw = array.tobytes()
    row = array.reshape(-1)[8:14].tolist()
    return [
        raw[48:72],
        base64.b64encode(raw)[64:96],
        raw[48:72].hex().encode(),
        ",".join(map(str, row)).encode(),
        ", ".join(map(str, row)).encode(),
    ]


def test_no_output_holds_sound_or_pictures(make: SimpleNamespace, tmp_path: Path) -> None:
    eyes = np.array([[10, 20], [30, 20]], np.float32)
    raw = [
        VideoFrame(0.8, PIXELS),
        FaceObservation(0.8, 1, (4.0, 4.0, 40.0, 40.0), eyes, PIXELS, 0.9),
        SpeechUpdate(1, 0.5, 0.9, SpeechState.STARTED, MARK, 0.9),
        *make.session(),
    ]
    sinks = [make_output("jsonl", str(tmp_path / "a.jsonl"))]
    sinks.append(make_output("transcript", str(tmp_path / "a.txt")))
    for suffix, entry in FORMATS.items():
        try:
            entry.check()
        except MmerError:  # needs the extra
            continue
        sinks.append(make_output("export", str(tmp_path / f"b{suffix[1:]}{entry.suffix}")))
    for sink in sinks:
        sink.open(make.info(live=True))
        for event in raw:
            sink.write(event, 3.0)
        sink.close(make.end)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert len(files) >= 5
    for path in files:
        content = path.read_bytes()
        for trace in [*traces(MARK), *traces(PIXELS)]:
            assert trace not in content, path.name
    planted = json.dumps({"samples": MARK.tolist()}).encode() + PIXELS.tobytes()
    assert all(any(t in planted for t in traces(a)) for a in (MARK, PIXELS))  # the test can fail


RAW = {"samples", "image", "crop", "pictures"}
"""Attributes of messages that hold sound or pictures."""
DRAWS = {"drawing", "overlay_audio", "overlay_video", "window"}
"""Sinks that show pictures, or copy those of a media file that was given."""


def test_no_other_output_reads_sound_or_pictures() -> None:
    """The whole kind: no module of an output even looks at them."""
    folders = [ROOT / "realtime/sinks", ROOT / "realtime/exports"]
    readers = {
        path.stem
        for folder in folders
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in RAW
    }
    assert readers <= DRAWS
    assert "overlay_video" in readers  # it can be found
