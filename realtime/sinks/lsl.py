"""Lab Streaming Layer sink: one outlet of estimates, one of markers, stamped by capture time."""

from __future__ import annotations

import math
import os
import socket
import time
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, Message, SessionEnd, Transcript
from mmer.realtime.sinks.extras import load_package
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.text_events import marker_text

CHANNELS: Final = (*EMOTIONS, "confidence", "valence", "arousal")
"""Channels of the outlet of estimates; a value that is not known is NaN."""
_SYSTEM_SETTINGS: Final = "/etc/lsl_api/lsl_api.cfg"
_FLUSH_S: Final = 0.2
"""An outlet that goes drops what it has not sent: time for the last samples."""


class Lsl(Sink):
    """Two outlets: ``NAME`` (float32, irregular rate, CHANNELS) and ``NAME-markers`` (strings).

    ``NAME`` has each running estimate, stamped with the end of its window; finals, provisional
    ones and transcripts are markers (`marker_text`), stamped with the end of their utterance.
    Stamps are capture times on LSL's clock; in replay, second 0 is the opening. Sending is
    liblsl's: it never waits. Raises MmerError without pylsl or liblsl.
    """

    def __init__(self, address: str) -> None:
        if not address.strip() or not address.isprintable():
            raise MmerError(f"--lsl {address!r}: name the outlets, for example --lsl mmer")
        self._lsl = load_package("pylsl", "lsl", "--lsl")
        self._name = address
        self._zero = 0.0  # on LSL's clock
        self._estimates: Any = None
        self._markers: Any = None

    def open(self, info: SessionInfo) -> None:
        lsl = self._lsl
        _quiet(lsl)
        here = (
            f"mmer-{socket.gethostname()}-{self._name}"  # the same after a restart: inlets recover
        )
        about = lsl.StreamInfo(self._name, "Emotion", len(CHANNELS), 0.0, lsl.cf_float32, here)
        about.desc().append_child_value("manufacturer", "mmer")
        about.desc().append_child_value("policy", info.policy)
        channels = about.desc().append_child("channels")
        for name in CHANNELS:
            channel = channels.append_child("channel")
            channel.append_child_value("label", name)
            channel.append_child_value("type", "Probability" if name in EMOTIONS else "Estimate")
        name = f"{self._name}-markers"
        texts = lsl.StreamInfo(name, "Markers", 1, 0.0, lsl.cf_string, f"{here}-markers")
        texts.desc().append_child_value("policy", info.policy)
        self._estimates, self._markers = lsl.StreamOutlet(about), lsl.StreamOutlet(texts)
        self._zero = lsl.local_clock()
        if info.origin is not None:
            # both clocks are read one after the other: the shortest difference is the true one
            ahead = min(lsl.local_clock() - time.monotonic() for _ in range(5))
            self._zero = info.origin + ahead

    def write(self, event: Message, now: float | None) -> None:
        if self._estimates is None:
            return
        if isinstance(event, EmotionEstimate) and not event.of_utterance:
            self._estimates.push_sample(sample_of(event), self._zero + event.window[1])
        elif (text := marker_text(event)) is not None:
            assert isinstance(event, (EmotionEstimate, Transcript))
            end = event.window[1] if isinstance(event, EmotionEstimate) else event.t1
            self._markers.push_sample([text], self._zero + end)

    def close(self, end: SessionEnd | None) -> None:
        outlets = [outlet for outlet in (self._estimates, self._markers) if outlet is not None]
        if any(outlet.have_consumers() for outlet in outlets):
            time.sleep(_FLUSH_S)
        self._estimates = self._markers = None


def _quiet(lsl: Any) -> None:
    """Keep liblsl's greeting out of the terminal, where the user has no settings of their own."""
    places = (Path("lsl_api.cfg"), Path.home() / "lsl_api/lsl_api.cfg", Path(_SYSTEM_SETTINGS))
    own = "LSLAPICFG" in os.environ or any(place.exists() for place in places)
    if not own and hasattr(lsl, "set_config_content"):  # pylsl 1.18.3
        lsl.set_config_content("[log]\nlevel = -2\n")


def sample_of(estimate: EmotionEstimate) -> list[float]:
    """Values of CHANNELS."""
    given = estimate.probabilities
    values = [given.get(name, math.nan) for name in EMOTIONS]
    for name in CHANNELS[len(EMOTIONS) :]:
        value = getattr(estimate, name, None)
        values.append(math.nan if value is None else float(value))
    return values
