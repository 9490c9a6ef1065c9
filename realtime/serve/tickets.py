"""Resume keys that carry a session's start message, so that any replica can go on with it.

A session's state dies with its process. What another one needs is small and is in the key that the
client has: options, sound and pictures as announced, and when second 0 was. Such a session is a new
part of the old one: its clock goes on, its utterances get higher ids, and what was lost in between
is stamped as a gap.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from mmer.realtime.serve.protocol import ProtocolError, Start, parse_start
from mmer.realtime.sinks.jsonl import LineWriter

_IDS_PER_S: Final = 10
"""More than there are utterances: ids that follow the clock are higher than all before."""
NO_SUCH: Final = "there is no such session any more: start a new one"


@dataclass(frozen=True)
class Part:
    """Part of a session: ``t0`` seconds and at most ``utterances`` utterances were before.

    ``lost_from`` is the time of the last line that the client has; None where it did not say.
    """

    t0: float
    utterances: int
    lost_from: float | None = None

    @property
    def notice(self) -> str:
        """The gap in words."""
        if self.lost_from is None or self.lost_from > self.t0:
            return f"lost what came before {self.t0:.3f} s: the session goes on in another process"
        lost = f"lost {self.t0 - self.lost_from:.3f} s from {self.lost_from:.3f} s"
        return f"{lost}: the session goes on in another process"


def part_writer(part: Part | None) -> LineWriter:
    """Writer of a session's lines, whose times and ids go on after ``part``."""
    return LineWriter() if part is None else LineWriter(part.t0, part.utterances)


class Tickets:
    """Issuer and reader of resume keys; all replicas have the same ``secret``.

    ``place`` is this replica's name, which a key's client gives back as ``?place=``.
    """

    def __init__(self, secret: str, place: str = "", now: Callable[[], float] = time.time) -> None:
        self.place = place
        self._secret = hashlib.sha256(f"mmer resume {secret}".encode()).digest()
        self._now = now

    def issue(self, start: Start, began: float | None = None) -> str:
        """A key for a session whose second 0 was at ``began`` (UTC in seconds; None: now)."""
        message: dict[str, Any] = {"type": "start", "options": dict(start.options)}
        if start.rate is not None:
            message["audio"] = {"rate": start.rate}
        if start.video:
            message["video"] = {"faces": start.faces}
        if start.watch is not None:
            message["watch"] = start.watch
        content = {
            "began": self._now() if began is None else began,
            "nonce": secrets.token_urlsafe(9),
            "start": message,
        }
        body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode())
        return f"{body.decode()}.{self._sign(body)}"

    def read(self, resumed: Start, longest_s: float) -> tuple[Start, Part, float]:
        """The start of the session that ``resumed`` names, its part, and when it began.

        Raises:
            ProtocolError: the key is none of ours, too old, or of a session that cannot go on.
        """
        body, _, signature = (resumed.resume or "").partition(".")
        signed = self._sign(body.encode(errors="replace"))
        if not hmac.compare_digest(signature.encode(errors="replace"), signed.encode()):
            raise ProtocolError(NO_SUCH)
        content = json.loads(base64.urlsafe_b64decode(body))
        start = parse_start(content["start"])
        began = float(content["began"])
        t0 = max(0.0, self._now() - began)
        if start.options.get("pace") == "max" or t0 > longest_s:
            raise ProtocolError(NO_SUCH)
        part = Part(t0, math.ceil(t0 * _IDS_PER_S), resumed.t)
        return replace(start, received=resumed.received), part, began

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._secret, body, hashlib.sha256).hexdigest()[:32]
