"""Text task: dialogues of four corpora, word pieces, a transformer cut down from MiniLM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.text import PAD, TextNetwork
from mmer.models.preparation.dialogue_tokens import DialogueTokens
from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment import spoken_texts
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.augment.text import TextChanges
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.registry import read
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks import minilm
from mmer.training.tasks.prune_tokenizer import STYLE_PIECES, prune_tokenizer
from mmer.training.tasks.task import Arrays, Task
from mmer.training.tasks.text_batches import WindowSampler
from mmer.training.tasks.text_data import conversations
from mmer.training.tasks.text_encoding import DialogueEncoder, padded
from mmer.training.tasks.text_options import TextOptions

ASR = 'as a recognizer that punctuates writes (no "!", no "..."), the past too'
BARE = "lower case without punctuation, as other recognizers write, the past too"
ERRORS = {
    f"bare, with {rate:.0%} simulated word errors, the past too": rate for rate in (0.15, 0.3)
}
ALONE = "as written, without the utterances before"
_STYLES: Mapping[str | None, TextStyle] = {None: "written", ASR: "asr", ALONE: "written"}
"""Style of the development data by condition; bare in the others."""
_SETTLED_BY = 12
"""Batches from which the ranges of the network's activations are measured."""


def _spoken(options: TextOptions, cache: Path | None, where: str) -> dict[str, str]:
    """Transcripts of the round trip by written text, where the recipe wants them."""
    if not options.spoken_texts:
        return {}
    found = {} if cache is None else spoken_texts.load(cache)
    if not found:
        raise MmerError(
            f"{where}: spoken_texts needs transcripts in the folder of --cache: make them by "
            "`python -m mmer.training.augment.spoken_texts --data DATA --cache CACHE`"
        )
    return found


