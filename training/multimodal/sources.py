"""Sources of rows: items to the arrays of one modality's branch, prepared once and cached."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoder
from mmer.models.preparation.preparation import stack
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import trim
from mmer.training.datasets.signals import frames_of, sound_of, text_of
from mmer.training.multimodal.feature_cache import (
    FeatureCache,
    encoder_key,
    item_key,
    preparation_key,
)
from mmer.training.multimodal.options import EncoderChoice, MultimodalOptions
from mmer.training.multimodal.transcribe import recognized

Row = tuple[NDArray[Any], ...]
CACHED: Final = ("mfcc", "log-mel", "descriptors", "egemaps")
"""Preparations that are slow and small: their arrays are cached for trained encoders, too."""


@dataclass(frozen=True)
class Source:
    """Rows of one modality: items to the inputs of its branch.

    For a trained encoder its own inputs; for a frozen one its outputs, float32 (1 + T, width) with
    the summary first (T = 0 where neither head nor fusion uses the steps), cached where possible.
    """

    modality: str
    choice: EncoderChoice
    encoder: Encoder
    words: str
    steps: bool
    cache: FeatureCache | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the branch's inputs, without the mask."""
        return ("steps",) if self.choice.frozen else self.encoder.preparation.names

    def prepare(self, item: Item) -> Row | None:
        """The encoder's inputs of an item; None where it has none of the modality.

        Raises:
            MmerError: its file cannot be read.
        """
        raw: Any
        if self.modality == "text":
            raw = recognized(item) if self.words == "recognizer" else text_of(item)
        elif self.modality == "speech":
            sound = sound_of(item)
            raw = None if sound is None else trim(sound)  # as the live VAD does
        else:
            settings = self.encoder.preparation.settings()
            raw = frames_of(item, settings["count"], self.encoder.sees, settings["size"])
        return None if raw is None else self.encoder.preparation(raw)

    def row(self, item: Item) -> Row | None:
        """The branch's inputs for an item, cached where possible; see the class."""
        if not self.choice.frozen and self.cache is None:
            return self.prepare(item)
        if self.cache is None:
            values = self._computed(item)
        else:
            key = item_key(item, self.words)
            found = self.cache.get(key)
            values = self._computed(item) if found is None else found
            if found is None:
                self.cache.put(key, values)
        return (values.astype(np.float32),) if len(values) else None

    def _computed(self, item: Item) -> NDArray[Any]:
        """The values to cache of an item; (0, ...) where it lacks the modality."""
        if self.choice.frozen:
            return self._encoded(item)
        prepared = self.prepare(item)
        return np.zeros((0, 1), np.float32) if prepared is None else prepared[0]

    @torch.no_grad()
    def _encoded(self, item: Item) -> NDArray[np.float16]:
        prepared = self.prepare(item)
        if prepared is None:
            return np.zeros((0, self.encoder.width), np.float16)
        device = next(self.encoder.parameters(), torch.zeros(0)).device
        arrays = [torch.from_numpy(a).to(device) for a in stack([prepared])]
        tokens, mask, pooled = self.encoder(*arrays)
        steps = [pooled, *tokens[0, mask[0] > 0].unsqueeze(1)] if self.steps else [pooled]
        return np.asarray(torch.cat(steps).float().cpu().numpy(), np.float16)


def open_source(
    modality: str, encoder: Encoder, options: MultimodalOptions, steps: bool, cache: Path | None
) -> Source:
    """The source of one modality; ``cache`` is a folder for frozen encoders' outputs."""
    choice = options.encoders[modality]
    store = None
    if cache is not None and choice.frozen:
        store = FeatureCache(cache, encoder_key(choice.kind, choice.options, encoder, steps))
    elif cache is not None and encoder.preparation.kind in CACHED:
        store = FeatureCache(cache, preparation_key(encoder))
    return Source(modality, choice, encoder, options.words, steps, store)


class Rows:
    """A modality's rows of a list of items, prepared at once; the first ``room`` bytes are cached.

    An item whose file cannot be read lacks the modality; ``unread`` has the reason.

    Raises:
        MmerError: no item has the modality, or none can be read.
    """

    def __init__(self, source: Source, items: Sequence[Item], room: float) -> None:
        self._source, self._items = source, items
        self._rows: dict[int, Row | None] = {}
        self._example: Row | None = None
        self.lengths = np.zeros(len(items), int)
        """Steps of each item's row, 0 where it has none."""
        self.unread: dict[str, str] = {}
        """Reasons by the item's id."""
        size = 0.0
        # decoding waits for the disk and frees the interpreter; an encoder is used by one thread
        with ThreadPoolExecutor(1 if source.choice.frozen else 2) as pool:
            for k, row in enumerate(pool.map(self._row, items)):
                if row is not None:
                    self._example = row
                    self.lengths[k] = len(row[0])
                    size += sum(a.nbytes for a in row)
                if size <= room or row is None:
                    self._rows[k] = row
        self.size = min(size, room)
        self.present = self.lengths > 0
        if not self.present.any():
            why = next(iter(self.unread.values()), f"{items[0].id} and all others have none")
            raise MmerError(
                f"nothing to read for {source.modality} ({why}): leave its encoder out of the "
                "recipe, or repair the corpus"
            )

    def _row(self, item: Item) -> Row | None:
        try:
            return self._source.row(item)
        except MmerError as error:
            self.unread[item.id] = str(error)
            return None

    def batch(self, rows: Sequence[int]) -> Row:
        """The rows of some items as one batch, and the mask: see ``stack``."""
        found = [self._rows[k] if k in self._rows else self._row(self._items[k]) for k in rows]
        if any(row is not None for row in found):
            return stack(found)
        # no item of the batch has it: one that has it gives the shapes, and is cut off again
        return tuple(array[1:] for array in stack([self._example, *found]))

    def all(self) -> list[Row]:
        """The rows of all items that have the modality; those beyond the memory are made anew."""
        present = map(int, np.flatnonzero(self.present))
        found = (self._rows.get(k) or self._row(self._items[k]) for k in present)
        return [row for row in found if row is not None]
