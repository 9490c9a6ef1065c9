"""The dialogues that train the text network: whole, cut from the development data, in windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.texts import bare

TELLING_WORDS = 5
"""A text of so many words in two conversations means that they are one scene."""


@dataclass(frozen=True)
class Conversation:
    """Utterances in order; ``labels`` by position, of those utterances that are learned.

    ``soft`` holds probabilities (7,) of the same utterances by another network, where there are.
    """

    corpus: str
    group: str
    texts: tuple[str, ...]
    labels: dict[int, int]
    soft: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


def conversations(items: Iterable[Item], development: Sequence[Item]) -> list[Conversation]:
    """The items as conversations, one text each where a corpus has no dialogues.

    Left out are all conversations that share a text of ``TELLING_WORDS`` words or more with the
    development items or what was said before them (EmoryNLP and MELD are cut from one series).
    No text that is like one of the development items (``text_key``) is learned; in the past of
    another utterance it stays.
    """
    barred = {text_key(item.text or "") for item in development}
    said = {text for item in development for text in (*item.past, item.text or "")}
    telling = {text_key(text) for text in said if len(bare(text).split()) >= TELLING_WORDS}
    scenes: dict[str, list[Item]] = defaultdict(list)
    for number, item in enumerate(items):
        scenes[item.dialogue_group or f"{item.corpus}//{number}"].append(item)
    out = []
    for scene in scenes.values():
        last = max(scene, key=lambda item: len(item.past))
        texts = (*last.past, last.text or "")
        labels = {
            len(item.past): item.label for item in scene if text_key(item.text or "") not in barred
        }
        shared = any(text_key(text) in telling for text in texts)
        if labels and not (shared and last.dialogue):
            out.append(Conversation(last.corpus, last.dialogue_group, texts, labels))
    return out


@dataclass(frozen=True)
class Window:
    """A stretch of a conversation: its texts, labels and soft labels by place among them."""

    texts: tuple[str, ...]
    labels: dict[int, int]
    soft: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


def overlapping(conversation: Conversation, turns: int) -> list[tuple[int, Window]]:
    """Windows of up to ``turns`` utterances whose labels lie in their second half, each label once.

    With each, the position of its first utterance in the conversation.
    """
    half = max(1, turns // 2)
    out = []
    for edge in range(0, len(conversation.texts), half):
        start = max(0, edge - (turns - half))
        labels = {k - start: v for k, v in conversation.labels.items() if edge <= k < edge + half}
        if labels:
            texts = conversation.texts[start : start + max(labels) + 1]
            out.append((start, Window(texts, labels)))
    return out


def cut(conversation: Conversation, turns: int, rng: np.random.Generator) -> list[Window]:
    """The conversation in windows of up to ``turns`` utterances, from a random phase on."""
    edges = range(-int(rng.integers(0, turns)), len(conversation.texts), turns)
    out = []
    for edge in edges:
        start, end = max(0, edge), edge + turns
        labels = {k - start: v for k, v in conversation.labels.items() if start <= k < end}
        if labels:
            length = max(labels) + 1  # what follows the last label teaches nothing
            soft = {
                k: conversation.soft[k + start] for k in labels if k + start in conversation.soft
            }
            out.append(Window(conversation.texts[start : start + length], labels, soft))
    return out
