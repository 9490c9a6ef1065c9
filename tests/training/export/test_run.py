"""Exported runs: they answer as the trained network does, and run in the live recognizer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

from fixed_words import always_hear  # noqa: E402 (after the skip)
from generated_corpora import write_clip, write_meld  # noqa: E402
from moonshine_files import moonshine_files, spoken  # noqa: E402
from tiny_transformers import write_tiny  # noqa: E402

import mmer  # noqa: E402
from mmer.benchmarks.cli import main as bench  # noqa: E402
from mmer.models.encoder import FaceModel, SpeechModel, TextModel  # noqa: E402
from mmer.models.engine.cli import main as engine  # noqa: E402
from mmer.models.errors import MmerError  # noqa: E402
from mmer.models.fusion import FusionModel, Opinion  # noqa: E402
from mmer.models.prediction import Prediction  # noqa: E402
from mmer.realtime.commands.live import main as live  # noqa: E402
from mmer.training.commands.train import main as train  # noqa: E402
from mmer.training.datasets.item import Item  # noqa: E402
from mmer.training.datasets.media import trim  # noqa: E402
from mmer.training.datasets.signals import frames_of, sound_of  # noqa: E402
from mmer.training.export.run import export_run  # noqa: E402
from mmer.training.export.run import main as export  # noqa: E402
from mmer.training.loop.trainer import Trainer, tensors  # noqa: E402
from mmer.training.metrics.figures import log_softmax  # noqa: E402
from mmer.training.multimodal.run import open_run, write_results  # noqa: E402
from mmer.training.multimodal.task import MultimodalTask  # noqa: E402
from mmer.training.recipes.recipe import Recipe  # noqa: E402
from mmer.training.storage import CHECKPOINT  # noqa: E402

pytestmark = pytest.mark.slow

ALL = ("speech", "text", "face")
RUNS: dict[str, dict[str, Any]] = {
    "concat": {
        "speech": {"kind": "mfcc-cnn", "options": {"widths": [8]}},
        "face": {"kind": "vit", "options": {"model": "vit", "count": 3, "layers": 1}},
    },
    "cross-modal": {
        "speech": {"kind": "wav2vec2", "options": {"model": "wav2vec2", "layers": 1}},
        "text": {"kind": "roberta", "options": {"model": "roberta", "layers": 1}},
    },
}


class Made:
    """A generated MELD, tiny transformers, and runs on them, each trained and exported once."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, root / "data"
        emotions = ("joy", "sadness", "anger")
        write_meld(self.data / "meld", 1, 2, {"text": 0.9, "speech": 0.9}, emotions=emotions)
        self.clip = next(self.data.rglob("dia0_utt1.mp4"))
        self.exported = cache(self._exported)

    def model(self, kind: str) -> str:
        folder = self.root / "models" / kind
        return str(folder if folder.exists() else write_tiny(kind, folder))

    def recipe(self, fusion: str) -> Recipe:
        encoders = {
            m: {**e, "options": {**e["options"], **self._model_of(e)}}
            for m, e in RUNS[fusion].items()
        }
        options = {"corpus": "meld", "encoders": encoders, "fusion": fusion, "width": 16}
        return Recipe("tiny", "multimodal", 1, 4, 5e-3, average_decay=0.5, options=options)

    def _model_of(self, encoder: dict[str, Any]) -> dict[str, str]:
        named = encoder["options"].get("model")
        return {"model": self.model(named)} if named else {}

    def _exported(self, fusion: str) -> Path:
        """The folder of the run; what is exported is in its folder "export"."""
        folder = self.root / fusion
        folder.mkdir()
        recipe = self.recipe(fusion)
        trainer = Trainer(recipe, MultimodalTask(recipe, self.data, None), folder)
        list(trainer.run())
        write_results(trainer, folder)
        export_run(folder, self.data, folder / "export")
        return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch:
        # the exporter takes its time
        patch.setattr("mmer.models.networks.fusions.cross_modal.LAYERS", 1)
        yield Made(tmp_path_factory.mktemp("made"))


