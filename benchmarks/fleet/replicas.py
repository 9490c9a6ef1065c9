"""Simulation of a fleet: sessions that come and go, replicas that hold, refuse and lose them.

Sessions come as a Poisson process and last exponentially long. A session goes to the less busy of
two replicas drawn at random, as `realtime/serve/ray_router.py` does, and is refused where that one
is full. Replicas fail at exponential intervals: their sessions come back at once, to others, and
are lost where those are full; a new replica is there after a while.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

CELL: Final = 20_000
"""Sessions that are simulated at most; a larger fleet is so many of these beside each other."""
_CHECK_S: Final = 10.0


@dataclass(frozen=True)
class Fleet:
    """What is simulated; times in seconds."""

    sessions: int  # open at a time, on average
    length_s: float  # mean
    target: int  # sessions of a replica on average
    most: int  # sessions that a replica takes
    failures_per_hour: float  # of one replica
    start_s: float  # until a new replica takes sessions

    @property
    def replicas(self) -> int:
        """Replicas of the whole fleet: for the mean, and four standard deviations above it."""
        peak = self.sessions + 4 * math.sqrt(self.sessions)
        return max(2, math.ceil(peak / self.target))

    @property
    def cells(self) -> int:
        """Equal parts that the fleet consists of."""
        return max(1, math.ceil(self.sessions / CELL))


@dataclass(frozen=True)
class Course:
    """What happened in one cell."""

    came: int
    refused: int
    interrupted: int  # went on in another replica
    lost: int  # found no other replica
    hours: float
    held: np.ndarray  # (most + 1,) share of session time spent in a replica with so many sessions


def run(fleet: Fleet, hours: float, rng: np.random.Generator) -> Course:
    """Simulate one cell of ``fleet``, which begins with its mean number of sessions."""
    sessions = fleet.sessions / fleet.cells
    count = max(2, round(fleet.replicas / fleet.cells))
    held = np.zeros(count, int)
    members: list[dict[int, float]] = [{} for _ in range(count)]  # by replica: session, its end
    down_until = np.zeros(count)
    ends: list[tuple[float, int, int]] = []  # when, session, replica
    totals = np.zeros(fleet.most + 1)
    came = refused = interrupted = lost = number = 0

    def place(end: float, now: float) -> bool:
        nonlocal number
        first = rng.integers(count)
        second = (first + rng.integers(1, count)) % count  # another one
        best = min((first, second), key=lambda r: (down_until[r] > now, held[r]))
        if down_until[best] > now or held[best] >= fleet.most:
            return False
        number += 1
        held[best] += 1
        members[best][number] = end
        heapq.heappush(ends, (end, number, int(best)))
        return True

    for _ in range(round(sessions)):
        place(rng.exponential(fleet.length_s), 0.0)
    until = 3600.0 * hours
    arrival_s = fleet.length_s / sessions
    failure_s = 3600.0 / (fleet.failures_per_hour * count) if fleet.failures_per_hour else math.inf
    next_arrival, next_failure = rng.exponential(arrival_s), rng.exponential(1.0) * failure_s
    next_check = 0.0
    while (now := min(next_arrival, next_failure, next_check)) < until:
        while ends and ends[0][0] <= now:
            _, session, replica = heapq.heappop(ends)
            if members[replica].pop(session, None) is not None:
                held[replica] -= 1
        if now == next_arrival:
            next_arrival += rng.exponential(arrival_s)
            came += 1
            refused += not place(now + rng.exponential(fleet.length_s), now)
        elif now == next_failure:
            next_failure += rng.exponential(1.0) * failure_s
            failed = int(rng.integers(count))
            moved, members[failed] = members[failed], {}
            held[failed] = 0
            down_until[failed] = now + fleet.start_s
            for end in moved.values():
                stays = place(end, now)
                interrupted += stays
                lost += not stays
        else:
            next_check += _CHECK_S
            totals += np.bincount(held, minlength=fleet.most + 1) * np.arange(fleet.most + 1)
    return Course(came, refused, interrupted, lost, hours, totals / max(totals.sum(), 1))
