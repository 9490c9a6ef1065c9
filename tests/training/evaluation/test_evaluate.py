import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.cards.seen import Seen, as_keys, file_digest
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.prediction import Prediction
from mmer.training.datasets.likeness import text_key
from mmer.training.evaluation.evaluate import evaluate
from mmer.training.evaluation.settings import Settings

Make = Callable[..., Path]
QUICK = Settings(resamples=100)
ROWS = ("a_joy.wav,joy,ann", "b_joy.wav,joy,bob", "c_fear.wav,fear,bob", "d_joy.wav,anger,cem")


def test_figures_are_of_every_item(parrot: list[Any], manifest: Make, weights: Make) -> None:
    root = manifest("path,label,speaker", *ROWS)
    seen = Seen(frozenset({"manifest/dan"}))
    calls: list[tuple[int, int]] = []
    e = evaluate(
        "speech",
        "manifest",
        root,
        weights=weights("speech", seen),
        settings=QUICK,
        progress=lambda done, n: calls.append((done, n)),
    )
    assert e.figures.n == 4
    assert e.figures.accuracy == 0.75
    assert e.figures.floor_accuracy == 0.5
    assert e.confusion[EMOTIONS.index("anger"), EMOTIONS.index("joy")] == 1
    assert e.about["split"] == "all"
    assert e.about["leaks"] == {}
    assert e.about["twins"] == 0
    assert e.warnings == ()
    assert e.ids == tuple(f"manifest/line {k}" for k in (2, 3, 4, 5))
    assert calls[-1] == (4, 4)


def test_a_leak_is_refused_by_name(parrot: list[Any], manifest: Make, weights: Make) -> None:
    root = manifest("path,label,speaker", *ROWS)
    files = as_keys([file_digest(root.with_name("a_joy.wav"))])
    folder = weights("speech", Seen(frozenset({"manifest/bob"}), files))
    with pytest.raises(MmerError, match=r"3 of 4 items .* speaker manifest/bob; file .*a_joy\.wav"):
        evaluate("speech", "manifest", root, weights=folder, settings=QUICK)
    assert parrot == [] or parrot[0].shown == []

    allowed = Settings(resamples=100, allow_leak=True)
    e = evaluate("speech", "manifest", root, weights=folder, settings=allowed)
    assert e.figures.n == 4
    assert "manifest/bob" in e.warnings[0]
    assert e.about["leaks"] == {
        "file is in the training data": 1,
        "speaker is in the training data": 2,
    }

    dropping = Settings(resamples=100, drop_leaks=True)
    e = evaluate("speech", "manifest", root, weights=folder, settings=dropping)
    assert e.ids == ("manifest/line 5",)
    assert e.dropped == {"file is in the training data": 1, "speaker is in the training data": 2}


def test_where_all_leak_nothing_is_left(parrot: list[Any], manifest: Make, weights: Make) -> None:
    root = manifest("path,label,speaker", *ROWS[1:3])
    folder = weights("speech", Seen(frozenset({"manifest/bob"})))
    dropping = Settings(resamples=100, drop_leaks=True)
    with pytest.raises(MmerError, match=r"nothing is left .* training data \(2\)"):
        evaluate("speech", "manifest", root, weights=folder, settings=dropping)


