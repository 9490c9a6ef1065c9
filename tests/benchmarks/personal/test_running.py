"""Running labels: switches of several kinds, and what holding a label would change."""

from __future__ import annotations

import numpy as np
import pytest

from mmer.benchmarks.personal.running import MOST, Running, a_minute, stable, switches, table

LABELS = ["neutral", "joy", "neutral", "neutral", None, None, "anger", "anger", "anger"]


def clip(labels: list[str | None], emotion: str = "anger", seconds: float = 4.0) -> Running:
    """One label a quarter of a second; the voice begins with the sixth."""
    times = 0.25 * np.arange(len(labels))
    return Running(emotion, seconds, (1.0, 2.0), times, labels, [k > 5 for k in range(len(labels))])


@pytest.mark.parametrize(
    ("hold_s", "expected"),
    [
        (0.0, LABELS),
        (0.25, ["neutral"] * 4 + LABELS[4:]),  # the flicker is gone; a label after null is new
        (1.0, ["neutral"] * 4 + LABELS[4:]),
    ],
)
def test_a_label_is_held_until_another_has_lasted(
    hold_s: float, expected: list[str | None]
) -> None:
    assert clip(LABELS).held(hold_s) == expected


def test_another_label_begins_anew_after_each_return() -> None:
    labels: list[str | None] = ["joy", "fear", "joy", "fear", "fear", "fear", "joy"]
    assert clip(labels).held(0.5) == ["joy"] * 5 + ["fear"] * 2


def test_withheld_labels_between_two_do_not_count() -> None:
    made = clip(LABELS)
    assert switches(made, made.labels) == [(0, 1), (1, 2), (3, 6)]
    assert a_minute([made]) == pytest.approx(45)
    assert a_minute([made], 0.5) == pytest.approx(15)
    assert switches(made, [None] * len(LABELS)) == []


def test_right_is_a_share_of_the_time_of_speech() -> None:
    made = clip(LABELS)
    assert made.right(made.labels) == pytest.approx(0.5)  # from 1.5 of 1.0 to 2.0 s
    assert clip(LABELS, "joy").right(LABELS) == 0
    late = Running("joy", 4.0, (0.0, 1.0), [0.5], ["joy"], [True])
    assert late.right(late.labels) == pytest.approx(0.5)  # before the first there is none


def test_the_row_tells_the_kinds_and_misses_above_the_limit() -> None:
    calm = [clip(["neutral"] * 9, seconds=60)]
    row = stable({"none": [clip(LABELS, seconds=60)], "session": calm})
    assert row.measured == "3.0 without, 0.0 with"
    assert row.passed == (MOST >= 3.0)
    assert "none: 3 in 60 s, 1 to the right label and 0 away from it; 1 from the face" in row.note
    assert not stable({"none": [clip(LABELS)], "session": calm}).passed
    assert not stable({"none": calm, "session": [clip(LABELS)]}).passed


def test_the_table_has_a_line_for_each_hold() -> None:
    made = table({"none": [clip(LABELS)], "session": [clip(LABELS, "neutral")]})
    assert made.lines[0] == ["0 s", "45.0", "50.0", "45.0", "0.0"]
    assert made.lines[1] == ["0.25 s", "15.0", "50.0", "15.0", "0.0"]
