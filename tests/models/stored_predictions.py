"""What the shipped models say of inputs made from a seed.

``python tests/models/stored_predictions.py`` writes stored_predictions.json anew for new weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.face_baseline import NAME as FACE_BASELINE
from mmer.models.face_baseline import FaceBaseline
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import MODALITIES
from mmer.models.prediction import Prediction
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.text_style import TextStyle

STORED = Path(__file__).with_name("stored_predictions.json")
SEEDS = (1, 2)
TEXTS: tuple[tuple[str, TextStyle], ...] = (
    ("That is wonderful, thank you so much!", "written"),
    ("why would you do that to me", "bare"),
)


def voice(seed: int) -> np.ndarray:
    """Two seconds like a vowel with a melody, int16 (n,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    pitch = rng.uniform(100, 250) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.4, 2) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(1, 4) * t)
    return (4000 * envelope * harmonics).astype(np.int16)


def picture(seed: int, size: int) -> np.ndarray:
    """Grey patches, the same on the left and the right, uint8 (size, size)."""
    half = np.random.default_rng(seed).integers(0, 256, (12, 6))
    patches = np.concatenate([half, half[:, ::-1]], axis=1)
    rows = np.arange(size) * 12 // size
    return patches[rows][:, rows].astype(np.uint8)


def opinions(seed: int) -> dict[str, Opinion]:
    """Something from each modality, of different quality and age."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(7), len(MODALITIES))
    return {
        name: Opinion(np.log(p), float(rng.uniform(0.2, 1)), float(rng.uniform(0, 3)))
        for name, p in zip(MODALITIES, probs, strict=True)
    }


def _told(prediction: Prediction) -> dict[str, Any]:
    return {
        "probs": np.round(prediction.probs.astype(float), 5).tolist(),
        "usable": round(prediction.usable, 5),
    }


def _relative(baseline: FaceBaseline, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    item, usual = np.log(rng.dirichlet(np.ones(7), 2))
    made = baseline.corrected(item, usual, np.exp(usual), float(rng.uniform(0.2, 0.8)))
    return {"probs": np.round(np.exp(made.astype(float)), 5).tolist()}


def predictions(modality: str) -> list[dict[str, Any]]:
    """What the shipped model says of its two inputs, on the CPU."""
    if modality == "speech":
        speech = SpeechModel.load(provider="cpu")
        return [_told(speech.predict(voice(seed))) for seed in SEEDS]
    if modality == "text":
        text = TextModel.load(provider="cpu")
        return [_told(text.predict(said, style=style)) for said, style in TEXTS]
    if modality == "face":
        face = FaceModel.load(provider="cpu")
        return [_told(face.predict(picture(seed, face.geometry.size))) for seed in SEEDS]
    if modality == FACE_BASELINE:
        return [_relative(FaceBaseline.load(), seed) for seed in SEEDS]
    fusion = FusionModel.load(provider="cpu")
    fused = [fusion.fuse(opinions(seed))[0] for seed in SEEDS]
    return [{"probs": np.round(np.exp(log_probs), 5).tolist()} for log_probs in fused]


def shipped() -> list[str]:
    """The names of the networks that have a card."""
    return sorted(p.stem for p in weights_dir().glob("*.onnx") if p.with_suffix(".json").is_file())


def main() -> None:
    """Store what is shipped now."""
    stored = {
        name: {
            "sha256": load_card(weights_dir() / f"{name}.json").sha256,
            "predictions": predictions(name),
        }
        for name in shipped()
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
