"""Folders as ``mmer-export`` writes them, with networks small enough to be worked out by hand.

A modality's network takes the mean of its steps (sizes of cepstra, numbers of words, brightness of
pictures): embedding (4,) = mean @ P, logits (7,) = mean @ W, steps = features @ P. A fusion adds up
what the present modalities bring, and gives each an equal share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[test]'")

import onnx
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.checksum import sha256_of
from mmer.models.preparation.frames import SEES
from mmer.models.preparation.mfcc import Mfcc
from mmer.models.preparation.preparation import Preparation
from mmer.models.preparation.text_tokens import TextTokens

WIDTH: Final = 4
BANDS: Final = 13
SIDE: Final = 32
COUNT: Final = 3
WORDS: Final = ("happy", "sad", "the", "door", "one", "two")


def tokenizer() -> str:
    """Words by number, between marks, as JSON."""
    names = ("[UNK]", "[CLS]", "[SEP]", *WORDS)
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return made.to_str()


def preparation(modality: str, sees: str = "faces") -> Preparation[Any]:
    """What goes before the modality's network."""
    if modality == "speech":
        return Mfcc(coefficients=BANDS)
    if modality == "text":
        return TextTokens(tokenizer(), max_tokens=16, past=1)
    return SEES[sees](count=COUNT, size=SIDE)


INPUTS: Final = {
    "speech": f"float[B,T,{BANDS}] mfcc",
    "text": "int64[B,T] tokens",
    "face": f"float[B,T,3,{SIDE},{SIDE}] faces",
}
FEATURES: Final = {
    "speech": ("features = Abs (mfcc)", BANDS),
    "text": ("numbers = Cast <to = 1> (tokens)  features = Unsqueeze (numbers, two)", 1),
    "face": ("bright = ReduceMean <keepdims = 0> (faces, sides)  "
             "features = Unsqueeze (bright, two)", 1),
}  # fmt: skip


def weights(modality: str) -> tuple[np.ndarray, np.ndarray]:
    """P (features, 4) and W (features, 7) of a modality."""
    random = np.random.default_rng(len(modality))
    size = FEATURES[modality][1]
    scale = 0.05 if modality == "speech" else 0.3
    return tuple(scale * random.normal(size=(size, n)).astype(np.float32) for n in (WIDTH, 7))


def write_run(
    folder: Path,
    modalities: Sequence[str],
    uses: str | None = None,
    *,
    sees: str = "faces",
    temperatures: Mapping[str, float] | None = None,
) -> Path:
    """A run of ``modalities`` in ``folder``, with a fusion where it says what that ``uses``."""
    folder.mkdir(parents=True, exist_ok=True)
    heat = dict(temperatures or {})
    for m in modalities:
        _write_model(folder, m, uses == "tokens", sees, heat.get(m, 1.0))
    if uses is not None:
        _write_fusion(folder, modalities, uses, heat.get("fusion", 1.0))
    return folder


def _write_model(folder: Path, m: str, steps: bool, sees: str, temperature: float) -> None:
    made = preparation(m, sees)
    given = INPUTS[m].replace("faces", sees) if m == "face" else INPUTS[m]
    features = FEATURES[m][0].replace("faces", sees)
    more = f", float[B,T,{WIDTH}] steps, float[B,T] steps_mask" if steps else ""
    graph = f"""
        {features}
        there = Unsqueeze (mask, two)
        masked = Mul (features, there)
        total = ReduceSum <keepdims = 0> (masked, one)
        count = ReduceSum <keepdims = 1> (mask, one)
        mean = Div (total, count)
        embedding = MatMul (mean, P)
        logits = MatMul (mean, W)
        {"steps = MatMul (features, P)  steps_mask = Identity (mask)" if steps else ""}
    """
    head = f"({given}, float[B,T] mask) => (float[B,7] logits, float[B,{WIDTH}] embedding{more})"
    p, w = weights(m)
    constants = {"P": p, "W": w, "one": [1], "two": [2], "sides": [2, 3, 4]}
    save(folder / f"{m}.onnx", head, graph, constants)
    for name, content in made.files().items():
        (folder / name).write_bytes(content)
    settings: dict[str, Any] = {"input": made.settings()}
    if m == "speech":
        settings |= {"min_s": 0.5, "max_s": 10.0}
    elif m == "text":
        settings |= {"past_utterances": 1}
    else:
        settings |= {"sees": sees, "count": COUNT}
    write_card(folder, m, settings, temperature)


