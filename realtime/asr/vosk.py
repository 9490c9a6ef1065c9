"""Vosk speech recognition (Kaldi): online partial hypotheses with word times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.asr.interface import Hypothesis, TimedWord
from mmer.realtime.messages import SAMPLE_RATE

UNKNOWN: Final = ("[unk]", "<unk>")  # written for a sound that is no word of the model


class VoskModel:
    """A Vosk model by its folder; immutable, shared by streams and threads.

    Raises:
        MmerError: Vosk is not installed, or the folder holds no model of it.
    """

    name = "vosk"
    trust = 1.0

    def __init__(self, folder: Path) -> None:
        try:
            import vosk
        except ImportError as error:
            raise MmerError("speech recognition by Vosk needs: pip install vosk") from error
        except OSError as error:  # its native library, or one that this leans on
            raise MmerError(f"Vosk cannot be loaded: {error}") from error
        vosk.SetLogLevel(-1)
        if not folder.is_dir():
            raise MmerError(f"no Vosk model at {folder}: it must be the unpacked folder of a model")
        try:
            self._model = vosk.Model(str(folder))
        except Exception as error:  # vosk raises a bare Exception without a reason
            raise MmerError(
                f"{folder} is not a Vosk model, or it is damaged: delete it and fetch it again"
            ) from error
        self._new_recognizer = vosk.KaldiRecognizer
        self.description = f"vosk ({folder.name})"

    def stream(self) -> VoskStream:
        recognizer = self._new_recognizer(self._model, SAMPLE_RATE)
        recognizer.SetWords(True)
        # Not SetPartialWords: with it, partial text comes from a lattice that trails the search
        # by several words (vosk-api issue 1224), and partial words need no times.
        return VoskStream(recognizer)


class VoskStream:
    """Utterances of one caller, by a ``vosk.KaldiRecognizer`` with ``SetWords(True)``.

    Two habits of Vosk shape this class. It counts time in the samples fed since it was made, over
    all utterances. And it has an endpointer of its own: when that fires within our utterance, its
    result must be taken and kept, and what follows is a new sentence to Vosk.
    """

    def __init__(self, recognizer: Any) -> None:
        self._recognizer = recognizer
        self._fed = 0  # samples since Vosk began to count
        self._start = 0  # of them, before this utterance
        self._settled: tuple[TimedWord, ...] = ()  # of sentences that Vosk itself ended

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self._fed += len(samples)
        if len(samples) and self._recognizer.AcceptWaveform(samples.tobytes()):
            self._settle(self._recognizer.Result())
            return _of_words(self._settled)
        partial = json.loads(self._recognizer.PartialResult()).get("partial", "").split()
        words = [w.text for w in self._settled] + [w for w in partial if w not in UNKNOWN]
        return Hypothesis(VoskModel.name, " ".join(words), self._settled)

    def finish(self) -> Hypothesis:
        try:
            self._settle(self._recognizer.FinalResult())
            return _of_words(self._settled)
        finally:  # where Vosk raises too: the next utterance has none of these words
            self._start, self._settled = self._fed, ()

    def reset(self) -> None:
        # Not Vosk's Reset: that leaves the last moments of sound to the next utterance.
        self.finish()

    def _settle(self, result: str) -> None:
        self._settled += tuple(
            TimedWord(
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


def _of_words(words: tuple[TimedWord, ...]) -> Hypothesis:
    """Text and confidence that follow from the words."""
    known = [w.confidence for w in words if w.confidence is not None]
    mean = sum(known) / len(known) if known and len(known) == len(words) else None
    return Hypothesis(VoskModel.name, " ".join(w.text for w in words), words, mean)
