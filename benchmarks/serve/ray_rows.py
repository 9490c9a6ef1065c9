"""Rows of the server on Ray: what Ray adds to a line, and how soon killed sessions go on."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np

from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import delay_row
from mmer.benchmarks.report.statistics import summarise
from mmer.models.errors import MmerError
from mmer.realtime.messages import SAMPLE_RATE, EmotionEstimate, Notice
from mmer.realtime.serve.client_session import Session

if TYPE_CHECKING:
    from mmer.benchmarks.serve.players import Played

ADDED_MS: Final = 25.0
TARGET_SESSIONS: Final = 4
RESUMED_S: Final = 2.0
_READY_S: Final = 120.0
_BACK_S: Final = 30.0


class OnRay:
    """The server's process; ``url`` is its address."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url = url
        self._process = process

    def kill(self, place: str) -> None:
        """SIGKILL for a replica."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"kill {place}\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


@contextmanager
def ray_server(asr: str, replicas: int, encoders: int) -> Iterator[OnRay]:
    """The server on a Ray cluster of this machine; raises MmerError if it does not start."""
    module = "mmer.benchmarks.serve.on_ray"
    arguments = (asr, secrets.token_urlsafe(12), str(replicas), str(encoders))
    process = subprocess.Popen(
        (sys.executable, "-m", module, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url.startswith("http"):
            raise MmerError("the server on Ray did not start: its message is above")
        yield OnRay(process, url)
        process.stdin.close()
        process.wait(_READY_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(_READY_S)


def added_row(alone: Sequence[Played], on_ray: Sequence[Played]) -> Row:
    """What Ray adds to the 95th percentile of capture to line."""
    before, after = (
        summarise([ms for one in played for ms in one.delays_ms]) for played in (alone, on_ray)
    )
    added = after.p95 - before.p95
    row = Row(
        "ray_added",
        f"Ray adds to p95 of capture to line, {len(on_ray)} sessions",
        f"{added:+.0f} ms",
        f"at most {ADDED_MS:.0f} ms",
        note=f"p50 {before.p50:.0f} and {after.p50:.0f} ms, p95 {before.p95:.0f} and "
        f"{after.p95:.0f} ms; {sum(one.lost for one in on_ray)} sessions on Ray lost a line",
        values={"ms": added, "alone_p95": before.p95, "ray_p95": after.p95},
    )
    whole = not any(one.lost for one in on_ray) and bool(after.n)
    return row.evaluated(
        whole and added <= ADDED_MS,
        len(on_ray) == TARGET_SESSIONS,
        f"the target is for {TARGET_SESSIONS} sessions",
    )


def resumed_row(running: OnRay, kills: int) -> Row:
    """How soon a session goes on whose replica gets SIGKILL, so many times."""
    took = [1000 * resumed_s(running) for _ in range(kills)]
    row = delay_row(
        "ray_resumed",
        f"SIGKILL for a replica to the session's next line from another, {kills} times",
        took,
        target=f"at most {RESUMED_S:g} s",
    )
    return row.evaluated(max(took) <= 1000 * RESUMED_S)


def resumed_s(running: OnRay) -> float:
    """Seconds from a kill to the first estimate of the session's next part."""
    with Session(running.url, rate=SAMPLE_RATE) as session:
        stopped = threading.Event()

        def talk() -> None:
            packet = np.zeros(SAMPLE_RATE // 25, np.int16)
            while not stopped.wait(0.04):
                session.push_audio(packet)

        threading.Thread(target=talk, daemon=True).start()
        killed, moved, seen = 0.0, False, 0
        try:
            for event in session:
                seen += 1
                if seen == 5:
                    place, killed = session.place, time.monotonic()
                    running.kill(place)
                moved = moved or (isinstance(event, Notice) and "another process" in event.text)
                if moved and isinstance(event, EmotionEstimate):
                    return time.monotonic() - killed
                if killed and time.monotonic() - killed > _BACK_S:
                    break
        except MmerError:
            pass
        finally:
            stopped.set()
            time.sleep(5.0)  # a new replica is started in place of the one that was killed
        return float("inf")
