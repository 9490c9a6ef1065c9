"""The table of accuracy: rows that fail, are skipped or measured, and what is written of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.accuracy import command as run
from mmer.benchmarks.accuracy import fused, speech
from mmer.benchmarks.accuracy.anchors import ANCHORS
from mmer.benchmarks.accuracy.cards import CARD_OF, write_cards
from mmer.benchmarks.accuracy.face import FACE_ROWS, blurred, dark, small
from mmer.benchmarks.accuracy.fused import FUSED_ROWS
from mmer.benchmarks.accuracy.render import BEGIN, END, page, readme_part, replace_part
from mmer.benchmarks.accuracy.row import GROUPS, METRICS, NotHere, Row, Setting
from mmer.benchmarks.accuracy.speech import SPEECH_ROWS
from mmer.benchmarks.accuracy.text import TEXT_ROWS
from mmer.benchmarks.harness.networks import hashes
from mmer.models.cards.card import load_card, weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.training.datasets.named_corpora import RAVDESS

needs_weights = pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)
FIGURES = {
    "n": 20,
    "floor_accuracy": 0.25,
    "accuracy": 0.6049,
    "weighted_f1": 0.61,
    "macro_f1": 0.5,
    "unweighted_recall": 0.55,
    "ece": 0.04,
    "interval": {name: [0.4, 0.7] for name in METRICS},
    "twins": 3,
    "warnings": [],
}


def make_row(name: str, measure: Any, **more: Any) -> Row:
    given = {"group": "face", "kind": "out of domain", "in_readme": True} | more
    return Row(f"face.{name}", data=name, condition="plain", headline="accuracy",
               measure=measure, **given)  # fmt: skip


def found(_: Setting) -> Mapping[str, Any]:
    return FIGURES


def not_here(_: Setting) -> Mapping[str, Any]:
    raise NotHere("train it first: mmer-train speech")


def broken(setting: Setting) -> Mapping[str, Any]:
    raise MmerError(f"{setting.data}/x is not understood")


ROWS = (
    make_row("good", found, anchors="face.ferplus", note="only a test"),
    make_row("absent", found, needs=("face/nowhere",)),
    make_row("untrained", not_here),
    make_row("broken", broken),
    make_row("quiet", found, in_readme=False, kind="in domain"),
)


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    outcomes = run.measure(ROWS, Setting(tmp_path, None), lambda _: None, lambda _: None)
    return run.report(outcomes, None, {"commit": None, "date": "today"})


def test_without_a_recognizer_the_rows_of_words_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def evaluated(*place: Any, **options: Any) -> Any:
        given.append(options)
        return found

    monkeypatch.setattr(fused, "evaluated", evaluated)
    setting = Setting(tmp_path, None, asr="none")
    rows = {row.key: row for row in FUSED_ROWS}
    for key in ("fused.clips.recognized", "fused.clips.gold", "fused.clips.recognized_baseline"):
        with pytest.raises(NotHere, match="--asr none"):
            rows[key].measure(setting)
    assert not given
    rows["fused.clips.no_words"].measure(setting)
    (outcome,) = run.measure(
        [rows["fused.clips.recognized"]],
        Setting(tmp_path, None, asr="vosk"),
        lambda _: None,
        lambda _: None,
    )
    assert outcome.row.command.endswith("--offline --asr vosk")
    rows["fused.clips.gold"].measure(Setting(tmp_path, None, asr="vosk"))
    assert [options["asr"] for options in given] == ["none", "vosk"]


def test_one_row_does_not_stop_the_others(report: dict[str, Any]) -> None:
    told = {row["data"]: (row["status"], row["why"]) for row in report["rows"]}
    assert told == {
        "good": ("measured", ""),
        "absent": ("skipped", "DATA/face/nowhere is not there"),
        "untrained": ("skipped", "train it first: mmer-train speech"),
        "broken": ("failed", "MmerError: DATA/x is not understood"),
        "quiet": ("measured", ""),
    }


def test_page_has_floor_interval_anchor_and_reasons(report: dict[str, Any]) -> None:
    text = page(report)
    assert (
        "| good | plain | out of domain | 20 | 25.0 | **60.5** (40.0 to 70.0) | 61.0 | 50.0 "
        "| 55.0 | 4.0 |" in text
    )
    assert "| *published: VGG13* (1) | *another protocol* |  |  |  | *85.0* |  |  |  |  |" in text
    assert "- (1) Barsoum et al. 2016" in text
    assert "- good, plain: only a test." in text
    assert "- good, plain; quiet, plain: 3 look like something trained on" in text
    assert "- untrained, plain: train it first: mmer-train speech" in text
    assert "- broken, plain: MmerError: DATA/x is not understood" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_readme_part_goes_between_its_markers(report: dict[str, Any]) -> None:
    part = readme_part(report)
    assert part.startswith(BEGIN)
    assert part.endswith(END)
    assert "| good | plain | 20 |" in part
    assert "quiet" not in part
    assert "broken" not in part
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replace_part(readme, part) == f"before\n{part}\nafter\n"
    for wrong in ("", f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"):
        with pytest.raises(MmerError, match="once each"):
            replace_part(wrong, part)


def test_command_writes_everything_and_ends_with_1_where_a_row_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "ROWS", ROWS)
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n")
    folders = ("--data", str(tmp_path), "--output", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["accuracy", *folders, "--readme", str(readme)])
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert "2 measured, 2 skipped, 1 failed" in out
    assert "good, plain: accuracy 60.5" in err
    report = json.loads((tmp_path / "accuracy.json").read_text())
    assert (tmp_path / "ACCURACY.md").read_text() == page(report)
    assert readme.read_text() == readme_part(report) + "\n"
    monkeypatch.setattr(run, "ROWS", ROWS[:1])
    cli.main(["accuracy", *folders, "--only", "face"])  # status 0


def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    here = str(tmp_path)
    for arguments, told in (
        (["--data", "/no", "--output", here], "--data /no"),
        (["--data", here, "--output", "/no"], "--output /no"),
        (["--data", here, "--output", here, "--only", "smell"], "speech, face, text, fused"),
        (["--data", here, "--output", here, "--readme", "/no.md"], "--readme /no.md"),
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["accuracy", *arguments])
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err


def test_rows_are_sound() -> None:
    keys = [row.key for row in run.ROWS]
    assert len(set(keys)) == len(keys)
    assert {row.group for row in run.ROWS} == set(GROUPS) == set(CARD_OF)
    assert all(row.headline in METRICS for row in run.ROWS)
    assert {row.anchors for row in run.ROWS} - {""} == set(ANCHORS)
    assert all(anchor.metric in METRICS for beside in ANCHORS.values() for anchor in beside)


@needs_weights
def test_cards_take_what_was_measured_on_other_data(tmp_path: Path, report: dict[str, Any]) -> None:
    shutil.copy(weights_dir() / "face.json", tmp_path)
    write_cards(report, tmp_path)
    card = load_card(tmp_path / "face.json")
    assert [(m.dataset, m.kind) for m in card.measured] == [
        ("good", "out of domain"), ("quiet", "in domain"),
    ]  # fmt: skip
    assert card.measured[0].accuracy == FIGURES["accuracy"]
    assert list(card.measured[0].interval["accuracy"]) == [0.4, 0.7]
    report["models"]["face"] = "0" * 64
    with pytest.raises(MmerError, match="other weights"):
        write_cards(report, tmp_path)


@needs_weights
def test_of_development_data_the_fusions_card_takes_those_of_others(tmp_path: Path) -> None:
    """Marked as such; a single encoder's are those of its card already."""
    rows = [make_row(g, found, group=g, kind="development") for g in ("face", "fused")]
    outcomes = run.measure(rows, Setting(tmp_path, None), lambda _: None, lambda _: None)
    report = run.report(outcomes, None, {"commit": None, "date": "today"})
    for name in ("face", "fusion"):
        shutil.copy(weights_dir() / f"{name}.json", tmp_path)
    write_cards(report, tmp_path)
    face, fusion = (load_card(tmp_path / f"{name}.json") for name in ("face", "fusion"))
    assert "face" not in {m.dataset for m in face.measured}
    assert [(m.dataset, m.kind) for m in fusion.measured] == [("fused", "development")]


