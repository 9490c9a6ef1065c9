"""Baseline files: what is stored of a person, and what is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.baseline_file import load_baseline, network_hashes, save_baseline
from mmer.realtime.blocks.baseline import READING, Offset
from mmer.realtime.calibration import LEAST, Calibration
from mmer.realtime.commands.calibrate import described
from mmer.realtime.messages import Evidence
from mmer.realtime.options import Options
from mmer.realtime.serve.protocol import client_options

NETWORKS = {"speech": "a" * 64, "face": "b" * 64}
ANSWER = np.log(np.array([0.5, 0.05, 0.05, 0.1, 0.2, 0.05, 0.05], np.float32))


def read(count: int = 14) -> Offset:
    offset = Offset(READING["speech"], neutral=True)
    for _ in range(count):
        offset.add(ANSWER)
    return offset


def test_a_file_gives_back_the_offset_and_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    offset = read()
    save_baseline(path, {"speech": offset}, NETWORKS)
    found = load_baseline(path, NETWORKS)
    assert list(found) == ["speech"]
    np.testing.assert_allclose(found["speech"].value, offset.value, atol=1e-4)
    assert found["speech"].seen == 14
    stored = json.loads(path.read_text())
    assert set(stored) == {"v", "type", "networks", "speech"}
    assert set(stored["speech"]) == {"offset", "utterances"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["me.json"]


def test_a_file_of_other_networks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    save_baseline(path, {"speech": read()}, NETWORKS)
    with pytest.raises(MmerError, match="another network of speech"):
        load_baseline(path, NETWORKS | {"speech": "c" * 64})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": 2}, "version 2"),
        ({"type": "run"}, "no baseline"),
        ({"speech": {"offset": [0.0] * 6, "utterances": 3}}, "7 numbers"),
        ({"speech": {"offset": [True] * 7, "utterances": 3}}, "7 numbers"),
        ({"speech": {"offset": [9.0] + [0.0] * 6, "utterances": 3}}, "beyond"),
        ({"speech": {"offset": [float("nan")] * 7, "utterances": 3}}, "7 numbers"),
        ({"speech": {"offset": [0.0] * 7}}, "7 numbers"),
        ({"networks": []}, "another network"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "me.json"
    save_baseline(path, {"speech": read()}, NETWORKS)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MmerError, match=said) as refused:
        load_baseline(path, NETWORKS)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "[1]", "{"])
def test_what_is_no_file_of_ours_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "me.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MmerError, match="--baseline"):
        load_baseline(path, NETWORKS)


def test_the_shipped_networks_are_named_by_their_cards() -> None:
    found = network_hashes(None)
    assert set(found) == {"speech", "face"}
    assert all(len(sha256) == 64 for sha256 in found.values())


def frame(t: float, track: int) -> Evidence:
    return Evidence("face", t, t, ANSWER, 1.0, partial=True, track=track)


def said(number: int, partial: bool = False) -> Evidence:
    return Evidence("speech", 0.0, 1.0, ANSWER, 1.0, partial, utterance=number)


def test_calibration_takes_whole_utterances_and_the_face_seen_longest() -> None:
    calibration = Calibration()
    for k in range(12):
        for partial in (True, True, False):
            calibration.add(said(k, partial))
    for k in range(1000):
        calibration.add(frame(k / 20, track=1))
    for k in range(100):
        calibration.add(frame(60 + k / 20, track=2))
    assert calibration.seen["speech"] == 12
    assert calibration.seen["face"] == pytest.approx(50, abs=0.1)
    assert set(calibration.offsets()) == {"speech", "face"}


def test_calibration_of_too_little_has_nothing() -> None:
    calibration = Calibration()
    for k in range(int(LEAST["speech"]) - 1):
        calibration.add(said(k))
    for k in range(100):
        calibration.add(frame(k / 20, track=1))
    assert calibration.offsets() == {}
    assert calibration.missing("speech") == "4 of the 5 utterances needed"
    assert calibration.missing("face") == "4 s of the 15 s needed"
    calibration.add(said(9))
    assert calibration.missing("speech") == ""
    modalities = ("speech", "face")
    assert described(calibration, modalities) == "the voice (face: 4 s of the 15 s needed)"
    assert described(calibration, ("speech",)) == "the voice"


def test_a_client_of_the_server_names_no_file() -> None:
    assert client_options({"baseline": "session"}) == {"baseline": "session"}
    for value in ("/etc/passwd", "me.json", 3, ["session"], None):
        with pytest.raises(MmerError, match="baseline is one of"):
            client_options({"baseline": value})


def test_options_show_the_baseline_and_refuse_what_is_no_name() -> None:
    assert Options(source="a.mp4").for_json()["baseline"] == "none"
    assert Options(source="a.mp4", baseline=Path("me.json")).for_json()["baseline"] == "me.json"
    with pytest.raises(MmerError, match="baseline"):
        Options(source="a.mp4", baseline=3)  # type: ignore[arg-type]
