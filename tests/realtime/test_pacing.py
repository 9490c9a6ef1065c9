"""Ticks of a live session: at new evidence, at most so often, and at the hops."""

from __future__ import annotations

import numpy as np
import pytest

from mmer.realtime.pacing import TickTimes


def times_of_ticks(arrivals: list[float], hop_s: float = 0.25, until: float = 10.0) -> list[float]:
    """Ticks of a session to which evidence arrives so."""
    ticks, found, skipped = TickTimes(hop_s), [], 0
    for now in [*arrivals, until]:
        while ticks.next < now:
            found.append(ticks.next)
            skipped += ticks.ticked(ticks.next)
        if now < until:
            ticks.evidence(now)
            if ticks.next <= now:
                found.append(now)
                skipped += ticks.ticked(now)
    assert skipped == 0
    return found


@pytest.mark.parametrize("fps", [10, 15, 20, 30])
def test_frames_are_answered_as_they_arrive_eight_times_a_second(fps: int) -> None:
    arrivals = [n / fps + 0.013 for n in range(10 * fps)]
    found = times_of_ticks(arrivals)
    assert set(found) <= set(arrivals)  # none waits, and no hop finds an older frame
    assert min(8.1, fps) * 10 >= len(found) >= 7 * 10
    assert np.diff(found).min() >= 0.07


def test_without_evidence_ticks_come_at_the_hops() -> None:
    assert times_of_ticks([], 0.5) == [0.5 * n for n in range(1, 20)]
    assert times_of_ticks([], 0.1, 1.05) == pytest.approx([0.1 * n for n in range(1, 11)])


def test_a_piece_of_evidence_alone_is_answered_at_once_and_the_hops_go_on() -> None:
    found = times_of_ticks([1.1, 1.12, 5.13])
    # 1.12 comes too soon after 1.1, and the hop at 1.25 waits with it for newer evidence
    assert [t for t in found if 1.0 < t <= 1.5] == pytest.approx([1.1, 1.3, 1.5])
    assert 5.13 in found
    assert np.diff(found).max() <= 0.26


def test_hops_that_were_not_met_are_counted() -> None:
    ticks = TickTimes(0.25)
    assert ticks.ticked(0.26) == 0
    assert ticks.ticked(1.01) == 2  # those at 0.5 and 0.75; the one at 1.0 is late
