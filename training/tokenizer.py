"""Pieces of words learned from the training texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from mmer.models.errors import MmerError
from mmer.models.networks.text import PAD

UNKNOWN = 1
"""The token of a word with a character that training hardly saw; word dropout uses it too."""
RARE = 20
"""A character seen less often than this is unknown."""


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) of lower-cased words, the same at every run.

    All that happens to a text before the network is in the tokenizer: NFKC, lower case, straight
    apostrophes. Each punctuation mark is a word; apostrophes stay inside words ("don't"), as
    recognizers write them. "▁" begins a word.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace("’", "'"),
            normalizers.Replace("‘", "'"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\w\s']|_|(?<!\w)'|'(?!\w)"), "isolated"),
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(),
        ]
    )
    count = Counter(
        c for t in texts for c in tokenizer.normalizer.normalize_str(t) if c.isprintable()
    )
    # Named here: the trainer's own choice among equally rare characters is random.
    alphabet = sorted({"▁"} | {c for c, n in count.items() if n >= RARE and c != " "})
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        special_tokens=["[PAD]", "[UNK]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.token_to_id("[PAD]") != PAD or tokenizer.token_to_id("[UNK]") != UNKNOWN:
        raise MmerError("the tokenizer did not number its special tokens as expected")
    return tokenizer
