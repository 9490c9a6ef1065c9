"""Client of `mmer-serve` (needs the extra ``serve``): see `mmer.realtime.serve.client`."""

from __future__ import annotations

from mmer.realtime.serve.client import Event, JudgedText, Session, astream, stream

__all__ = ["Event", "JudgedText", "Session", "astream", "stream"]