COMMANDS = {
    "mmer-bench": bench,
    "mmer-engine": engine,
    "mmer-export": export,
    "mmer-live": live,
    "mmer-train": train,
}
RunCommand = Callable[..., str]
"""Command and arguments to what it writes to standard output."""


def said(weights: Path, modality: str, item: Item) -> Prediction:
    """What the live model says of a clip."""
    if modality == "speech":
        sound = sound_of(item)
        assert sound is not None
        return SpeechModel.load(weights, "cpu").predict(trim(sound))
    if modality == "text":
        return TextModel.load(weights, "cpu").predict(item.text or "")
    model = FaceModel.load(weights, "cpu")
    shown = frames_of(item, model.count, model.sees, model.size)
    assert shown is not None
    return model.predict(shown)


@pytest.mark.slow
@pytest.mark.parametrize("fusion", RUNS)
def test_live_models_answer_as_the_trained_network(made: Made, fusion: str) -> None:
    run = made.exported(fusion)
    task, network = open_run(run, made.data, None)
    inputs, _ = next(iter(task.of("development")))
    fuses = FusionModel.load(run / "export")
    for row, item in enumerate(task.parts.development[:3]):
        opinions = {}
        for m in RUNS[fusion]:
            p = said(run / "export", m, item)
            opinions[m] = Opinion(p.log_probs.astype(np.float64), 1.0, 0.0, p.embedding)
        for there in ([*RUNS[fusion]], [*RUNS[fusion]][1:]):
            single = dict(task.single(inputs, row))
            single["present"] = np.array([[m in there for m in RUNS[fusion]]], np.float32)
            with torch.no_grad():
                logits, shares = (out.numpy() for out in network(*tensors(single)))
            ours, theirs = fuses.fuse({m: opinions[m] for m in there})
            wanted = log_softmax(logits / fuses.card.temperature)[0]
            np.testing.assert_allclose(ours, wanted, atol=1e-3)
            np.testing.assert_allclose(
                [theirs.get(m, 0.0) for m in RUNS[fusion]], shares[0], atol=1e-3
            )


