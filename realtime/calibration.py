"""Calibration: a person's baseline from a reading in an even voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mmer.realtime.blocks.baseline import LONGEST_STEP_S, READING, Offset
from mmer.realtime.messages import Evidence, Message

LEAST: Final[Mapping[str, float]] = {"speech": 5.0, "face": 15.0}
"""Utterances and seconds below which nothing is written of a modality."""


class Calibration:
    """Offsets of the person who reads; a face is that which is seen for longest."""

    def __init__(self) -> None:
        self._speech = Offset(READING["speech"], neutral=True)
        self._faces: dict[int | None, Offset] = {}
        self._last_t: dict[int | None, float] = {}

    def add(self, message: Message) -> None:
        """Learn from final evidence of speech and from every frame of a face."""
        if not isinstance(message, Evidence):
            return
        if message.modality == "speech" and not message.partial:
            self._speech.add(message.log_probs, message.quality)
        elif message.modality == "face":
            last = self._last_t.get(message.track, message.t1)
            self._last_t[message.track] = message.t1
            step_s = min(LONGEST_STEP_S, max(0.0, message.t1 - last))
            face = self._faces.setdefault(message.track, Offset(READING["face"], neutral=True))
            face.add(message.log_probs, step_s * message.quality)

    @property
    def seen(self) -> dict[str, float]:
        """Utterances and seconds so far, weighed by quality."""
        return {m: offset.seen for m, offset in self._all().items()}

    def offsets(self, least: Mapping[str, float] = LEAST) -> dict[str, Offset]:
        """Those with at least so much behind them, by modality."""
        return {m: offset for m, offset in self._all().items() if offset.seen >= least[m]}

    def missing(self, modality: str, least: Mapping[str, float] = LEAST) -> str:
        """What ``offsets`` lacks of a modality, "9 s of the 15 s needed"; "" where it has it."""
        seen = self.seen.get(modality, 0.0)
        if seen >= least[modality]:
            return ""
        unit, of = ("", " utterances") if modality == "speech" else (" s", "")
        # rounded down: 14.9 is not enough
        return f"{int(seen)}{unit} of the {least[modality]:.0f}{unit}{of} needed"

    def _all(self) -> dict[str, Offset]:
        found = {"speech": self._speech}
        if self._faces:
            found["face"] = max(self._faces.values(), key=lambda offset: offset.seen)
        return found
