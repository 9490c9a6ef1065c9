"""Memory of a session in which a part fails for minutes: it holds no more later than before."""

from __future__ import annotations

from typing import Any

import pytest
from held import held_bytes
from injector import Injector
from small_graph import LENGTH_S, Repeated, small_graph

from mmer.realtime.blocks.guarded import Guarded
from mmer.realtime.messages import Health, Message
from mmer.realtime.replay import Replay

SETTLED_S = 40.0
"""Longer than an utterance can be, and than the fusion remembers."""
SLACK = 1000
"""Bytes: another face in the window, a list with more room."""
BY_EXCEPTIONS = ("vad", "asr", "speech", "text", "detector", "face", "fusion")
BY_NAN = ("speech", "text", "detector", "face", "fusion")
DEAD = RuntimeError("CUDA error: device lost")


class EveryThird(Injector):
    """Fails at every third use of a boundary, whatever ``arm`` was told."""

    def use(self, boundary: str) -> bool:
        if self.uses[boundary] == 3:
            self.uses[boundary] = 0
        return super().use(boundary)


def check_memory(injector: Injector, clips: bool = False) -> None:
    """Most bytes held from second 80 to 120 are no more than from 40 to 80."""
    rounds = round(3 * SETTLED_S / LENGTH_S)
    graph = small_graph(injector, baseline=True, clips=clips).guarded()
    runner = Replay(graph, Repeated(rounds))  # type: ignore[arg-type]
    earlier, later = [0], [0]
    for event in runner.events():
        if isinstance(event, Health) and event.t > SETTLED_S:
            held = earlier if event.t <= 2 * SETTLED_S else later
            held.append(held_bytes(runner))
    assert injector.fired >= 10
    assert max(later) <= max(earlier) + SLACK, "what the session holds grows"


@pytest.mark.parametrize(
    ("kind", "boundary", "error"),
    [
        (EveryThird, "face", DEAD),  # the quick lane's one
        *(
            pytest.param(kind, boundary, error, marks=pytest.mark.slow)
            for kind, boundaries, error in (
                (Injector, BY_EXCEPTIONS, DEAD),
                (Injector, BY_NAN, None),
                (EveryThird, tuple(b for b in BY_EXCEPTIONS if b != "face"), DEAD),
            )
            for boundary in boundaries
        ),
    ],
)
def test_a_part_that_fails_for_minutes_leaves_nothing_behind(
    kind: type[Injector], boundary: str, error: Exception | None
) -> None:
    injector = kind()
    injector.arm(boundary, 3, for_good=True, error=error)
    check_memory(injector)


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["detector", "face"])
def test_the_same_of_a_network_of_clips(boundary: str) -> None:
    injector = EveryThird()
    injector.arm(boundary, 3, error=DEAD)
    check_memory(injector, clips=True)


def test_what_is_kept_of_each_failure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Guarded._report

    def leaking(guarded: Any, reason: str) -> list[Message]:
        guarded.kept = [*getattr(guarded, "kept", ()), guarded._t]
        return report(guarded, reason)

    monkeypatch.setattr(Guarded, "_report", leaking)
    injector = Injector()
    injector.arm("detector", 3, for_good=True, error=DEAD)
    with pytest.raises(AssertionError, match="grows"):
        check_memory(injector)