def test_a_corpus_left_out_is_evaluated_without_actors_that_chose_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = {}

    def evaluated(modality: str, corpus: str, place: str, split: str) -> Any:
        asked[corpus] = split
        return found

    monkeypatch.setattr(speech, "evaluated", evaluated)
    for corpus in speech.LEFT_OUT:
        (tmp_path / f"speech-without-{corpus}").mkdir()
        (tmp_path / f"speech-without-{corpus}" / "speech.json").touch()
        row = speech._left_out(corpus)
        row.measure(Setting(tmp_path, None, runs=tmp_path))
        assert f"--split {asked[corpus]} " in row.command
    assert asked.pop("ravdess") == "train"
    assert set(asked.values()) == {"all"}
    actors = RAVDESS.folds["train"]
    assert actors == {f"{n:02d}" for n in range(2, 17)}
    assert not actors & RAVDESS.folds["dev"]
    (row,) = (row for row in SPEECH_ROWS if row.key == "speech.ravdess.left_out")
    assert row.data == "RAVDESS actors 2-16"
    assert "other actors of the same corpus" in row.note


@pytest.mark.parametrize("channels", [(), (3,)])
def test_pictures_made_worse_keep_their_shape(channels: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, *channels), np.uint8)
    for worse in (blurred(1, image), small(16, image)):
        assert worse.shape == image.shape
        assert worse.std() < image.std()
    assert dark(0.1, image).max() == 25


