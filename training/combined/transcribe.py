"""Words by the recognizer that comes with mmer, for corpora whose own words say nothing."""

from __future__ import annotations

from threading import local
from typing import Any

from mmer.models.errors import MmerError
from mmer.models.inputs.preparation import Said
from mmer.training.datasets.item import Item
from mmer.training.signals import sound_of

_here = local()


def recognized(item: Item) -> Said | None:
    """What PocketSphinx hears in the item's sound; None where it has no sound or no word.

    Raises:
        MmerError: the file cannot be read, or PocketSphinx is not installed.
    """
    samples = sound_of(item)
    if samples is None:
        return None
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return Said(heard.hypstr) if heard is not None and heard.hypstr.strip() else None


def _decoder() -> Any:
    """One a thread: a decoder remembers."""
    if not hasattr(_here, "decoder"):
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise MmerError(
                "words by the recognizer need pocketsphinx: pip install pocketsphinx"
            ) from error
        _here.decoder = Decoder(samprate=16_000, loglevel="FATAL")
    return _here.decoder