def _write_fusion(folder: Path, modalities: Sequence[str], uses: str, temperature: float) -> None:
    given, lines, constants = [], [], {"one": [1], "two": [2]}
    for i, m in enumerate(modalities):
        constants |= {f"at_{m}": [i], f"W_{m}": fusion_weights(m, uses)}
        lines.append(f"is_{m} = Gather <axis = 1> (present, at_{m})")
        if uses == "tokens":
            given.append(f"float[B,T{i},{WIDTH}] {m}_tokens, float[B,T{i}] {m}_mask")
            lines.append(
                f"there_{m} = Unsqueeze ({m}_mask, two)  masked_{m} = Mul ({m}_tokens, there_{m})  "
                f"seen_{m} = ReduceSum <keepdims = 0> (masked_{m}, one)"
            )
        else:
            size = {"logits": 7, "embedding": WIDTH}[uses]
            given.append(f"float[B,{size}] {m}_{uses}")
            lines.append(f"seen_{m} = Identity ({m}_{uses})")
        lines.append(f"own_{m} = MatMul (seen_{m}, W_{m})  part_{m} = Mul (own_{m}, is_{m})")
    parts = ", ".join(f"part_{m}" for m in modalities)
    n = len(modalities)
    lines.append(f"logits = Sum ({parts})  many = ReduceSum <keepdims = 1> (present, one)")
    lines.append("shares = Div (present, many)")
    head = f"({', '.join(given)}, float[B,{n}] present) => (float[B,7] logits, float[B,{n}] shares)"
    save(folder / "fusion.onnx", head, "\n".join(lines), constants)
    settings = {"modalities": list(modalities), "uses": uses, "kind": "concat"}
    write_card(folder, "fusion", settings, temperature)


def fusion_weights(modality: str, uses: str) -> np.ndarray:
    """What the fusion multiplies the modality's part with, (width, 7)."""
    if uses == "logits":
        return np.eye(7, dtype=np.float32)
    random = np.random.default_rng(10 + len(modality))
    return random.normal(size=(WIDTH, 7)).astype(np.float32)


def save(path: Path, head: str, graph: str, constants: Mapping[str, Any]) -> None:
    """A network of ONNX's own text form."""
    statements = "\n".join(part for part in graph.replace("  ", "\n").splitlines() if part.strip())
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 18]>\nmade {head} {{\n{statements}\n}}'
    )
    used = {name for node in model.graph.node for name in node.input}
    for name, value in constants.items():
        if name in used:
            array = np.asarray(value, np.int64 if isinstance(value, list) else np.float32)
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def write_card(folder: Path, name: str, settings: Mapping[str, Any], temperature: float) -> None:
    """The card of NAME.onnx."""
    card = replace(
        load_card(weights_dir() / f"{name}.json"),
        file=f"{name}.onnx",
        sha256=sha256_of(folder / f"{name}.onnx"),
        preprocessing=dict(settings),
        recipe={"task": "combined"},
        temperature=temperature,
        seen="",
        seen_sha256="",
        abstain_below=0.0,
    )
    card.save(folder / f"{name}.json")


def edit(folder: Path, name: str, **settings: Any) -> None:
    """Change values of a card's preprocessing."""
    path = folder / f"{name}.json"
    table = json.loads(path.read_text())
    table["preprocessing"] |= settings
    path.write_text(json.dumps(table))
