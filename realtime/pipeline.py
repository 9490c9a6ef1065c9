"""Pipeline: which block feeds which, and how; driven by both runners.

::

    AudioBlock ─► vad ─► SpeechUpdate ─┬─► asr ─► Transcript ─► text ────┐
                                       └─► speech ───────────────────────┤ Evidence, Missing
    VideoFrame ─► tracker ─► FaceObservation ─► face ────────────────────┤
    Tick, Gap, SpeechUpdate ─────────────────────────────────────────────┴─► fusion ─► estimates

Where the face's network takes several images at once, ``clips`` collects them before it (of an
utterance, so it takes SpeechUpdate); where it takes whole frames, there is no tracker::

    VideoFrame ─┬─► tracker ─► FaceObservation ─┬─► clips ─► Clip ─► face ─► Evidence, Missing
                └───────────── or ──────────────┘
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.people import PeopleFusion
from mmer.realtime.blocks.guarded import Guarded
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
    """A block, the messages it takes, and the delivery policy of its mailbox in a session."""

    name: str
    block: Block
    takes: tuple[type, ...]
    inbox: str  # the mailbox's name in health lines: what waits in it
    delivery: Delivery
    capacity: int = 256  # messages


class Pipeline:
    """The stages in topological order: a message only ever flows to a later stage.

    A block is None where it was not chosen or could not be loaded. ``fusion`` is always the last;
    the runners feed it the ticks. With ``people`` a frame has an observation for each face.
    """

    def __init__(
        self,
        fusion: Block,
        *,
        vad: Block | None = None,
        asr: Block | None = None,
        speech: Block | None = None,
        text: Block | None = None,
        tracker: Block | None = None,
        clips: Block | None = None,
        face: Block | None = None,
        people: bool = False,
    ) -> None:
        self.people = people
        lossless, latest, conflated = Delivery.LOSSLESS, Delivery.LATEST, Delivery.GIVE_BACK
        images = VideoFrame if tracker is None else FaceObservation
        face_takes = FaceObservation if clips is None else Clip
        face_delivery = latest if clips is None else conflated
        if people:  # the newest observation of each face
            face_delivery = Delivery.LATEST_OF_EACH
        # 500 blocks of 20 ms: ten seconds of sound may wait before a device's ring has to hold more
        table: list[tuple[str, Block | None, tuple[type, ...], str, Delivery, int]] = [
            ("vad", vad, (AudioBlock, Gap), "audio", lossless, 500),
            # two messages an utterance: eight utterances may wait
            ("asr", asr, (SpeechUpdate,), "words", conflated, 16),
            ("speech", speech, (SpeechUpdate,), "speech", conflated, 16),
            ("text", text, (Transcript,), "text", conflated, 16),
            ("tracker", tracker, (VideoFrame,), "video", latest, 1),
            ("clips", clips, (images, SpeechUpdate), "clips", conflated, 64),
            ("face", face, (face_takes,), "face", face_delivery, 64),
            ("fusion", fusion, FUSION_TAKES, "fusion", lossless, 1024),
        ]
        self.stages: tuple[Stage, ...] = tuple(
            Stage(name, block, takes, inbox, delivery, capacity)
            for name, block, takes, inbox, delivery, capacity in table
            if block is not None
        )

    def guarded(self) -> Pipeline:
        """The same stages, each failure of which costs its own modality (``Guarded``)."""
        blocks: dict[str, Any] = {s.name: Guarded(s.name, s.block) for s in self.stages}
        return Pipeline(blocks.pop("fusion"), **blocks, people=self.people)

    def baseline(self) -> dict[str, int]:
        """By modality with a baseline: utterances or seconds behind it (``Baselines.seen``)."""
        found = {}
        for stage in self.stages:
            for block in (stage.block, getattr(stage.block, "block", None)):  # guarded or not
                if isinstance(block, Baselined):
                    found[block.baselines.modality] = block.baselines.seen
                elif isinstance(block, PeopleFusion) and block.voices is not None:
                    found[block.voices.modality] = block.voices.seen
        return found

    @property
    def fusion(self) -> Stage:
        """The last stage, which answers the ticks."""
        return self.stages[-1]

    def takers(self, message: Message, after: Stage | None = None) -> Iterator[Stage]:
        """The stages that take ``message``; those behind ``after`` where a stage made it.

        A face that is passed over is not for the network, where its crop may still wait.
        """
        start = 0 if after is None else self.stages.index(after) + 1
        passed_over = isinstance(message, FaceObservation) and message.passed_over
        for stage in self.stages[start:]:
            if isinstance(message, stage.takes) and not (passed_over and stage.name == "face"):
                yield stage

    def push(self, message: Message, after: Stage | None = None) -> list[Message]:
        """Process one message to the end: itself and all that follow from it, in order."""
        out = [message]
        for stage in self.takers(message, after):
            for made in stage.block.push(message):
                out.extend(self.push(made, after=stage))
        return out

    def flush(self) -> list[Message]:
        """Finish every block in order at the end of the streams, and process what comes out."""
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
