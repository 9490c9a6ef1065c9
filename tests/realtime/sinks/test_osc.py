"""OSC sink, received by python-osc."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from datetime import timezone
from types import SimpleNamespace
from typing import Any

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.sinks.osc import BLEND_SHAPES, Osc
from mmer.realtime.sinks.sink import Sink

osc_bundle = pytest.importorskip("pythonosc.osc_bundle", reason="needs the extra osc")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10.0)
        yield made


def address(receiver: socket.socket) -> str:
    return f"127.0.0.1:{receiver.getsockname()[1]}"


def send(sink: Sink, make: SimpleNamespace, live: bool = True) -> None:
    """The session; each event waits for the one before, so that none replaces another."""
    sink.open(make.info(live=live))
    for event in make.session():
        sink.write(event, 3.0)
        inbox = getattr(sink, "_inbox", ())
        until = time.monotonic() + 10.0
        while len(inbox) and time.monotonic() < until:
            time.sleep(0.001)
    sink.close(make.end)


def bundles(receiver: socket.socket, n: int) -> list[Any]:
    return [osc_bundle.OscBundle(receiver.recv(65536)) for _ in range(n)]


def messages(bundle: Any) -> list[tuple[str, list[Any]]]:
    return [(m.address, list(m.params)) for m in bundle]


def test_plain_bundles_carry_capture_times(receiver: socket.socket, make: SimpleNamespace) -> None:
    send(Osc(address(receiver)), make)
    got = bundles(receiver, 5)
    began = make.info(live=True).utc.astimezone(timezone.utc).timestamp()
    times = [bundle.timestamp - began for bundle in got]
    assert times == pytest.approx([1.0, 1.5, 1.9, 1.9, 2.5], abs=0.001)
    assert messages(got[0]) == [("/mmer/label", ["", 0.0])]  # silence
    running = dict(messages(got[1]))
    assert running["/mmer/label"] == ["joy", pytest.approx(0.7)]
    assert running["/mmer/probs"][EMOTIONS.index("joy")] == pytest.approx(0.7)
    assert running["/mmer/prob/fear"] == [pytest.approx(0.05)]
    assert messages(got[2]) == [("/mmer/transcript", [1, "what a wonderful day"])]
    assert messages(got[3]) == [("/mmer/final", [1, "joy", pytest.approx(0.7)])]


def test_vmc_sends_every_value_and_then_apply(
    receiver: socket.socket, make: SimpleNamespace
) -> None:
    send(Osc(address(receiver), format="vmc"), make)
    for bundle in bundles(receiver, 3):
        *values, last = messages(bundle)
        assert [name for name, _ in values] == ["/VMC/Ext/Blend/Val"] * len(BLEND_SHAPES)
        assert [given[0] for _, given in values] == list(BLEND_SHAPES.values())
        assert all(isinstance(given[1], float) for _, given in values)
        assert last == ("/VMC/Ext/Blend/Apply", [])


def test_vrchat_parameters_in_replay(receiver: socket.socket, make: SimpleNamespace) -> None:
    send(Osc(address(receiver), format="vrchat"), make, live=False)
    first, second, _ = bundles(receiver, 3)
    assert messages(first)[0] == ("/avatar/parameters/mmer/emotion", [0])
    values = dict(messages(second))
    assert values["/avatar/parameters/mmer/emotion"] == [EMOTIONS.index("joy") + 1]
    assert values["/avatar/parameters/mmer/joy"] == [pytest.approx(0.7)]
    assert len(values) == 8


def test_a_receiver_that_is_gone_is_reported_once_and_again_when_back(
    make: SimpleNamespace,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
        place.bind(("127.0.0.1", 0))
        where = address(place)
    sink = Osc(where)
    sink.open(make.info(live=True))
    told: list[str] = []
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver:
        until = time.monotonic() + 10.0
        while len(told) < 2 and time.monotonic() < until:
            sink.write(make.estimate(1.0), 1.0)
            time.sleep(0.01)
            told += sink.reports()
            if told and receiver.getsockname()[1] == 0:
                for _ in range(5):  # still only one line
                    sink.write(make.estimate(1.0), 1.0)
                    time.sleep(0.01)
                assert sink.reports() == []
                receiver.bind(("127.0.0.1", int(where.split(":")[1])))
        sink.close(make.end)
    assert told == [
        f"--osc {where}: nothing listens there; results go there all the same",
        f"--osc {where}: listens again",
    ]


def test_sending_that_hangs_holds_nothing_up_and_keeps_finals(
    make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmer.realtime.sinks.network._LAST_S", 0.05)
    sink = Osc("127.0.0.1:9")
    sent: list[bytes] = []
    monkeypatch.setattr(sink, "_send", lambda packet: (time.sleep(0.2), sent.append(packet)))
    sink.open(make.info(live=True))
    began = time.monotonic()
    for n in range(600):
        sink.write(make.estimate(n / 4), 3.0)
        if n % 2 == 0:
            sink.write(make.estimate(n / 4, final=True, utterance=n), 3.0)
    assert sink._inbox is not None
    waiting = [event for _, event in sink._inbox._waiting]
    assert 250 <= len(waiting) <= 256
    assert sum(event.final for event in waiting) >= len(waiting) - 1  # one running estimate
    sink.close(make.end)
    assert time.monotonic() - began < 2.0
    (text,) = sink.reports()
    assert text.startswith("--osc: ")
    assert "results were not sent to 127.0.0.1:9" in text


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "9000",
        "host",
        "host:",
        "host:x",
        "host:70000",
        "a:1/b",
        "a:1?b",
        "a:1#b",
        "a..b:1",
        f"{'a' * 64}:1",
    ],
)
def test_a_wrong_address_is_one_line(wrong: str) -> None:
    with pytest.raises(MmerError, match="expected HOST:PORT"):
        Osc(wrong)


def test_without_python_osc_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythonosc.osc_bundle_builder", None)
    with pytest.raises(MmerError, match=r"--osc needs the extra: pip install 'mmer-live\[osc\]'"):
        Osc("127.0.0.1:9000")
