import numpy as np

from mmer.realtime.blocks.fusion.window import EvidenceWindow


def filled(times: list[float], capacity: int = 256) -> EvidenceWindow:
    window = EvidenceWindow(7, capacity)
    for t in times:
        window.add(t, t / 100, np.full(7, t))
    return window


def test_between_excludes_the_old_edge_and_includes_the_new_one():
    window = filled([1.0, 2.0, 3.0, 4.0])
    assert window.between(1.0, 3.0).t.tolist() == [2.0, 3.0]
    assert len(window.between(4.0, 9.0).t) == 0
    assert len(window.between(3.0, 2.0).t) == 0


def test_order_of_arrival_does_not_matter():
    times = list(np.random.default_rng(1).permutation(50).astype(float))
    span = filled(times, capacity=4).between(-1, 100)
    assert span.t.tolist() == sorted(times)
    np.testing.assert_array_equal(span.quality, span.t / 100)
    np.testing.assert_array_equal(span.log_probs[:, 3], span.t)


def test_forgets_and_reuses_its_room():
    window = filled([], capacity=16)
    for i in range(1000):
        window.add(float(i), 0.5, np.zeros(7))
        window.forget(i - 5.0)
        assert len(window) == min(i + 1, 5)
    assert len(window._t) == 16
    assert window.between(0, 1e9).t.tolist() == [995.0, 996.0, 997.0, 998.0, 999.0]


def test_grows_when_it_must():
    assert filled([float(i) for i in range(100)], capacity=4).between(-1, 100).t.tolist() == list(
        range(100)
    )
