"""The report of a made-up run; its pictures are looked at by people."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.training.commands.report import main
from mmer.training.loop.curves import read_curves, write_curves
from mmer.training.metrics.predictions import FILE as PREDICTIONS
from mmer.training.metrics.predictions import Predictions
from mmer.training.report.attention import FILE as ATTENTION
from mmer.training.report.attention import Example, load_attention, save_attention

RNG = np.random.default_rng(0)


def curves(folder: Path) -> None:
    keys = ("train_loss", "development_loss", "accuracy", "weighted_f1", "macro_f1")
    keys += ("unweighted_recall", "ece", "seconds")
    rows = [
        {"epoch": e, "n": 140, "floor_accuracy": 0.3, **dict.fromkeys(keys, 1 - 0.8**e)}
        for e in range(1, 9)
    ]
    write_curves(rows, folder)


def predictions(n: int = 280) -> Predictions:
    labels = np.arange(n) % 7
    logits = RNG.normal(0, 1, (n, 7)) + 2 * np.eye(7)[labels]
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return Predictions(
        np.array([f"ravdess/{k}" for k in range(n)]),
        np.array([f"ravdess/{k % 20:02d}" for k in range(n)]),
        labels,
        log_probs,
        np.arange(n) % 5,
        "gated <voice & words> on ravdess",
    )


def example(title: str = "dia3_utt4: joy, predicted joy") -> Example:
    words = ["i", "won", "$5", "and", "$6", "!"]
    return Example(
        title,
        words,
        RNG.dirichlet(np.ones(6)),
        np.arange(8) / 4,
        RNG.dirichlet(np.ones(8)),
        {"speech": 0.2, "text": 0.5, "face": 0.3},
        {("text", "speech"): RNG.dirichlet(np.ones(30), 6)},
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    curves(folder)
    predictions().save(folder / PREDICTIONS)
    save_attention([example(), Example("voice alone", shares={"speech": 1.0})], folder / ATTENTION)
    card = json.loads((weights_dir() / "text.json").read_text())
    (folder / "text.json").write_text(json.dumps(card | {"name": "<gated>"}))
    return folder


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.slow
def test_one_file_tells_all_and_asks_nobody(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plots = tmp_path / "plots"
    main([str(run), "--resamples", "100", "--plots", str(plots)])
    assert capsys.readouterr().out == f"wrote {run / 'report.html'}\n"
    page = (run / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    names = ["curves", "confusion", "reliability"]
    names += [
        f"attention-0-{n}" for n in ("modalities", "tokens", "frames", "text-looks-at-speech")
    ]
    names.append("attention-1-modalities")
    assert {f.name for f in plots.iterdir()} == {f"{name}.png" for name in names}
    assert len(reader.addresses) == len(names)
    start = "data:image/png;base64,"
    for address in reader.addresses:
        assert address.startswith(start)
        png = np.frombuffer(base64.b64decode(address.removeprefix(start)), np.uint8)
        assert cv2.imdecode(png, cv2.IMREAD_COLOR).std() > 5
    assert not re.search(r"url\(|@import|<script|<link", page)
    text = "".join(reader.text)
    for told in (
        *("<gated>", "gated <voice & words> on ravdess", "of 280 items", "over 5 folds"),
        *("always the commonest class", "20 speakers or dialogues", "learning_rate", "meld"),
        "dia3_utt4: joy, predicted joy",
    ):
        assert told in text, told


@pytest.mark.parametrize("kept", ["curves.csv", "predictions.npz", "text.json"])
def test_what_is_there_is_told(run: Path, tmp_path: Path, kept: str) -> None:
    for file in run.iterdir():
        if file.name != kept:
            file.unlink()
    main([str(run), "--output", str(tmp_path / "x.html"), "--resamples", "100"])
    page = (tmp_path / "x.html").read_text()
    assert page.count("<h2>") >= 2
    missing = page.partition("<h2>Not in this folder</h2>")[2]
    assert "attention.npz" in missing
    assert ("neither a card" in missing) == (kept != "text.json")
    for name in ("curves.csv", "predictions.npz"):
        assert (name in missing) == (kept != name)
    assert not (run / "report.html").exists()


def test_curves_and_attention_are_read_as_they_were_written(run: Path) -> None:
    rows = read_curves(run / "curves.csv")
    assert len(rows) == 8
    assert rows[1]["accuracy"] == pytest.approx(0.36)
    first, second = load_attention(run / ATTENTION)
    assert list(first.words) == ["i", "won", "$5", "and", "$6", "!"]
    assert first.shares == {"speech": 0.2, "text": 0.5, "face": 0.3}
    assert np.asarray(first.maps["text", "speech"]).shape == (6, 30)
    assert second.title == "voice alone"
    assert len(second.words) == 0
    with pytest.raises(ValueError, match="differ in length"):
        save_attention([Example("x", words=["a"])], run / ATTENTION)
    with (run / ATTENTION).open("wb") as file:
        np.save(file, np.arange(3))  # a single array
    with pytest.raises(MmerError, match="does not hold attention weights"):
        load_attention(run / ATTENTION)


def empty(run: Path) -> None:
    for file in run.iterdir():
        file.unlink()


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (empty, "nothing to report"),
    "curves": (lambda run: (run / "curves.csv").write_text("a,b\n1,2\n"), "not a training run's"),
    "attention": (lambda run: (run / ATTENTION).write_bytes(b"x"), "attention weights"),
    "predictions": (lambda run: (run / PREDICTIONS).write_bytes(b"x"), "file of predictions"),
    "card": (lambda run: (run / "text.json").write_text("{"), "not valid JSON"),
    "cards": (
        lambda run: (run / "b.json").write_bytes((run / "text.json").read_bytes()),
        r"several cards \(b.json, text.json\)",
    ),
    "output": (lambda run: (run / "report.html").mkdir(), "cannot write .*report.html"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_one_line(
    run: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, told = MISTAKES[mistake]
    spoil(run)
    with pytest.raises(SystemExit) as stopped:
        main([str(run), "--resamples", "100"])
    assert stopped.value.code == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert re.match(f"mmer-report: .*{told}.*\n$", error)


@pytest.mark.parametrize("name", ["text.json", "curves.csv", PREDICTIONS, ATTENTION])
def test_the_report_overwrites_no_file_of_the_run(
    run: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / name).read_bytes()
    with pytest.raises(SystemExit) as stopped:
        main([str(run), "--output", str(run / name)])
    assert stopped.value.code == 2
    assert "it is the input itself" in capsys.readouterr().err
    assert (run / name).read_bytes() == before


def test_a_seed_that_is_none_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(run), "--seed", "-1"])
    assert stopped.value.code == 2
    assert "--seed is -1: it must be 0 or more" in capsys.readouterr().err


def test_no_such_folder(tmp_path: Path) -> None:
    from mmer.training.report.page import write_report

    with pytest.raises(MmerError, match="no folder"):
        write_report(tmp_path / "nowhere")
