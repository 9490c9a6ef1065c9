"""The text task: dialogues of four corpora, word pieces, a transformer cut down from MiniLM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from mmer.models.preparation.dialogue_tokens import SEPARATOR, DialogueTokens, lay_out
from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment import spoken_texts
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.augment.text import TextChanges, change_texts
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.registry import read
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks import minilm
from mmer.training.tasks.prune_tokenizer import STYLE_PIECES, prune_tokenizer
from mmer.training.tasks.task import Arrays, Task
from mmer.training.tasks.text_data import Window, conversations, cut, overlapping
from mmer.training.tasks.text_options import TextOptions

ASR = 'as a recognizer that punctuates writes (no "!", no "..."), the past too'
BARE = "lower case without punctuation, as other recognizers write, the past too"
ERRORS = {
    f"bare, with {rate:.0%} simulated word errors, the past too": rate for rate in (0.15, 0.3)
}
ALONE = "as written, without the utterances before"
_STYLES: Mapping[str | None, TextStyle] = {None: "written", ASR: "asr", ALONE: "written"}
"""Style of the development data by condition; bare in the others."""
_SORTED_TOGETHER = 20
"""So many batches are drawn at once and sorted by length, which saves padding."""
_SETTLED_BY = 12
"""So many batches show how large the network's inner values become."""


