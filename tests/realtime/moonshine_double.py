"""Doubles of Moonshine's two networks: they "hear" what a function says, by the same interface.

The decoder keeps the tokens that it read in its caches, so a cache of the wrong length, or one that
is left out, shows in what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.realtime.asr import moonshine as module
from mmer.realtime.asr.moonshine import NO_SPEECH, MoonshineModel
from mmer.realtime.asr.moonshine_vocabulary import END, START

Arrays = Mapping[str, NDArray]
Answer = Callable[[Sequence[int], int], int]
"""Next token after the tokens so far (without START), for a sound of so many samples."""
FIRST_WORD = 10
"""Token k of the vocabulary below is the word "w<k>" from here on."""
PIECES = 128
"""Tokens that the decoder can choose."""


def pieces(**special: str) -> list[bytes]:
    """As many word pieces as the real vocabulary has; ``special``: t20="▁You" is token 20."""
    words = [b"<unk>", b"<s>", b"</s>", *(f"▁w{k}".encode() for k in range(3, 32_768))]
    for name, piece in special.items():
        words[int(name[1:])] = piece.encode()
    return words


def write_vocabulary(path: Path, words: Sequence[bytes]) -> Path:
    data = bytearray()
    for piece in words:
        size = len(piece)
        data += bytes([size]) if size < 128 else bytes([size % 128 + 128, size // 128])
        data += piece
    path.write_bytes(data)
    return path


class Encoder:
    """Passes the number of samples on; ``lengths`` holds that of each call."""

    inputs = ("input_values", "attention_mask")

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def run(self, inputs: Arrays) -> dict[str, NDArray]:
        sound = inputs["input_values"]
        assert sound.dtype == np.float32
        assert inputs["attention_mask"].shape == sound.shape
        self.lengths.append(sound.shape[1])
        return {"last_hidden_state": np.full((1, 1, 288), sound.shape[1], np.float32)}


class Decoder:
    """Greedy choice as ``answer`` says; ``rows`` holds how many tokens each call read.

    ``logit`` is that of the choice by the sound's samples, 0 of all others: 20 is certain, 6 has a
    log-probability of -0.27, 4 one of -1.2.
    """

    inputs = (
        *("input_ids", "encoder_hidden_states", "encoder_attention_mask", "use_cache_branch"),
        *("past_key_values.0.decoder.key", "past_key_values.0.encoder.key"),
    )

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.rows: list[int] = []
        self.logit: Callable[[int], float] = lambda samples: 20

    def run(self, inputs: Arrays) -> dict[str, NDArray]:
        cached = bool(inputs["use_cache_branch"][0])
        own, cross = (inputs[name] for name in self.inputs[4:])
        samples = int(inputs["encoder_hidden_states"][0, 0, 0])
        if cached:
            assert int(cross[0, 0, 0, 0]) == samples  # that of the first call with this sound
        past = own[0, 0, :, 0].astype(int).tolist() if cached else []
        new = inputs["input_ids"][0].tolist()
        tokens = [*past, *new]
        assert tokens[0] == START
        self.rows.append(len(new))
        logits = np.zeros((1, len(new), PIECES), np.float32)
        for k in range(len(new)):
            logits[0, k, self.answer(tokens[1 : len(past) + k + 1], samples)] = self.logit(samples)
        present = np.zeros((1, 8, len(tokens), 36), np.float32)
        present[0, 0, :, 0] = tokens
        whole = np.full((1, 8, 1, 36), samples, np.float32)
        none = np.zeros((0, 8, 1, 36), np.float32)
        return {
            "logits": logits,
            "present.0.decoder.key": present,
            "present.0.encoder.key": none if cached else whole,
        }


def a_word_in_half_a_second(tokens: Sequence[int], samples: int) -> int:
    return FIRST_WORD + len(tokens) if len(tokens) < samples // 8000 else END


def double(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer = a_word_in_half_a_second,
    no_speech: float | None = NO_SPEECH,
    **special: str,
) -> tuple[MoonshineModel, Encoder, Decoder]:
    """A model of the two doubles and a vocabulary of its own."""
    encoder, decoder = Encoder(), Decoder(answer)
    engines = {"encoder.ort": encoder, "decoder.ort": decoder}
    monkeypatch.setattr(module, "open_engine", lambda path, provider: engines[path.name])
    vocabulary = write_vocabulary(folder / "tokenizer.bin", pieces(**special))
    paths = (folder / "encoder.ort", folder / "decoder.ort", vocabulary)
    model = MoonshineModel(*paths, no_speech=no_speech)
    return model, encoder, decoder
