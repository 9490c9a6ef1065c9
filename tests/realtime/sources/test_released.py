"""What one thread reads from is released by another once the read is over."""

from __future__ import annotations

import threading
import time

import pytest

from mmer.realtime.sources.released import Released


def test_what_nobody_reads_is_released_at_once() -> None:
    released: list[bool] = []
    thing = Released(lambda: released.append(True), wait_s=5.0)
    with thing.reading():
        pass
    assert not released
    thing.close()
    assert released == [True]


def test_a_release_waits_for_the_read() -> None:
    order: list[str] = []
    thing = Released(lambda: order.append("released"), wait_s=5.0)
    entered = threading.Event()

    def read() -> None:
        with thing.reading():
            entered.set()
            time.sleep(0.1)
            order.append("read")

    reader = threading.Thread(target=read)
    reader.start()
    assert entered.wait(5.0)
    thing.close()
    reader.join(5.0)
    assert order[:2] == ["read", "released"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_reader_that_hangs_releases_when_it_comes_back(fails: bool) -> None:
    released: list[str] = []
    thing = Released(lambda: released.append(threading.current_thread().name), wait_s=0.05)
    entered, back = threading.Event(), threading.Event()

    def read() -> None:
        try:
            with thing.reading():
                entered.set()
                assert back.wait(5.0)
                if fails:
                    raise OSError("the driver is gone")
        except OSError:
            pass

    reader = threading.Thread(target=read, name="reader")
    reader.start()
    assert entered.wait(5.0)
    begun = time.monotonic()
    thing.close()
    assert time.monotonic() - begun < 2.0
    assert not released
    back.set()
    reader.join(5.0)
    assert released == ["reader"]
