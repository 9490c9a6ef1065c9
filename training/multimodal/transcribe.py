"""Transcripts of recordings by the ASR engine, for corpora without a text of their own."""

from __future__ import annotations

from functools import cache

from mmer.models.preparation.preparation import Utterance
from mmer.realtime.asr.interface import AsrModel, transcribe
from mmer.realtime.asr.registry import load_model
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import sound_of

ENGINE = "moonshine"


def recognized(item: Item) -> Utterance | None:
    """Moonshine's transcript of the item; None where it has no sound or no word.

    Raises:
        MmerError: the file cannot be read, or Moonshine's files are missing.
    """
    samples = sound_of(item)
    if samples is None:
        return None
    text = transcribe(samples, _model()).text
    return Utterance(text) if text else None


@cache
def _model() -> AsrModel:
    """One model for all threads: each call opens a stream of its own."""
    return load_model(ENGINE)
