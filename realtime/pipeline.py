"""Which block feeds which: the one place that says so, driven by both runners.

::

    AudioBlock ─► voice ─► SpeechUpdate ─┬─► words ─► Transcript ─► text ──┐
                                         └─► speech ───────────────────────┤ Evidence, Missing
    VideoFrame ─► tracker ─► FaceObservation ─► face ──────────────────────┤
    Tick, Gap, SpeechUpdate ───────────────────────────────────────────────┴─► fusion ─► estimates

Where the face's network takes several pictures at once, ``clips`` collects them before it (of an
utterance, so it listens to SpeechUpdate); where it looks at whole frames, there is no tracker::

    VideoFrame ─┬─► tracker ─► FaceObservation ─┬─► clips ─► Clip ─► face ─► Evidence, Missing
                └───────────── or ──────────────┘
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmer.realtime.blocks.block import Block
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import (
    AudioBlock,
    Clip,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)


@dataclass(frozen=True)
class Stage:
    """A block, what it takes, and how its mailbox delivers when it has a thread of its own."""

    name: str
    block: Block
    takes: tuple[type, ...]
    inbox: str  # the mailbox's name in health lines: what waits in it
    delivery: Delivery
    capacity: int = 256  # messages


class Pipeline:
    """The stages in topological order: a message only ever flows to a later stage.

    Every block may be None: what was not chosen, or could not be loaded, is not there. ``fusion``
    is always the last; the runners feed it the ticks.
    """

    def __init__(
        self,
        fusion: Block,
        *,
        voice: Block | None = None,
        words: Block | None = None,
        speech: Block | None = None,
        text: Block | None = None,
        tracker: Block | None = None,
        clips: Block | None = None,
        face: Block | None = None,
    ) -> None:
        lossless, latest, conflated = Delivery.LOSSLESS, Delivery.LATEST, Delivery.LATEST_PARTIAL
        pictures = VideoFrame if tracker is None else FaceObservation
        judged = FaceObservation if clips is None else Clip
        judged_delivery = latest if clips is None else conflated
        # 500 blocks of 20 ms: ten seconds of sound may wait before a device's ring has to hold more
        table: list[tuple[str, Block | None, tuple[type, ...], str, Delivery, int]] = [
            ("voice", voice, (AudioBlock, Gap), "audio", lossless, 500),
            ("words", words, (SpeechUpdate,), "words", conflated, 64),
            ("speech", speech, (SpeechUpdate,), "speech", conflated, 64),
            ("text", text, (Transcript,), "text", conflated, 64),
            ("tracker", tracker, (VideoFrame,), "video", latest, 1),
            ("clips", clips, (pictures, SpeechUpdate), "clips", conflated, 64),
            ("face", face, (judged,), "face", judged_delivery, 64),
            ("fusion", fusion, FUSION_TAKES, "fusion", lossless, 1024),
        ]
        self.stages: tuple[Stage, ...] = tuple(
            Stage(name, block, takes, inbox, delivery, capacity)
            for name, block, takes, inbox, delivery, capacity in table
            if block is not None
        )

    @property
    def fusion(self) -> Stage:
        """The last stage, which answers the ticks."""
        return self.stages[-1]

    def takers(self, message: Message, after: Stage | None = None) -> Iterator[Stage]:
        """The stages that take ``message``; those behind ``after`` where a stage made it."""
        start = 0 if after is None else self.stages.index(after) + 1
        for stage in self.stages[start:]:
            if isinstance(message, stage.takes):
                yield stage

    def push(self, message: Message, after: Stage | None = None) -> list[Message]:
        """Carry one message through to the end: itself and all that followed, in order."""
        out = [message]
        for stage in self.takers(message, after):
            for made in stage.block.push(message):
                out.extend(self.push(made, after=stage))
        return out

    def flush(self) -> list[Message]:
        """The streams have ended: finish every block in order, and carry on what comes out."""
        out: list[Message] = []
        for stage in self.stages:
            for made in stage.block.flush():
                out.extend(self.push(made, after=stage))
        return out


FUSION_TAKES: tuple[type, ...] = (
    Evidence,
    Missing,
    SpeechUpdate,
    Transcript,
    FaceObservation,
    Gap,
    Tick,
)
