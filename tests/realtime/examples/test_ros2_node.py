"""ROS 2 node, held against the fields of ROS4HRI's message files."""

from __future__ import annotations

import json
import math
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from run_lines import PROVISIONAL, TEXTS, emotion_line, run_lines

from mmer.models.labels import EMOTIONS
from mmer.realtime.examples.ros2_node import EXPRESSIONS, expression_fields, publish

# names in hri_msgs/msg/Expression.msg and LiveSpeech.msg of ros4hri/hri_msgs (ROS 2 Humble)
EXPRESSION = ("header", "expression", "valence", "arousal", "confidence")
LIVE_SPEECH = ("header", "incremental", "final", "confidence")
CONSTANTS = {"neutral", "angry", "sad", "happy", "surprised", "disgusted", "scared"}


class Message:
    """A message as rclpy makes it: fields of other names are refused."""

    __slots__ = ("header",)

    def __init__(self) -> None:
        self.header = SimpleNamespace(stamp=None)


class Expression(Message):
    __slots__ = tuple(name for name in EXPRESSION if name != "header")


class LiveSpeech(Message):
    __slots__ = tuple(name for name in LIVE_SPEECH if name != "header")


class Node:
    def __init__(self) -> None:
        self.topics: dict[str, list[Any]] = {}

    def create_publisher(self, kind: type, topic: str, depth: int) -> SimpleNamespace:
        return SimpleNamespace(publish=self.topics.setdefault(topic, []).append)

    def get_clock(self) -> SimpleNamespace:
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: "now"))


def published(live: bool) -> tuple[list[Any], list[Any]]:
    node = Node()
    lines = [json.dumps(line) + "\n" for line in run_lines(live)]
    lines.insert(1, json.dumps({"v": 1, "type": "partial", "id": 1, "t": 1.0, "text": "I am"}))
    publish(lines, node, Expression, LiveSpeech, SimpleNamespace)
    assert list(node.topics) == ["/humans/faces/mmer/expression", "/humans/voices/mmer/speech"]
    expressions, speeches = node.topics.values()
    return expressions, speeches


def test_every_label_has_a_constant_of_the_message() -> None:
    assert set(EXPRESSIONS) == set(EMOTIONS)
    assert set(EXPRESSIONS.values()) == CONSTANTS


def test_running_estimates_are_expressions() -> None:
    expressions, _ = published(live=True)
    assert [e.expression for e in expressions] == ["happy", "happy", "sad", "happy"]
    assert all(e.confidence == 0.7 and math.isnan(e.valence) for e in expressions)
    line = {**emotion_line(1.0, "joy"), "valence": 0.5}
    assert expression_fields(line)["valence"] == 0.5  # type: ignore[index]
    assert expression_fields({**line, **PROVISIONAL}) is None


def test_stamps_are_capture_times_in_utc() -> None:
    expressions, speeches = published(live=True)
    began = datetime.fromisoformat("2026-11-21T12:00:00.250+00:00").timestamp()
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in (*expressions, *speeches)]
    times = [0.5, 0.75, 1.0, 2.25, 1.0, 2.0, 4.0]
    assert stamps == pytest.approx([began + t for t in times], abs=1e-3)
    assert published(live=False)[0][0].header.stamp == "now"


def test_words_are_live_speech() -> None:
    _, speeches = published(live=True)
    assert [(s.incremental, s.final) for s in speeches] == [
        ("I am", ""), ("", TEXTS[0]), ("", TEXTS[1]),
    ]  # fmt: skip
    assert speeches[1].confidence == 0.93
