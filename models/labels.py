"""Emotion labels and modalities, in the one order that every array of the project uses."""

from typing import Final

EMOTIONS: Final = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""The label set of MELD (Poria et al. 2019); index i of any (7,) array is ``EMOTIONS[i]``."""

MODALITIES: Final = ("speech", "text", "face")
"""Modalities of the evidence: speech (the voice), text (its transcript), face."""
