"""Addresses (URLs): recognized, and shown without passwords."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"^[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def is_url(text: str) -> bool:
    """Whether ``text`` is an address such as ``rtsp://camera/1`` (a drive letter is none)."""
    return _SCHEME.match(text) is not None


def shown(text: str) -> str:
    """``text`` fit for the screen and for logs: user name and password of a URL are left out."""
    return _CREDENTIALS.sub("", text)
