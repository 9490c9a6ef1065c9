"""The makers' own recognizer (package ``moonshine_voice``) on whole clips.

It runs the same network; where it has as many wrong words as our decoding, they are the network's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.asr.decoding import Decoding
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.store.catalogue import Unavailable
from mmer.realtime.messages import SAMPLE_RATE

NAME: Final = "moonshine_voice"
WHOLE: Final = {"vad_threshold": "0.0"}
"""Option that leaves out their voice activity detector: a clip is one utterance, as in ours."""


class MakersRecognizer:
    """Their transcriber over the folder of the two networks and the vocabulary.

    Raises:
        Unavailable: the package or its library cannot be loaded here.
    """

    def __init__(self, folder: Path) -> None:
        try:
            package = import_module(NAME)
            tiny = package.ModelArch.TINY
            self._transcriber = package.Transcriber(str(folder), tiny, options=WHOLE)
        except (ImportError, OSError) as problem:
            raise Unavailable(f"the package {NAME} cannot be loaded: {problem}") from problem

    def decode(self, samples: NDArray[np.int16]) -> Decoding:
        """Transcript of int16 (n,), 16 kHz mono."""
        wave = (samples.astype(np.float32) / 32768).tolist()
        began = time.process_time()
        lines = self._transcriber.transcribe_without_streaming(wave, SAMPLE_RATE).lines
        spent = time.process_time() - began
        text = " ".join(line.text.strip() for line in lines)
        return Decoding(((text, None),), len(samples) / SAMPLE_RATE, spent)

    def decode_all(self, clips: Sequence[Utterance]) -> list[Decoding]:
        return [self.decode(clip.samples) for clip in clips]
