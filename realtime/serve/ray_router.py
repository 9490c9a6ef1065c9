"""Router of Ray Serve's requests: a session's client is sent back to the replica that has it.

Browsers cannot send headers on sockets, so the query names the replica: ``?place=NAME``. Other
requests, and those whose replica is gone, go to the less busy of two.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from ray.serve.request_router import RequestRouter


class PlaceRouter(RequestRouter):
    """Power of two choices, but for requests that name a replica which is there."""

    async def choose_replicas(
        self, candidate_replicas: Sequence[Any], pending_request: Any | None = None
    ) -> list[list[Any]]:
        found = list(candidate_replicas)
        two = random.sample(found, min(2, len(found)))
        place = "" if pending_request is None else place_of(pending_request.args)
        named = [r for r in found if place and r.replica_id.unique_id == place]
        return [ranked for ranked in (named, two) if ranked]


def place_of(arguments: Sequence[Any]) -> str:
    """The ``place`` in the query of a request that Ray's proxy forwards; "" where there is none.

    The proxy, in whose process this runs, has pickled the request already.
    """
    given = arguments[0] if arguments else b""
    if not isinstance(given, bytes) or b"place=" not in given:
        return ""
    query = pickle.loads(given).asgi_scope.get("query_string", b"")
    place: str = parse_qs(query.decode("ascii", "replace")).get("place", [""])[0]
    return place
