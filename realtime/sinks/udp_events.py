"""UDP events sink: semicolon text lines, in the form that laboratory suites receive (iMotions)."""

from __future__ import annotations

from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, Message, Transcript
from mmer.realtime.sinks.network import Datagrams
from mmer.realtime.sinks.text_events import field_text


class UdpEvents(Datagrams):
    r"""One datagram an event, ASCII semicolons between the fields, ``\r\n`` at the end.

    ``E;1;mmer;1;;;;Emotion;T;ANGER;...;SURPRISE;CONFIDENCE`` is a sample: a running estimate that
    has a label, with its capture time T in seconds of the session, seven probabilities and the
    confidence. ``M;2;;;LABEL;TEXT;D;`` is a discrete marker: an utterance's final label ("none"
    without evidence), and ``M;2;;;transcript;TEXT;D;`` its words. The fields for the receiver's own
    times are empty: it stamps what arrives. Raises MmerError for an address that is not HOST:PORT.
    """

    def __init__(self, address: str) -> None:
        super().__init__("udp-events", address)

    def packets(self, event: Message) -> list[bytes]:
        line = event_line(event)
        return [] if line is None else [f"{line}\r\n".encode("utf-8", "replace")]


def event_line(event: Message) -> str | None:
    """The line of one event, without its end; None for an event that has none."""
    if isinstance(event, Transcript):
        return f"M;2;;;transcript;{field_text(event.text)};D;"
    if not isinstance(event, EmotionEstimate):
        return None
    t0, t1 = event.window
    if event.final:
        about = f"utterance {event.utterance}, {t0:.3f} to {t1:.3f} s"
        if event.confidence is not None:
            about += f", confidence {event.confidence:.4f}"
        return f"M;2;;;{event.label or 'none'};{about};D;"
    if event.provisional or event.label is None or event.confidence is None:
        return None
    values = [event.probabilities[name] for name in EMOTIONS]
    fields = ";".join(f"{value:.4f}" for value in (*values, event.confidence))
    return f"E;1;mmer;1;;;;Emotion;{t1:.3f};{fields}"
