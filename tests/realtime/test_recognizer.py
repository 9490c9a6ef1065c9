"""The Python API on the bundled clip."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from doubles import ListSource, pictures
from rig import VirtualMicrophone

import mmer
from mmer.models.bundle import Bundle
from mmer.models.errors import MmerError
from mmer.realtime.demo import clip
from mmer.realtime.mailbox import Delivery
from mmer.realtime.sinks.jsonl import JsonLines, session_line
from mmer.realtime.sinks.sink import SessionInfo


@pytest.fixture(scope="module")
def recognized(short_clip: Path) -> mmer.Recognition:
    return mmer.recognize(short_clip, offline=True)


def test_recognize_gives_estimates_transcripts_and_finals(recognized: mmer.Recognition) -> None:
    assert len(recognized.utterances) == 2
    assert len(recognized.transcripts) == len(recognized.utterances)
    assert any(e.label is not None for e in recognized.utterances)
    for estimate in recognized.utterances:
        if estimate.label is None:
            assert estimate.why["label"] == "too unsure"
            continue
        assert estimate.label in mmer.EMOTIONS
        assert estimate.probs is not None
        assert np.isclose(estimate.probs.sum(), 1, atol=1e-3)
        assert estimate.label == max(estimate.probabilities, key=estimate.probabilities.__getitem__)
    assert [e.t for e in recognized.estimates] == sorted(e.t for e in recognized.estimates)


def test_results_are_frozen(recognized: mmer.Recognition) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        recognized.utterances[0].label = "joy"  # type: ignore[misc]


def test_iterating_yields_estimates_and_a_break_ends_the_session() -> None:
    before = threading.active_count()
    with mmer.Recognizer(clip(), offline=True, modalities=("face",)) as recognizer:
        for estimate in recognizer:
            assert isinstance(estimate, mmer.EmotionEstimate)
            if estimate.label is not None:
                break
    assert threading.active_count() == before


def test_leaving_with_a_suspended_iterator_joins_everything() -> None:
    before = threading.active_count()
    with mmer.Recognizer(clip(), offline=True, modalities=("speech", "face")) as recognizer:
        events = recognizer.events()
        for _ in range(5):
            next(events)
    assert threading.active_count() == before
    assert list(events) == []


def test_a_closed_recognizer_says_so() -> None:
    with mmer.Recognizer(clip(), offline=True, modalities=("face",)) as recognizer:
        pass
    with pytest.raises(mmer.MmerError, match="new one"):
        list(recognizer)


def test_cancelling_async_iteration_ends_the_session() -> None:
    before = {t for t in threading.enumerate() if t.name in ("fusion", "wind-down", "face")}

    async def watch() -> None:
        async for _ in mmer.Recognizer(clip(), offline=True, modalities=("face",)):
            pass

    async def cancelled() -> None:
        task = asyncio.create_task(watch())
        await asyncio.sleep(1.5)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    after = {t for t in threading.enumerate() if t.name in ("fusion", "wind-down", "face")}
    assert after == before


def test_what_is_switched_off_is_told_as_off(short_clip: Path) -> None:
    options = {"video": "none", "asr": "none", "pace": "max"}
    with mmer.Recognizer(short_clip, offline=True, **options) as recognizer:
        last = list(recognizer)[-1]
    assert (last.why["face"], last.why["text"]) == ("off", "off")


def test_callbacks_and_stop() -> None:
    recognizer = mmer.Recognizer(clip(), offline=True, modalities=("face",))
    estimates: list[mmer.EmotionEstimate] = []
    events: list[mmer.Message] = []

    def on_estimate(estimate: mmer.EmotionEstimate) -> None:
        estimates.append(estimate)
        if len(estimates) == 4:
            recognizer.stop()

    recognizer.run(on_estimate=on_estimate, on_event=events.append)
    assert 4 <= len(estimates) <= 8
    assert any(isinstance(e, mmer.FaceObservation) for e in events)


def test_async_iteration() -> None:
    async def first(n: int) -> list[mmer.EmotionEstimate]:
        got = []
        async for estimate in mmer.Recognizer(clip(), offline=True, modalities=("face",)):
            got.append(estimate)
            if len(got) == n:
                break
        return got

    assert len(asyncio.run(first(3))) == 3


def test_a_recognizer_runs_once(brief_clip: Path) -> None:
    recognizer = mmer.Recognizer(brief_clip, offline=True, modalities=("face",), pace="max")
    with recognizer:
        list(recognizer)
        with pytest.raises(mmer.MmerError, match="new one"):
            list(recognizer)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modalities": "speech"}, "not a string"),
        ({"modalities": ("speech", "fase")}, "fase"),
        ({"modalities": ()}, "empty"),
        ({"pace": "max"}, "files"),
        ({"modalities": ("text",), "asr": "none"}, "nothing"),
        ({"modalities": ("text", "text"), "asr": "none"}, "nothing"),
        ({"audio": "none", "video": "none"}, "nothing"),
    ],
)
def test_wrong_options_are_told_at_construction(options: dict, says: str) -> None:
    with pytest.raises(mmer.MmerError, match=says):
        mmer.Recognizer(**options)


def test_a_missing_file_is_told_at_entry() -> None:
    with pytest.raises(mmer.MmerError, match=r"nowhere\.mp4"), mmer.Recognizer("nowhere.mp4"):
        pass


def test_the_end_with_its_totals_is_the_last_event(short_clip: Path) -> None:
    with mmer.Recognizer(short_clip, offline=True, asr="none", pace="max") as recognizer:
        *events, end = recognizer.events()
    assert isinstance(end, mmer.SessionEnd)
    assert not any(isinstance(e, mmer.SessionEnd) for e in events)
    estimates = [e for e in events if isinstance(e, mmer.EmotionEstimate)]
    assert (end.t, end.emotions) == (estimates[-1].t, len(estimates))
    assert end.utterances == sum(e.final for e in estimates) > 0
    assert end.drops == recognizer.drops


def test_callbacks_get_the_end_too() -> None:
    recognizer = mmer.Recognizer(clip(), offline=True, modalities=("face",))
    events: list[mmer.Message] = []
    recognizer.run(on_estimate=lambda e: recognizer.stop(), on_event=events.append)
    end = events[-1]
    assert isinstance(end, mmer.SessionEnd)
    assert end.emotions == sum(isinstance(e, mmer.EmotionEstimate) for e in events)
    assert recognizer.clock is not None
    assert 0.0 < end.t <= recognizer.clock.now()


def test_a_lost_device_ends_with_its_totals_and_an_error() -> None:
    camera = ListSource(pictures(0.5), live=True, name="camera")
    events: list[mmer.Message] = []
    with pytest.raises(mmer.MmerError, match="camera stopped delivering"):
        mmer.Recognizer(camera, modalities=("face",), offline=True).run(on_event=events.append)
    assert isinstance(events[-1], mmer.SessionEnd)


def test_async_iteration_to_the_end_yields_estimates_alone(brief_clip: Path) -> None:
    async def everything() -> list[mmer.EmotionEstimate]:
        recognizer = mmer.Recognizer(brief_clip, offline=True, modalities=("face",), pace="max")
        return [estimate async for estimate in recognizer]

    estimates = asyncio.run(everything())
    assert len(estimates) > 4
    assert all(isinstance(e, mmer.EmotionEstimate) for e in estimates)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": 3},
        {"source": b"clip.mp4"},
        {"source": ["clip.mp4"]},
        {"audio": [1]},
        {"audio": 1.5},
        {"video": True},
        {"modalities": 3},
        {"modalities": None},
        {"modalities": [["speech"]]},
        {"asr": None},
        {"detector": 1},
        {"provider": []},
        {"weights": 3},
        {"models": "models"},
        {"offline": "no"},
        {"pace": None},
        {"video_fps": "20"},
        {"window_s": None},
        {"hop_s": True},
        {"hangover_s": 1j},
        {"reconnect": "no"},
        *(
            {name: path}
            for name in ("weights", "record", "baseline")
            for path in ("a" * 300, "a" * 5000, "x\0y", "\ud800")
        ),
    ],
    ids=lambda wrong: ascii(wrong)[:30],
)
def test_a_value_of_the_wrong_type_is_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(MmerError) as caught:
        mmer.Recognizer(**wrong)
    assert len(str(caught.value).splitlines()) == 1
    if set(wrong) <= {"source", "modalities", "weights"} and "source" not in wrong:
        with pytest.raises(MmerError):
            mmer.recognize("clip.mp4", **wrong)


def test_numbers_of_numpy_are_numbers() -> None:
    made = mmer.Recognizer(audio=np.int64(1), window_s=np.float32(4.0), video_fps=np.int16(20))
    assert (made.options.audio, made.options.video_fps) == ("1", 20)


@pytest.mark.parametrize("name", ["video_fps", "window_s", "hop_s", "hangover_s", "keep_days"])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8, Fraction, int])
def test_a_number_of_any_library_is_one_in_json(name: str, kind: Any) -> None:
    made = mmer.Recognizer(**{"record": "r", name: kind(1)})
    value = getattr(made.options, name)
    assert type(value) in (int, float)
    config = made.options.for_json()
    assert json.loads(json.dumps(config)).get(name, 1) == 1
    line = session_line(SessionInfo(None, {"duration_s": kind(1)}, {}, {}, {name: kind(1)}))
    assert (line["source"]["duration_s"], line["config"][name]) == (1, 1)
    assert not isinstance(line["config"][name], str)


def test_a_number_too_large_is_one_line() -> None:
    for name in ("video_fps", "keep_days"):
        with pytest.raises(MmerError, match=f"{name} is a number too large"):
            mmer.Recognizer(**{name: 10**400})  # type: ignore[arg-type]


def test_callbacks_and_shared_models_of_the_wrong_type_are_one_line() -> None:
    for wrong in (
        lambda: mmer.Recognizer("clip.mp4").run(on_estimate=3),  # type: ignore[arg-type]
        lambda: mmer.Recognizer("clip.mp4").run(on_event="f"),  # type: ignore[arg-type]
        lambda: mmer.SharedModels(weights=3),  # type: ignore[arg-type]
        lambda: mmer.SharedModels(provider=None),  # type: ignore[arg-type]
    ):
        with pytest.raises(MmerError, match="expected"):
            wrong()


def test_a_name_that_no_file_has_is_one_line(tmp_path: Path) -> None:
    for name in ("a" * 300, "a" * 5000, "x\0y", "\ud800"):
        for wrong in (
            lambda name=name: mmer.Recognizer("clip.mp4", models=mmer.SharedModels(weights=name)),
            lambda name=name: mmer.Recognizer(video=name, modalities=("face",)).prepare(),
            lambda name=name: mmer.Recognizer(name).prepare(),
            lambda name=name: Bundle(Path(name)),
            lambda name=name: JsonLines(str(tmp_path / name)).open(None),  # type: ignore[arg-type]
        ):
            with pytest.raises(MmerError) as caught:
                wrong()
            assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("pace", ["real", "max"])
@pytest.mark.parametrize(
    "wrong",
    [
        *({"stage_times": value} for value in (5, "f", [])),
        *({"delivery": value} for value in (5, "lossless", None, [], Delivery.LATEST)),
        *({"pictures": value} for value in (5, "yes", None)),
    ],
    ids=str,
)
def test_wrong_arguments_of_events_are_one_line_and_use_nothing_up(
    wrong: dict[str, Any], pace: str
) -> None:
    source = ListSource([], live=False)
    with mmer.Recognizer(source, modalities=("face",), pace=pace) as recognizer:
        with pytest.raises(MmerError, match="expected"):
            recognizer.events(**wrong)
        assert isinstance(list(recognizer.events())[-1], mmer.SessionEnd)


def test_a_report_that_is_no_function_is_one_line() -> None:
    with pytest.raises(MmerError, match="report is 5, expected a function"):
        mmer.Recognizer("clip.mp4").prepare(5)  # type: ignore[arg-type]


class SlowSource(ListSource):
    """A device whose session takes a while to load after it was opened."""

    def __init__(self) -> None:
        super().__init__(pictures(60.0), live=True)
        self.opened = threading.Event()

    def open(self, clock: object) -> None:
        self.opened.set()


def test_a_recognizer_closed_while_it_loads_releases_its_device() -> None:
    source = SlowSource()
    recognizer = mmer.Recognizer(source, offline=True, modalities=("face",))
    failed: list[BaseException] = []

    def load() -> None:
        try:
            recognizer.prepare()
        except mmer.MmerError as error:
            failed.append(error)

    loading = threading.Thread(target=load)
    loading.start()
    assert source.opened.wait(10)
    recognizer.close()
    loading.join(20)
    assert source.closed
    assert "new one" in str(failed[0])


def test_an_async_loop_cancelled_while_it_loads_releases_its_device() -> None:
    source = SlowSource()

    async def watch() -> None:
        async for _ in mmer.Recognizer(source, offline=True, modalities=("face",)):
            pass

    async def cancelled() -> None:
        task = asyncio.create_task(watch())
        await asyncio.to_thread(source.opened.wait, 10)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    until = time.monotonic() + 20
    while not source.closed:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_failed_start_closes_its_device_and_keeps_no_model(monkeypatch) -> None:
    from mmer.models.bundle import Bundle

    alive: list[weakref.ref] = []
    load = Bundle.load_encoder

    def failing(self, name, provider):
        if name == "text":
            raise mmer.MmerError("no room for the text model")
        model = load(self, name, provider)
        alive.append(weakref.ref(model))
        return model

    monkeypatch.setattr(Bundle, "load_encoder", failing)
    source = SlowSource()
    recognizer = mmer.Recognizer(source, offline=True)
    with pytest.raises(mmer.MmerError, match="no room") as kept:
        recognizer.prepare()
    assert source.closed
    assert len(alive) == 2
    assert [model() for model in alive] == [None, None]
    del kept


def test_close_lets_go_of_the_models() -> None:
    recognizer = mmer.Recognizer(clip(), offline=True)
    recognizer.prepare()
    assert recognizer._prepared is not None
    blocks = {s.name: s.block.block for s in recognizer._prepared.pipeline.stages}
    alive = [weakref.ref(block) for block in blocks.values()]
    del blocks
    recognizer.close()
    assert [block() for block in alive] == [None] * len(alive)
    assert recognizer.info.models["speech"]  # what it was is still told
    assert recognizer.drops == {}


def test_async_loops_leave_the_event_loops_threads_to_others() -> None:
    """Sixteen that wait must not hold up everybody's to_thread."""

    async def watch(n: int) -> None:
        async for _ in mmer.Recognizer(ListSource(slowly(), live=False), **options):
            started.append(n)

    def slowly():
        for frame in pictures(4.0):
            time.sleep(0.05)
            yield frame

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(2))
        tasks = [asyncio.create_task(watch(n)) for n in range(4)]
        while len(set(started)) < 4:
            await asyncio.sleep(0.01)
        waits = []
        for _ in range(20):
            began = time.monotonic()
            await asyncio.to_thread(int)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return median(waits)

    started: list[int] = []
    options = {"offline": True, "modalities": ("face",), "models": mmer.SharedModels()}
    assert asyncio.run(main()) < 0.2


