import time

import numpy as np
import pytest

from mmer.training.datasets.item import Item
from mmer.training.metrics.bootstrap import METRICS, group, intervals, regroup, scores, tallies
from mmer.training.metrics.figures import figures


def answers(n: int, right: float = 0.6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(7, size=n)
    logits = rng.normal(0, 1, (n, 7))
    logits[np.arange(n), labels] += 3 * (rng.random(n) < right)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits, labels


@pytest.mark.parametrize("classes", [7, 3])
def test_many_at_a_time_are_the_figures_of_each(classes: int) -> None:
    log_probs, labels = answers(300)
    labels %= classes  # the other classes are said, but do not occur
    rng = np.random.default_rng(1)
    picks = rng.integers(300, size=(20, 300))
    counts = tallies(log_probs, labels, np.arange(300))
    found = scores(np.stack([counts[p].sum(axis=0) for p in picks]))
    for row, pick in enumerate(picks):
        expected = figures(log_probs[pick], labels[pick])
        for name in METRICS:
            assert found[name][row] == pytest.approx(getattr(expected, name)), name


def test_the_interval_is_that_of_accuracy_by_the_book() -> None:
    log_probs, labels = answers(1000)
    accuracy = figures(log_probs, labels).accuracy
    error = np.sqrt(accuracy * (1 - accuracy) / 1000)
    low, high = intervals(log_probs, labels, np.arange(1000))["accuracy"]
    assert low == pytest.approx(accuracy - 1.96 * error, abs=0.005)
    assert high == pytest.approx(accuracy + 1.96 * error, abs=0.005)


def test_every_interval_holds_its_figure_and_the_same_seed_gives_the_same() -> None:
    log_probs, labels = answers(200)
    found = intervals(log_probs, labels, np.arange(200))
    for name in METRICS:
        low, high = found[name]
        assert 0 <= low <= getattr(figures(log_probs, labels), name) <= high <= 1, name
    assert found == intervals(log_probs, labels, np.arange(200))
    assert found != intervals(log_probs, labels, np.arange(200), seed=1)


def test_speakers_who_are_all_right_or_all_wrong_widen_it() -> None:
    labels = np.repeat(np.arange(5), 100) % 7
    speakers = np.arange(500) % 20
    said = np.where(speakers < 12, labels, (labels + 1) % 7)
    log_probs = np.log(np.full((500, 7), 0.05) + 0.65 * np.eye(7)[said])
    by_item = intervals(log_probs, labels, np.arange(500))["accuracy"]
    by_speaker = intervals(log_probs, labels, speakers)["accuracy"]
    assert by_speaker[1] - by_speaker[0] > 3 * (by_item[1] - by_item[0])
    # 20 speakers, each wholly right with probability 0.6
    assert by_speaker == pytest.approx((0.4, 0.8), abs=0.051)


def test_one_item_and_many_items_are_no_trouble() -> None:
    log_probs, labels = answers(1)
    assert intervals(log_probs, labels, np.zeros(1, np.int64))["accuracy"][0] in (0.0, 1.0)
    log_probs, labels = answers(30_000)
    began = time.perf_counter()
    intervals(log_probs, labels, np.arange(30_000), resamples=1000)
    assert time.perf_counter() - began < 20


def test_who_is_drawn() -> None:
    def items(speakers: int, dialogues: int) -> list[Item]:
        return [
            Item("c", str(k), 0, "s", f"{k % speakers}" if speakers else "", f"{k % dialogues}")
            for k in range(60)
        ]

    assert (group(items(12, 5)).by, group(items(12, 5)).n) == ("speaker", 12)
    assert group(items(12, 20)).by == "speaker"
    assert group(items(12, 20), dialogues_first=True).by == "dialogue"
    assert group(items(4, 20)).by == "dialogue"
    few = group(items(4, 9))
    assert (few.by, few.n, few.why) == ("item", 60, "only 4 speakers and 9 dialogues")
    assert set(few.names) == {f"c/{k}" for k in range(4)}  # a file of predictions keeps who spoke
    assert regroup(few.names).why == "only 4 groups"
    assert group([Item("c", "1", 0)]).why == "no speakers or dialogues are named"


def test_dialogues_of_two_splits_are_two_and_who_is_unknown_stands_alone() -> None:
    dialogues = [Item("c", f"{k}", 0, split, dialogue=f"{k}") for split in "ab" for k in range(6)]
    assert group(dialogues).n == 12
    speakers = [Item("c", f"{k}", 0, speaker=f"{k % 10}") for k in range(30)]
    unknown = [Item("c", f"x{k}", 0) for k in range(3)]
    assert group(speakers + unknown).n == 13
