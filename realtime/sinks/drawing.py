"""Drawing of the results over a frame."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.palette import PALETTE, bgr
from mmer.realtime.sinks.lettering import Colour, text_width, write
from mmer.realtime.sinks.state import TITLES, OverlayState, ShownFace
from mmer.realtime.sinks.text import ascii_text, clock_text

COLOURS: Final[dict[str, Colour]] = {label: bgr(colour) for label, colour in PALETTE.items()}
"""BGR by label."""
WHITE: Final[Colour] = (250, 250, 250)
GREY: Final[Colour] = (215, 215, 215)
INK: Final[Colour] = (20, 20, 20)
BACKDROP: Final[Colour] = (38, 32, 28)
"""Of a session without a camera."""
TRANSCRIPT_SHOWN_S: Final = 5.0
"""How long the transcript of a finished utterance stays, as subtitles do."""
_SMALL: Final = 0.8


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
        state: as of this frame; it remembers on which side the bars stand.
        scale: pixels of ``image`` for one pixel of the frame that the faces were found in.

    On the side where there are fewer faces: label and confidence, a bar for each class, and one
    for each modality, as long as its weight and in the colour of its own label. In the other
    corner time and latency, at the bottom the transcript with the utterance's label, which is paler
    and has a question mark while it is provisional. Each face has its box, with its label
    above; where several leave no room for the bars, these alone. Letters have a dark outline in
    place of a background, so that nothing hides a face.
    """
    out = np.array(image, order="C")
    height, width = out.shape[:2]
    pen = _Pen(out, _unit(width, height))
    state.turn_bars(width / scale)
    for face in state.visible_faces:
        _face(pen, face, scale)
    used = _bars(pen, state, _room(pen, state, scale))
    _clock(pen, state, used)
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

    def px(self, units: float) -> int:
        return round(units * self.unit)

    def text_width(self, text: str, size: float = 1.0) -> int:
        return text_width(text, self.px(size))

    def text(
        self, x: int, y: int, text: str, colour: Colour, size: float = 1.0, outline: bool = True
    ) -> None:
        """``x`` is the left edge, ``y`` the middle of the capitals."""
        write(self.image, x, y, text, colour, self.px(size), outline)

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

    def fill(self, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
        if x1 > x0 and y1 > y0:
            self._cv2.rectangle(self.image, (x0, y0), (x1 - 1, y1 - 1), colour, -1)

    def track(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Darken the way that a bar may go, a little wider than the bar."""
        part = self.image[max(y0 - 1, 0) : max(y1 + 1, 0), max(x0 - 1, 0) : max(x1 + 1, 0)]
        if part.size:
            part[:] = self._cv2.convertScaleAbs(part, alpha=0.4)

    def frame(self, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
        thick = max(self.px(0.1), 1)
        for width, ink in ((thick + 2, INK), (thick, colour)):
            self._cv2.rectangle(self.image, (x0, y0), (x1, y1), ink, width, self._cv2.LINE_AA)


def _colour(label: str | None) -> Colour:
    return COLOURS.get(label or "", WHITE)


def _face(pen: _Pen, face: ShownFace, scale: float) -> None:
    """Box of one face, with its label on a tag above it, or below where there is no room."""
    x, y, w, h = (round(v * scale) for v in face.box)
    colour = _colour(face.label)
    pen.frame(x, y, x + w, y + h, colour)
    words = [] if face.person is None else [f"{face.person}"]
    if face.label is not None and face.confidence is not None:
        words.append(f"{face.label} {face.confidence:.2f}")
    if not words:
        return
    text, pad, high = "  ".join(words), pen.px(0.25), pen.px(1.0)
    wide = pen.text_width(text, _SMALL) + 2 * pad
    top = y - high if y >= high else y + h
    left = min(max(x, 0), max(pen.width - wide, 0))
    pen.fill(left, top, left + wide, top + high, colour)
    pen.text(left + pad, top + high // 2, text, INK, _SMALL, outline=False)


def _room(pen: _Pen, state: OverlayState, scale: float) -> tuple[bool, int]:
    """Whether the bars stand on the left, and how wide they may be beside the faces."""
    left = state.bars_left
    edges = [(x * scale, (x + w) * scale) for x, _, w, _ in (f.box for f in state.visible_faces)]
    most = pen.width * 0.45
    if left:
        free = min((x0 for x0, _ in edges), default=most)
    else:
        free = pen.width - max((x1 for _, x1 in edges), default=pen.width - most)
    return left, round(min(free, most))


def _bars(pen: _Pen, state: OverlayState, place: tuple[bool, int]) -> int:
    """Label, bars of classes and modalities; returns how wide they are."""
    left, room = place
    estimate = state.estimate
    pad, row = pen.px(0.45), pen.px(1.0)
    names = max(pen.text_width(name, _SMALL) for name in EMOTIONS)
    number = pen.text_width("0.00", _SMALL)
    length = max(min(pen.px(4.0), room - names - number - 4 * pad), pen.px(1.2))
    if len(state.visible_faces) > 1 and names + length + number + 4 * pad > room:
        return 0  # it would stand on a face: their tags say it
    length = min(length, pen.width // 3)
    wide = names + length + number + 4 * pad
    x0 = 0 if left else max(pen.width - wide, 0)
    middle = pad // 2 + pen.px(0.8)
    if estimate is None or estimate.label is None or estimate.confidence is None:
        why = "starting" if estimate is None else estimate.why.get("label", "no evidence")
        pen.text(x0 + pad, middle, pen.fitted(ascii_text(why), pen.width * 2 // 3), GREY)
    else:
        sure = f"{estimate.confidence:.2f}"
        x = x0 + wide - pad - pen.text_width(sure, 1.1)
        size = 1.5 if pen.text_width(estimate.label, 1.5) + pad <= x - x0 - pad else 1.1
        pen.text(x0 + pad, middle, estimate.label, _colour(estimate.label), size)
        pen.text(x, middle, sure, WHITE, 1.1)
    top = pad + pen.px(1.6)
    values = {} if estimate is None else estimate.probabilities
    for name in EMOTIONS:
        y = top + row // 2
        p = values.get(name)
        ink = WHITE if estimate is not None and name == estimate.label else GREY
        pen.text(x0 + pad, y, name, ink, _SMALL)
        _bar(pen, x0 + names + 2 * pad, y, length, p, COLOURS[name])
        if p is not None:
            pen.text(x0 + names + length + 3 * pad, y, f"{p:.2f}", ink, _SMALL)
        top += row
    top += row // 2
    for modality in MODALITIES if pen.height >= pen.px(17) else ():
        y = top + row // 2
        given = None if estimate is None else estimate.modalities.get(modality)
        pen.text(x0 + pad, y, TITLES[modality], GREY if given is None else WHITE, _SMALL)
        x, label = x0 + names + 2 * pad, None if given is None else given.label
        _bar(pen, x, y, length, None if given is None else given.weight, _colour(label))
        if given is not None:
            pen.text(x + length + pad, y, f"{given.weight:.0%}", WHITE, _SMALL)
        top += row
    return wide


def _bar(pen: _Pen, x: int, y: int, length: int, share: float | None, colour: Colour) -> None:
    half = max(pen.px(0.22), 1)
    pen.track(x, y - half, x + length, y + half)
    if share is not None:
        pen.fill(x, y - half, x + round(length * min(max(share, 0.0), 1.0)), y + half, colour)


def _clock(pen: _Pen, state: OverlayState, used: int) -> None:
    """Time and latency in the corner opposite the bars."""
    pad = pen.px(0.5)
    text = clock_text(state.t)
    if state.latency_ms is not None:
        text += f"  {state.latency_ms:.0f} ms"
    wide = pen.text_width(text, _SMALL)
    if wide + used + 3 * pad <= pen.width:
        x = pen.width - pad - wide if state.bars_left else pad
        pen.text(x, pad + pen.px(0.4), text, WHITE, _SMALL)


def _transcript(pen: _Pen, state: OverlayState) -> None:
    """The newest transcript and its label at the bottom, as subtitles; its last lines if long."""
    pad, row = pen.px(0.5), pen.px(1.2)
    most = min((pen.height - pen.px(10.0)) // row, 3)
    if most < 1:
        return
    text, label, colour = _said(state)
    ink = WHITE if state.partial is None else GREY
    room, gap = pen.width - 2 * pad, pen.px(0.5) if text and label else 0
    beside = gap + (pen.text_width(label) if label else 0)
    lines = pen.wrapped(text, max(room - beside, room // 2))[-most:] or ([""] if label else [])
    start = pen.height - pad - row * len(lines)
    for index, line in enumerate(lines):
        tail = beside if index == len(lines) - 1 else 0
        x = max((pen.width - pen.text_width(line) - tail) // 2, pad)
        y = start + index * row + row // 2
        pen.text(x, y, line, ink)
        if tail:
            pen.text(x + pen.text_width(line) + gap, y, label, colour)


def _said(state: OverlayState) -> tuple[str, str, Colour]:
    """Text and label of the newest utterance, and the label's colour.

    A provisional label is "joy?", paler, also where there are no words yet.
    """
    transcript, provisional = state.transcript, state.provisional
    if provisional is not None and (transcript is None or not transcript.partial):
        transcript = None  # it is of the utterance before
    text = "" if transcript is None else ascii_text(transcript.text)
    if provisional is not None:
        pale = tuple((c + g) // 2 for c, g in zip(_colour(provisional), GREY, strict=True))
        return text, f"{provisional}?", (pale[0], pale[1], pale[2])
    if transcript is None or state.t - transcript.t1 > TRANSCRIPT_SHOWN_S:
        return "", "", WHITE
    label = "" if transcript.partial else state.labels.get(transcript.utterance, "")
    return text, label, _colour(label)
