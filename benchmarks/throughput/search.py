"""How many are too many: doubling, then halving the gap."""

from __future__ import annotations

from collections.abc import Callable


def search(carries: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to ``most`` that ``carries`` says yes to; 0 where not even 1.

    It asks 1, 2, 4, ... until a no, then between the last yes and that no; each number once. What
    it finds is next to a no, or ``most``; where answers waver, it is one of several such places.
    """
    good, bad = 0, most + 1
    at = 1
    while at < bad:
        if carries(at):
            good, at = at, min(2 * at, most) if at < most else bad
        else:
            bad = at
    while bad - good > 1:
        middle = (good + bad) // 2
        if carries(middle):
            good = middle
        else:
            bad = middle
    return good
