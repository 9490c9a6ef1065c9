"""Text transformer encoder: BERT and its relatives, of any hub name or local folder."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.hub import load
from mmer.models.networks.encoders.pooling import make_pooling
from mmer.models.preparation.text_tokens import TextTokens

POOLINGS: Final = ("mean", "first", "attention")


class TextTransformer(Encoder):
    """A transformer over word pieces: MobileBERT (Sun et al. 2020), BERT (Devlin et al. 2019),
    RoBERTa (Liu et al. 2019), DistilBERT (Sanh et al. 2019) and what else AutoModel knows.

    In: tokens int64 (B, T), mask float (B, T). Out: a step for each token (B, T, hidden size) and
    their mean, the first one, or an attention over them (``pooling``).

    Args:
        model: a hub's name, or a folder with the model and a fast tokenizer.
        revision: of the hub's repository.
        pooling: "mean", "first" or "attention".
        frozen: keep the weights as they are.
        layers: keep only the first so many.
        max_tokens: of the utterance and what was said before, special ones included.
        past: how many of the utterances before are input too.
    """

    modality = "text"

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        pooling: str = "mean",
        frozen: bool = False,
        layers: int | None = None,
        max_tokens: int = 128,
        past: int = 0,
    ) -> None:
        super().__init__()
        self.transformer = load("AutoModel", model, revision)
        config = self.transformer.config
        if config.is_encoder_decoder:
            raise MmerError(f"{model} is an encoder with a decoder; take an encoder alone")
        if getattr(self.transformer, "pooler", None) is not None:
            self.transformer.pooler = None
        if layers is not None:
            keep_layers(self.transformer, layers)
        tokenizer = load("AutoTokenizer", model, revision)
        self.preparation = prepare_text(tokenizer, model, max_tokens, past)
        longest = _longest(self.transformer)
        if max_tokens > longest:
            raise MmerError(f"{model} reads {longest} tokens at most; max_tokens is {max_tokens}")
        self.width = int(config.hidden_size)
        self.pool = make_pooling(pooling, self.width, POOLINGS)
        self._pad = int(config.pad_token_id or 0)
        separator = tokenizer.sep_token_id
        self._second_after = (
            separator if getattr(config, "type_vocab_size", 0) > 1 and separator else None
        )
        if frozen:
            if pooling == "attention":
                raise MmerError("a frozen encoder has no attention pooling to learn: mean or first")
            self.freeze()

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        tokens, mask = arrays
        tokens = torch.where(mask > 0, tokens, self._pad)
        types: dict[str, torch.Tensor] = {}
        if self._second_after is not None:  # which text of the pair: the second after a separator
            ends = (tokens == self._second_after).long()
            types["token_type_ids"] = (ends.cumsum(dim=1) - ends).clamp(max=1) * mask.long()
        steps = self.transformer(
            input_ids=tokens, attention_mask=_seen(mask), **types
        ).last_hidden_state
        steps = steps * mask.unsqueeze(2)
        return Encoded(steps, mask, self.pool(steps, mask))


def prepare_text(tokenizer: Any, model: str, max_tokens: int, past: int) -> TextTokens:
    """The preparation of a transformers tokenizer.

    Raises:
        MmerError: it is none of the tokenizers library ("fast").
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise MmerError(f"{model} has no fast tokenizer (tokenizer.json), the only kind taken here")
    return TextTokens(backend.to_str(), max_tokens, past)


def keep_layers(transformer: Any, layers: int) -> None:
    """Leave out all transformer layers but the first ``layers``.

    Raises:
        MmerError: it has no so many.
    """
    config = transformer.config
    whole = config.num_hidden_layers
    if not 1 <= layers <= whole:
        raise MmerError(f"layers is {layers}; the model has {whole}")
    stacks = (m for m in transformer.modules() if isinstance(m, nn.ModuleList) and len(m) == whole)
    stack = next(stacks, None)
    if stack is None:
        raise MmerError(f"layers cannot be left out of {type(transformer).__name__}")
    del stack[layers:]
    config.num_hidden_layers = layers


def _longest(transformer: Any) -> int:
    """How many tokens it has positions for."""
    longest = int(transformer.config.max_position_embeddings)
    # RoBERTa and its like count positions from the number of the padding token on
    embeddings = getattr(transformer, "embeddings", None)
    unused = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return longest if unused is None else longest - unused - 1


def _seen(mask: torch.Tensor) -> torch.Tensor:
    """Attention mask int64 (B, T): an empty row attends to its first step, lest NaN."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return ((mask > 0) | first).long()
