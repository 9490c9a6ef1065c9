"""MQTT sink: the state of a session for home automation, found by Home Assistant on its own."""

from __future__ import annotations

import json
import math
import re
import socket
import threading
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.messages import EmotionEstimate, Message, SessionEnd, Transcript
from mmer.realtime.sinks.extras import load_package
from mmer.realtime.sinks.reports import Reports
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.text import one_line

STATE_EVERY_S: Final = 1.0
"""Least seconds of the session between two states."""
_QUEUED: Final = 256
"""Most finals that wait for a broker."""
_ROOM: Final = 16
"""Further messages that may wait: where the queue is full paho drops what comes."""
_TOPIC_BYTES: Final = 60_000
"""MQTT has 65,535 for a topic, of which ours have an ending."""
_LAST_S: Final = 2.0
"""How long the end of a session waits for the broker."""
_KEPT: Final = 16
"""Utterances whose words or final are kept for the other one."""


class Mqtt(Sink):
    """Publishes to ``mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]``, all of it retained.

    ``TOPIC/state``: the running estimate as JSON (QoS 0, at most one a second);
    ``TOPIC/utterance``: each final with its words (QoS 1); ``TOPIC/session``: the policy;
    ``TOPIC/availability``: "online", and "offline" at the end or by last will. Home Assistant's
    device discovery goes to ``homeassistant/device/ID/config``. TOPIC is ``mmer/HOSTNAME`` by
    default.

    paho's own thread connects and sends: a broker that is not there holds nothing up. It is
    reported once and connected as soon as it is back; up to 256 finals wait for it, states do not.
    Raises MmerError without paho-mqtt 2 or for a wrong URL.
    """

    def __init__(self, address: str) -> None:
        self._paho = load_package("paho.mqtt.client", "mqtt", "--mqtt")
        self._enums = load_package("paho.mqtt.enums", "mqtt", "--mqtt")
        self._url = _Url(address)
        self._topic = self._url.topic or f"mmer/{socket.gethostname()}"
        self._client: Any = None
        self._last = -math.inf  # when the last state was published, in seconds of the session
        self._texts: dict[int, str] = {}
        self._finals: dict[int, EmotionEstimate] = {}
        self._pending: list[Any] = []  # what the broker has not confirmed
        self._session = ""  # what is published of it
        self._lost = 0
        self._trouble = ""
        self._reports = Reports()

    def open(self, info: SessionInfo) -> None:
        client = self._paho.Client(
            self._enums.CallbackAPIVersion.VERSION2,
            client_id=f"{_id_of(self._topic)}_{id(self):x}",
        )
        if self._url.tls:
            client.tls_set()
        if self._url.user is not None:
            client.username_pw_set(self._url.user, self._url.password)
        client.max_queued_messages_set(_QUEUED + _ROOM)
        client.reconnect_delay_set(1, 30)
        client.connect_timeout = 5.0
        client.will_set(f"{self._topic}/availability", "offline", qos=1, retain=True)
        client.on_connect = self._connected
        client.on_connect_fail = lambda client, data: self._failed("there is no broker")
        client.on_disconnect = self._disconnected
        self._last, self._lost, self._pending = -math.inf, 0, []
        self._texts.clear()
        self._finals.clear()
        client.connect_async(self._url.host, self._url.port)
        self._client = client
        self._session = json.dumps({"policy": info.policy})
        client.loop_start()

    def write(self, event: Message, now: float | None) -> None:
        if self._client is None:
            return
        if isinstance(event, Transcript) and not event.partial:
            self._remember(self._texts, event.utterance, one_line(event.text))
            if event.utterance in self._finals:
                self._publish_final(self._finals[event.utterance])
        elif isinstance(event, EmotionEstimate) and event.final:
            if event.utterance is not None:
                self._remember(self._finals, event.utterance, event)
            self._publish_final(event)
        elif (
            isinstance(event, EmotionEstimate)
            and not event.provisional
            and event.t - self._last >= STATE_EVERY_S
        ):
            self._last = event.t
            self._client.publish(f"{self._topic}/state", _payload(event), qos=0, retain=True)

    @staticmethod
    def _remember(known: dict[int, Any], utterance: int, value: Any) -> None:
        known[utterance] = value
        while len(known) > _KEPT:
            del known[next(iter(known))]

    def _publish_final(self, final: EmotionEstimate) -> None:
        self._pending = [one for one in self._pending if not _is_published(one)]
        if len(self._pending) >= _QUEUED:
            self._lost += 1
            return
        text = self._texts.get(final.utterance, "") if final.utterance is not None else ""
        t0, t1 = final.window
        payload = _payload(final, utterance=final.utterance, t0=_s(t0), t1=_s(t1), text=text)
        sent = self._client.publish(f"{self._topic}/utterance", payload, qos=1, retain=True)
        if sent.rc == self._enums.MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self._lost += 1
            return
        sent.rc = self._enums.MQTTErrorCode.MQTT_ERR_SUCCESS  # unsent, it waits in paho's queue
        self._pending.append(sent)

    def close(self, end: SessionEnd | None) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            topic = f"{self._topic}/availability"
            last = client.publish(topic, "offline", qos=1, retain=True)
            with suppress(ValueError, RuntimeError):  # the queue is full, or the broker has gone
                last.wait_for_publish(_LAST_S)
            if not _is_published(last):  # past the queue
                client.publish(topic, "offline", qos=0, retain=True)
        client.disconnect()
        # it joins a thread that may be connecting
        stopping = threading.Thread(target=client.loop_stop, daemon=True)
        stopping.start()
        stopping.join(_LAST_S)
        lost = self._lost + sum(not _is_published(one) for one in self._pending)
        if lost:
            self._report(f"{lost} results were not delivered")

    def reports(self) -> list[str]:
        """Lines for the user since the last call."""
        return self._reports.take()

    def _report(self, text: str) -> None:
        self._reports.add(f"--mqtt {self._url.host}:{self._url.port}: {text}")

    # --- in paho's thread ----------------------------------------------------------------------

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._failed(f"the broker refuses: {reason}")
            return
        if self._trouble:
            self._trouble = ""
            self._report("the broker is back")
        identity = _id_of(self._topic)
        client.publish(
            f"homeassistant/device/{identity}/config",
            json.dumps(discovery(identity, self._topic)),
            qos=1,
            retain=True,
        )
        client.publish(f"{self._topic}/session", self._session, qos=1, retain=True)
        client.publish(f"{self._topic}/availability", "online", qos=1, retain=True)

    def _disconnected(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure and self._client is not None:
            self._failed("the broker is gone")

    def _failed(self, trouble: str) -> None:
        """Report trouble once, until the broker is back."""
        if not self._trouble:
            self._report(f"{trouble}; finals wait for it, the rest goes on")
        self._trouble = trouble


class _Url:
    """Parts of the broker's URL; raises MmerError where it is none."""

    def __init__(self, address: str) -> None:
        expected = "expected mqtt://HOST or mqtts://USER:PASSWORD@HOST:PORT/TOPIC"
        try:
            parts = urlsplit(address)
            port = parts.port
            (parts.hostname or "").encode("idna")  # as the look-up does
            topic = unquote(parts.path).strip("/")
            too_long = len(topic.encode()) > _TOPIC_BYTES
        except ValueError:  # UnicodeError is one
            raise MmerError(f"--mqtt: {expected}") from None  # the URL may hold a password
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query:
            raise MmerError(f"--mqtt: {expected}")
        if re.search(r"[+#\x00]", topic) or parts.fragment or address.endswith("#"):
            raise MmerError("--mqtt: + and # are not allowed in a topic")
        if too_long:
            raise MmerError(f"--mqtt: a topic has at most {_TOPIC_BYTES} bytes")
        self.tls = parts.scheme == "mqtts"
        self.host, self.port = parts.hostname, port or (8883 if self.tls else 1883)
        self.user = None if parts.username is None else unquote(parts.username)
        self.password = None if parts.password is None else unquote(parts.password)
        self.topic = topic


def discovery(identity: str, topic: str) -> dict[str, Any]:
    """Home Assistant's discovery of one device with three sensors (MQTT device discovery)."""
    from mmer import __version__

    def sensor(name: str, source: str, template: str, **more: Any) -> dict[str, Any]:
        key = f"{identity}_{name.lower().replace(' ', '_')}"
        where = f"{topic}/{source}"
        return {
            "platform": "sensor",
            "name": name,
            "unique_id": key,
            "state_topic": where,
            "value_template": template,
            "json_attributes_topic": where,
            **more,
        }

    label = "{{ value_json.label or 'unknown' }}"
    options = {"device_class": "enum", "options": [*EMOTIONS, "unknown"]}
    share = "{{ ((value_json.confidence or 0) * 100) | round(1) }}"
    return {
        "device": {"identifiers": [identity], "name": "mmer", "sw_version": __version__},
        "origin": {"name": "mmer", "sw_version": __version__},
        "availability_topic": f"{topic}/availability",
        "components": {
            "emotion": sensor("Emotion", "state", label, **options),
            "confidence": sensor("Confidence", "state", share, unit_of_measurement="%"),
            "utterance": sensor("Last utterance", "utterance", label, **options),
        },
    }


def _is_published(sent: Any) -> bool:
    """Whether the broker has confirmed a message."""
    try:
        return bool(sent.is_published())
    except (ValueError, RuntimeError):  # it was never queued, or could not be sent
        return False


def _id_of(topic: str) -> str:
    """Identifier of letters, digits, - and _ alone, as discovery topics need it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", topic)


def _payload(estimate: EmotionEstimate, **more: Any) -> str:
    given = {name: round(p, 4) for name, p in estimate.probabilities.items()}
    sure = None if estimate.confidence is None else round(estimate.confidence, 4)
    line = {"t": _s(estimate.t), "label": estimate.label, "confidence": sure, "probs": given}
    return json.dumps({**line, **more})


def _s(seconds: float) -> float:
    return round(seconds, 3)
