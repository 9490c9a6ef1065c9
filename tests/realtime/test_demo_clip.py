"""The bundled clip is what its JSON file and its card say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.demo import clip, make_demo

CLIP = clip()
RATE = make_demo.RATE


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(CLIP.with_suffix(".json").read_text())
    return loaded


@pytest.fixture(scope="module")
def sound() -> NDArray[np.float64]:
    """The decoded sound, full scale 1; shape (n,)."""
    import av

    with av.open(str(CLIP)) as file:
        resampler = av.AudioResampler("s16", "mono", RATE)
        parts = [
            part.to_ndarray()[0]
            for frame in file.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts) / 32768.0


def level_db(sound: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


def test_clip_is_small_short_and_has_both_streams(known: dict[str, Any]) -> None:
    import av

    assert CLIP.stat().st_size < 1_000_000
    with av.open(str(CLIP)) as file:
        (video,), (audio,) = file.streams.video, file.streams.audio
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (640, 480)
        assert (audio.rate, audio.layout.name) == (RATE, "mono")
        frames = [frame.time for frame in file.decode(video=0)]
    assert 15 <= known["duration_s"] <= 25
    assert frames[0] == 0
    assert np.diff(frames) == pytest.approx(1 / make_demo.FPS)
    assert len(frames) / make_demo.FPS == pytest.approx(known["duration_s"], abs=0.05)


def test_both_streams_are_interleaved() -> None:
    """A reader of both must not have to hold seconds of one while it waits for the other."""
    import av

    with av.open(str(CLIP)) as file:
        newest = {"audio": 0.0, "video": 0.0}
        for packet in file.demux():
            if packet.dts is not None and packet.time_base is not None:
                newest[packet.stream.type] = float(packet.dts * packet.time_base)
                assert abs(newest["audio"] - newest["video"]) < 1.5


def test_one_sentence_for_every_emotion_in_order_of_time(known: dict[str, Any]) -> None:
    said = known["sentences"]
    assert sorted(s["feeling"] for s in said) == sorted(EMOTIONS)
    assert [s["text"] for s in said] == [line.text for line in make_demo.LINES]
    times = [t for s in said for t in (s["t0"], s["t1"])]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < known["duration_s"]
    pauses = [b["t0"] - a["t1"] for a, b in pairwise(said)]
    assert min(pauses) >= 0.8


def test_sound_is_loud_within_the_sentences_and_silent_between(
    known: dict[str, Any], sound: NDArray[np.float64]
) -> None:
    assert len(sound) / RATE == pytest.approx(known["duration_s"], abs=0.065)  # an AAC frame
    edge = round(0.05 * RATE)  # the codec smears a little
    end = 0
    for sentence in known["sentences"]:
        first, last = round(sentence["t0"] * RATE), round(sentence["t1"] * RATE)
        assert level_db(sound[end + edge : first - edge]) < -65
        assert level_db(sound[first:last]) > -35
        # the marks are tight: there is sound close to either
        assert level_db(sound[first : first + 2 * edge]) > -55
        assert level_db(sound[last - 2 * edge : last]) > -55
        end = last
    assert level_db(sound[end + edge :]) < -65


def test_the_face_is_out_of_the_picture_for_whole_sentences(known: dict[str, Any]) -> None:
    away0, away1 = known["face_absent_s"]
    without = [s for s in known["sentences"] if s["t0"] < away1 and s["t1"] > away0]
    assert len(without) == 2
    assert all(away0 < s["t0"] and s["t1"] < away1 for s in without)


def test_the_view_stays_inside_the_portrait_and_shows_the_face(known: dict[str, Any]) -> None:
    left, top, right, bottom = 150, 40, 305, 190  # hair to chin in the portrait of 512 x 512
    away0, away1 = known["face_absent_s"]
    for n in range(round(known["duration_s"] * make_demo.FPS)):
        t = n / make_demo.FPS
        x, y, width = make_demo.view(t, (away0, away1))
        height = width * make_demo.HEIGHT / make_demo.WIDTH
        x0, x1, y0, y1 = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        assert x0 >= 0
        assert y0 >= 0
        assert x1 <= 511
        assert y1 <= 511
        if away0 <= t <= away1:
            assert x0 > right - 10  # a wisp of hair at most
        elif not away0 - make_demo.PAN_S <= t <= away1 + make_demo.PAN_S:
            assert x0 <= left
            assert x1 >= right
            assert y0 <= top
            assert y1 >= bottom


def test_without_flite_the_message_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MmerError, match="apt-get install flite"):
        make_demo.compose()
    pytest.importorskip("skimage")
    with pytest.raises(SystemExit) as ended:
        make_demo.main(["--output", str(tmp_path / "clip.mp4")])
    assert ended.value.code == 2
    assert "apt-get install flite" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nowhere/clip.mp4", "clip.mkv"):
        with pytest.raises(SystemExit) as ended:
            make_demo.main(["--output", str(tmp_path / name)])
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("make_demo: cannot write ")
