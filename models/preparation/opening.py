"""Registry of the preparations, by the names that cards give them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Preparation
from mmer.models.registry import Entry, Registry

PREPARATIONS: Final = Registry(
    "preparation",
    {
        "text-tokens": Entry(
            "mmer.models.preparation.text_tokens:TextTokens", "tokens of a transformer"
        ),
        "waveform": Entry("mmer.models.preparation.waveform:Waveform", "samples"),
        "mfcc": Entry("mmer.models.preparation.mfcc:Mfcc", "mel-frequency cepstra over time"),
        "log-mel": Entry("mmer.models.preparation.logmel_frames:LogMelFrames", "log-mel frames"),
        "descriptors": Entry(
            "mmer.models.preparation.descriptors:Descriptors", "librosa's descriptors"
        ),
        "egemaps": Entry("mmer.models.preparation.egemaps:Egemaps", "openSMILE's eGeMAPS"),
        "frames": Entry("mmer.models.preparation.frames:WholeFrames", "whole frames of a clip"),
        "faces": Entry("mmer.models.preparation.frames:FaceCrops", "face crops of a clip"),
        "log-mel-segment": Entry(
            "mmer.models.preparation.logmel_frames:LogMelSegment", "log-mel of a whole segment"
        ),
        "whisper-log-mel": Entry(
            "mmer.models.preparation.whisper_mel:WhisperSegment", "Whisper's log-mel spectrogram"
        ),
        "dialogue-tokens": Entry(
            "mmer.models.preparation.dialogue_tokens:DialogueTokens", "tokens and their turns"
        ),
        "grey-face": Entry("mmer.models.preparation.grey_face:GreyFace", "one grey face crop"),
    },
)


def open_preparation(settings: Mapping[str, Any], folder: Path) -> Preparation[Any]:
    """The preparation whose ``settings()`` these are; its files lie in ``folder``.

    Raises:
        MmerError: no such kind; as ``Preparation.open``.
    """
    kind = settings.get("kind")
    if not isinstance(kind, str):
        raise MmerError(f"no preparation {kind!r}; known are {', '.join(PREPARATIONS)}")
    preparation: Preparation[Any] = PREPARATIONS.load(kind).open(settings, folder)
    return preparation
