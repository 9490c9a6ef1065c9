"""Tokenizer pruning: the starting point's word pieces cut down to those of the training texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

from mmer.models.preparation.dialogue_tokens import FIRST, SEPARATOR
from mmer.models.preparation.text_style import TextStyle

STYLE_PIECES: Final[Mapping[TextStyle, str]] = {
    "written": FIRST,
    "asr": "[unused1]",
    "bare": "[unused2]",
}
"""First piece of a text, by its style; the last two have no meaning in the starting point."""
SPECIAL: Final = ("[PAD]", "[UNK]", FIRST, SEPARATOR, *list(STYLE_PIECES.values())[1:])
"""Special pieces, numbered first; ``PAD`` of the network is the first of them."""
_CONTINUED: Final = "##"


def prune_tokenizer(
    source: Path, texts: Sequence[str], at_least: int
) -> tuple[Tokenizer, NDArray[np.int64]]:
    """The tokenizer with the pieces that ``texts`` hold ``at_least`` times, and their old numbers.

    Every single character stays, so that any word of them can be spelt out. Pieces keep their
    order, after the special ones; row k of the new embedding is row ``numbers[k]`` of the old.
    """
    whole = Tokenizer.from_file(str(source))
    whole.no_truncation()
    whole.no_padding()
    count: Counter[int] = Counter()
    for encoding in whole.encode_batch(list(texts), add_special_tokens=False):
        count.update(encoding.ids)
    old = whole.get_vocab()
    remaining = sorted(
        (number, piece)
        for piece, number in old.items()
        if piece not in SPECIAL
        and not (piece.startswith("[") and piece.endswith("]") and len(piece) > 1)
        and (count[number] >= at_least or len(piece.removeprefix(_CONTINUED)) == 1)
    )
    pieces = [*SPECIAL, *(piece for _, piece in remaining)]
    table = json.loads(whole.to_str())
    table["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    table["added_tokens"] = []  # "[SEP]" in an utterance is no separator
    table["post_processor"] = None
    pruned = Tokenizer.from_str(json.dumps(table))
    pruned.normalizer = normalizers.Sequence(
        [normalizers.Replace("’", "'"), normalizers.Replace("‘", "'"), whole.normalizer]
    )
    return pruned, np.array([old[piece] for piece in pieces])
