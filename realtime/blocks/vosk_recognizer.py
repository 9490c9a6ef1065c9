"""Vosk as a speech recognizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis
from mmer.realtime.messages import SAMPLE_RATE

UNKNOWN: Final = ("[unk]", "<unk>")  # how Vosk's models write a sound that is no word of theirs


class VoskRecognizer:
    """``model`` is the folder of a Vosk model, or a ``vosk.Model`` that is shared.

    Two habits of Vosk shape this class. It counts time in the samples fed since it was made, over
    all utterances. And it has an endpointer of its own: when that fires amid our utterance, its
    result must be taken and kept, and what follows is a new sentence to Vosk.
    """

    name = "vosk"
    trust = 1.0

    def __init__(self, model: Path | Any) -> None:
        try:
            import vosk
        except ImportError as error:
            raise MmerError("speech recognition by Vosk needs: pip install vosk") from error
        vosk.SetLogLevel(-1)
        if isinstance(model, str | Path):
            model = _load(vosk, Path(model))
        self._vosk = vosk.KaldiRecognizer(model, SAMPLE_RATE)
        self._vosk.SetWords(True)
        # Not SetPartialWords: with it, partial text comes from a lattice that trails the search
        # by several words (vosk-api issue 1224), and nobody needs the times of partial words.
        self._fed = 0  # samples since Vosk began to count
        self._start = 0  # of them, before this utterance
        self._kept: tuple[HeardWord, ...] = ()  # of sentences that Vosk itself ended

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        if len(samples) == 0:
            return Hypothesis.from_words(self._kept)
        self._fed += len(samples)
        if self._vosk.AcceptWaveform(samples.tobytes()):
            self._keep(self._vosk.Result())
            return Hypothesis.from_words(self._kept)
        partial = json.loads(self._vosk.PartialResult()).get("partial", "").split()
        words = [w.text for w in self._kept] + [w for w in partial if w not in UNKNOWN]
        return Hypothesis(" ".join(words), self._kept)

    def finish(self) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        self._keep(self._vosk.FinalResult())
        hypothesis = Hypothesis.from_words(self._kept)
        self._start, self._kept = self._fed, ()
        return hypothesis

    def reset(self) -> None:
        """See ``SpeechRecognizer``."""
        # Not Vosk's Reset: that leaves the last moments of sound to the next utterance.
        self.finish()

    def close(self) -> None:
        """Nothing but memory is held."""

    def _keep(self, result: str) -> None:
        self._kept += tuple(
            HeardWord(
                text=word["word"],
                start=self._since_start(word["start"]),
                end=self._since_start(word["end"]),
                confidence=min(1.0, word["conf"]) if "conf" in word else None,
            )
            for word in json.loads(result).get("result", ())
            if word["word"] not in UNKNOWN
        )

    def _since_start(self, vosk_s: float) -> int:
        return max(0, round(vosk_s * SAMPLE_RATE) - self._start)


def _load(vosk: Any, folder: Path) -> Any:
    if not folder.is_dir():
        raise MmerError(f"no Vosk model at {folder}: it must be the unpacked folder of a model")
    try:
        return vosk.Model(str(folder))
    except Exception as error:  # vosk raises a bare Exception, which says nothing
        raise MmerError(
            f"{folder} is not a Vosk model, or it is damaged: delete it and fetch it again"
        ) from error
