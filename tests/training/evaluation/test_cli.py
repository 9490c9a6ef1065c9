import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmer.models.cards.seen import Seen
from mmer.models.labels import EMOTIONS
from mmer.training.commands.evaluate import main
from mmer.training.metrics.predictions import Predictions

Make = Callable[..., Path]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status, and what is said on stderr: one line."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("mmer-evaluate: ")
    assert error.count("\n") == 1
    return int(stopped.value.code or 0), error


def speech(root: Path, *options: str) -> tuple[str, ...]:
    return ("speech", "--dataset", "manifest", "--root", str(root), *options)


def test_text_json_and_pictures(
    parrot: list[Any], manifest: Make, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = manifest("path,label", "a_joy.wav,joy", "b_joy.wav,fear")
    out = tmp_path / "out.json"
    main([*speech(root), "--json", str(out), "--plots", str(tmp_path / "plots"), "--allow-leak"])
    assert "2 items" in capsys.readouterr().out
    assert json.loads(out.read_text())["accuracy"] == 0.5
    assert {f.name for f in (tmp_path / "plots").iterdir()} == {"confusion.png", "reliability.png"}


def test_the_style_and_its_older_name(
    parrot: list[Any], manifest: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = manifest("text,label", "No! It is joy,joy")
    out = tmp_path / "out.json"

    def shown(*options: str) -> tuple[str, dict[str, Any]]:
        main(["text", "--dataset", "manifest", "--root", str(root), "--json", str(out),
              "--allow-leak", *options])  # fmt: skip
        return parrot[-1].shown[0].text, json.loads(out.read_text())["options"]

    assert shown()[0] == "No! It is joy"
    assert shown("--style", "asr")[0] == "No. It is joy"
    assert shown("--style", "bare")[0] == "no it is joy"
    assert (
        shown("--asr-style") == shown("--style", "bare") == shown("--asr-style", "--style", "bare")
    )
    assert shown("--asr-style")[1]["style"] == "bare"
    with pytest.raises(SystemExit):
        main(["text", "--help"])
    assert "{written,asr,bare}" in capsys.readouterr().out


def test_what_was_said_of_each_item_is_left_behind(
    parrot: list[Any], manifest: Make, tmp_path: Path
) -> None:
    root = manifest("path,label,speaker", "a_joy.wav,joy,ann", "b_joy.wav,fear,")
    out = tmp_path / "said.npz"
    main([*speech(root), "--predictions", str(out), "--allow-leak"])
    said = Predictions.load(out)
    assert said.ids.tolist() == ["manifest/line 2", "manifest/line 3"]
    assert said.labels.tolist() == [EMOTIONS.index("joy"), EMOTIONS.index("fear")]
    assert (said.log_probs.argmax(axis=1) == EMOTIONS.index("joy")).all()
    assert said.fold.tolist() == [-1, -1]
    assert said.what.startswith("manifest all, weights speech ")


def test_a_leak_ends_with_status_2_and_says_how_to_go_on(
    parrot: list[Any], manifest: Make, weights: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    root = manifest("path,label,speaker", "a_joy.wav,joy,ann", "b_joy.wav,fear,bob")
    out = root.with_name("out.json")
    given = str(weights("speech", Seen(frozenset({"manifest/bob"}))))
    status, error = told(capsys, *speech(root, "--weights", given, "--json", str(out)))
    assert status == 2
    assert "manifest/bob" in error
    assert "--allow-leak" in error
    assert "--drop-leaks" in error
    assert not out.exists()
    main([*speech(root), "--weights", given, "--drop-leaks"])
    assert "speaker is in the training data (1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("text", "--dataset", "ravdess", "--root", "."), "ravdess is not read for text"),
        (("speech", "--dataset", "smell", "--root", "."), "no dataset 'smell'"),
        (("speech", "--datset", "ravdess"), "no option --datset: do you mean --dataset?"),
        (("speech", "--resamples", "many"), "--resamples is 'many', expected a whole number"),
        (("speech",), "--dataset"),
        (("speech", "--dataset", "ravdess", "--root", "nowhere"), "nowhere does not exist"),
        (("speech", "--dataset", "ravdess", "--root", "."), "ravdess"),
        (("text", "--dataset", "meld", "--root", ".", "--split", "x"), "no split x"),
        (("speech", "--dataset", "ravdess", "--root", ".", "--cropped"), "--cropped is for face"),
        (("speech", "--dataset", "ravdess", "--root", ".", "--weights", "no"), "no such file"),
        (("clip", "--dataset", "meld", "--root", ".", "--modalities", "x"), "--modalities 'x'"),
        (
            ("clip", "--dataset", "meld", "--root", ".", "--asr", "pocketsphinx"),
            "--asr 'pocketsphinx' is unknown: use auto, moonshine, vosk, none",
        ),
        (
            ("text", "--dataset", "meld", "--root", ".", "--asr-style", "--style", "asr"),
            "--asr-style means --style bare: leave one of the two out",
        ),
        (("speech", "--dataset", "meld", "--root", ".", "--asr-style"), "--style is for text"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: tuple[str, ...],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, error = told(capsys, *arguments)
    assert status == 2
    assert expected in error


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--json", "no/such/folder.json"),
        ("--json", "folder"),
        ("--json", "items.csv"),
        ("--plots", "no/such/folder"),
        ("--plots", "items.csv"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(
    option: str,
    path: str,
    parrot: list[Any],
    manifest: Make,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    before = root.read_text()
    (tmp_path / "folder").mkdir()
    status, error = told(capsys, *speech(root, option, str(tmp_path / path)))
    assert status == 2
    assert str(tmp_path / path) in error
    assert parrot == []
    assert root.read_text() == before
    assert not (tmp_path / "no").exists()


def test_what_is_read_is_not_written_and_no_two_files_are_one(
    parrot: list[Any], manifest: Make, weights: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    root = manifest("text,label", "joy,joy")
    folder, corpus = weights("text"), root.with_name("corpus")
    corpus.mkdir()
    (corpus / "labels.csv").write_text("x")
    same, plots = root.with_name("same.npz"), root.with_name("plots")
    before = {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}
    wrong: list[tuple[tuple[object, ...], str]] = [
        ((root, "--weights", folder, "--json", folder / name), "it is the input itself")
        for name in ("text.json", "text.onnx")
    ]
    wrong += [
        ((root, "--weights", folder / "text.onnx", "--json", folder / "text.json"), "input itself"),
        ((root, "--predictions", root), "it is the input itself"),
        ((corpus, "--json", corpus / "labels.csv"), "it is a file of --root"),
        ((root, "--json", same, "--predictions", same), "two outputs name"),
        ((root, "--plots", plots, "--json", plots / "confusion.png"), "there is no folder"),
        ((root, "--seed", -1), "--seed is -1: it must be 0 or more"),
    ]
    for arguments, expected in wrong:
        given = map(str, arguments)
        status, error = told(capsys, "text", "--dataset", "manifest", "--root", *given)
        assert status == 2
        assert expected in error
    assert parrot == []
    assert before == {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}


def test_ctrl_c_ends_with_status_130(
    parrot: list[Any],
    manifest: Make,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmer.training.evaluation.evaluate.evaluation_of", interrupted)
    status, error = told(capsys, *speech(root))
    assert status == 130
    assert "stopped" in error


def test_missing_extras_are_named(
    manifest: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, error = told(capsys, *speech(root, "--plots", str(root.with_name("plots"))))
    assert status == 2
    assert "mmer-live[eval]" in error
