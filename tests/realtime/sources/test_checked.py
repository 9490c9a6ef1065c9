"""Sources of one's own: what is wrong with one is a line, at construction, at entry or later."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock, SessionClock
from mmer.realtime.messages import AudioBlock, Gap, Notice, VideoFrame
from mmer.realtime.sources.checked import CheckedSource

SOUND = np.zeros(320, np.int16)
IMAGE = np.zeros((4, 4, 3), np.uint8)
GOOD = [
    AudioBlock(0.0, SOUND),
    VideoFrame(np.float64(0.1), IMAGE),  # type: ignore[arg-type]
    Gap("audio", 0.1, math.inf, "away"),
    Notice(0.2, "info", "source", "x"),
]

ROOT = Path(__file__).resolve().parents[3]


class Own(mmer.Source):
    """A source of a user's: each test spoils one thing."""

    name = "mine"
    live = False
    streams = frozenset({"audio"})
    duration_s: float | None = None
    yields: Any = ()
    closed = 0

    def open(self, clock: object) -> None:
        pass

    def messages(self) -> Any:
        return iter(self.yields)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def own(**spoiled: Any) -> Any:
    return type("Own", (Own,), spoiled)()


def raising(error: Exception) -> Any:
    def method(self: Any, *args: Any) -> None:
        raise error

    return method


def one_line(error: MmerError, *texts: str) -> None:
    assert len(str(error).splitlines()) == 1
    assert all(text in str(error) for text in texts), error


@pytest.mark.parametrize(
    "spoiled",
    [
        {"name": 5},
        {"name": None},
        {"live": None},
        {"live": "yes"},
        {"open": None},
        {"messages": 5},
        {"stop": None},
        {"close": "close"},
    ],
    ids="-".join,
)
def test_a_source_that_lacks_something_is_refused_at_construction(spoiled: Any) -> None:
    with pytest.raises(MmerError) as caught:
        mmer.Recognizer(own(**spoiled))
    one_line(caught.value)


def test_what_is_no_source_is_refused_at_construction() -> None:
    class Bare:
        def messages(self) -> Any:
            return iter(())

    class Inherits(mmer.Source):  # without a name
        def messages(self) -> Any:
            return iter(())

    for wrong in (Bare(), Inherits(), Own):
        with pytest.raises(MmerError) as caught:
            mmer.Recognizer(wrong)  # type: ignore[arg-type]
        one_line(caught.value)


@pytest.mark.parametrize(
    "error", [OSError("no such device"), ValueError("x\ny"), KeyError("k"), AttributeError("q")]
)
def test_whatever_open_raises_is_one_line(error: Exception) -> None:
    recognizer = mmer.Recognizer(own(open=raising(error)), asr="none", modalities=("speech",))
    with pytest.raises(MmerError) as caught:
        recognizer.prepare()
    one_line(caught.value, "mine cannot be opened", type(error).__name__)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "spoiled",
    [
        {"streams": 5},
        {"streams": None},
        {"streams": "audio"},
        {"streams": {"sound"}},
        {"streams": frozenset({5})},
        {"streams": [[]]},
        {"streams": property(raising(OSError("gone")))},
        {"duration_s": "x"},
        {"duration_s": -1.0},
        {"duration_s": math.nan},
        {"duration_s": True},
        {"duration_s": property(raising(OSError("gone")))},
    ],
    ids="-".join,
)
def test_what_an_opened_source_tells_wrongly_is_one_line_and_it_is_closed(spoiled: Any) -> None:
    source = own(**spoiled)
    with pytest.raises(MmerError) as caught:
        mmer.Recognizer(source, asr="none", modalities=("speech",)).prepare()
    one_line(caught.value, "mine")
    assert source.closed == 1


def test_streams_may_be_any_collection_and_durations_any_number() -> None:
    for streams in ({"audio"}, ["audio"], ("audio",)):
        source = CheckedSource(own(streams=streams, duration_s=np.float32(2)))
        source.open(SessionClock())
        assert source.streams == {"audio"}
        assert source.duration_s == 2.0


