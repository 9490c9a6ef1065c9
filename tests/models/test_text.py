import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.encoder import TextModel
from mmer.models.errors import MmerError
from mmer.models.preparation.dialogue_tokens import lay_out
from mmer.models.preparation.text_style import STYLES


@pytest.fixture(scope="module")
def model() -> TextModel:
    return TextModel.load(provider="cpu")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the shipped text model, to be damaged."""
    for name in ("text.onnx", "text.json", "text-tokenizer.json"):
        shutil.copy(weights_dir() / name, tmp_path / name)
    return tmp_path


def test_it_gives_an_embedding(model: TextModel) -> None:
    embedding = model.predict("Well, that went fine.").embedding
    assert embedding is not None
    assert embedding.dtype == np.float32
    assert embedding.ndim == 1


def test_it_says_on_what_it_runs(model: TextModel) -> None:
    assert model.provider == "cpu"
    assert model.card.modality == "text"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("thank you so much this is wonderful", "joy"),
        ("I'm so sorry for your loss.", "sadness"),
        ("what are you doing here", "surprise"),
        ("Leave me alone!", "anger"),
    ],
)
def test_plain_words_rank_high(model: TextModel, text: str, label: str) -> None:
    from mmer.models.labels import EMOTIONS

    probs = model.predict(text).probs.copy()
    probs[EMOTIONS.index("neutral")] = 0
    assert EMOTIONS[int(probs.argmax())] == label


def test_case_spaces_and_curly_apostrophes_do_not_matter(model: TextModel) -> None:
    plain = model.predict("don't you dare").log_probs
    for other in ("DON'T YOU DARE", "don’t you dare", "  don't   you\tdare\n"):
        assert (model.predict(other).log_probs == plain).all()


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_no_words_prefer_nothing(model: TextModel, text: str) -> None:
    assert model.predict(text).probs == pytest.approx(np.full(7, 1 / 7))


@pytest.mark.parametrize(
    "text",
    [
        "!",
        "...",
        "\x00",
        "\ud800",
        "日本語のテキスト",
        "😀😡",
        "a\u0301\u200d\ufeff",
        "مرحبا",
        "x" * 5000,
        "yes " * 5000,
        "[PAD] [UNK]",
    ],
)
def test_odd_strings_give_probabilities(model: TextModel, text: str) -> None:
    prediction = model.predict(text)
    assert np.isfinite(prediction.log_probs).all()
    assert prediction.probs.sum() == pytest.approx(1, abs=1e-5)


def test_of_a_long_text_the_end_counts(model: TextModel) -> None:
    tail = "no " * model.preparation.max_tokens
    assert (model.predict("joy " * 50 + tail).log_probs == model.predict(tail).log_probs).all()


def test_what_was_said_before_counts_as_far_as_the_model_reads(model: TextModel) -> None:
    text, past = "Yeah.", ["I can't believe it!", "Neither can I!", "He died.", "I am so sorry."]
    past = (past * model.past_utterances)[: model.past_utterances]
    assert len(past) == model.past_utterances > 0
    with_past = model.predict(text, past).log_probs
    assert np.abs(with_past - model.predict(text).log_probs).max() > 0.05
    assert (model.predict(text, ["Long ago.", *past]).log_probs == with_past).all()
    assert (model.predict(text, [*past[:1], "", " ", *past[1:]]).log_probs == with_past).all()


def test_utterances_are_laid_out_oldest_first() -> None:
    tokens, turns = lay_out([[7], [8, 9], [5]], first=2, separator=3, max_tokens=20)
    assert tokens.tolist() == [2, 7, 3, 8, 9, 3, 5, 3]
    assert turns.tolist() == [1, 1, 1, 2, 2, 2, 3, 3]


def test_where_there_is_no_room_the_oldest_go_and_the_end_stays() -> None:
    tokens, turns = lay_out([[7], [8, 9], [5]], first=2, separator=3, max_tokens=6)
    assert tokens.tolist() == [2, 8, 9, 3, 5, 3]
    assert turns.tolist() == [1, 1, 1, 1, 2, 2]
    tokens, turns = lay_out([[7], [4, 5, 6]], first=2, separator=3, max_tokens=4)
    assert tokens.tolist() == [2, 5, 6, 3]
    assert set(turns.tolist()) == {1}


PAST = ["I can't believe it!"]


def edited(folder: Path, **settings: object) -> Path:
    """The card in ``folder`` with other settings of the preparation."""
    card = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    card["preprocessing"]["input"] |= settings
    (folder / "text.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


class Reads:
    """In place of the engine: keeps the tokens that it is given."""

    inputs = ("tokens", "turns")
    outputs = ("logits", "embedding")

    def __init__(self) -> None:
        self.tokens: list[list[int]] = []

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.tokens.append(inputs["tokens"][0].tolist())
        return {"logits": np.zeros((1, 7), np.float32), "embedding": np.zeros((1, 4), np.float32)}


def test_a_model_without_styles_reads_all_alike(copy: Path) -> None:
    card = json.loads((copy / "text.json").read_text(encoding="utf-8"))
    older = card["preprocessing"]["input"]  # the layout of before 0.2, from before styles
    del older["kind"], older["styles"]
    (copy / "text.json").write_text(json.dumps(card | {"preprocessing": older}))
    model = TextModel.load(copy)
    model.engine = reads = Reads()  # type: ignore[assignment]
    for style in STYLES:
        model.predict("Well, that went fine.", PAST, style)
    model.predict("Well, that went fine.", PAST)
    assert reads.tokens == [reads.tokens[0]] * 4
    assert reads.tokens[0][0] == model.preparation._tokenizer.token_to_id("[CLS]")


def test_each_style_has_a_first_piece_of_its_own(copy: Path) -> None:
    pieces = {"written": "[CLS]", "asr": "[PAD]", "bare": "[UNK]"}
    model = TextModel.load(edited(copy, styles=pieces))
    model.engine = reads = Reads()  # type: ignore[assignment]
    for style in STYLES:
        model.predict("Well, that went fine.", PAST, style)
    model.predict("Well, that went fine.", PAST)
    first = [tokens[0] for tokens in reads.tokens]
    assert first[:3] == [
        model.preparation._tokenizer.token_to_id(pieces[style]) for style in STYLES
    ]
    assert len(set(first)) == 3
    assert first[3] == first[STYLES.index("written")]
    assert len({tuple(tokens[1:]) for tokens in reads.tokens}) == 1  # nothing else differs


@pytest.mark.parametrize(
    "styles",
    [
        {"written": "[CLS]"},
        {"written": "[CLS]", "asr": "[CLS]", "bare": "no such piece"},
        {"written": "[CLS]", "asr": 3, "bare": None},
        ["[CLS]", "[PAD]", "[UNK]"],
        "[CLS]",
    ],
)
def test_styles_of_another_kind_are_refused(copy: Path, styles: object) -> None:
    told = "tokenizer, styles or max_tokens are of another kind|styles is .*, expected dict"
    with pytest.raises(MmerError, match=told):
        TextModel.load(edited(copy, styles=styles))


def test_the_shipped_model_answers_in_every_style(model: TextModel) -> None:
    answers = [model.predict("what are you doing here", PAST, style).log_probs for style in STYLES]
    assert np.isfinite(answers).all()
    assert len({answer.tobytes() for answer in answers}) == len(STYLES)


def test_a_damaged_or_missing_tokenizer_is_refused(copy: Path) -> None:
    tokenizer = copy / "text-tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes()[:-100])
    with pytest.raises(MmerError, match=r"text-tokenizer\.json is damaged or another version"):
        TextModel.load(copy)
    tokenizer.unlink()
    with pytest.raises(MmerError, match=r"text-tokenizer\.json is missing"):
        TextModel.load(copy)


def test_a_tokenizer_that_is_none_is_refused_even_with_the_right_hash(copy: Path) -> None:
    from mmer.models.checksum import sha256_of

    tokenizer = copy / "text-tokenizer.json"
    tokenizer.write_text("{}")
    card = json.loads((copy / "text.json").read_text(encoding="utf-8"))
    card["preprocessing"]["input"]["tokenizer_sha256"] = sha256_of(tokenizer)
    (copy / "text.json").write_text(json.dumps(card))
    with pytest.raises(MmerError, match="cannot read the tokenizer"):
        TextModel.load(copy)
