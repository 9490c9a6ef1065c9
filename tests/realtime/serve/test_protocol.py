"""Wire format: what is packed comes out again, and whatever else comes is refused in one line."""

from __future__ import annotations

import json
import random
import re
import struct
from contextlib import suppress
from importlib import resources
from typing import Any

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.serve.protocol import (
    HEADER_BYTES,
    PAYLOAD_BYTES,
    Close,
    Packet,
    ProtocolError,
    client_options,
    pack,
    parse_start,
    parse_text,
    unpack,
)


def test_a_packet_comes_out_as_it_was_packed() -> None:
    packet = unpack(pack("audio", b"\x01\x02", t=1.25, seq=7))
    assert (packet.kind, bytes(packet.payload), packet.t, packet.seq) == (
        *("audio", b"\x01\x02"),
        *(1.25, 7),
    )
    assert unpack(pack("video", b"")).t is None


def test_every_close_code_is_described() -> None:
    text = resources.files("mmer.realtime.serve").joinpath("README.md").read_text()
    rows = text.partition("| close code |")[2].partition("\n\n")[0].splitlines()
    codes = [code for row in rows for code in re.findall(r"\d{4}", row.partition(" | ")[0])]
    assert sorted(map(int, codes)) == sorted(Close)


def raw(header: bytes, payload: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<I", len(header) if length is None else length) + header + payload


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "4 bytes"),
        (b"\x01", "4 bytes"),
        (raw(b"{}", length=2**32 - 1), "the header"),
        (raw(b'{"kind":"audio"}', length=100), "no more than the message"),
        (raw(b" " * (HEADER_BYTES + 1)), "at most 65536"),
        (raw(b"\xff\xfe"), "no JSON"),
        (raw(b"[]"), "JSON object"),
        (raw(b'{"kind":"smell"}'), '"audio" or "video"'),
        (raw(b'{"kind":["audio"]}'), '"audio" or "video"'),
        (raw(b'{"kind":"audio"}', b"odd"), "even number"),
        (raw(b'{"kind":"audio","t":NaN}'), "no JSON"),
        (raw(b'{"kind":"audio","t":1e999}'), "out of range"),
        (raw(b'{"kind":"audio","t":true}'), "t is a number"),
        (raw(b'{"kind":"audio","t":' + b"9" * 5000 + b"}"), "out of range"),
        (raw(b'{"kind":"audio","seq":1.5}'), "whole number"),
        (raw(b'{"kind":"audio","seq":-1}'), "whole number"),
        (raw(b'{"kind":"audio"}', b"\0" * (PAYLOAD_BYTES + 2)), "payload"),
    ],
)
def test_a_damaged_packet_is_refused_with_the_reason(message: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        unpack(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "stop"}, "first message"),
        ({"type": "start"}, "announces"),
        ({"type": "start", "token": 5}, "token"),
        ({"type": "start", "audio": []}, "object"),
        ({"type": "start", "audio": {}}, "audio.rate"),
        ({"type": "start", "audio": {"rate": 1}}, "audio.rate"),
        ({"type": "start", "audio": {"rate": 48000.5}}, "whole number"),
        ({"type": "start", "video": {}, "options": []}, "options"),
        ({"type": "start", "video": {}, "options": {"weights": "/etc"}}, "no option 'weights'"),
        ({"type": "start", "video": {}, "options": {"source": "/etc/passwd"}}, "no option"),
        ({"type": "start", "video": {}, "options": {"asr": "none", "hop_s": 99}}, "--hop-s"),
        ({"type": "start", "video": {}, "options": {"hop_s": "1"}}, "hop_s"),
        ({"type": "start", "video": {}, "options": {"modalities": []}}, "--modalities"),
        ({"type": "start", "video": {}, "options": {"modalities": [1]}}, "list of names"),
        ({"type": "start", "video": {}, "options": {"asr": "../../etc"}}, "--asr"),
        ({"type": "start", "resume": 1}, "resume"),
    ],
)
def test_a_wrong_start_is_refused_with_the_reason(message: dict[str, Any], reason: str) -> None:
    with pytest.raises(MmerError, match=reason):
        parse_start(message)


def test_options_are_those_of_the_recognizer() -> None:
    found = client_options({"modalities": "face,speech", "hop_s": 0.5})
    assert found == {"modalities": ("speech", "face"), "hop_s": 0.5}


def test_random_messages_are_refused_or_read() -> None:
    """20,000 messages, mutated from good ones: never another exception."""
    rng = random.Random(17)
    starts = [
        b'{"type":"start","audio":{"rate":16000},"video":{},"options":{"hop_s":0.5}}',
        b'{"type":"ping","t":1.5}',
        b'{"type":"text","text":"\\ud83d\\ude00 \\ud800"}',
    ]
    packets = [pack("audio", bytes(64), 1.5, 3), pack("video", b"\xff\xd8" + bytes(40), 2.0)]
    read = 0
    for _ in range(20_000):
        good = bytearray(rng.choice(starts + packets))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(good))
            good[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        with suppress(MmerError):
            if rng.random() < 0.5:
                assert isinstance(unpack(bytes(good)), Packet)
            else:
                found = parse_text(good.decode("utf-8", "replace"))
                json.dumps(found)
                parse_start(found)
            read += 1
    assert read > 1000
