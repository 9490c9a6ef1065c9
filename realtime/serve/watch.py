"""Endpoint for overlays: a WebSocket with the lines of sessions to which clients gave a name."""

from __future__ import annotations

import asyncio

from starlette.websockets import WebSocket

from mmer.realtime.serve.connections import Connections
from mmer.realtime.serve.protocol import Close, ProtocolError, parse_text, watch_name
from mmer.realtime.serve.service import Service
from mmer.realtime.serve.stream import Client, refusing


async def watch(websocket: WebSocket, service: Service, connections: Connections) -> None:
    """Serve one watcher until it leaves or the server ends."""
    client = Client(websocket, service.limits.stall_s, connections)
    await websocket.accept()
    async with refusing(client, service):
        name = await _asked_for(websocket, client, service)
        if name is not None:
            await _send_lines(websocket, client, service, name)


async def _asked_for(websocket: WebSocket, client: Client, service: Service) -> str | None:
    """The name in the first message; None where the watcher left or was refused."""
    with service.pending():
        try:
            message = await asyncio.wait_for(websocket.receive(), service.limits.start_s)
        except asyncio.TimeoutError:
            raise ProtocolError(f"no watch message within {service.limits.start_s:g} s") from None
        if message["type"] == "websocket.disconnect":
            return None
        found = parse_text(message.get("text") or "")
        name = watch_name(found.get("name"))
        if found["type"] != "watch" or name is None:
            raise ProtocolError('the first message is {"type":"watch","token":...,"name":...}')
        token = found.get("token", "")
        if not (isinstance(token, str) and service.token_is(token)):
            service.metrics.refused("token")
            await client.refuse(Close.TOKEN, "the token is wrong: it is in the server's address")
            return None
        return name


async def _send_lines(websocket: WebSocket, client: Client, service: Service, name: str) -> None:
    async def sending(queue: asyncio.Queue[str]) -> None:
        while await client.send(await queue.get()):
            pass

    with service.watchers.watching(name) as queue:
        await client.say("watching", name=name)
        tasks = {
            asyncio.ensure_future(sending(queue)),
            asyncio.ensure_future(websocket.receive()),  # nothing is expected but its leaving
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    for found in ended:
        if isinstance(found, dict) and found["type"] == "websocket.receive":
            raise ProtocolError("a watcher says nothing after its first message")