def _pad(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, int64 (B, T)."""
    out = np.full((len(rows), max(len(r) for r in rows)), PAD, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out


@dataclass(frozen=True)
class _Row:
    """One window as the network reads it: tokens and turns (T,), targets (M, 7) of M turns."""

    tokens: np.ndarray
    turns: np.ndarray
    places: list[int]  # of the learned utterances in the window
    asked: list[int]  # their turns
    targets: np.ndarray
    corpus: int  # whose head answers


def _batch(rows: Sequence[_Row]) -> Arrays:
    """Inputs of ``TextNetwork`` in training."""
    counts = [len(row.asked) for row in rows]
    return {
        "tokens": _pad([row.tokens for row in rows]),
        "turns": _pad([row.turns for row in rows]),
        "rows": np.repeat(np.arange(len(rows)), counts),
        "asked": np.array([turn for row in rows for turn in row.asked]),
        "corpus": np.repeat([row.corpus for row in rows], counts),
    }


@torch.no_grad()
def _probabilities(network: TextNetwork, inputs: Arrays) -> np.ndarray:
    """Of the turns that are asked for, float32 (M, 7), without dropout."""
    training = network.training
    network.eval()
    device = next(network.parameters()).device
    logits, _ = network(*(torch.from_numpy(a).to(device) for a in inputs.values()))
    network.train(training)
    return logits.softmax(dim=1).float().cpu().numpy()  # type: ignore[no-any-return]


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
    """See ``Task``."""

    modality = "text"
    conditions: tuple[str, ...] = (ASR, BARE, *ERRORS, ALONE)
    starting_point = minilm.NAME
    known_failures = (
        "Disgust and fear are rare in the training data (below 5 %) and weak.",
        'Sarcasm, and feelings that lie in the voice alone: "Great." can be anything.',
        "Series dialogue and written comments: scripted, American English, before 2020. Other "
        "varieties of English, slang, children's and technical talk are untried.",
        "Who speaks is not told: the utterances before may be another person's, and a quarrel "
        "colours the answer that calms it.",
        'Hatred is disgust rather than anger to it ("I hate you, shut up!": 0.74 to 0.17).',
        "Simulated recognition errors fall on all words alike; real ones gather in noise, "
        "accents and names.",
    )

    def __init__(self, recipe: Recipe, data: Path, cache: Path | None = None) -> None:
        where = f"recipe {recipe.name}: options"
        self._recipe = recipe
        self._options = options = from_table(TextOptions, recipe.options, where)
        self._changes = from_table(TextChanges, options.changes, f"{where}.changes")
        self.development_data = (
            "MELD development split (its own split, by dialogue), as written, with up to "
            f"{options.past_utterances} utterances before; training is without every text like "
            "one in it"
        )
        self._held = read("meld", data / "text" / "meld", "text", "dev").items
        readings = {c: read(c, data / "text" / c, "text", "train") for c in options.shares}
        self._train = [
            conversation
            for reading in readings.values()
            for conversation in conversations(reading.items, self._held)
        ]
        self.dropped = {
            f"{corpus}: {why}": n
            for corpus, reading in readings.items()
            for why, n in reading.dropped.items()
        }
        self._by_corpus = [[c for c in self._train if c.corpus == name] for name in options.shares]
        if not all(self._by_corpus):
            raise MmerError(f"{where}: a corpus has no utterance left to train on")
        shares = np.array(list(options.shares.values()), float)
        self._shares = shares / shares.sum()
        texts = [text for c in self._train for text in c.texts]
        count = Counter(word for text in texts for word in bare(text).split())
        self._words = [word for word, n in count.items() if n >= options.word_count]
        self._errors = ErrorModel(self._words)
        self._tokenizer, self._numbers = prune_tokenizer(
            minilm.folder() / "tokenizer.json",
            [*texts, *map(as_recognized, texts), *map(bare, texts)],
            options.piece_count,
        )
        vocabulary = self._tokenizer.get_vocab()
        self._first = {style: vocabulary[piece] for style, piece in STYLE_PIECES.items()}
        self._separator = vocabulary[SEPARATOR]
        self._spoken = _spoken(options, cache, where)
        self.class_shares = np.zeros(len(EMOTIONS))
        for share, group in zip(self._shares, self._by_corpus, strict=True):
            labels = [label for c in group for label in c.labels.values()]
            self.class_shares += share * np.bincount(labels, minlength=len(EMOTIONS)) / len(labels)
        self._batches = [max(1, round(s * options.draws / recipe.batch)) for s in self._shares]
        self.batches_per_epoch = sum(self._batches)

    def network(self) -> nn.Module:
        """A ``TextNetwork`` with the starting point's weights."""
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
        network.words.requires_grad_(False)  # words that training hardly holds keep their place
        return network

    def settle(self, network: nn.Module) -> None:
        """Even out the transformer's inner values over some training texts, for 8 bits."""
        assert isinstance(network, TextNetwork)
        batches = islice(self.batches(np.random.default_rng(self._recipe.seed)), _SETTLED_BY)
        for layer, name, largest in network.largest_inputs(
            [tuple(torch.from_numpy(i[key]) for key in ("tokens", "turns")) for i, _ in batches]
        ):
            layer.even_out(name, largest)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """The layers, slower from above to below; what is not pretrained, faster."""
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
        """Windows of one corpus and similar length, some as a recognizer would write them."""
        order = np.repeat(np.arange(len(self._batches)), self._batches)
        streams = [self._corpus_batches(k, n, rng) for k, n in enumerate(self._batches)]
        for k in rng.permutation(order):
            yield next(streams[int(k)])

    def _corpus_batches(
        self, corpus: int, number: int, rng: np.random.Generator
    ) -> Iterator[tuple[Arrays, np.ndarray]]:
        windows = self._windows(corpus, rng)
        while number:
            now = min(number, _SORTED_TOGETHER)
            number -= now
            rows: list[_Row] = []
            wanted = now * self._recipe.batch
            while wanted > 0:
                rows.append(self._encode_window(next(windows), corpus, rng))
                wanted -= len(rows[-1].asked)
            rows.sort(key=lambda row: len(row.tokens))
            counts = np.array([len(row.asked) for row in rows])
            ends = np.cumsum(counts) * now / counts.sum()
            for k in rng.permutation(now):
                some = [r for r, end in zip(rows, ends, strict=True) if k < end <= k + 1]
                if not some:
                    some = [rows[-1]]
                yield _batch(some), np.concatenate([row.targets for row in some])

    def _windows(self, corpus: int, rng: np.random.Generator) -> Iterator[Window]:
        """Pass after pass over the corpus, cut anew each time, without end."""
        while True:
            windows = [
                window
                for conversation in self._by_corpus[corpus]
                for window in cut(conversation, self._options.window, rng)
            ]
            for k in rng.permutation(len(windows)):
                yield windows[k]

    def begin(self, network: nn.Module) -> None:
        """Soft labels of the other corpora, by the first corpus' head of ``network``."""
        if not self._options.self_training:
            return
        assert isinstance(network, TextNetwork)
        size = self._options.window
        for group in self._by_corpus[1:]:
            found = [(c, *w) for c, one in enumerate(group) for w in overlapping(one, size)]
            found.sort(key=lambda place: sum(map(len, place[2].texts)))
            soft: list[dict[int, np.ndarray]] = [{} for _ in group]
            for k in range(0, len(found), self._recipe.batch):
                part = found[k : k + self._recipe.batch]
                rows = [self._row(w, w.texts, "written") for _, _, w in part]
                probs = iter(_probabilities(network, _batch(rows)))
                for (c, start, _), row in zip(part, rows, strict=True):
                    soft[c] |= {start + place: next(probs) for place in row.places}
            group[:] = [replace(one, soft=s) for one, s in zip(group, soft, strict=True)]

    def _encode_window(self, window: Window, corpus: int, rng: np.random.Generator) -> _Row:
        """A window in some style, and the turns of it that are learned, with their targets."""
        texts, style = change_texts(window.texts, self._errors, rng, self._changes, self._spoken)
        row = self._row(window, texts, style, corpus)
        share = self._options.self_training
        if window.soft.keys() >= set(row.places) and rng.random() < share:
            soft = np.array([window.soft[place] for place in row.places], np.float32)
            return replace(row, targets=soft, corpus=0)
        return row

    def _row(self, window: Window, texts: Sequence[str], style: TextStyle, corpus: int = 0) -> _Row:
        tokens, turns = self._lay_out(texts, style)
        missing = len(texts) - int(turns.max())  # the oldest, where there was no room
        places = [k for k in window.labels if k >= missing]
        hard = np.eye(len(EMOTIONS), dtype=np.float32)[[window.labels[k] for k in places]]
        return _Row(tokens, turns, places, [k + 1 - missing for k in places], hard, corpus)

    def _lay_out(self, texts: Sequence[str], style: TextStyle) -> tuple[np.ndarray, np.ndarray]:
        pieces = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        return lay_out(pieces, self._first[style], self._separator, self._options.max_tokens)

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """MELD's utterances with those before them, as they are or in one of ``conditions``."""
        past = 0 if condition == ALONE else self._options.past_utterances
        stretches = [[*u.past[max(0, len(u.past) - past) :], u.text or ""] for u in self._held]
        style = _STYLES.get(condition, "bare")
        if condition in (ASR, BARE):
            stretches = [[RESTYLE[style](text) for text in texts] for texts in stretches]
        if condition in ERRORS:
            rng = np.random.default_rng(self._recipe.seed)
            rate = ERRORS[condition]
            stretches = [
                [self._errors.misrecognize(text, rate, rng) for text in texts]
                for texts in stretches
            ]
        for k in range(0, len(stretches), 64):
            rows = [self._lay_out([t for t in s if t], style) for s in stretches[k : k + 64]]
            inputs = {"tokens": _pad([r[0] for r in rows]), "turns": _pad([r[1] for r in rows])}
            yield inputs, np.array([u.label for u in self._held[k : k + 64]])

    def single(self, inputs: Arrays, row: int) -> Arrays:
        """One stretch of dialogue without its padding."""
        length = int((inputs["turns"][row] != PAD).sum())
        return {name: array[row : row + 1, :length] for name, array in inputs.items()}

    def development_groups(self) -> list[str]:
        """MELD's dialogues."""
        return [u.dialogue_group for u in self._held]

    def seen(self) -> Seen:
        """The dialogues and the texts that were learned."""
        return Seen(
            frozenset(c.group for c in self._train if c.group),
            texts=as_keys(text_key(c.texts[k]) for c in self._train for k in c.labels),
        )

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """The batch and the tokens."""
        axes = {0: "batch", 1: "tokens"}
        return {"tokens": axes, "turns": axes}

    def preprocessing(self) -> dict[str, Any]:
        return {"input": self._preparation().settings()}

    def _preparation(self) -> DialogueTokens:
        o = self._options
        text = self._tokenizer.to_str()
        return DialogueTokens(text, o.max_tokens, o.past_utterances, STYLE_PIECES)

    def training_data(self) -> tuple[TrainingData, ...]:
        """Utterances by corpus."""
        count: Counter[str] = Counter()
        for conversation in self._train:
            count[conversation.corpus] += len(conversation.labels)
        split = "train, without texts and scenes that the development data has"
        return tuple(training_data(c, split, n) for c, n in count.items())

    def notes(self) -> tuple[str, ...]:
        """How to read the figures."""
        first = next(iter(self._options.shares))
        texts = {text for c in self._train for text in c.texts}
        spoken = sum(bool(self._spoken.get(text)) for text in texts)
        return (
            f"Of {len(texts)} training texts, {spoken} had a transcript of a round trip through "
            "speech: spoken by flite, in noise, transcribed by Moonshine.",
            f"{self._options.layers} of the starting point's 6 layers and "
            f"{self._tokenizer.get_vocab_size()} of its 30522 word pieces are kept.",
            f"Each corpus had a head of its own in training; the exported one is {first}'s.",
            "An utterance sees those before it, and these do not see it.",
            "Texts like one of the development data were not learned, but stand in the past of "
            "others that were.",
        )

    def save_extras(self, folder: Path) -> None:
        """The tokenizer."""
        for name, content in self._preparation().files().items():
            (folder / name).write_bytes(content)