def test_a_dialogue_of_the_same_number_in_another_split_is_no_leak(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("text,label,split,dialogue", "so joy,joy,train,3", "so anger,anger,dev,3")
    folder = weights("text", Seen(frozenset({"manifest/train/3"})))
    e = evaluate("text", "manifest", root, split="dev", weights=folder, settings=QUICK)
    assert e.figures.n == 1
    with pytest.raises(MmerError, match="dialogue manifest/train/3"):
        evaluate("text", "manifest", root, weights=folder, settings=QUICK)


def test_look_alikes_are_counted_and_left_out_when_asked(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("text,label", "Oh... joy,joy", "no anger,anger", "my fear,fear")
    folder = weights("text", Seen(frozenset(), texts=as_keys([text_key("oh joy")])))
    e = evaluate("text", "manifest", root, weights=folder, settings=QUICK)
    assert (e.figures.n, e.about["twins"], e.dropped) == (3, 1, {})
    dropping = Settings(resamples=100, drop_twins=True)
    e = evaluate("text", "manifest", root, weights=folder, settings=dropping)
    assert (e.figures.n, e.about["twins"]) == (2, 1)
    assert e.dropped == {"look-alike is in the training data": 1}


def test_mostly_look_alikes_are_worth_a_word(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("text,label", "oh joy,joy", "no anger,anger")
    folder = weights("text", Seen(frozenset(), texts=as_keys([text_key("oh joy")])))
    e = evaluate("text", "manifest", root, weights=folder, settings=QUICK)
    assert "1 of 2 items look like training data" in e.warnings[0]


def test_weights_of_unknown_training_are_evaluated_with_a_warning(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    e = evaluate("speech", "manifest", root, weights=weights("speech"), settings=QUICK)
    assert e.warnings == (
        "speech.json does not say what it was trained on: leaks cannot be checked",
    )


def test_a_missing_list_of_what_was_seen_is_no_licence(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    folder = weights("speech", Seen(frozenset()))
    (folder / "speech.seen.npz").unlink()
    with pytest.raises(MmerError, match=r"speech\.seen\.npz"):
        evaluate("speech", "manifest", root, weights=folder, settings=QUICK)


def test_what_cannot_be_read_is_left_out_and_named(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("path,label", "broken_1.wav,joy", "a_joy.wav,joy", "broken_2.wav,,")
    e = evaluate("speech", "manifest", root, weights=weights("speech"), settings=QUICK)
    assert e.figures.n == 1
    assert e.dropped == {"no label": 1, "cannot be read": 1}
    assert "cannot read line 2" in e.warnings[-1]
    root = manifest("path,label", "broken_1.wav,joy", "broken_2.wav,fear")
    with pytest.raises(MmerError, match="none of 2 items could be read: cannot read line 2"):
        evaluate("speech", "manifest", root, weights=weights("speech"), settings=QUICK)


@pytest.mark.parametrize("given", ["speech.onnx", "speech.json", "."])
def test_weights_are_a_network_a_card_or_a_folder(
    given: str, parrot: list[Any], manifest: Make, weights: Make
) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    path = weights("speech") / given
    e = evaluate("speech", "manifest", root, weights=path, settings=QUICK)
    sha256 = json.loads((weights_dir() / "speech.json").read_text())["sha256"]
    assert e.about["weights"] == {"speech": sha256}


def test_weights_that_are_none(parrot: list[Any], manifest: Make, weights: Make) -> None:
    root = manifest("path,label", "a_joy.wav,joy")
    folder = weights("speech")
    (folder / "alone.onnx").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    (folder / "other.onnx").write_bytes(b"")
    (folder / "other.json").write_text((folder / "speech.json").read_text())
    for given, told in {
        "not there": "no such file or folder",
        "alone.onnx": "no card alone.json beside it",
        "notes.txt": "expected NAME.onnx, its card NAME.json or a folder",
        "other.onnx": "the card beside it is of speech.onnx",
    }.items():
        with pytest.raises(MmerError, match=told):
            evaluate("speech", "manifest", root, weights=folder / given, settings=QUICK)
    with pytest.raises(MmerError, match=r"holds no face\.json"):
        evaluate("face", "manifest", root, weights=folder, settings=QUICK)
    with pytest.raises(MmerError, match="card of a speech model, expected face"):
        evaluate("face", "manifest", root, weights=folder / "speech.json", settings=QUICK)
    with pytest.raises(MmerError, match="for clips name a folder"):
        evaluate("clip", "manifest", root, weights=folder / "speech.json", settings=QUICK)


def test_the_past_is_cut_and_words_are_bare_or_misheard(
    parrot: list[Any], manifest: Make, weights: Make
) -> None:
    rows = [f'"Well, {k} it is {e}",{e},a' for k, e in enumerate(EMOTIONS)]
    root = manifest("text,label,dialogue", *rows)

    def shown(**how: object) -> list[tuple[str | None, tuple[str, ...]]]:
        settings = Settings(resamples=100, **how)  # type: ignore[arg-type]
        evaluate("text", "manifest", root, weights=weights("text"), settings=settings)
        return [(item.text, item.past) for item in parrot[-1].shown]

    # the parrot reads two, the fourth item has three before it
    assert shown()[3] == ("Well, 3 it is joy", ("Well, 1 it is disgust", "Well, 2 it is fear"))
    assert shown(context=1)[3][1] == ("Well, 2 it is fear",)
    assert shown(context=0)[3][1] == ()
    assert shown(style="bare")[3] == (
        "well 3 it is joy",
        ("well 1 it is disgust", "well 2 it is fear"),
    )


def test_texts_are_written_in_a_style_and_the_model_is_told(
    manifest: Make, weights: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, tuple[str, ...], str]] = []

    class Model:
        past_utterances = 2

        def predict(self, text: str, past: Sequence[str], style: str) -> Prediction:
            told.append((text, tuple(past), style))
            return Prediction.unknown()

    monkeypatch.setattr("mmer.training.evaluation.text.TextModel.load", lambda *_: Model())
    root = manifest("text,label,dialogue", "No way?! Wow!,joy,a", "So... you said!,fear,a")

    def last(**how: object) -> tuple[str, tuple[str, ...], str]:
        settings = Settings(resamples=100, **how)  # type: ignore[arg-type]
        e = evaluate("text", "manifest", root, weights=weights("text"), settings=settings)
        options = e.about["options"]
        assert options["style"] == how.get("style", "written")
        assert options["asr_style"] == (options["style"] == "bare")
        return told[-1]

    assert last() == ("So... you said!", ("No way?! Wow!",), "written")
    assert last(style="asr") == ("So. you said.", ("No way? Wow.",), "asr")
    assert last(style="bare") == ("so you said", ("no way wow",), "bare")
    for style, expected in (("written", "bare"), ("bare", "bare"), ("asr", "asr")):
        text, past, found = last(style=style, word_error_rate=1e-9)
        assert found == expected
        punctuated = "." in text and "?" in past[0]
        assert punctuated == (style == "asr")
    assert last(style="asr", word_error_rate=0.9)[0] != "So. you said."


def test_settings_that_make_no_sense_are_refused() -> None:
    for modality, how, told in (
        ("speech", {"cropped": True}, "--cropped is for face, not for speech"),
        ("speech", {"style": "bare"}, "--style is for text, not for speech"),
        ("clip", {"style": "asr"}, "--style is for text, not for clip"),
        ("text", {"style": "shouted"}, "use written, asr, bare"),
        ("clip", {"asr": "pocketsphinx"}, "use auto, moonshine, vosk, none"),
        ("text", {"asr": "moonshine"}, "--asr is for clip, not for text"),
        ("face", {"context": 3}, "--context is for text"),
        ("text", {"word_error_rate": 1.5}, "must be 0 to 1"),
        ("text", {"context": -1}, "must be 0 or more"),
        ("speech", {"allow_leak": True, "drop_leaks": True}, "choose one of the two"),
        ("speech", {"resamples": 5}, "100 or more"),
        ("speech", {"seed": -1}, "--seed is -1: it must be 0 or more"),
        ("clip", {"modalities": ("smell",)}, "smell is unknown"),
        ("clip", {"gold_words": True, "asr": "none"}, "choose one of the two"),
        ("smell", {}, "cannot evaluate 'smell'"),
    ):
        with pytest.raises(MmerError, match=told):
            Settings(**how).check(modality)  # type: ignore[arg-type]
