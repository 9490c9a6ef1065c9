"""PocketSphinx as a speech recognizer, with the English model that its wheel bundles."""

from __future__ import annotations

import os
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis
from mmer.realtime.messages import SAMPLE_RATE

FRAME: Final = SAMPLE_RATE // 100  # samples of one of its frames
ALTERNATIVE: Final = re.compile(r"\(\d+\)$")  # "to(3)": the third pronunciation of "to"
LEVEL: Final = 0.02 * 32768  # root mean square that an utterance's first sound is brought to:
MOST_GAIN: Final = 30.0  # the model's means expect a level, and a first sentence has no other help


class PocketsphinxRecognizer:
    """Small, offline, always there, and often wrong.

    Its ``trust`` is its share of right words on people's speech: of clean synthetic sentences it
    misses 5 words in 100, of acted emotional sentences 60, of terse commands 75.

    The search is one pass of the lexicon tree and the best path through its lattice. The pass in
    between (``fwdflat``) would make 3 words in 100 better and the final 85 ms later at the median.
    """

    name = "pocketsphinx"
    trust = 0.4

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError as error:
            raise MmerError("words by PocketSphinx need: pip install pocketsphinx") from error
        try:
            self._decoder = pocketsphinx.Decoder(
                samprate=SAMPLE_RATE, fwdflat=False, loglevel="FATAL", logfn=os.devnull
            )
        except RuntimeError as error:
            raise MmerError(
                f"PocketSphinx cannot open its bundled model ({error}): "
                "pip install --force-reinstall pocketsphinx"
            ) from error
        self._cmn = self._decoder.get_cmn()
        self._gain: float | None = None  # None: no utterance is open

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        if len(samples) == 0:
            return Hypothesis() if self._gain is None else self._hypothesis(final=False)
        if self._gain is None:
            self._decoder.start_utt()
            rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
            self._gain = LEVEL / max(rms, LEVEL / MOST_GAIN)
        loud = np.clip(samples * self._gain, -32768, 32767).astype(np.int16)
        self._decoder.process_raw(loud.tobytes())
        return self._hypothesis(final=False)

    def finish(self) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        if self._gain is None:
            return Hypothesis()
        self._decoder.end_utt()
        self._gain = None
        return self._hypothesis(final=True)

    def reset(self) -> None:
        """See ``SpeechRecognizer``."""
        self.finish()
        self._decoder.set_cmn(self._cmn)

    def _hypothesis(self, *, final: bool) -> Hypothesis:
        """Word posteriors exist once the lattice does, at the end; before, all read 1."""
        return Hypothesis.from_words(
            tuple(
                HeardWord(
                    text=ALTERNATIVE.sub("", segment.word),
                    start=segment.start_frame * FRAME,
                    end=(segment.end_frame + 1) * FRAME,
                    confidence=min(1.0, segment.prob) if final else None,
                )
                for segment in self._decoder.seg() or ()
                if not segment.word.startswith(("<", "[", "++"))
            )
        )
