"""Queueing model of one process with several streams: how long a frame waits, and how many drop.

Python runs one thread of a process at a time, so the process is one server, and its threads take
turns: first come, first served. A frame needs a turn in each of three stages, whose mailboxes hold
one stream's newest frame alone. While a stream's person speaks, its voice is analysed besides.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

WARM_S: Final = 5.0
"""Of so much of a simulation nothing is counted: queues have to fill."""
STAGES: Final = (0.44, 0.48, 0.08)
"""Shares of a frame's work by `mmer-bench live`: tracker, face network, fusion and output."""
_VOICE_EVERY_S: Final = 0.25
_SPEAKS_S: Final = 2.0  # and is silent as long
_VOICE: Final = -1  # a stage of its own
_FACE: Final = 1  # the stage whose network runs what waits for it as one batch
_FIXED: Final = 0.18
"""Share of a batch of one that a batch of any size costs once; each row costs the rest.

`mmer-bench encoders`: 3.59 ms for one, 24.14 ms for eight.
"""


@dataclass(frozen=True)
class Work:
    """Processor time of a stream.

    ``frame_ms`` is the mean of a frame, by all its stages; ``voice_ms`` that of one analysis of the
    voice; ``variation`` their coefficient of variation (gamma). ``base_ms`` are delays of a stream
    alone, which hold its own work and all fixed waits.
    """

    frame_ms: float
    voice_ms: float
    variation: float
    base_ms: Sequence[float]


@dataclass(frozen=True)
class Waits:
    """Result of a simulation: waits of analysed frames, and the share of frames replaced."""

    wait_ms: np.ndarray  # (n,)
    dropped: float
    busy: float  # share of time in which the server works

    def delays_ms(self, base_ms: Sequence[float], rng: np.random.Generator) -> np.ndarray:
        """Delays: a random one of a stream alone plus each wait, (n,)."""
        delays: np.ndarray = rng.choice(np.asarray(base_ms), len(self.wait_ms)) + self.wait_ms
        return delays


def simulate(
    streams: int,
    fps: float,
    work: Work,
    seconds: float,
    rng: np.random.Generator,
    most_rows: int = 8,
) -> Waits:
    """Play ``streams`` for ``seconds`` through one process; ``most_rows`` faces make a batch."""
    arrivals: list[tuple[float, int, int]] = []  # when, stream, stage
    for stream in range(streams):
        arrivals.append((float(rng.uniform(0, 1 / fps)), stream, 0))
        arrivals.append((float(rng.uniform(0, 2 * _SPEAKS_S)), stream, _VOICE))
    heapq.heapify(arrivals)
    means = {k: work.frame_ms * share for k, share in enumerate(STAGES)} | {_VOICE: work.voice_ms}
    shape = 1.0 / work.variation**2
    turns: deque[tuple[int, int]] = deque()  # stream and stage, in order
    mailbox: dict[tuple[int, int], tuple[float, float]] = {}  # its frame: arrival, work so far
    waits: list[float] = []
    voices = [0] * streams
    now = worked = 0.0
    came = dropped = 0

    def put(stream: int, stage: int, frame: tuple[float, float]) -> None:
        nonlocal dropped
        if (stream, stage) in mailbox:  # a newer frame keeps its place
            dropped += stage != _VOICE and now > WARM_S
        else:
            turns.append((stream, stage))
        mailbox[stream, stage] = frame

    while now < seconds:
        while arrivals[0][0] <= now or not turns:
            t, stream, stage = heapq.heappop(arrivals)
            now = max(now, t) if not turns else now
            if stage == _VOICE:
                voices[stream] += 1
                pause = _SPEAKS_S if voices[stream] % (_SPEAKS_S / _VOICE_EVERY_S) == 0 else 0.0
                heapq.heappush(arrivals, (t + _VOICE_EVERY_S + pause, stream, stage))
            else:
                heapq.heappush(arrivals, (t + 1 / fps, stream, stage))
                came += t > WARM_S
            put(stream, stage, (t, 0.0))
        first = turns.popleft()
        stage = first[1]
        batch = [first]
        if stage == _FACE:
            batch += [turn for turn in turns if turn[1] == _FACE][: most_rows - 1]
            for turn in batch[1:]:
                turns.remove(turn)
        frames = [(stream, *mailbox.pop((stream, stage))) for stream, _ in batch]
        mean = means[stage] * (_FIXED + (1 - _FIXED) * len(batch))
        took = float(rng.gamma(shape, mean / shape)) / 1000
        now += took
        worked += took
        for stream, t, before in frames if stage != _VOICE else ():
            if stage + 1 < len(STAGES):
                put(stream, stage + 1, (t, before + took))
            elif t > WARM_S:
                waits.append(1000 * (now - t - before - took))
    return Waits(np.array(waits), dropped / max(came, 1), worked / now)
