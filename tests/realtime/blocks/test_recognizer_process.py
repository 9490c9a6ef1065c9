"""A recognizer in a process of its own: the same answers, and nothing left behind."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from counting_recognizer import Counts, Refuses
from numpy.typing import NDArray
from sounds import noise

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis
from mmer.realtime.blocks.recognizer_process import RecognizerProcess


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def sound(n: int) -> NDArray[np.int16]:
    return np.arange(n, dtype=np.int16)


def test_it_answers_as_the_recognizer_would_and_leaves_nothing_behind() -> None:
    before = children()
    recognizer = RecognizerProcess(Counts)
    assert (recognizer.name, recognizer.trust) == ("counts", 0.5)
    assert recognizer.accept(sound(100)) == Hypothesis("100", (HeardWord("n", 0, 100, 0.5),))
    assert recognizer.accept(sound(100_000)[:60]).text == "160"
    text, pid = recognizer.finish().text.split(", ")
    assert text == "160 in all"
    assert int(pid) in [c.pid for c in children()]
    recognizer.reset()
    assert recognizer.accept(sound(0)).text == "0"
    recognizer.close()
    recognizer.close()
    assert children() == before


def test_who_forgets_it_leaves_nothing_behind() -> None:
    before = children()
    recognizer = RecognizerProcess(Counts)
    assert len(children()) == len(before) + 1
    del recognizer
    gc.collect()
    assert children() == before


def test_its_errors_are_raised_here_and_it_goes_on() -> None:
    recognizer = RecognizerProcess(Counts)
    with pytest.raises(MmerError, match="thirteen samples"):
        recognizer.accept(sound(13))
    assert recognizer.accept(sound(5)).text == "5"
    recognizer.close()
    with pytest.raises(MmerError, match="no model here"):
        RecognizerProcess(Refuses)


def test_its_death_is_told() -> None:
    recognizer = RecognizerProcess(Counts)
    with pytest.raises(MmerError, match=r"process of counts has ended \(status 3\)"):
        recognizer.accept(sound(14))
    with pytest.raises(MmerError, match="has ended"):
        recognizer.finish()


IMPORTS = f"""
import os, signal, sys
sys.path[:] = {sys.path!r}
import numpy as np
from counting_recognizer import Counts
from mmer.realtime.blocks.recognizer_process import RecognizerProcess
recognizer = RecognizerProcess(Counts)
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@posix
def test_ctrl_c_in_the_terminal_does_not_reach_it() -> None:
    code = IMPORTS + (
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "os.killpg(0, signal.SIGINT)\n"
        "print(recognizer.accept(np.zeros(7, np.int16)).text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True
    )
    assert done.stdout.split()[-1] == "7", done.stderr


@posix
def test_it_ends_with_a_killed_parent() -> None:
    code = IMPORTS + "print(recognizer.finish().text, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline().split()[-1]))
        parent.send_signal(signal.SIGKILL)
    child.wait(5)


def test_pocketsphinx_in_it_says_what_it_says_here_and_lets_others_work() -> None:
    pytest.importorskip("pocketsphinx")
    from mmer.realtime.blocks.pocketsphinx_recognizer import PocketsphinxRecognizer

    heard = noise(3.0, -20.0)
    here, there = PocketsphinxRecognizer(), RecognizerProcess(PocketsphinxRecognizer)
    longest = [0.0]
    ended = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not ended.wait(0.002):
            now = time.perf_counter()
            longest[0] = max(longest[0], now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    answers = [there.accept(heard), there.finish()]
    ended.set()
    ticker.join()
    assert answers == [here.accept(heard), here.finish()]
    assert longest[0] < 0.1  # here, decoding would have stopped the clock for as long as it takes
    there.close()
