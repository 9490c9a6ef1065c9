"""Client of `mmer-serve` (needs the extra ``serve``): see `mmer.realtime.serve.client`."""

from __future__ import annotations

from mmer.realtime.serve.client import astream, stream
from mmer.realtime.serve.client_session import Session
from mmer.realtime.serve.lines import Event, JudgedText

__all__ = ["Event", "JudgedText", "Session", "astream", "stream"]
