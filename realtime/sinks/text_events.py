"""Finals and transcripts as short texts with semicolons, for markers of laboratory software."""

from __future__ import annotations

from mmer.realtime.messages import EmotionEstimate, Message, Transcript
from mmer.realtime.sinks.text import one_line


def marker_text(event: Message) -> str | None:
    """Text of an utterance's estimate or transcript; None for every other event.

    ``final;3;joy;0.7123`` is label and confidence of utterance 3 (``final;3;;`` without evidence),
    ``provisional;3;joy;0.7123`` the same of an utterance that may have ended,
    ``transcript;3;I am so happy`` its words; a semicolon in them becomes a comma.
    """
    if isinstance(event, EmotionEstimate) and event.of_utterance:
        number = "" if event.utterance is None else event.utterance
        sure = "" if event.confidence is None else f"{event.confidence:.4f}"
        kind = "final" if event.final else "provisional"
        return f"{kind};{number};{event.label or ''};{sure}"
    if isinstance(event, Transcript) and not event.partial:
        return f"transcript;{event.utterance};{field_text(event.text)}"
    return None


def field_text(text: str) -> str:
    """``text`` as one field: on one line, without semicolons."""
    return one_line(text).replace(";", ",")
