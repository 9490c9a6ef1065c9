"""Tiny transformers with random weights, in folders as a hub's snapshot would be.

What they say means nothing; everything around them is as with the large ones.
"""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Any, Final

TEXT_KINDS: Final = ("bert", "roberta", "mobilebert", "distilbert")
SPEECH_KINDS: Final = ("wav2vec2", "wav2vec2-layer", "hubert", "wavlm")
"""The first convolution of "wav2vec2-layer" is layer-normalised, as of wav2vec2-large-lv60."""
VIDEO_KINDS: Final = ("vit",)

WIDTH: Final = 16
SIDE: Final = 16
"""Of the pictures that a tiny ViT takes, in pixels."""
POSITIONS: Final = 160
"""How many tokens a tiny text model takes, special ones included."""

_SENTENCES: Final = (
    "i am so happy to see you today, this is wonderful!",
    "why would you do that to me? i hate it.",
    "the kids are talking by the door; dogs are sitting by the door",
    "oh no, i am afraid something terrible has happened",
    "what a surprise, i did not expect you here at all",
    "she left and he is very sad about it",
    "that is disgusting, take it away from me please",
    "it is an ordinary day and we are going to work",
)
_BASE: Final = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def write_tiny(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a random model of ``kind`` and what prepares its input to ``folder``; return it."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind in TEXT_KINDS:
            _write_text(kind, folder)
        elif kind in SPEECH_KINDS:
            _write_speech(kind, folder)
        elif kind in VIDEO_KINDS:
            _write_vit(folder)
        else:
            raise ValueError(f"no tiny {kind!r}")
    return folder


def _write_text(kind: str, folder: Path) -> None:
    import transformers as hf

    tokenizer = _byte_pairs() if kind == "roberta" else _word_pieces()
    tokenizer.save_pretrained(folder)
    shared: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": POSITIONS,
    }
    model: Any
    if kind == "bert":
        model = hf.BertModel(hf.BertConfig(**_BASE, **shared))
    elif kind == "roberta":
        shared["max_position_embeddings"] = POSITIONS + tokenizer.pad_token_id + 1
        model = hf.RobertaModel(hf.RobertaConfig(**_BASE, **shared, type_vocab_size=1))
    elif kind == "mobilebert":
        model = hf.MobileBertModel(
            hf.MobileBertConfig(
                **_BASE,
                **shared,
                embedding_size=12,
                intra_bottleneck_size=8,
                num_feedforward_networks=2,
            )
        )
    else:
        model = hf.DistilBertModel(
            hf.DistilBertConfig(
                **shared,
                dim=WIDTH,
                n_layers=2,
                n_heads=2,
                hidden_dim=24,
                sinusoidal_pos_embds=False,
            )
        )
    model.save_pretrained(folder)


def _words() -> list[str]:
    return sorted({word for sentence in _SENTENCES for word in re.findall(r"[a-z]+", sentence)})


def _word_pieces() -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    characters = string.ascii_lowercase + string.digits
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *string.punctuation]
    pieces += [f"##{character}" for character in characters]
    pieces += [word for word in _words() if len(word) > 1]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=POSITIONS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _byte_pairs() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import RobertaProcessing
    from transformers import PreTrainedTokenizerFast

    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "<mask>",
        *sorted(pre_tokenizers.ByteLevel.alphabet()),
    ]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = []
    for word in _words():
        spaced = "Ġ" + word  # a word after a space, put together character by character
        for end in range(1, len(spaced)):
            if spaced[: end + 1] not in vocabulary:
                vocabulary[spaced[: end + 1]] = len(vocabulary)
                merges.append((spaced[:end], spaced[end]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=POSITIONS,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
    )


def _write_speech(kind: str, folder: Path) -> None:
    import transformers as hf

    layer_norm = kind == "wav2vec2-layer"
    shared: dict[str, Any] = {
        **_BASE,
        "conv_dim": (8, 8, 8),
        "conv_kernel": (10, 8, 4),
        "conv_stride": (5, 8, 4),
        "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "feat_extract_norm": "layer" if layer_norm else "group",
        "do_stable_layer_norm": layer_norm,
    }
    model: Any
    if kind == "hubert":
        model = hf.HubertModel(hf.HubertConfig(**shared))
    elif kind == "wavlm":
        model = hf.WavLMModel(hf.WavLMConfig(**shared, num_buckets=8, max_bucket_distance=32))
    else:
        model = hf.Wav2Vec2Model(hf.Wav2Vec2Config(**shared))
    model.save_pretrained(folder)
    hf.Wav2Vec2FeatureExtractor(do_normalize=kind != "wavlm").save_pretrained(folder)


def _write_vit(folder: Path) -> None:
    import transformers as hf

    hf.ViTModel(hf.ViTConfig(**_BASE, image_size=SIDE, patch_size=8)).save_pretrained(folder)
    hf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