class TextTask(Task):
    """The task of ``TextNetwork``."""

    modality = "text"
    conditions: tuple[str, ...] = (ASR, BARE, *ERRORS, ALONE)
    starting_point = minilm.NAME
    known_failures = (
        "Disgust and fear are rare in the training data (below 5 %) and weak.",
        'Sarcasm, and feelings that lie in the voice alone: "Great." can be anything.',
        "Series dialogue and written comments: scripted, American English, before 2020. Other "
        "varieties of English, slang, children's and technical talk are untried.",
        "The speaker is not an input: the utterances before may be another person's, and a quarrel "
        "colours the answer that calms it.",
        'Hatred is disgust rather than anger to it ("I hate you, shut up!": 0.74 to 0.17).',
        "Simulated recognition errors fall on all words alike; real ones gather in noise, "
        "accents and names.",
    )

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None = None, weights: Path | None = None
    ) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(TextOptions, recipe.options, where)
        if (options.self_training or options.taught) and not recipe.start:
            raise MmerError(f"{where}: soft labels need a teacher: name a run in start")
        changes = from_table(TextChanges, options.changes, f"{where}.changes")
        self.development_data = (
            "MELD development split (its own split, by dialogue), as written, with up to "
            f"{options.past_utterances} utterances before; training is without every text like "
            "one in it"
        )
        self._development = read("meld", data / "text" / "meld", "text", "dev").items
        readings = {c: read(c, data / "text" / c, "text", "train") for c in options.shares}
        self._train = [
            conversation
            for reading in readings.values()
            for conversation in conversations(reading.items, self._development)
        ]
        self.dropped = {
            f"{corpus}: {why}": n
            for corpus, reading in readings.items()
            for why, n in reading.dropped.items()
        }
        by_corpus = [[c for c in self._train if c.corpus == name] for name in options.shares]
        if not all(by_corpus):
            raise MmerError(f"{where}: a corpus has no utterance left to train on")
        texts = [text for c in self._train for text in c.texts]
        count = Counter(word for text in texts for word in bare(text).split())
        words = [word for word, n in count.items() if n >= options.word_count]
        self._errors = ErrorModel(words)
        self._tokenizer, self._numbers = prune_tokenizer(
            minilm.folder() / "tokenizer.json",
            [*texts, *map(as_recognized, texts), *map(bare, texts)],
            options.piece_count,
        )
        self.encoder = DialogueEncoder(self._tokenizer, options.max_tokens)
        self._spoken = _spoken(options, cache, where)
        shares = np.array(list(options.shares.values()), float)
        shares /= shares.sum()
        self.class_shares = np.zeros(len(EMOTIONS))
        for share, group in zip(shares, by_corpus, strict=True):
            labels = [label for c in group for label in c.labels.values()]
            self.class_shares += share * np.bincount(labels, minlength=len(EMOTIONS)) / len(labels)
        batches = [max(1, round(share * options.draws / recipe.batch)) for share in shares]
        self.batches_per_epoch = sum(batches)
        self._sampler = WindowSampler(
            by_corpus,
            batches,
            recipe.batch,
            options.window,
            self.encoder,
            self._errors,
            changes,
            self._spoken,
            options.self_training,
            options.taught,
        )

    def network(self) -> nn.Module:
        o = self._options
        network = TextNetwork(
            self._tokenizer.get_vocab_size(),
            o.max_tokens,
            o.layers,
            embedding=o.embedding,
            dropout=o.dropout,
            heads=len(o.shares),
        )
        minilm.fill(network, self._numbers)
        network.words.requires_grad_(False)  # rare words keep their pretrained embedding
        return network

    def settle(self, network: nn.Module) -> None:
        """Even out the ranges of activations over some training texts, for int8."""
        assert isinstance(network, TextNetwork)
        batches = islice(self.batches(np.random.default_rng(self._recipe.seed)), _SETTLED_BY)
        for layer, name, largest in network.largest_inputs(
            [tuple(torch.from_numpy(i[key]) for key in ("tokens", "turns")) for i, _ in batches]
        ):
            layer.even_out(name, largest)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """The layers, at lower rates from top to bottom; new layers at a higher one."""
        assert isinstance(network, TextNetwork)
        o = self._options
        body = {f"layers.{k}.": o.layer_decay ** (o.layers - 1 - k) for k in range(o.layers)} | {
            "positions.": o.layer_decay**o.layers,
            "norm.": o.layer_decay**o.layers,
        }
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                scale = next((s for part, s in body.items() if name.startswith(part)), o.head_rate)
                groups.setdefault(scale, []).append(parameter)
        return [{"params": params, "scale": scale} for scale, params in groups.items()]

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        yield from self._sampler.epoch(rng)

    def begin(self, network: nn.Module) -> None:
        assert isinstance(network, TextNetwork)
        if self._options.self_training or self._options.taught:
            self._sampler.label_softly(network)

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        past = 0 if condition == ALONE else self._options.past_utterances
        items = self._development
        histories = [[*u.past[max(0, len(u.past) - past) :], u.text or ""] for u in items]
        style = _STYLES.get(condition, "bare")
        if condition in (ASR, BARE):
            histories = [[RESTYLE[style](text) for text in texts] for texts in histories]
        if condition in ERRORS:
            rng = np.random.default_rng(self._recipe.seed)
            rate = ERRORS[condition]
            histories = [
                [self._errors.misrecognize(text, rate, rng) for text in texts]
                for texts in histories
            ]
        for k in range(0, len(histories), 64):
            rows = [self.encoder.encode([t for t in s if t], style) for s in histories[k : k + 64]]
            inputs = {"tokens": padded([r[0] for r in rows]), "turns": padded([r[1] for r in rows])}
            yield inputs, np.array([u.label for u in items[k : k + 64]])

    def single(self, inputs: Arrays, row: int) -> Arrays:
        length = int((inputs["turns"][row] != PAD).sum())
        return {name: array[row : row + 1, :length] for name, array in inputs.items()}

    def development_groups(self) -> list[str]:
        return [u.dialogue_group for u in self._development]

    def seen(self) -> Seen:
        return Seen(
            frozenset(c.group for c in self._train if c.group),
            texts=as_keys(text_key(c.texts[k]) for c in self._train for k in c.labels),
        )

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        axes = {0: "batch", 1: "tokens"}
        return {"tokens": axes, "turns": axes}

    def preprocessing(self) -> dict[str, Any]:
        return {"input": self._preparation().settings()}

    def _preparation(self) -> DialogueTokens:
        o = self._options
        text = self._tokenizer.to_str()
        return DialogueTokens(text, o.max_tokens, o.past_utterances, STYLE_PIECES)

    def training_data(self) -> tuple[TrainingData, ...]:
        count: Counter[str] = Counter()
        for conversation in self._train:
            count[conversation.corpus] += len(conversation.labels)
        split = "train, without texts and scenes that the development data has"
        return tuple(training_data(c, split, n) for c, n in count.items())

    def notes(self) -> tuple[str, ...]:
        first = next(iter(self._options.shares))
        texts = {text for c in self._train for text in c.texts}
        spoken = sum(bool(self._spoken.get(text)) for text in texts)
        return (
            f"Of {len(texts)} training texts, {spoken} had a transcript of a round trip through "
            "speech: spoken by flite, in noise, transcribed by Moonshine.",
            f"{self._options.layers} of the starting point's 6 layers and "
            f"{self._tokenizer.get_vocab_size()} of its 30522 word pieces are used.",
            f"Each corpus had a head of its own in training; the exported one is {first}'s.",
            "An utterance attends to those before it, never the other way round.",
            "Texts like one of the development data were not learned, but stand in the past of "
            "others that were.",
        )

    def save_extras(self, folder: Path) -> None:
        """The tokenizer."""
        for name, content in self._preparation().files().items():
            (folder / name).write_bytes(content)
