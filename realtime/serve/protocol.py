"""Wire format of the stream, for server and client: messages, limits, close codes.

A text message is one JSON object with a ``type``. A binary message is sound or a picture::

    u32 little endian: header length | JSON header | payload

The server's lines (``realtime/sinks/jsonl.py``) have the key ``v``; its other messages, which are
about the transport, have none.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Literal, TypeGuard

from mmer.models.errors import MmerError, brief
from mmer.realtime.options import BASELINES, Options, parse_modalities
from mmer.realtime.sources.pushed import RATES

HEADER_BYTES: Final = 64 * 1024
PAYLOAD_BYTES: Final = 1024 * 1024
MESSAGE_BYTES: Final = 4 + HEADER_BYTES + PAYLOAD_BYTES
TEXT_BYTES: Final = 64 * 1024
"""Size of the longest text message."""
LONGEST_TEXT: Final = 4000
"""Characters of a typed text."""
CREDIT: Final = 2
"""Pictures that a client may have sent without their ``ack``."""
RESUME_S: Final = 30.0
"""Seconds that a session waits for a client that has gone."""
CLIENT_OPTIONS: Final = (
    "modalities", "asr", "detector", "pace", "video_fps", "window_s", "hop_s", "hangover_s",
    "baseline", "people",
)  # fmt: skip
"""Options of a recognizer that a client may choose; the server's own hold for the others."""
LONGEST_NAME: Final = 64
"""Characters of a name under which a session may be watched."""
_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}")
_LENGTH: Final = struct.Struct("<I")


class Close(IntEnum):
    """Close codes of the stream (RFC 6455; from 4000 on our own)."""

    DONE = 1000
    STOPPING = 1001
    """The server ends: the session was finished before."""
    LOST = 1006
    """The client did not come back: in the metrics alone, for nobody is there to be told."""
    WRONG = 1008
    """The client broke the protocol; the reason says how."""
    FAILED = 1011
    """The session failed, or the server's end has cut it off."""
    MOVED = 1012
    """This process ends: the session goes on in another one, when the client resumes it."""
    FULL = 1013
    """As many sessions as there may be: try again later."""
    TOKEN = 4001
    IDLE = 4008
    LONG = 4009
    """The session has reached the longest that is allowed."""
    TAKEN = 4011
    """Another connection has resumed this session."""


class ProtocolError(MmerError):
    """A message that breaks the protocol: the connection is closed with the reason."""


@dataclass(frozen=True)
class Packet:
    """A binary message. ``t`` in seconds on the session's clock, None: captured on arrival."""

    kind: Literal["audio", "video"]
    payload: memoryview
    t: float | None = None
    seq: int | None = None


@dataclass(frozen=True)
class Start:
    """The first message of a connection: the streams it announces, or the session it resumes."""

    token: str = ""
    rate: int | None = None  # of the sound in samples a second; None: no sound
    video: bool = False
    faces: bool = False  # whether the client wants to know where the followed face is
    options: Mapping[str, Any] = field(default_factory=dict)
    resume: str | None = None
    received: int = 0  # lines that the client of a resumed session has
    watch: str | None = None  # the name under which others may watch its lines
    t: float | None = None  # of the last of them


def pack(
    kind: Literal["audio", "video"], payload: bytes, t: float | None = None, seq: int | None = None
) -> bytes:
    """A binary message; ``payload`` is int16 PCM, mono, little endian, or a JPEG or PNG file."""
    header: dict[str, Any] = {"kind": kind}
    if t is not None:
        header["t"] = t
    if seq is not None:
        header["seq"] = seq
    encoded = json.dumps(header, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(encoded)) + encoded + payload


def unpack(message: bytes) -> Packet:
    """The sound or picture in a binary message; raises ProtocolError."""
    if len(message) < _LENGTH.size:
        raise ProtocolError("a binary message begins with the 4 bytes of its header's length")
    (length,) = _LENGTH.unpack_from(message)
    begin = _LENGTH.size + length
    if length > HEADER_BYTES or begin > len(message):
        raise ProtocolError(
            f"the header of a binary message has {length} bytes, expected at most {HEADER_BYTES} "
            f"and no more than the message"
        )
    if len(message) - begin > PAYLOAD_BYTES:
        raise ProtocolError(f"a payload has at most {PAYLOAD_BYTES} bytes")
    header = parse_object(message[_LENGTH.size : begin], "the header of a binary message")
    kind = header.get("kind")
    if kind not in ("audio", "video"):
        raise ProtocolError('the kind of a binary message is "audio" or "video"')
    payload = memoryview(message)[begin:]
    if kind == "audio" and len(payload) % 2:
        raise ProtocolError("sound is int16: an even number of bytes")
    t = header.get("t")
    return Packet(kind, payload, None if t is None else number(t, "t"), _whole(header, "seq"))


