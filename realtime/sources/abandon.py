"""What becomes of a source whose session cannot begin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mmer.realtime.sources.pushed import PushSource

log: Final = logging.getLogger("mmer.source")


def abandon(source: object) -> None:
    """End a source that no session will open, so that whoever feeds it stops waiting.

    One of a session that runs goes on; what is no `Source` object is left alone.
    """
    if isinstance(source, PushSource):
        source.abandon()
    elif not isinstance(source, type) and callable(getattr(source, "messages", None)):
        close = getattr(source, "close", None)
        if callable(close):
            try:
                close()
            except Exception:  # the error for which it is abandoned is raised
                log.exception("a source could not be closed")


@contextmanager
def abandoned_on_error(source: object) -> Iterator[None]:
    """``abandon(source)`` where the body raises."""
    try:
        yield
    except BaseException:
        abandon(source)
        raise