@needs_weights
@pytest.mark.slow
def test_rows_measure_tiny_corpora(corpora: Path) -> None:
    wanted = (
        "white_5",
        "first_0.5",
        "ferplus.small_16",
        "meld.asr",
        "meld.context_1",
    )
    rows = [r for r in (*SPEECH_ROWS, *FACE_ROWS, *TEXT_ROWS) if r.key.endswith(wanted)]
    assert len(rows) == len(wanted)
    for outcome in run.measure(rows, Setting(corpora, None), lambda _: None, lambda _: None):
        assert outcome.figures is not None, outcome.summary
        # 14 of 16 clips: calm maps to none
        assert outcome.figures["n"] == {"speech": 14, "face": 14, "text": 7}[outcome.row.group]
        assert outcome.figures["floor_accuracy"] == pytest.approx(1 / 7, abs=1e-4)
        low, high = outcome.figures["interval"][outcome.row.headline]
        assert 0 <= low <= outcome.figures[outcome.row.headline] <= high <= 1
    # the same again: noise and errors are drawn from seeds
    first = run.measure(rows[:1], Setting(corpora, None), lambda _: None, lambda _: None)
    again = run.measure(rows[:1], Setting(corpora, None), lambda _: None, lambda _: None)
    assert first[0].figures == again[0].figures


@needs_weights
def test_networks_are_named_by_their_hashes(tmp_path: Path) -> None:
    shipped = hashes(None)
    assert set(MODALITIES) <= set(shipped)
    shutil.copy(weights_dir() / "text.json", tmp_path)
    assert hashes(tmp_path) == shipped


def test_rows_of_other_groups_stay_where_their_weights_are_the_same(tmp_path: Path) -> None:
    def row(group: str, key: str) -> dict[str, str]:
        return {"group": group, "key": key}

    models = {"speech": "a", "face": "b", "text": "c", "fusion": "d"}
    machine = {"commit": "c0ffee", "date": "2026-01-01"}
    stored = {"models": models, "rows": [row(g, "old") for g in ("speech", "face", "text")]}
    stored |= {"machine": machine, "kept": {"face": {"commit": "older", "date": "2025"}}}
    (tmp_path / "accuracy.json").write_text(json.dumps(stored))
    found = {"models": models | {"face": "new"}, "rows": [row("text", "new")]}
    assert run.with_stored(found, tmp_path)["rows"] == [row("speech", "old"), row("text", "new")]
    assert run.with_stored(found, tmp_path)["kept"] == {"speech": machine}
    same = run.with_stored({"models": models, "rows": [row("text", "new")]}, tmp_path)
    assert same["kept"] == {"speech": machine, "face": {"commit": "older", "date": "2025"}}
    assert run.with_stored(found, tmp_path / "nowhere") == found
    stored = {"models": models, "rows": [row("fused", "old"), row("text", "old")]}
    stored |= {"machine": machine}
    (tmp_path / "accuracy.json").write_text(json.dumps(stored))
    for network in ("speech", "face", "face-baseline", "text", "fusion"):
        found = {"models": models | {network: "new"}, "rows": [row("speech", "new")]}
        groups = {r["group"] for r in run.with_stored(found, tmp_path)["rows"]}
        assert groups == {"speech"} | ({"text"} if network != "text" else set())
    (tmp_path / "accuracy.json").write_text("{}")
    with pytest.raises(MmerError, match="leave --only out"):
        run.with_stored(found, tmp_path)