def parse_text(message: str) -> dict[str, Any]:
    """The object of a text message, with its ``type``; raises ProtocolError."""
    if len(message) > TEXT_BYTES:
        raise ProtocolError(f"a text message has at most {TEXT_BYTES} characters")
    found = parse_object(message, "a text message")
    if not isinstance(found.get("type"), str):
        raise ProtocolError('a text message has a "type"')
    return found


def parse_start(message: Mapping[str, Any]) -> Start:
    """A ``start`` message; raises ProtocolError, and MmerError for wrong options."""
    if message.get("type") != "start":
        raise ProtocolError('the first message is {"type":"start",...}')
    token, resume = message.get("token", ""), message.get("resume")
    if not isinstance(token, str):
        raise ProtocolError("the token is text")
    if resume is not None and not isinstance(resume, str):
        raise ProtocolError("resume is the text that the server gave")
    audio, video = message.get("audio"), message.get("video")
    for name, value in (("audio", audio), ("video", video)):
        if not (value is None or isinstance(value, dict)):
            raise ProtocolError(f'{name} is an object, as in "audio":{{"rate":48000}}')
    rate = None if audio is None else _whole(audio, "rate")
    if audio is not None and (rate is None or rate not in RATES):
        raise ProtocolError(
            f"audio.rate is a whole number of samples a second from {RATES[0]} to {RATES[-1]}"
        )
    watch = message.get("watch")
    if watch is not None and watch_name(watch) is None:
        raise ProtocolError(f"watch is a name of 1 to {LONGEST_NAME} letters, digits, - and _")
    if resume is None and rate is None and video is None:
        raise ProtocolError('a start announces "audio", "video" or both')
    options = message.get("options", {})
    if not isinstance(options, dict):
        raise ProtocolError("options is an object")
    return Start(
        token=token,
        rate=rate,
        video=video is not None,
        faces=video is not None and video.get("faces") is True,
        options=client_options(options),
        resume=resume,
        received=_whole(message, "received") or 0,
        watch=watch,
        t=None if message.get("t") is None else number(message["t"], "t"),
    )


def watch_name(value: object) -> str | None:
    """A name under which a session may be watched; None where ``value`` is none."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def client_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a client, validated as on the command line; raises MmerError.

    ``modalities`` may be a list, or text with commas.
    """
    unknown = [name for name in given if name not in CLIENT_OPTIONS]
    if unknown:
        raise MmerError(
            f"no option {brief(str(unknown[0]))!r}; known are {', '.join(CLIENT_OPTIONS)}"
        )
    if given.get("baseline", "none") not in BASELINES:  # a file would be the server's
        raise MmerError(f"baseline is one of {', '.join(BASELINES)}")
    options = dict(given)
    chosen = options.get("modalities")
    if isinstance(chosen, str):
        chosen = parse_modalities(chosen)
    if chosen is not None:
        if not (isinstance(chosen, (list, tuple)) and all(isinstance(m, str) for m in chosen)):
            raise MmerError("modalities is a list of names")
        options["modalities"] = parse_modalities(",".join(chosen))
    Options(**options, source="pushed")  # refuses what the recognizer would
    return options


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is a text that can be evaluated: not too long, and whole characters."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character
        return False
    return True


def number(value: Any, name: str) -> float:
    """A finite number; raises ProtocolError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ProtocolError(f"{name} is a number")
    if not abs(value) < 2**53:  # also NaN and infinity
        raise ProtocolError(f"{name} is out of range")
    return float(value)


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    found = number(value, name)
    if found < 0 or not found.is_integer():
        raise ProtocolError(f"{name} is a whole number")
    return int(found)


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object, strictly (no NaN); ``what`` names it in the ProtocolError that it raises."""
    try:
        found = json.loads(text, parse_constant=_no_number, parse_int=_integer)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError(f"{what} is no JSON") from error
    if not isinstance(found, dict):
        raise ProtocolError(f"{what} is a JSON object")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> float | int:
    return int(digits) if len(digits) < 20 else math.inf
