"""Which engine runs what, with networks and engines made up; and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.encoders import command as encoders
from mmer.benchmarks.encoders.subjects import Subject, subjects
from mmer.benchmarks.encoders.variants import Variants
from mmer.benchmarks.harness.machine import describe_machine
from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES

needs_weights = pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)


class Engine:
    """Answers with joy; in int8 with anger for odd numbers."""

    inputs, outputs = ("image",), ("logits",)

    def __init__(self, path: Path, provider: str) -> None:
        self.path, self.provider = path, provider
        self.batches: list[int] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        image = inputs["image"]
        self.batches.append(len(image))
        logits = np.zeros((len(image), 7))
        odd = self.path.name == "int8" and int(image.flat[0]) % 2
        logits[:, 0 if odd else 3] = 9
        return {"logits": logits}


@pytest.fixture
def subject() -> Subject:
    face = next(s for s in subjects(None) if s.card.modality == "face")
    return replace(face, inputs={"image": np.zeros((1, 1, 2, 2), np.float32)})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    engines: list[Engine] = []

    def open_engine(path: Path, provider: str, lengths: object = None) -> Engine:
        if provider == "cuda":
            raise MmerError("no such device")
        engines.append(Engine(path, provider))
        return engines[-1]

    monkeypatch.setattr(encoders, "open_engine", open_engine)
    return engines


def variants() -> Variants:
    inputs = [{"image": np.full((1, 1, 2, 2), n, np.float32)} for n in range(4)]
    files = {"fp32": Path("fp32"), "int8": Path("int8")}
    return Variants(files, {"fp16": "it takes onnx"}, "fp32", inputs)


def report(subject: Subject, monkeypatch: pytest.MonkeyPatch, *providers: str):
    monkeypatch.setattr(encoders, "subjects", lambda weights, kinds: [subject])
    monkeypatch.setattr(encoders, "make_variants", lambda subject, folder: variants())
    command = encoders.Encoders(provider=",".join(providers), calls=10)
    found = command.run(lambda _: None)
    return replace(found, command="mmer-bench encoders", machine=describe_machine())


@needs_weights
def test_every_precision_on_every_provider(
    subject: Subject, opened: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = report(subject, monkeypatch, "cpu", "cuda")
    rows = {row.key: row for row in found.rows}
    assert list(rows) == [
        "face.fp32.cpu.batch1", "face.fp32.cpu.batch8", "face.fp32.cuda",
        "face.fp16.cpu", "face.fp16.cuda",
        "face.int8.cpu.batch1", "face.int8.cpu.batch8", "face.int8.cuda",
        "face.preparation",
    ]  # fmt: skip
    assert rows["face.fp16.cpu"].measured == "not here: it takes onnx"
    assert rows["face.fp32.cuda"].measured == "not here: no such device"
    assert len(rows["face.fp32.cpu.batch8"].samples["call_ms"]) == 10
    assert set(opened[1].batches) == {1, 8}
    assert rows["face.fp32.cpu.batch1"].values["same_label"] == 1
    assert rows["face.int8.cpu.batch1"].values["same_label"] == 0.5
    one, eight = (rows[f"face.int8.cpu.batch{n}"].values for n in (1, 8))
    assert one["p50_a_row"] == one["p50"]
    assert eight["p50_a_row"] == pytest.approx(eight["p50"] / 8)


@needs_weights
def test_what_is_not_here_is_told_once(
    subject: Subject, opened: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = report(subject, monkeypatch, "cpu", "cuda").to_markdown()
    assert "| face, fp32 (shipped) | cpu |" in text
    assert "| cuda | face fp32, face int8 | no such device |" in text
    assert text.count("it takes onnx") == 2  # on both providers
    assert "alignment: the face out of 640x480" in text


@needs_weights
def test_inputs_are_of_the_usual_size() -> None:
    found = {s.card.modality: s for s in subjects(None)}
    assert list(found) == ["speech", "text", "face", "fusion"]
    assert found["speech"].inputs["features"].shape == (1, 300, 80)
    assert found["face"].batch(8)["image"].shape == (8, 1, 48, 48)
    assert found["text"].inputs["tokens"].shape == found["text"].inputs["turns"].shape
    assert found["text"].inputs["turns"].max() == 5
    assert found["fusion"].batch(8)["log_probs"].shape == (8, 3, 7)
    assert found["fusion"].prepare is None
    grow = found["speech"].grow
    assert grow is not None
    # half a second later each time, to and over the end of what is played over and over
    shown = [grow()[0] for _ in range(8)]  # type: ignore[index]
    assert {row.shape for row in shown} == {(300, 80)}
    assert np.array_equal(shown[1], shown[7])
    assert not np.array_equal(shown[1], shown[2])
