"""Data of the text task: dialogues without overlap with the development data, in windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.texts import bare

SHARED_WORDS = 5
"""Words of a text that make two conversations with it one scene."""


@dataclass(frozen=True)
class Conversation:
    """Utterances in order; ``labels`` by position, of the utterances that are trained on.

    ``soft`` holds probabilities (7,) by another network, for those that fitted its input.
    """

    corpus: str
    group: str
    texts: tuple[str, ...]
    labels: dict[int, int]
    soft: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


def conversations(items: Iterable[Item], development: Sequence[Item]) -> list[Conversation]:
    """The items as conversations, one text each where a corpus has no dialogues.

    Left out are all conversations that share a text of ``SHARED_WORDS`` words or more with the
    development items or their past (EmoryNLP and MELD are cut from one series). A text like one
    of the development items (``text_key``) is not trained on, but stays in the past of others.
    """
    barred = {text_key(item.text or "") for item in development}
    held_out = {text for item in development for text in (*item.past, item.text or "")}
    shared_keys = {text_key(text) for text in held_out if len(bare(text).split()) >= SHARED_WORDS}
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
        shared = any(text_key(text) in shared_keys for text in texts)
        if labels and not (shared and last.dialogue):
            out.append(Conversation(last.corpus, last.dialogue_group, texts, labels))
    return out


@dataclass(frozen=True)
class Window:
    """A part of a conversation: its texts, labels and soft labels by place among them."""

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
            length = max(labels) + 1  # texts after the last label have no effect
            soft = {
                k: conversation.soft[k + start] for k in labels if k + start in conversation.soft
            }
            out.append(Window(conversation.texts[start : start + length], labels, soft))
    return out
