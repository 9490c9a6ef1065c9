"""PocketSphinx as a speech recognizer, with the English model that its wheel bundles."""

from __future__ import annotations

import os
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis
from mmer.realtime.messages import SAMPLE_RATE

FRAME: Final = SAMPLE_RATE // 100  # samples of one of its frames
ALTERNATIVE: Final = re.compile(r"\(\d+\)$")  # "to(3)": the third pronunciation of "to"
LEVEL: Final = 0.02 * 32768  # root mean square that an utterance's first sound is brought to
FAINT: Final = LEVEL / 30  # anything fainter is no speech to take the level from
CEPSTRAL_MEAN: Final = "46.7,5.4,-2.8,8.4,-5.3,2.5,-6.4,-4.9,-5.7,-0.3,1.7,-3.7,1.3"
"""What speech at ``LEVEL`` has on average: the three corpora RAVDESS, EmoDB and nEMO."""


class PocketsphinxRecognizer:
    """Small, offline, always there, and often wrong.

    It misses 4 to 9 words in 100 of clean synthetic sentences, 57 of acted emotional ones and 77
    of terse commands. ``trust`` takes the middle; its confidence in the words, which tells right
    from wrong ones (area under the curve about 0.8), weighs each utterance besides.

    The search is one pass of the lexicon tree and the best path through its lattice. The pass in
    between (``fwdflat``) would mend 2 words in 100 and take four times as long at the end. Level
    and cepstral mean are set from the start, for the decoder would take 8 s of speech to find them.
    """

    name = "pocketsphinx"
    trust = 0.7

    def __init__(self) -> None:
        self._decoder = _new_decoder()
        self._fresh = True  # it has decoded nothing yet
        self._open = False
        self._gain: float | None = None  # of this utterance, once it has been heard

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        if not self._open:
            self._decoder.start_utt()
            self._open, self._fresh = True, False
        if len(samples):
            self._decoder.process_raw(self._levelled(samples).tobytes())
        return self._hypothesis(final=False)

    def finish(self) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        if not self._open:
            return Hypothesis()
        self._decoder.end_utt()
        self._open, self._gain = False, None
        return self._hypothesis(final=True)

    def reset(self) -> None:
        """See ``SpeechRecognizer``; takes as long as loading does, when there is what to forget."""
        if not self._fresh:
            # Its caches keep a trace of earlier utterances whatever is set back.
            self._decoder = _new_decoder()
        self._fresh, self._open, self._gain = True, False, None

    def close(self) -> None:
        """Nothing but memory is held."""

    def _levelled(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        if self._gain is None:
            rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
            if rms < FAINT:
                return samples
            self._gain = LEVEL / rms
        loud: NDArray[np.int16] = np.clip(samples * self._gain, -32768, 32767).astype(np.int16)
        return loud

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


def _new_decoder() -> Any:
    try:
        import pocketsphinx
    except ImportError as error:
        raise MmerError("words by PocketSphinx need: pip install pocketsphinx") from error
    try:
        return pocketsphinx.Decoder(
            samprate=SAMPLE_RATE,
            cmninit=CEPSTRAL_MEAN,
            fwdflat=False,
            loglevel="FATAL",
            logfn=os.devnull,
        )
    except RuntimeError as error:
        raise MmerError(
            f"PocketSphinx cannot open its bundled model ({error}): "
            "pip install --force-reinstall pocketsphinx"
        ) from error
