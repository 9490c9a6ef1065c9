"""UDP events sink: the documented lines."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace

from mmer.realtime.messages import Notice
from mmer.realtime.sinks.udp_events import UdpEvents, event_line


def test_a_running_estimate_is_a_sample(make: SimpleNamespace) -> None:
    assert event_line(make.estimate(12.5)) == (
        "E;1;mmer;1;;;;Emotion;12.500;0.0500;0.0500;0.0500;0.7000;0.0500;0.0500;0.0500;0.7000"
    )
    assert event_line(make.estimate(12.5, None)) is None
    assert event_line(make.provisional(12.5, 3, (10.0, 12.0))) is None  # its final follows


def test_finals_and_words_are_discrete_markers(make: SimpleNamespace) -> None:
    final = make.estimate(2.2, window=(0.5, 1.9), final=True, utterance=1)
    assert event_line(final) == ("M;2;;;joy;utterance 1, 0.500 to 1.900 s, confidence 0.7000;D;")
    silent = make.estimate(2.2, None, window=(0.5, 1.9), final=True, utterance=1)
    assert event_line(silent) == "M;2;;;none;utterance 1, 0.500 to 1.900 s;D;"
    words = make.transcript(1, 0.5, 1.9, "wait; what\r\nis this")
    assert event_line(words) == "M;2;;;transcript;wait, what is this;D;"
    assert event_line(Notice(1.0, "info", "microphone", "hello")) is None


def test_one_datagram_an_event(make: SimpleNamespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10.0)
        sink = UdpEvents(f"127.0.0.1:{receiver.getsockname()[1]}")
        sink.open(make.info(live=True))
        for event in make.session():
            sink.write(event, 3.0)
            until = time.monotonic() + 10.0
            while len(sink._inbox) and time.monotonic() < until:  # none replaces another
                time.sleep(0.001)
        sink.close(make.end)
        lines = [receiver.recv(65536).decode() for _ in range(4)]
    assert [line.split(";")[0] for line in lines] == ["E", "M", "M", "E"]
    assert all(line.endswith("\r\n") and line.count("\n") == 1 for line in lines)