WRONG = [
    "garbage",
    None,
    5,
    AudioBlock("x", SOUND),  # type: ignore[arg-type]
    AudioBlock(math.nan, SOUND),
    AudioBlock(0.0, [1, 2]),  # type: ignore[arg-type]
    AudioBlock(0.0, SOUND.astype(np.float32)),  # type: ignore[arg-type]
    AudioBlock(0.0, SOUND.reshape(2, -1)),
    VideoFrame(0.0, None),  # type: ignore[arg-type]
    VideoFrame(math.inf, IMAGE),
    VideoFrame(0.0, IMAGE[..., 0]),
    VideoFrame(0.0, IMAGE[..., :2]),
    VideoFrame(0.0, IMAGE[:0]),
    Gap("sound", 0.0, 1.0, "x"),  # type: ignore[arg-type]
    Gap("audio", None, 1.0, "x"),  # type: ignore[arg-type]
    Gap("audio", 0.0, math.nan, "x"),
    Gap("audio", 0.0, "x", "x"),  # type: ignore[arg-type]
    Gap("audio", 1.0, 0.5, "x"),
    Notice("x", "info", "a", "b"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("message", WRONG, ids=lambda m: type(m).__name__)
def test_a_message_that_is_none_is_one_line(message: Any) -> None:
    source = CheckedSource(own(yields=[*GOOD, message]))
    source.open(SessionClock())
    found = source.messages()
    assert [next(found) for _ in GOOD] == GOOD
    with pytest.raises(MmerError) as caught:
        next(found)
    one_line(caught.value, "mine yielded")


@pytest.mark.parametrize("message", [AudioBlock(1.7e9, SOUND), VideoFrame(1.7e9, IMAGE)])
def test_a_live_source_that_stamps_by_another_clock_is_one_line(message: Any) -> None:
    late = [AudioBlock(-3.0, SOUND), VideoFrame(0.9, IMAGE), Gap("audio", 1.0, math.inf, "away")]
    source = CheckedSource(own(live=True, yields=[*late, message]))
    source.open(ManualClock())
    found = source.messages()
    assert [next(found) for _ in late] == late
    with pytest.raises(MmerError) as caught:
        next(found)
    one_line(caught.value, "mine yielded", "open()")


def test_a_file_that_begins_decades_later_is_one_line() -> None:
    """Stamps of ``time.time()``: a tick for every hop since 1970 would never end."""
    source = CheckedSource(own(yields=[AudioBlock(1.7e9, SOUND)]))
    source.open(ManualClock())
    with pytest.raises(MmerError) as caught:
        next(source.messages())
    one_line(caught.value, "mine yielded a time of 1700000000 s to begin with: subtract it")
    source = CheckedSource(own(yields=[AudioBlock(300.0, SOUND), AudioBlock(400.0, SOUND)]))
    source.open(ManualClock())
    assert [m.t0 for m in source.messages()] == [300.0, 400.0]


@pytest.mark.parametrize("pace", ["max", "real"])
def test_in_a_session_too(pace: str) -> None:
    for source in (own(yields=["garbage"]), own(messages=lambda self: None)):
        recognizer = mmer.Recognizer(source, asr="none", modalities=("speech",), pace=pace)
        with recognizer, pytest.raises(MmerError, match="mine"):
            list(recognizer.events())


def test_the_source_of_the_documentation_runs() -> None:
    text = (ROOT / "realtime/README.md").read_text(encoding="utf-8")
    (example,) = [e for e in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def open" in e]
    names: dict[str, Any] = {"print": lambda t, label: told.append(label)}
    told: list[str] = []
    exec(example, names)
    assert len(told) == 8


def test_the_reason_of_a_live_source_is_in_the_error() -> None:
    floats = AudioBlock(0.0, SOUND.astype(np.float32))  # type: ignore[arg-type]
    source = own(live=True, yields=[floats])
    recognizer = mmer.Recognizer(source, asr="none", modalities=("speech",))
    with recognizer, pytest.raises(MmerError) as caught:
        list(recognizer.events())
    one_line(caught.value, "mine stopped delivering (mine yielded sound", "float32", "; everything")


def test_a_source_that_cannot_be_stopped_or_closed_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = own(stop=raising(OSError("no")), close=raising(KeyError("k")))
    with mmer.Recognizer(source, asr="none", modalities=("speech",)) as recognizer:
        assert isinstance(list(recognizer.events())[-1], mmer.SessionEnd)
        recognizer.stop()
    assert [record.exc_info is not None for record in caplog.records].count(True) >= 2