MEMORY = """
import sys
import mmer
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
after = []
for _ in range(7):
    with mmer.Recognizer(sys.argv[1], offline=True):
        pass
    after.append(resident())
print((after[-1] - after[2]) / 4)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and trims glibc's heaps")
def test_opening_and_closing_keeps_memory_flat() -> None:
    """Left alone, glibc keeps up to 64 MB at the end of each thread's heap: which, chance says."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(clip())],
        env={**os.environ, "MALLOC_TRIM_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 10.0  # MB an opening; the networks are 90


MICROPHONE = """
import gc, sys, time
import mmer
{}
gc.collect()
time.sleep(1)
print("alive")
"""
"""Of a program that forgets ``close()``; PortAudio's thread must not call what was collected."""


@pytest.mark.live
@pytest.mark.parametrize(
    "code",
    [
        "r = mmer.Recognizer(video='none', asr='none'); r.prepare(); time.sleep(1); del r",
        "for e in mmer.Recognizer(video='none', asr='none'): break",
        "r = mmer.Recognizer(video='none', asr='none'); r.prepare(); time.sleep(1)",
    ],
)
def test_a_recognizer_dropped_without_close_does_not_crash(code: str) -> None:
    with VirtualMicrophone() as microphone:
        done = subprocess.run(
            [sys.executable, "-c", MICROPHONE.format(code)],
            env={**os.environ, **microphone.env},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
