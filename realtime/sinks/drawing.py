"""Drawing of the results over a frame."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.sinks.state import TITLES, OverlayState
from mmer.realtime.sinks.text import ascii_text, clock_text

Colour = tuple[int, int, int]

COLOURS: Final[dict[str, Colour]] = {  # BGR, light enough to be read on dark
    "anger": (88, 88, 255),
    "disgust": (96, 200, 120),
    "fear": (240, 130, 200),
    "joy": (64, 214, 255),
    "neutral": (210, 210, 210),
    "sadness": (255, 160, 90),
    "surprise": (230, 230, 110),
}
WHITE: Final[Colour] = (245, 245, 245)
GREY: Final[Colour] = (190, 190, 190)
TRACK: Final[Colour] = (90, 90, 90)
BACKDROP: Final[Colour] = (38, 32, 28)
"""Of a session without a camera."""
TRANSCRIPT_SHOWN_S: Final = 5.0
"""How long the transcript of a finished utterance stays, as subtitles do."""


def blank(width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    """Plain image for a source without video: uint8 (height, width, 3) BGR."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = BACKDROP
    return image


def annotate(
    image: NDArray[np.uint8], state: OverlayState, scale: float = 1.0
) -> NDArray[np.uint8]:
    """A copy of ``image`` with the state drawn on it; the input is left as it is.

    Args:
        image: uint8 (H, W, 3) BGR of any size; below about 160x120 there is room for little.
        state: as of this frame.
        scale: pixels of ``image`` for one pixel of the frame that the face was found in.

    Top left: label, confidence and a bar for each class. Top right: time, latency and the state of
    each modality. Bottom: the transcript. The face: its box and eye points.
    """
    out = np.ascontiguousarray(image).copy()
    height, width = out.shape[:2]
    pen = _Pen(out, _unit(width, height))
    _face(pen, state, scale)
    used = _bars(pen, state)
    _details(pen, state, used)
    _transcript(pen, state)
    return out


def _unit(width: int, height: int) -> float:
    """Height of a line of text in pixels: it grows with the image and stays legible."""
    return max(min(height / 22.0, width / 26.0), 10.0)


