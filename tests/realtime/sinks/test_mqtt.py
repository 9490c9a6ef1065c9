"""MQTT sink, with mosquitto as the broker."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.sinks import mqtt
from mmer.realtime.sinks.mqtt import Mqtt

client_module = pytest.importorskip("paho.mqtt.client", reason="needs the extra mqtt")
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_broker = pytest.mark.skipif(
    MOSQUITTO is None, reason="needs mosquitto: apt-get install mosquitto"
)


def wait(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.01)


class Broker:
    """mosquitto on a port of its own, with an observer of every topic."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))
            self.port = place.getsockname()[1]
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.got: list[tuple[str, str, bool]] = []  # topic, payload, retained

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def listens() -> bool:
            with socket.socket() as attempt:
                return attempt.connect_ex(("127.0.0.1", self.port)) == 0

        wait(listens)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def observe(self) -> Any:
        """A client that records everything, from now on; with the retained messages first."""
        client = client_module.Client(client_module.CallbackAPIVersion.VERSION2)
        ready: list[bool] = []
        client.on_message = lambda c, data, m: self.got.append(
            (m.topic, m.payload.decode(), m.retain)
        )
        client.on_subscribe = lambda *args: ready.append(True)
        client.connect("127.0.0.1", self.port)
        client.subscribe("#", qos=1)
        client.loop_start()
        wait(lambda: ready)
        return client

    def payloads(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in self.got if name == topic]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.stop()


@needs_broker
def test_a_session_at_a_broker(broker: Broker, make: SimpleNamespace) -> None:
    broker.start()
    observer = broker.observe()
    sink = Mqtt(f"mqtt://127.0.0.1:{broker.port}/lab/mmer")
    sink.open(make.info(live=True))
    wait(lambda: broker.payloads("lab/mmer/availability") == ["online"])
    for event in make.session():  # estimates of 1.0, 1.5 and 2.5 s
        sink.write(event, 3.0)
    sink.close(make.end)
    wait(lambda: broker.payloads("lab/mmer/availability") == ["online", "offline"])
    states = [json.loads(payload) for payload in broker.payloads("lab/mmer/state")]
    assert [(s["t"], s["label"]) for s in states] == [(1.0, None), (2.5, "surprise")]
    assert states[1]["probs"]["surprise"] == 0.7
    (final,) = [json.loads(payload) for payload in broker.payloads("lab/mmer/utterance")]
    assert (final["label"], final["text"]) == ("joy", "what a wonderful day")
    assert (final["utterance"], final["t0"], final["t1"]) == (1, 0.5, 1.9)
    assert broker.payloads("lab/mmer/session") == ['{"policy": "open"}']
    assert sink.reports() == []
    observer.disconnect()
    observer.loop_stop()
    # all is retained: who comes later sees the last state
    broker.got.clear()
    later = broker.observe()
    wait(lambda: len(broker.got) == 5)
    assert all(retained for _, _, retained in broker.got)
    later.disconnect()
    later.loop_stop()


@needs_broker
def test_home_assistant_finds_the_device(broker: Broker, make: SimpleNamespace) -> None:
    broker.start()
    observer = broker.observe()
    sink = Mqtt(f"mqtt://127.0.0.1:{broker.port}/lab/mmer")
    sink.open(make.info())
    wait(lambda: broker.payloads("homeassistant/device/lab_mmer/config"))
    sink.close(make.end)
    found = json.loads(broker.payloads("homeassistant/device/lab_mmer/config")[0])
    # what Home Assistant's device discovery requires
    assert found["device"]["identifiers"]
    assert found["origin"]["name"] == "mmer"
    assert found["availability_topic"] == "lab/mmer/availability"
    ids = [c["unique_id"] for c in found["components"].values()]
    assert len(ids) == len(set(ids)) == 3
    for component in found["components"].values():
        assert component["platform"] == "sensor"
        assert component["state_topic"] in ("lab/mmer/state", "lab/mmer/utterance")
        if component.get("device_class") == "enum":  # has options and no unit
            assert component["options"]
            assert "unit_of_measurement" not in component
    observer.disconnect()
    observer.loop_stop()


@needs_broker
def test_the_last_will_says_that_a_killed_session_is_offline(
    broker: Broker, make: SimpleNamespace
) -> None:
    broker.start()
    observer = broker.observe()
    sink = Mqtt(f"mqtt://127.0.0.1:{broker.port}/x")
    sink.open(make.info())
    wait(lambda: broker.payloads("x/availability") == ["online"])
    sink._client.socket().shutdown(socket.SHUT_RDWR)  # as when the process is killed
    wait(lambda: "offline" in broker.payloads("x/availability"))
    sink.close(make.end)
    observer.disconnect()
    observer.loop_stop()


