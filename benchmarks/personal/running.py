"""Running labels of clips: how often they change, and how long they are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from mmer.benchmarks.accuracy.moments import studio_span
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.tables import Table
from mmer.models.labels import EMOTIONS
from mmer.models.store.store import Store
from mmer.realtime.assemble import assemble
from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.messages import SAMPLE_RATE, EmotionEstimate
from mmer.realtime.options import Options
from mmer.realtime.replay import Replay
from mmer.realtime.sources.media import MediaFile
from mmer.training.datasets.item import Item
from mmer.training.datasets.registry import read

MOST: Final = 3.2
"""Switches a minute: those with the first networks, without a baseline."""
HOLDS_S: Final = (0.0, 0.25, 0.5, 1.0)
_STEP_S: Final = 0.05
BASELINES: Final = ("none", "session")


@dataclass(frozen=True)
class Running:
    """One clip's running labels in order of time; a label is None where it was withheld."""

    emotion: str
    seconds: float
    speech: tuple[float, float]  # its begin and end
    times: Sequence[float]
    labels: Sequence[str | None]
    with_voice: Sequence[bool]

    def held(self, hold_s: float) -> list[str | None]:
        """Labels as if one only gave way to another that was there for ``hold_s``.

        After a withheld label the next one is there at once.
        """
        shown: str | None = None
        other: tuple[str, float] | None = None  # that may follow, and since when
        found: list[str | None] = []
        for t, label in zip(self.times, self.labels, strict=True):
            if label is None or shown is None or label == shown:
                shown, other = label, None
            else:
                if other is None or other[0] != label:
                    other = (label, t)
                if t - other[1] >= hold_s - 1e-6:
                    shown, other = label, None
            found.append(shown)
        return found

    def right(self, labels: Sequence[str | None]) -> float:
        """Share of the time of speech in which the newest of ``labels`` is the clip's emotion."""
        times = np.arange(*self.speech, _STEP_S)
        newest = np.searchsorted(np.asarray(self.times), times, side="right") - 1
        return float(np.mean([k >= 0 and labels[k] == self.emotion for k in newest]))


def running_labels(data: Path, baseline: str) -> list[Running]:
    """Those of the clips of RAVDESS below ``data``/video.

    Voice and face alone, in replay; one person, whose baseline goes on from clip to clip.
    """
    options = Options(source="clip", asr="none", offline=True, pace="max", baseline=baseline)
    made = assemble(options, frozenset({"audio", "video"}), Store(offline=True))
    found = []
    for item in read("ravdess", data / "video", "clip", "all").items:
        for stage in made.pipeline.stages:
            if isinstance(stage.block, Baselined):
                stage.block.next_stream()
            else:
                stage.block.reset()
        source = MediaFile(str(item.path), video_fps=options.video_fps)
        replay = Replay(made.pipeline, source, options.hop_s)
        try:
            source.open(replay.clock)
            estimates = [
                e for e in replay.events() if isinstance(e, EmotionEstimate) and not e.of_utterance
            ]
        finally:
            source.close()
        found.append(_running(item, replay.clock.now(), estimates))
    return found


def _running(item: Item, seconds: float, estimates: Sequence[EmotionEstimate]) -> Running:
    assert item.path is not None  # what is read for clip has a video
    begin, end = (sample / SAMPLE_RATE for sample in studio_span(read_sound(item.path)))
    return Running(
        EMOTIONS[item.label],
        seconds,
        (begin, end),
        [e.t for e in estimates],
        [e.label for e in estimates],
        [e.modalities["speech"] is not None for e in estimates],
    )


def switches(clip: Running, labels: Sequence[str | None]) -> list[tuple[int, int]]:
    """Places of each two successive labels that differ; withheld ones between them do not count."""
    named = [k for k, label in enumerate(labels) if label is not None]
    return [(a, b) for a, b in pairwise(named) if labels[a] != labels[b]]


def a_minute(clips: Sequence[Running], hold_s: float = 0.0) -> float:
    """Switches a minute."""
    changed = sum(len(switches(clip, clip.held(hold_s))) for clip in clips)
    return 60 * changed / sum(clip.seconds for clip in clips)


def stable(found: Mapping[str, Sequence[Running]]) -> Row:
    """Switches of the running label a minute, without and with the baseline."""
    each = {b: a_minute(found[b]) for b in BASELINES}
    return Row(
        "switches",
        "switches of the running label a minute, RAVDESS Actor_01, voice and face",
        f"{each['none']:.1f} without, {each['session']:.1f} with",
        f"at most {MOST:g}",
        max(each.values()) <= MOST,
        "; ".join(f"{b}: {_kinds(found[b])}" for b in BASELINES),
        values={"without": each["none"], "with": each["session"]},
    )


def _kinds(clips: Sequence[Running]) -> str:
    pairs = [(c, a, b) for c in clips for a, b in switches(c, c.labels)]
    right = sum(c.labels[b] == c.emotion for c, _, b in pairs)
    wrong = sum(c.labels[a] == c.emotion for c, a, _ in pairs)
    first = sum(c.with_voice[b] and not c.with_voice[a] for c, a, b in pairs)
    return (
        f"{len(pairs)} in {sum(c.seconds for c in clips):.0f} s, {right} to the right label and "
        f"{wrong} away from it; {first} from the face's alone to the first with a voice"
    )


def table(found: Mapping[str, Sequence[Running]]) -> Table:
    """What it would change if a label only gave way to one that has lasted."""
    lines = [
        [f"{hold_s:g} s", *(text for b in BASELINES for text in _figures(found[b], hold_s))]
        for hold_s in HOLDS_S
    ]
    return Table(
        ["after", "a minute, without", "right, without", "a minute, with", "right, with"],
        lines,
        "Switches of the running label if another one must last so long first (it need not), and "
        "share of the time of speech in which it is right, mean of the clips",
    )


def _figures(clips: Sequence[Running], hold_s: float) -> tuple[str, str]:
    right = np.mean([clip.right(clip.held(hold_s)) for clip in clips])
    return f"{a_minute(clips, hold_s):.1f}", f"{100 * right:.1f}"
