"""ROS 2 node: hri_msgs/Expression and hri_msgs/LiveSpeech from JSON lines, as ROS4HRI has them.

::

    mmer-live --output - | python -m mmer.realtime.examples.ros2_node

It publishes ``/humans/faces/mmer/expression`` and ``/humans/voices/mmer/speech``; ROS's remapping
renames them (``--ros-args -r ...``). Needs rclpy and hri_msgs of a sourced ROS 2.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

EXPRESSIONS: Final = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "scared",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Labels by the constants of hri_msgs/Expression."""


def expression_fields(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """Fields of hri_msgs/Expression of a running ``emotion`` line with a label, else None.

    Valence and arousal are derived from the probabilities; what the line does not have is NaN.
    """
    running = line["type"] == "emotion" and not (line["final"] or line.get("provisional"))
    if not running or line["label"] is None:
        return None
    unknown = math.nan
    return {
        "expression": EXPRESSIONS[line["label"]],
        "valence": float(line.get("valence", unknown)),
        "arousal": float(line.get("arousal", unknown)),
        "confidence": float(line["confidence"]),
    }


def speech_fields(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """Fields of hri_msgs/LiveSpeech of a ``partial`` or ``utterance`` line, else None."""
    if line["type"] == "partial":
        return {"incremental": line["text"], "final": "", "confidence": 0.0}
    if line["type"] == "utterance":
        return {
            "incremental": "",
            "final": line["text"],
            "confidence": float(line["confidence"] or 0.0),
        }
    return None


def capture_time(line: Mapping[str, Any]) -> float:
    """Seconds of the session that a message is stamped with: the end of what it is about."""
    if line["type"] == "emotion":
        return float(line["window"][1])
    return float(line["t1"] if "t1" in line else line["t"])


def publish(lines: Iterable[str], node: Any, expression: type, speech: type, time: type) -> None:
    """Publish every line's message until the lines end; the classes are those of the messages."""
    expressions = node.create_publisher(expression, "/humans/faces/mmer/expression", 10)
    speeches = node.create_publisher(speech, "/humans/voices/mmer/speech", 10)
    began: float | None = None  # UTC of second 0
    for text in lines:
        line = json.loads(text)
        if line["type"] == "session" and line["utc"] is not None:
            began = datetime.fromisoformat(line["utc"]).timestamp()
        for publisher, kind, fields in (
            (expressions, expression, expression_fields(line)),
            (speeches, speech, speech_fields(line)),
        ):
            if fields is None:
                continue
            message = kind()
            if began is None:
                message.header.stamp = node.get_clock().now().to_msg()
            else:
                whole, part = divmod(began + capture_time(line), 1.0)
                message.header.stamp = time(sec=int(whole), nanosec=int(part * 1e9))
            for name, value in fields.items():
                setattr(message, name, value)
            publisher.publish(message)


def main() -> None:
    """Publish what comes on standard input."""
    import rclpy
    from builtin_interfaces.msg import Time
    from hri_msgs.msg import Expression, LiveSpeech

    rclpy.init(args=sys.argv)
    node = rclpy.create_node("mmer")
    try:
        publish(sys.stdin, node, Expression, LiveSpeech, Time)
    except KeyboardInterrupt:
        return
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