@pytest.mark.slow
@needs_broker
def test_a_broker_that_is_not_there_comes_goes_and_comes_back(
    broker: Broker, make: SimpleNamespace
) -> None:
    where = f"127.0.0.1:{broker.port}"
    sink = Mqtt(f"mqtt://{where}/x")
    told: list[str] = []

    def final(n: int) -> None:
        began = time.monotonic()
        sink.write(make.estimate(float(n), final=True, utterance=n), 3.0)
        sink.write(make.estimate(float(n)), 3.0)
        assert time.monotonic() - began < 5.0  # the broker's answer is waited for longer

    def reported(n: int) -> bool:
        told.extend(sink.reports())
        return len(told) >= n

    sink.open(make.info(live=True))
    final(1)
    wait(lambda: reported(1))
    broker.start()
    observer = broker.observe()
    wait(lambda: reported(2))
    wait(lambda: len(broker.payloads("x/utterance")) == 1)
    observer.disconnect()
    observer.loop_stop()
    broker.stop()
    wait(lambda: reported(3))
    final(2)
    final(3)
    broker.start()
    observer = broker.observe()
    wait(lambda: len(broker.payloads("x/utterance")) == 3)
    wait(lambda: reported(4))
    sink.close(make.end)
    assert [json.loads(p)["utterance"] for p in broker.payloads("x/utterance")] == [1, 2, 3]
    gone, back = "; finals wait for it, the rest goes on", "the broker is back"
    assert told == [
        f"--mqtt {where}: there is no broker{gone}",
        f"--mqtt {where}: {back}",
        f"--mqtt {where}: the broker is gone{gone}",
        f"--mqtt {where}: {back}",
    ]
    observer.disconnect()
    observer.loop_stop()


@needs_broker
def test_more_finals_than_may_wait_leave_room_for_the_rest(
    broker: Broker, make: SimpleNamespace
) -> None:
    sink = Mqtt(f"mqtt://127.0.0.1:{broker.port}/x")
    sink.open(make.info())
    for n in range(300):
        sink.write(make.estimate(float(n), final=True, utterance=n), None)
    broker.start()
    observer = broker.observe()
    wait(lambda: broker.payloads("x/availability") == ["online"])
    wait(lambda: '"utterance": 255' in "".join(broker.payloads("x/utterance")[-1:]))
    assert broker.payloads("x/session")
    assert broker.payloads("homeassistant/device/x/config")
    sink.close(make.end)
    wait(lambda: broker.payloads("x/availability") == ["online", "offline"])
    assert sink.reports()[-1].endswith(": 44 results were not delivered")
    observer.disconnect()
    observer.loop_stop()


class Silent:
    """A broker that takes one connection and confirms nothing on it; ``got`` is what came."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.got = b""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        connection, _ = self._listening.accept()
        with connection, self._listening:
            connection.recv(1000)
            connection.sendall(b"\x20\x02\x00\x00")  # CONNACK
            while piece := connection.recv(100_000):
                self.got += piece


def test_a_broker_that_confirms_nothing_is_told_of_the_end(
    make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_LAST_S", 0.3)
    silent = Silent()
    sink = Mqtt(f"mqtt://127.0.0.1:{silent.port}/x")
    sink.open(make.info())
    wait(lambda: b"online" in silent.got)
    for n in range(300):
        sink.write(make.estimate(float(n), final=True, utterance=n), None)
    sink.close(make.end)
    silent.thread.join(10.0)
    assert b"offline" in silent.got.partition(b"online")[2]
    assert sink.reports()[-1].endswith(": 300 results were not delivered")


def test_without_a_broker_the_session_ends_soon_and_says_what_was_lost(
    make: SimpleNamespace,
) -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    sink = Mqtt(f"mqtt://user:secret@127.0.0.1:{port}/x")
    sink.open(make.info())
    for event in make.session():
        sink.write(event, None)
    began = time.monotonic()
    sink.close(make.end)
    assert time.monotonic() - began < 4.0
    told = sink.reports()
    assert told[-1] == f"--mqtt 127.0.0.1:{port}: 1 results were not delivered"
    assert "secret" not in "".join(told)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "localhost",
        "http://x",
        "mqtt://",
        "mqtt://x:port",
        "mqtt://x/a/#",
        "mqtt://x?y",
        "mqtt://x..y",
        "mqtt://x/\udcff",
        f"mqtt://x/{'t' * 65_536}",
    ],
)
def test_a_wrong_url_is_one_line(wrong: str) -> None:
    with pytest.raises(MmerError, match="--mqtt: "):
        Mqtt(wrong)


def test_without_paho_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MmerError, match=r"--mqtt needs the extra: pip install 'mmer-live\[mqtt\]'"):
        Mqtt("mqtt://127.0.0.1")
