"""Recognizer of sound that another framework brings, for the examples beside this file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import mmer

FRESH_S: Final = 10.0
"""An utterance's label older than this belongs to no transcript that comes now."""


class Listener:
    """Recognizes mono or interleaved int16 sound in a thread of its own; never blocks its caller.

    ``on_estimate`` is called in that thread. ``options`` are those of `mmer.Recognizer`; words of
    the framework's own speech recognizer can be had with ``asr="none"``. Sound that comes while
    the models load is left out. ``problem`` is the reason where the session ended by itself,
    ``left_out`` that of the sound which was refused last.
    """

    def __init__(
        self, on_estimate: Callable[[mmer.EmotionEstimate], None] | None = None, **options: Any
    ) -> None:
        self._source = mmer.PushSource(video=False, name="agent", patience_s=0.0)
        self._recognizer = mmer.Recognizer(self._source, **options)
        self._on_estimate = on_estimate
        self._latest: tuple[float, str | None] = (0.0, None)  # when it came, label
        self._thread = threading.Thread(target=self._run, name="mmer", daemon=True)
        self.problem = ""
        self.left_out = ""

    def start(self) -> None:
        """Load the models and listen."""
        self._thread.start()

    def push(self, pcm: bytes, rate: int, channels: int = 1) -> None:
        """Give sound as it comes; what there is no room for is left out."""
        if not pcm or not self._source.wait_started(0.0):
            return
        samples = np.frombuffer(pcm, np.int16)
        if channels > 1:
            samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
        try:
            self._source.push_audio(samples, rate)
        except mmer.MmerError as error:
            self.left_out = str(error)

    def labelled(self, text: str) -> str:
        """``text`` with the label of the utterance that has just ended: "[joy] I am so happy"."""
        came, label = self._latest
        fresh = label is not None and time.monotonic() - came < FRESH_S
        return f"[{label}] {text}" if fresh else text

    def stop(self, wait_s: float = 5.0) -> None:
        """Finish what is open and end."""
        if self._thread.ident is None:
            return
        self._source.end()
        self._recognizer.stop()
        self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            self._recognizer.run(on_estimate=self._heard)
        except mmer.MmerError as error:
            self.problem = str(error)

    def _heard(self, estimate: mmer.EmotionEstimate) -> None:
        if estimate.of_utterance:
            self._latest = (time.monotonic(), estimate.label)
        if self._on_estimate is not None:
            self._on_estimate(estimate)