class _Pen:
    """Pen on one image, with all lengths in lines of text (``unit`` pixels)."""

    def __init__(self, image: NDArray[np.uint8], unit: float) -> None:
        import cv2

        self._cv2: Any = cv2
        self.image = image
        self.unit = unit
        self.height: int = image.shape[0]
        self.width: int = image.shape[1]
        self._font = cv2.FONT_HERSHEY_SIMPLEX

    def px(self, units: float) -> int:
        return round(units * self.unit)

    def _style(self, size: float) -> tuple[float, int]:
        """Font scale and stroke: capitals of Hershey Simplex are 21 pixels high at scale 1."""
        scale = size * self.unit * 0.62 / 21.0
        return scale, max(round(scale * 1.9), 1)

    def text_width(self, text: str, size: float = 1.0) -> int:
        scale, stroke = self._style(size)
        return int(self._cv2.getTextSize(text, self._font, scale, stroke)[0][0])

    def text(self, x: int, y: int, text: str, colour: Colour, size: float = 1.0) -> None:
        """``x`` is the left edge, ``y`` the middle of the capitals."""
        scale, stroke = self._style(size)
        base = y + round(scale * 21 / 2)
        self._cv2.putText(
            self.image, text, (x, base), self._font, scale, colour, stroke, self._cv2.LINE_AA
        )

    def fitted(self, text: str, room: int, size: float = 1.0) -> str:
        """As much of ``text`` as fits in ``room`` pixels, ".." where some was left out."""
        if self.text_width(text, size) <= room:
            return text
        while text and self.text_width(text + "..", size) > room:
            text = text[:-1]
        return text.rstrip() + ".." if text else ""

    def wrapped(self, text: str, room: int) -> list[str]:
        """Lines of at most ``room`` pixels, broken between words, within a word if need be."""
        lines: list[str] = []
        for word in text.split():
            joined = f"{lines[-1]} {word}" if lines else word
            if lines and self.text_width(joined) <= room:
                lines[-1] = joined
                continue
            while self.text_width(word) > room and len(word) > 1:
                cut = max(
                    (n for n in range(1, len(word)) if self.text_width(word[:n]) <= room), default=1
                )
                lines.append(word[:cut])
                word = word[cut:]
            lines.append(word)
        return lines

    def shade(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Darken a rectangle, so that text on it is legible on any image."""
        part = self.image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        if part.size:
            part[:] = self._cv2.convertScaleAbs(part, alpha=0.25)

    def bar(self, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
        if x1 > x0 and y1 > y0:
            self._cv2.rectangle(self.image, (x0, y0), (x1 - 1, y1 - 1), colour, -1)

    def frame(self, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
        thick = max(self.px(0.1), 1)
        self._cv2.rectangle(self.image, (x0, y0), (x1, y1), colour, thick, self._cv2.LINE_AA)

    def dot(self, x: int, y: int, colour: Colour) -> None:
        self._cv2.circle(self.image, (x, y), max(self.px(0.14), 1), colour, -1, self._cv2.LINE_AA)


def _colour(label: str | None) -> Colour:
    return COLOURS.get(label or "", WHITE)


def _face(pen: _Pen, state: OverlayState, scale: float) -> None:
    face = state.visible_face
    if face is None or face.box is None:
        return
    colour = _colour(state.estimate.label if state.estimate is not None else None)
    x, y, w, h = (round(v * scale) for v in face.box)
    pen.frame(x, y, x + w, y + h, colour)
    for eye in () if face.eyes is None else face.eyes:
        pen.dot(round(float(eye[0]) * scale), round(float(eye[1]) * scale), colour)


def _bars(pen: _Pen, state: OverlayState) -> int:
    """The label and its bars; returns the x where they end."""
    estimate = state.estimate
    pad, row = pen.px(0.5), pen.px(1.05)
    names = max(pen.text_width(name, 0.8) for name in EMOTIONS)
    number = pen.text_width("0.00", 0.8)
    length = max(min(pen.px(4.5), pen.width // 2 - names - number - 4 * pad), pen.px(0.8))
    right = names + length + number + 4 * pad
    top = pad + pen.px(1.7)
    pen.shade(0, 0, right, top + row * len(EMOTIONS) + pad // 2)
    middle = pad // 2 + pen.px(0.85)
    if estimate is None or estimate.label is None or estimate.confidence is None:
        why = "starting" if estimate is None else estimate.why.get("label", "no evidence")
        pen.text(pad, middle, pen.fitted(ascii_text(why), right - 2 * pad), GREY)
    else:
        sure = f"{estimate.confidence:.2f}"
        x = right - pad - pen.text_width(sure, 1.1)
        size = 1.35 if pad + pen.text_width(estimate.label, 1.35) + pad // 2 <= x else 1.05
        name = pen.fitted(estimate.label, x - pad - pad // 2, size)
        pen.text(pad, middle, name, _colour(estimate.label), size)
        pen.text(x, middle, sure, WHITE, 1.1)
    values = {} if estimate is None else estimate.probabilities
    for index, name in enumerate(EMOTIONS):
        y = top + index * row + row // 2
        p = values.get(name)
        best = estimate is not None and name == estimate.label
        pen.text(pad, y, name, WHITE if best else GREY, 0.8)
        x, half = names + 2 * pad, max(row // 4, 1)
        pen.bar(x, y - half, x + length, y + half, TRACK)
        if p is not None:
            pen.bar(x, y - half, x + round(length * min(max(p, 0.0), 1.0)), y + half, COLOURS[name])
            pen.text(x + length + pad, y, f"{p:.2f}", WHITE if best else GREY, 0.8)
    return right


def _details(pen: _Pen, state: OverlayState, left: int) -> None:
    """Time, latency and the modalities, right-aligned in what room the bars leave."""
    pad, row = pen.px(0.5), pen.px(1.05)
    room = pen.width - left - 3 * pad
    if room < pen.px(4):
        return
    clock = clock_text(state.t)
    if state.latency_ms is not None:
        clock += f"  {state.latency_ms:.0f} ms"
    lines = [(clock, WHITE)]
    for modality in MODALITIES:
        estimate = state.estimate
        given = None if estimate is None else estimate.modalities.get(modality)
        lines.append((f"{TITLES[modality]}: {state.modality_state(modality)}", WHITE))
        if given is not None:
            lines.append((f"{given.label} {given.weight:.0%}", _colour(given.label)))
    shown = [(pen.fitted(ascii_text(text), room, 0.8), colour) for text, colour in lines]
    widest = max(pen.text_width(text, 0.8) for text, _ in shown)
    pen.shade(pen.width - widest - 2 * pad, 0, pen.width, pad + row * len(shown))
    for index, (text, colour) in enumerate(shown):
        x = pen.width - pad - pen.text_width(text, 0.8)
        pen.text(x, pad // 2 + index * row + row // 2, text, colour, 0.8)


def _transcript(pen: _Pen, state: OverlayState) -> None:
    """The newest transcript on a strip at the bottom, its last lines where it is long."""
    transcript = state.transcript
    pad, row = pen.px(0.5), pen.px(1.2)
    top = pad + pen.px(1.7) + pen.px(1.05) * len(EMOTIONS) + pad  # below the bars
    most = min((pen.height - top - pad) // row, 3)
    if transcript is None or most < 1 or state.t - transcript.t1 > TRANSCRIPT_SHOWN_S:
        return
    lines = pen.wrapped(ascii_text(transcript.text), pen.width - 2 * pad)[-most:]
    start = pen.height - pad - row * len(lines)
    pen.shade(0, start - pad // 2, pen.width, pen.height)
    for index, line in enumerate(lines):
        x = max((pen.width - pen.text_width(line)) // 2, pad)
        pen.text(x, start + index * row + row // 2, line, GREY if transcript.partial else WHITE)
