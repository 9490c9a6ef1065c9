"""Addresses (URLs) and names of files: recognized, resolved, and shown without passwords."""

from __future__ import annotations

import ipaddress
import os
import re
import unicodedata
from urllib.parse import unquote, urlsplit

from mmer.models.errors import MmerError

_SCHEME = re.compile(r"^[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
_FILE_URI = re.compile(r"^file:(?://(?:localhost)?(?=/))?(?!//)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def is_url(text: str) -> bool:
    """Whether ``text`` is an address such as ``rtsp://camera/1`` (a drive letter is none)."""
    return _SCHEME.match(text) is not None


def resolved(text: str) -> str:
    """``text`` as FFmpeg and the file system know it.

    The path of a ``file:`` URI, an address with its scheme in lower case, and, of a file that is
    there in another Unicode normalization only (macOS decomposes accents), the name it has.
    """
    if os.path.lexists(text):
        return text
    if uri := _FILE_URI.match(text):
        text = unquote(text[uri.end() :])
        if os.name == "nt":
            text = text.lstrip("/")  # file:///C:/clip.mp4
    elif url := _SCHEME.match(text):
        return url[0].lower() + text[url.end() :]
    if not os.path.lexists(text):
        for form in ("NFC", "NFD"):
            if os.path.lexists(other := unicodedata.normalize(form, text)):
                return other
    return text


def is_loopback(host: str) -> bool:
    """Whether a name or address, without port and brackets, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_network(text: str, offline: bool) -> None:
    """Raise MmerError for an address on another machine where ``offline`` forbids the network."""
    if not offline or not is_url(text):
        return
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:  # such as http://[::1/
        host = ""
    if not is_loopback(host):
        raise MmerError(
            f"{shown(text)} is on the network, which --offline or MMER_OFFLINE forbids: "
            "give a file or a device"
        )


def shown(text: str) -> str:
    """``text`` fit for the screen and for logs: user name and password of a URL are left out."""
    return _CREDENTIALS.sub("", text)
