import numpy as np
import pytest

from mmer.models.fusion import Opinion
from mmer.realtime.blocks.fusion.pooling import (
    MIN_PROBABILITY,
    ProductPool,
    information,
    log_pool,
    normalise,
    summarise,
)

RNG = np.random.default_rng(7)


def random_logs(count: int) -> np.ndarray:
    return normalise(np.log(RNG.dirichlet(np.ones(7), size=count)))


def peaked(at: int, p: float = 0.7) -> np.ndarray:
    probs = np.full(7, (1 - p) / 6)
    probs[at] = p
    return np.log(probs)


FLAT = np.full(7, -np.log(7))


def test_normalise_keeps_a_distribution_and_mends_the_scale():
    logs = peaked(2)
    np.testing.assert_allclose(normalise(logs), logs, atol=1e-12)
    np.testing.assert_allclose(normalise(logs + 5.0), logs, atol=1e-12)


def test_normalise_lets_no_class_be_ruled_out():
    out = normalise(np.array([0.0] + [-np.inf] * 6))
    assert np.isfinite(out).all()
    assert np.exp(out).sum() == pytest.approx(1.0)
    assert np.exp(out[1:]).min() == pytest.approx(MIN_PROBABILITY, rel=1e-2)


def test_information_is_0_for_flat_and_near_1_for_sure():
    assert information(FLAT) == pytest.approx(0.0, abs=1e-12)
    assert information(normalise(peaked(0, 0.999999))) > 0.99
    assert information(peaked(0, 0.9)) > information(peaked(0, 0.5)) > 0


def test_pool_is_the_weighted_geometric_mean():
    logs, weights = random_logs(3), np.array([1.0, 2.0, 1.0])
    product = np.prod(np.exp(logs) ** (weights / 4)[:, None], axis=0)
    np.testing.assert_allclose(np.exp(log_pool(logs, weights)), product / product.sum())


def test_pool_of_equals_is_the_same_and_not_surer():
    logs = np.stack([peaked(3)] * 80)
    np.testing.assert_allclose(log_pool(logs, np.ones(80)), peaked(3), atol=1e-12)


def test_no_class_falls_below_its_geometric_mean():
    for _ in range(200):
        logs, weights = random_logs(3), RNG.uniform(0.1, 1, 3)
        mean = (weights[:, None] * logs).sum(axis=0) / weights.sum()
        assert (log_pool(logs, weights) >= mean - 1e-12).all()


def test_summary_weighs_quality_and_age():
    t, logs = np.array([1.0, 2.0]), np.stack([peaked(0), peaked(3)])
    evenly = summarise(t, np.array([0.5, 0.5]), logs, None, 1.0)
    assert np.exp(evenly.log_probs[0]) == pytest.approx(np.exp(evenly.log_probs[3]))
    assert (evenly.quality, evenly.age_s) == (pytest.approx(0.5), 0.0)
    newer = summarise(t, np.array([0.5, 0.5]), logs, 2.0, 1.0)
    assert newer.log_probs[3] - newer.log_probs[0] == pytest.approx(
        (1 - np.exp(-1)) / (1 + np.exp(-1)) * (peaked(0)[0] - peaked(0)[3])
    )
    better = summarise(t, np.array([0.9, 0.3]), logs, None, 1.0)
    assert better.log_probs.argmax() == 0


def test_quality_does_not_grow_with_the_number_of_frames_and_age_is_the_newest():
    def whole(count: int, now: float) -> Opinion:
        t = np.linspace(0, 1, count) if count > 1 else np.array([1.0])
        return summarise(t, np.full(count, 0.8), np.stack([peaked(1)] * count), now, 2.0)

    assert whole(80, 1.0).quality == pytest.approx(whole(1, 1.0).quality) == pytest.approx(0.8)
    assert whole(80, 3.0).quality == pytest.approx(0.8)
    assert (whole(80, 3.0).age_s, whole(1, 1.0).age_s) == (2.0, 0.0)


def test_ancient_evidence_still_counts_alone():
    out = summarise(np.array([0.0]), np.array([1.0]), peaked(2)[None], 1e6, 0.1)
    assert (out.quality, out.age_s) == (1.0, 1e6)
    np.testing.assert_allclose(out.log_probs, peaked(2))
    fused, shares = ProductPool().fuse({"speech": out})
    assert np.isfinite(fused).all()
    assert shares == {"speech": 1.0}


def test_shares_sum_to_1_and_follow_quality_age_and_information():
    pool = ProductPool({"speech": 2.0, "text": 2.0, "face": 1.0})
    _, shares = pool.fuse(
        {"speech": Opinion(peaked(0), 0.8, 0.0), "text": Opinion(peaked(3), 0.4, 0.0)}
    )
    assert shares == {"speech": pytest.approx(2 / 3), "text": pytest.approx(1 / 3)}
    _, shares = pool.fuse(
        {"speech": Opinion(peaked(0), 0.8, 2.0), "text": Opinion(peaked(3), 0.8, 0.0)}
    )
    assert shares["speech"] == pytest.approx(np.exp(-1) / (1 + np.exp(-1)))


def test_a_flat_opinion_changes_nothing():
    fused, shares = ProductPool().fuse(
        {"speech": Opinion(peaked(3), 1.0, 0.0), "face": Opinion(FLAT, 1.0, 0.0)}
    )
    np.testing.assert_allclose(fused, peaked(3), atol=1e-9)
    assert shares["face"] < 0.05


def test_flat_opinions_alone_are_heard():
    fused, shares = ProductPool().fuse({"face": Opinion(FLAT, 0.5, 0.0)})
    np.testing.assert_allclose(fused, FLAT)
    assert shares == {"face": 1.0}
