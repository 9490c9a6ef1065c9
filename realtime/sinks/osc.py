"""Open Sound Control sink: one bundle an estimate, for avatars, music and show control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, Message, Transcript
from mmer.realtime.sinks.extras import load_package
from mmer.realtime.sinks.network import Datagrams
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.sinks.text import one_line

OscMessage: TypeAlias = tuple[str, tuple[Any, ...]]
"""Address pattern and arguments: str, int (int32) or float (float32)."""

BLEND_SHAPES: Final = {
    "joy": "Joy",
    "anger": "Angry",
    "sadness": "Sorrow",
    "surprise": "Surprised",
    "neutral": "Neutral",
}
"""VRM 0 presets that VMC names, and "Surprised", which VRM 1 has; there is none for the rest."""


def plain(event: EmotionEstimate | Transcript) -> Iterator[OscMessage]:
    """Our own addresses under /mmer; ``/mmer/label`` is "" without evidence."""
    if isinstance(event, Transcript):
        yield "/mmer/transcript", (event.utterance, one_line(event.text))
        return
    kind = "final" if event.final else "provisional" if event.provisional else "label"
    number = (event.utterance or 0,) if event.of_utterance else ()
    yield f"/mmer/{kind}", (*number, event.label or "", float(event.confidence or 0.0))
    if not event.of_utterance and event.label is not None:
        given = event.probabilities
        yield "/mmer/probs", tuple(given[name] for name in EMOTIONS)
        for name in EMOTIONS:
            yield f"/mmer/prob/{name}", (given[name],)


def vmc(event: EmotionEstimate | Transcript) -> Iterator[OscMessage]:
    """Virtual Motion Capture protocol: every blend shape's value, then ``Apply``."""
    if isinstance(event, Transcript) or event.of_utterance:
        return
    given = event.probabilities
    for name, shape in BLEND_SHAPES.items():
        yield "/VMC/Ext/Blend/Val", (shape, given.get(name, 0.0))
    yield "/VMC/Ext/Blend/Apply", ()


def vrchat(event: EmotionEstimate | Transcript) -> Iterator[OscMessage]:
    """Avatar parameters of VRChat: ``mmer/joy`` ... as float, ``mmer/emotion`` as int.

    ``mmer/emotion`` is 1 to 7 in the order of the labels, 0 without evidence.
    """
    if isinstance(event, Transcript) or event.of_utterance:
        return
    given = event.probabilities
    number = 0 if event.label is None else EMOTIONS.index(event.label) + 1
    yield "/avatar/parameters/mmer/emotion", (number,)
    for name in EMOTIONS:
        yield f"/avatar/parameters/mmer/{name}", (given.get(name, 0.0),)


FORMATS: Final[dict[str, Callable[[EmotionEstimate | Transcript], Iterator[OscMessage]]]] = {
    "plain": plain,
    "vmc": vmc,
    "vrchat": vrchat,
}


class Osc(Datagrams):
    """OSC 1.0 bundles over UDP; the time tag is the capture time in UTC, "now" in replay.

    Raises MmerError without python-osc or for an address that is not HOST:PORT.
    """

    def __init__(self, address: str, format: str = "plain") -> None:
        super().__init__("osc", address)
        self._bundles = load_package("pythonosc.osc_bundle_builder", "osc", "--osc")
        self._messages = load_package("pythonosc.osc_message_builder", "osc", "--osc")
        self._format = FORMATS[format]
        self._utc: float | None = None  # of second 0

    def open(self, info: SessionInfo) -> None:
        self._utc = None if info.utc is None else info.utc.timestamp()
        super().open(info)

    def packets(self, event: Message) -> list[bytes]:
        assert isinstance(event, (EmotionEstimate, Transcript))
        end = event.t1 if isinstance(event, Transcript) else event.window[1]
        tag = self._bundles.IMMEDIATELY if self._utc is None else self._utc + end
        bundle = self._bundles.OscBundleBuilder(tag)
        empty = True
        for address, values in self._format(event):
            message = self._messages.OscMessageBuilder(address)
            for value in values:
                message.add_arg(value)
            bundle.add_content(message.build())
            empty = False
        return [] if empty else [bundle.build().dgram]
