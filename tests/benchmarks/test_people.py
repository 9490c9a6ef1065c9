"""`mmer-bench people`: its measures on hand-made truth, and the heads of real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.people.command import People, _casts, cost_row, rows
from mmer.benchmarks.people.compose import HEIGHT, WIDTH, Head, Role, Truth, compose, still, way
from mmer.benchmarks.people.measure import identity, speakers
from mmer.benchmarks.people.scenes import SCENES
from mmer.models.errors import MmerError
from mmer.realtime.messages import EmotionEstimate, FaceObservation

NONE = dict.fromkeys(("speech", "text", "face"))


def seen(t: float, track: int, x: float, y: float) -> FaceObservation:
    return FaceObservation(t, track, (x - 50, y - 50, 100.0, 100.0), None, None, 1.0)


def final(t0: float, t1: float, person: int) -> EmotionEstimate:
    return EmotionEstimate(t1, (t0, t1), None, None, None, NONE, {}, True, 1, person=person)


def patch(name: str, shade: int) -> Head:
    images = np.full((20, 120, 100, 3), shade, np.uint8)
    images[10:] += 40
    return Head(name, images, np.ones((120, 100, 1), np.float32), np.full(16_000, 900, np.int16))


TRUTH = Truth(
    times=(0.0, 0.05, 0.1, 0.15),
    places=tuple({0: (200.0, 200.0), 1: (600.0, 200.0)} for _ in range(4)),
    turns=((0.0, 1.0, 0), (2.0, 3.0, 1), (5.0, 6.0, 0)),
)


def test_identity_counts_faces_under_the_persons_own_number() -> None:
    right = [seen(n / 20, k, x, 205.0) for n in range(4) for k, x in ((7, 205.0), (3, 590.0))]
    found = identity(TRUTH, tuple(right))
    assert (found.visible, found.found, found.right) == (8, 8, 8)
    assert found.number_of == {0: 7, 1: 3}
    swapped = [*right[:6], seen(0.15, 3, 205.0, 205.0), seen(0.15, 7, 590.0, 205.0)]
    assert identity(TRUTH, tuple(swapped)).right == 6
    assert identity(TRUTH, tuple(right[:5])).found == 5
    one_number = [seen(n / 20, 1, x, 200.0) for n in range(4) for x in (200.0, 600.0)]
    assert identity(TRUTH, tuple(one_number)).right == 4  # nobody shares a number
    far = [seen(n / 20, 1, 300.0, 200.0) for n in range(4)]
    assert identity(TRUTH, tuple(far)).found == 0


def test_an_utterance_is_right_where_it_goes_to_the_one_whose_turn_it_is() -> None:
    finals = (final(0.1, 0.9, 7), final(2.1, 3.2, 7), final(3.3, 3.4, 5))
    found = speakers(TRUTH, finals, {0: 7, 1: 3})
    assert (found.utterances, found.right, found.turns, found.missed) == (2, 1, 3, 1)


def test_a_composed_video_is_what_its_truth_says(tmp_path: Path) -> None:
    import av

    heads = [patch("a", 60), patch("b", 200)]
    roles = [
        Role(heads[0], way((0.0, 100.0, 200.0), (1.0, 500.0, 200.0)), (0.2,)),
        Role(heads[1], still(500, 200)),
    ]
    truth = compose(tmp_path / "x.mkv", roles, 1.5)
    assert truth.turns == ((0.2, 1.2, 0),)
    assert set(truth.places[0]) == {0, 1}
    assert set(truth.places[19]) == {1}  # the one in front hides the other
    assert set(truth.places[25]) == {1}  # the first one is out
    with av.open(str(tmp_path / "x.mkv")) as file:
        frames = [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]
    with av.open(str(tmp_path / "x.mkv")) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert len(frames) == 30
    assert abs(int(frames[0][200, 100, 0]) - 60) < 10
    assert abs(int(frames[19][200, 500, 0]) - 200) < 10
    loud = np.abs(sound.astype(int)) > 1000
    assert loud[4_000:19_000].all()
    assert not loud[:3_000].any()


def test_every_scene_can_be_cast() -> None:
    heads = [patch(str(n), 20 * n) for n in range(5)]
    casts = list(_casts(heads, 2))
    assert len(casts) == 2 * len(SCENES)
    for scene, chosen in casts:
        roles = scene.roles(chosen)
        assert len({head.name for head in chosen}) == len(roles) == scene.heads
        for role in roles:
            for begin, end in role.turns():
                assert end <= scene.length_s
                assert role.place(begin) is not None  # nobody speaks from outside
                assert role.place(end) is not None


def test_targets_are_evaluated() -> None:
    scene = SCENES[0]
    right = [seen(n / 20, k, x, 205.0) for n in range(4) for k, x in ((7, 205.0), (3, 590.0))]
    who = identity(TRUTH, tuple(right))
    spoke = speakers(TRUTH, (final(0.1, 0.9, 7), final(2.1, 3.0, 7)), who.number_of)
    made = {row.key: row for row in rows([(scene, who, spoke)])}
    assert made["identity_all"].passed is True
    assert made["speaker_all"].passed is False
    assert made["speaker_two_sit"].passed is None
    assert cost_row([(1.0, 1.3)] * 3).passed is True
    assert cost_row([(1.0, 1.5)] * 3).passed is False


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="--rounds is 0"):
        People(data=tmp_path, rounds=0).check()
    with pytest.raises(MmerError, match=r"cannot read .*clips\.csv"):
        People(data=tmp_path).run(lambda text: None)
