"""Measures of several people: identity of the tracks, speaker of the utterances, cost of a face."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mmer.benchmarks.people.compose import FPS, Truth
from mmer.realtime.messages import EmotionEstimate, FaceObservation
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.shared_models import SharedModels

_NEAR: Final = 0.55
"""Widths of a face from the true place within which an observation is of that person."""


@dataclass(frozen=True)
class Played:
    """What a session found in a composed video."""

    observed: tuple[FaceObservation, ...]
    finals: tuple[EmotionEstimate, ...]
    cpu_s: float  # processor time of the session, models loaded before


def play(path: Path, models: SharedModels, asr: str = "none", people: str = "all") -> Played:
    """Recognize a video in replay."""
    observed: list[FaceObservation] = []
    finals: list[EmotionEstimate] = []
    recognizer = Recognizer(
        path, models=models, asr=asr, pace="max", video_fps=float(FPS), people=people, offline=True
    )
    with recognizer:
        began = time.process_time()
        for event in recognizer.events():
            if isinstance(event, FaceObservation) and event.box is not None:
                observed.append(event)
            elif isinstance(event, EmotionEstimate) and event.final:
                finals.append(event)
        cpu_s = time.process_time() - began
    return Played(tuple(observed), tuple(finals), cpu_s)


@dataclass(frozen=True)
class Identity:
    """Frames in which a face that is to be seen has the number of its person.

    ``visible`` counts each face of each frame, ``found`` those with an observation, ``right`` those
    whose number is the person's: the one that the person has most often, and nobody else has.
    """

    visible: int
    found: int
    right: int
    number_of: Mapping[int, int]  # by index of the role


def identity(truth: Truth, observed: tuple[FaceObservation, ...]) -> Identity:
    """Compare observations with the truth, frame by frame."""
    by_frame: dict[int, list[FaceObservation]] = {}
    for seen in observed:
        by_frame.setdefault(round(seen.t * FPS), []).append(seen)
    votes: Counter[tuple[int, int]] = Counter()
    visible = 0
    for n, places in enumerate(truth.places):
        visible += len(places)
        for role, (x, y) in places.items():
            near = [
                (float(np.hypot(box[0] + box[2] / 2 - x, box[1] + box[3] / 2 - y)), seen.track)
                for seen in by_frame.get(n, [])
                if (box := seen.box) is not None
            ]
            apart, track = min(near, default=(np.inf, None))
            if track is not None and apart < _NEAR * truth.face_px:
                votes[role, track] += 1
    number_of: dict[int, int] = {}
    for (role, track), _ in votes.most_common():
        if role not in number_of and track not in number_of.values():
            number_of[role] = track
    right = sum(count for (role, track), count in votes.items() if number_of.get(role) == track)
    return Identity(visible, votes.total(), right, number_of)


@dataclass(frozen=True)
class Speakers:
    """Utterances that overlap a turn, and those given to the person whose turn it is."""

    utterances: int
    right: int
    turns: int
    missed: int  # turns without an utterance


def speakers(
    truth: Truth, finals: tuple[EmotionEstimate, ...], number_of: Mapping[int, int]
) -> Speakers:
    """Compare the finals' people with the turns."""
    right = counted = 0
    answered: set[tuple[float, float, int]] = set()
    for final in finals:
        t0, t1 = final.window
        overlaps = [(min(t1, end) - max(t0, begin), (begin, end, role))
                    for begin, end, role in truth.turns]  # fmt: skip
        shared, turn = max(overlaps)
        if shared <= 0.2:
            continue
        answered.add(turn)
        counted += 1
        right += final.person == number_of.get(turn[2])
    return Speakers(counted, right, len(truth.turns), len(truth.turns) - len(answered))
