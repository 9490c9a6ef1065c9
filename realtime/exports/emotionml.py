"""EmotionML 1.0 (W3C Recommendation of 22 May 2014) with a vocabulary of our seven labels."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from mmer.models.affect import valence_arousal
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.exports.run import Estimate, Run
from mmer.realtime.sinks.text import one_line

NAMESPACE: Final = "http://www.w3.org/2009/10/emotionml"
VOCABULARY: Final = "meld-seven"
"""W3C's "big six" have no neutral, so the file brings its own vocabulary."""
DIMENSIONS: Final = "valence-arousal-derived"
"""Vocabulary of the two dimensions, derived from the probabilities; 0..1 stands for -1..1."""
_WORDS: Final = "urn:mmer:transcript"
_SESSION: Final = "urn:mmer:session"
_THROUGH: Final = {"speech": "voice", "text": "text", "face": "face"}


def write_emotionml(run: Run, path: Path) -> None:
    """One ``emotion`` an estimate that has a label; a final one has its words in ``info``.

    ``category`` elements carry the seven probabilities as ``value``, the label's also the
    confidence; ``dimension`` elements valence and arousal, derived from those. Live, ``start`` and
    ``end`` are milliseconds of UTC; of a file, times are ``offset-to-start`` and ``duration``
    (milliseconds) from the start of the session or media. Raises OSError.
    """
    texts = {u.id: one_line(u.text) for u in run.utterances()}
    with path.open("wb") as file:
        out = XMLGenerator(file, "utf-8", short_empty_elements=True)
        out.startDocument()
        root = {"version": "1.0", "xmlns": NAMESPACE, "category-set": f"#{VOCABULARY}"}
        root["dimension-set"] = f"#{DIMENSIONS}"
        out.startElement("emotionml", AttributesImpl(root))
        out.startElement("info", AttributesImpl({}))
        _empty(out, "session", {"xmlns": _SESSION, "policy": run.policy})
        out.endElement("info")
        _vocabulary(out)
        for number, estimate in enumerate(run.estimates(), 1):
            if estimate.probs is not None and not estimate.provisional:  # its final follows
                words = texts.get(estimate.utterance or -1, "") if estimate.final else ""
                _emotion(out, run, number, estimate, words)
        out.endElement("emotionml")
        out.characters("\n")
        out.endDocument()


def _vocabulary(out: XMLGenerator) -> None:
    for kind, identity, names in (
        ("category", VOCABULARY, EMOTIONS),
        ("dimension", DIMENSIONS, ("valence", "arousal")),
    ):
        out.characters("\n")
        out.startElement("vocabulary", AttributesImpl({"type": kind, "id": identity}))
        for name in names:
            _empty(out, "item", {"name": name})
        out.endElement("vocabulary")
    out.characters("\n")


def _emotion(out: XMLGenerator, run: Run, number: int, estimate: Estimate, words: str) -> None:
    assert estimate.probs is not None
    present = [_THROUGH[m] for m in MODALITIES if estimate.modalities[m] is not None]
    attributes = {"id": f"e{number}", **_times(run, estimate)}
    if present:
        attributes["expressed-through"] = " ".join(present)
    out.startElement("emotion", AttributesImpl(attributes))
    if words:
        out.startElement("info", AttributesImpl({}))
        about = {"xmlns": _WORDS, "utterance": str(estimate.utterance)}
        out.startElement("transcript", AttributesImpl(about))
        out.characters(words)
        out.endElement("transcript")
        out.endElement("info")
    for name, value in zip(EMOTIONS, estimate.probs, strict=True):
        category = {"name": name, "value": _share(value)}
        if name == estimate.label and estimate.confidence is not None:
            category["confidence"] = _share(estimate.confidence)
        _empty(out, "category", category)
    for name, value in zip(("valence", "arousal"), valence_arousal(estimate.probs), strict=True):
        _empty(out, "dimension", {"name": name, "value": _share((value + 1) / 2)})
    if run.media is not None:
        uri = f"{run.media.absolute().as_uri()}#t={estimate.t0:.3f},{estimate.t1:.3f}"
        _empty(out, "reference", {"uri": uri})
    out.endElement("emotion")
    out.characters("\n")


def _times(run: Run, estimate: Estimate) -> dict[str, str]:
    """Attributes of the window's time; EmotionML has whole milliseconds."""
    t0, t1 = round(estimate.t0 * 1000), round(estimate.t1 * 1000)
    if run.utc is not None:
        zero = round(run.utc.timestamp() * 1000)
        return {"start": str(zero + t0), "end": str(zero + t1)}
    times = {"offset-to-start": str(t0), "duration": str(max(t1 - t0, 0))}
    if run.media is not None:
        times["time-ref-uri"] = run.media.absolute().as_uri()
    return times


def _share(value: float) -> str:
    return f"{min(max(value, 0.0), 1.0):.4f}"


def _empty(out: XMLGenerator, name: str, attributes: dict[str, str]) -> None:
    out.startElement(name, AttributesImpl(attributes))
    out.endElement(name)
