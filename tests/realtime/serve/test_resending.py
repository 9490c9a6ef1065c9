"""Lines of a session whose connections break off while lines are sent: no final one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import SHARED

from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.metrics import Metrics
from mmer.realtime.serve.protocol import Start
from mmer.realtime.serve.session import ServedSession

FINALS = [f"final {k}" for k in range(1, 8)]


def new_session() -> ServedSession:
    """A session whose thread does not run: the tests write its lines."""
    start = Start(video=True, options={"asr": "none", "modalities": ("face",)})
    return ServedSession(start, SHARED, Limits(), Metrics(), offline=True)


class Breaking:
    """A client that resumes; its socket breaks at the sends whose number ``breaks`` tells.

    The last ``underway`` lines that were sent before do not arrive either.
    """

    def __init__(self, breaks: Callable[[int], bool], underway: int) -> None:
        self._breaks, self._underway = breaks, underway
        self._sends = count(1)
        self._arrived = 0  # before the present socket
        self.came: list[str] = []
        self.broken = False  # the present socket
        self.breaks = 0

    async def send(self, text: str) -> bool:
        await asyncio.sleep(0)  # a line of the session's thread may come in between
        if self.broken:
            return False
        if self._breaks(next(self._sends)):
            self.broken = True
            self.breaks += 1
            del self.came[max(self._arrived, len(self.came) - self._underway) :]
        else:
            self.came.append(text)
        return not self.broken

    async def resume(self, session: ServedSession) -> None:
        """Attach a new socket, by the number of lines that have arrived."""
        self.broken, self._arrived = False, len(self.came)
        await session.attach(self, len(self.came))

    async def play(self) -> None:
        """Attach until FINALS, and a partial line after each, are written."""
        session = new_session()

        async def write() -> None:
            for line in FINALS:
                await session._send(line, keep=True)
                await session._send("partial", keep=False)

        writing = asyncio.ensure_future(write())
        while not (writing.done() and not self.broken):
            await self.resume(session)
            while not (self.broken or writing.done()):
                await asyncio.sleep(0)
            session.detach(self)

    @property
    def finals(self) -> list[str]:
        """Lines that came, without the partial ones."""
        return [line for line in self.came if line != "partial"]


def played(breaks: Callable[[int], bool], underway: int) -> Breaking:
    client = Breaking(breaks, underway)
    asyncio.run(asyncio.wait_for(client.play(), 20.0))
    return client


@pytest.mark.parametrize("n", range(5, 10))
def test_no_final_line_is_lost_where_every_nth_send_fails(n: int) -> None:
    client = played(lambda k: k % n == 0, underway=3)
    assert client.breaks
    assert client.finals == FINALS


@pytest.mark.parametrize("underway", [0, 2, 20])
@pytest.mark.parametrize("again", [0, 1, 2], ids=["once", "at the resume", "in the resume"])
def test_no_final_line_is_lost_whichever_send_fails(again: int, underway: int) -> None:
    for first in range(1, 2 * len(FINALS) + 1):
        client = played(lambda k, at={first, first + again}: k in at, underway)
        assert client.breaks
        assert client.finals == FINALS
