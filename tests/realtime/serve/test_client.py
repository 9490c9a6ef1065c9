"""Client: sources and devices as a recognizer has them, and the documented options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

import numpy as np
from serve_rig import Rig

import mmer
import mmer.client
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.open_sources import wanted_streams
from mmer.realtime.options import Options
from mmer.realtime.recordings import LINES, MEDIA
from mmer.realtime.serve.protocol import CLIENT_OPTIONS, CREDIT, LONGEST_TEXT

URL = "http://127.0.0.1:9/?token=x"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder that looks as --record leaves it."""
    folder = tmp_path / "rec 6"
    folder.mkdir()
    (folder / MEDIA).touch()
    line = {"v": 1, "type": "session", "recording": {"consent": "not stated"}}
    (folder / LINES).write_text(json.dumps(line) + "\n")
    return folder


def options_of_stream(monkeypatch: pytest.MonkeyPatch, *source: Any, **named: Any) -> Options:
    """The options with which the client opens its sources."""
    seen: list[Options] = []

    def opened(options: Options, clock: object) -> None:
        seen.append(options)
        raise MmerError("enough")

    monkeypatch.setattr("mmer.realtime.serve.client.open_sources", opened)
    with pytest.raises(MmerError, match="enough"):
        next(mmer.client.stream(URL, *source, **named))
    return seen[0]


@pytest.mark.parametrize(
    "devices",
    [
        {"video": 0, "audio": 1},
        {"video": "0", "audio": "none"},
        {"audio": np.int64(3)},
        {"video": "USB Camera"},
        {},
    ],
)
def test_devices_are_named_as_for_a_recognizer(
    monkeypatch: pytest.MonkeyPatch, devices: dict[str, Any]
) -> None:
    assert options_of_stream(monkeypatch, **devices) == mmer.Recognizer(**devices).options


@pytest.mark.parametrize("form", [str, Path, lambda folder: folder.as_uri()])
def test_a_recording_is_a_source_as_for_a_recognizer(
    monkeypatch: pytest.MonkeyPatch, recording: Path, form: Any
) -> None:
    options = options_of_stream(monkeypatch, form(recording))
    assert options == mmer.Recognizer(form(recording)).options
    assert options.source == str(recording / MEDIA)


@pytest.mark.parametrize(
    ("options", "streams"),
    [
        ({"modalities": ["speech"]}, {"audio"}),
        ({"modalities": "speech,text"}, {"audio"}),
        ({"modalities": ["face"]}, {"video"}),
        ({"modalities": ["text", "face"], "asr": "none"}, {"video"}),
        ({"asr": "moonshine"}, {"audio", "video"}),
        ({}, {"audio", "video"}),
    ],
)
def test_a_stream_without_a_modality_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], streams: set[str]
) -> None:
    assert wanted_streams(options_of_stream(monkeypatch, options=options)) == streams


@pytest.mark.parametrize("wrong", [{"video": 1.5}, {"audio": True}])
def test_what_is_no_device_is_refused_as_by_a_recognizer(wrong: dict[str, Any]) -> None:
    with pytest.raises(MmerError) as expected:
        mmer.Recognizer(**wrong)
    with pytest.raises(MmerError) as refused:
        next(mmer.client.stream(URL, **wrong))
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize("given", [{"pace": "max"}, {"options": {"pace": "max"}}])
def test_the_pace_may_be_one_of_the_options(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    assert options_of_stream(monkeypatch, "talk.mp4", **given).pace == "max"


def test_every_option_of_a_client_is_documented() -> None:
    documented = str(mmer.client.Session.__doc__).split("options: of the recognizer:")[1]
    listed = documented.split(".")[0].replace(",", " ").split()
    assert sorted(listed) == sorted(CLIENT_OPTIONS)


def test_a_typed_text_is_answered_with_those_before_as_its_context(rig: Rig) -> None:
    given: list[tuple[str, tuple[str, ...]]] = []
    classify = rig.service.classify_text

    async def classified(text: str, context: tuple[str, ...]) -> dict[str, Any]:
        given.append((text, context))
        return await classify(text, context)

    texts = ("I can't believe you did that!", "")
    answers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig.service, "classify_text", classified)
        with mmer.client.Session(rig.url, rate=16_000) as session:
            assert all(session.push_text(text) for text in texts)
            for event in session:
                if isinstance(event, mmer.client.JudgedText):
                    answers.append(event)
                    if len(answers) == len(texts):
                        session.stop()
    assert given == [(texts[0], ()), (texts[1], texts[:1])]
    sure, empty = answers
    assert (sure.text, sure.label in EMOTIONS) == (texts[0], True)
    assert sure.confidence == max(sure.probs.values())
    assert sum(sure.probs.values()) == pytest.approx(1, abs=0.001)
    assert empty == mmer.client.JudgedText("", None, None, None)
    assert not session.push_text("after the end")


def test_a_text_that_is_too_long_ends_the_session_with_the_reason(rig: Rig) -> None:
    with mmer.client.Session(rig.url, rate=16_000) as session:
        session.push_text("a" * (LONGEST_TEXT + 1))
        with pytest.raises(MmerError, match=f"{LONGEST_TEXT} characters"):
            list(session)


@pytest.mark.parametrize("pace", ["real", "max"])
def test_a_picture_that_cannot_be_sent_costs_no_credit(pace: str) -> None:
    session = mmer.client.Session(URL, video=True, options={"pace": pace})
    for _ in range(CREDIT + 1):
        with pytest.raises(MmerError, match="a picture is uint8"):
            session.push_picture(np.zeros((4, 4), np.uint8))
    assert session.dropped_pictures == 0


@pytest.mark.parametrize("samples", [[1, 2], b"1234", np.zeros(9), np.zeros((2, 9), np.int16)])
def test_what_is_no_sound_is_one_line(samples: Any) -> None:
    with pytest.raises(MmerError, match=r"sound is int16 \(n,\), got (list|bytes|float64|int16)"):
        mmer.client.Session(URL, rate=16_000).push_audio(samples)


def test_a_session_that_is_not_open_has_no_messages() -> None:
    with pytest.raises(MmerError, match="not open"):
        next(iter(mmer.client.Session(URL, video=True)))