@pytest.mark.parametrize("fusion", RUNS)
def test_a_run_evaluates_a_clip_by_its_own_modalities_alone(
    made: Made, fusion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = made.exported(fusion) / "export"
    output = tmp_path / "out.jsonl"
    always_hear(monkeypatch, "what a happy day")
    arguments = ["--weights", str(weights), "--offline", "--pace", "max"]
    with pytest.raises(SystemExit) as ended:
        live([str(made.clip), *arguments, "--output", str(output)])
    assert ended.value.code == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    emotions = [line for line in lines if line["type"] == "emotion"]
    heard = {m for line in emotions for m, part in line["modalities"].items() if part}
    assert heard == set(RUNS[fusion])
    for line in emotions:
        assert list(line["modalities"]) == list(ALL)
        for m in set(ALL) - set(RUNS[fusion]):
            assert line["why"][m] == f"no {m} model in {weights}"
    assert lines[-1]["type"] == "end"


def test_what_cannot_be_exported_is_told_in_one_line(made: Made, tmp_path: Path) -> None:
    run = made.exported("concat")
    before = {path.name: path.read_bytes() for path in (run / "export").iterdir()}

    def refused(folder: Path, output: Path, message: str) -> None:
        with pytest.raises(MmerError, match=message) as error:
            export_run(folder, made.data, output)
        assert "\n" not in str(error.value)

    refused(run, run / "export", "holds face.json, fusion.json, speech.json: an older export")
    assert {path.name: path.read_bytes() for path in (run / "export").iterdir()} == before
    refused(tmp_path / "nowhere", tmp_path / "out", "no run in .*nowhere")
    (tmp_path / CHECKPOINT).write_bytes((run / CHECKPOINT).read_bytes()[:5000])
    refused(tmp_path, tmp_path / "out", "checkpoint.pt is damaged: train anew")
    other = Recipe("words", "text", 1, 4, 1e-3)
    torch.save({"recipe": other.fingerprint()}, tmp_path / CHECKPOINT)
    refused(tmp_path, tmp_path / "out", "is a run of the text recipe")
    state = torch.load(run / CHECKPOINT, weights_only=True)
    changed = made.recipe("concat")
    changed = replace(changed, options={**changed.options, "width": 24})
    torch.save(state | {"recipe": changed.fingerprint()}, tmp_path / CHECKPOINT)
    refused(tmp_path, tmp_path / "out", "weights do not fit")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fusion", RUNS)
def test_every_command_takes_an_exported_run(
    made: Made, fusion: str, tmp_path: Path, short_clip: Path, run_command: RunCommand
) -> None:
    weights = ["--weights", str(made.exported(fusion) / "export")]
    quick = ["--provider", "cpu", "--calls", "10"]
    lines, replayed = str(tmp_path / "out.jsonl"), ["--offline", "--asr", "none", "--pace", "max"]
    verified, _, _ = (
        run_command(*command)
        for command in (
            ("mmer-engine", "verify", *weights, *quick),
            ("mmer-bench", "encoders", *weights, *quick, "--json", str(tmp_path / "out.json")),
            ("mmer-live", str(short_clip), *weights, *replayed, "--output", lines),
        )
    )
    for m in RUNS[fusion]:
        assert f"{m} on cpu: 100.0% of 64 labels as on cpu" in verified
    rows = {row["key"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    for network in (*RUNS[fusion], "fusion"):
        assert rows[f"{network}.fp32.cpu.batch8"]["values"]["p50"] > 0
    assert not {f"{m}.fp32.cpu.batch1" for m in set(ALL) - set(RUNS[fusion])} & set(rows)
    written = [json.loads(line) for line in Path(lines).read_text().splitlines()]
    assert written[-1]["type"] == "end"
    heard = {m for e in written if e["type"] == "emotion" for m, p in e["modalities"].items() if p}
    assert heard == set(RUNS[fusion]) - {"text"}  # no recognizer of words was asked for


def test_recognizers_share_the_networks_of_an_exported_run(made: Made, short_clip: Path) -> None:
    models = mmer.SharedModels(made.exported("concat") / "export", "cpu")
    options: dict[str, Any] = {"asr": "none", "pace": "max", "offline": True}
    found = []
    for _ in range(2):
        with mmer.Recognizer(short_clip, models=models, **options) as recognizer:
            found.append([(e.t, e.label) for e in recognizer])
    assert found[0] == found[1]
    for m in RUNS["concat"]:
        model = models.encoder(m, None)
        assert model.engine.runs > 5
        assert "mask" in model.engine.inputs


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Runs a command in this process, for each start would import torch anew."""

    def run(command: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        status: str | int | None = 0
        try:
            COMMANDS[command]()
        except SystemExit as ended:
            status = ended.code
        written = capsys.readouterr()
        assert not status, (command, written.err)
        return written.out

    return run


@pytest.mark.slow
def test_the_commands_lead_from_a_recipe_to_live_answers(
    made: Made, tmp_path: Path, run_command: RunCommand
) -> None:
    moonshine_files()
    clip = tmp_path / "spoken.mp4"
    write_clip(clip, spoken("I am so happy."), [])
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        f"""
        name = "tiny"
        task = "multimodal"
        epochs = 1
        batch = 4
        learning_rate = 5e-3
        [options]
        corpus = "meld"
        fusion = "product"
        [options.encoders.speech]
        kind = "mfcc-cnn"
        options = {{ widths = [8] }}
        [options.encoders.text]
        kind = "text-cnn"
        options = {{ model = {json.dumps(made.model("roberta"))}, filters = 8, kernels = [3] }}
        """
    )
    run, data = str(tmp_path / "run"), ["--data", str(made.data)]
    weights = ["--weights", f"{run}/export", "--asr", "moonshine", "--pace", "max"]
    written = tmp_path / "out.jsonl"
    run_command("mmer-train", str(recipe), *data, "--output", run)
    run_command("mmer-export", run, *data)
    run_command("mmer-live", str(clip), *weights, "--offline", "--output", str(written))
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    emotions = [line for line in lines if line["type"] == "emotion"]
    heard = {m for line in emotions for m, part in line["modalities"].items() if part}
    assert heard == {"speech", "text"}
