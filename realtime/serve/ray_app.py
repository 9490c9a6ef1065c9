"""Ray Serve application: `mmer-serve` on many replicas.

::

    serve run mmer.realtime.serve.ray_app:app token=... max_replicas=4

A socket's session lives in the replica that took the socket. Networks run in the replicas of a
second deployment, where calls of many sessions form batches; while none of those answers, a
session's own replica runs them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import numpy as np
import ray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, Field
from ray import serve
from ray.serve.config import RequestRouterConfig
from starlette.applications import Starlette

from mmer.models.bundle import Bundle
from mmer.models.engine.batching import BatchingEngine, run_joined
from mmer.models.engine.engine import Engine
from mmer.models.labels import MODALITIES
from mmer.realtime.options import Options, parse_modalities
from mmer.realtime.own_process import one_thread_each
from mmer.realtime.policy import DEFAULT_POLICY
from mmer.realtime.serve.app import create_app
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import Close
from mmer.realtime.serve.security import names_of_this_machine
from mmer.realtime.serve.server import SWITCH_S, ServeOptions
from mmer.realtime.serve.tickets import Tickets
from mmer.realtime.shared_models import SharedModels

log = logging.getLogger("mmer.serve")

SESSIONS: Final = "sessions"
ENCODERS: Final = "encoders"
_ENCODE_S: Final = 0.5  # for a network's answer; after it the replica runs it itself
_BACK_OFF_S: Final = 5.0  # so long it goes on to, before it asks again
_READY_S: Final = 5.0  # so long a replica waits at its start for those with the networks
_WATCH_S: Final = 0.2
_METRICS_S: Final = 5.0
_ROWS: Final = 8  # of a batch

Arrays = Mapping[str, np.ndarray]


class Settings(BaseModel, extra="forbid"):
    """Arguments of ``serve run``, as ``name=value``."""

    token: str = "auto"
    """Token of the clients, as `mmer-serve --token`; auto: that in MMER_SERVE_TOKEN, or a new one,
    which is printed."""
    names: str = ""
    """Names, with commas between, by which browsers call the application."""
    min_replicas: int = 1
    """Replicas that hold sessions, at least."""
    max_replicas: int = 4
    """The same, at most."""
    sessions: int = 6
    """Sessions of a replica from which on another one is started."""
    max_sessions: int = 12
    """Most sessions of one replica."""
    replica_cpus: float = 1.0
    """Logical processors of a replica that holds sessions."""
    encoders: int = 1
    """Replicas that run networks; 0: each replica runs its own."""
    encoder_cpus: float = 1.0
    """Logical processors of one of those."""
    encoder_gpus: float = 0.0
    """GPUs of one of those."""
    provider: str = "auto"
    """Provider that runs the networks, as in mmer-live."""
    weights: str | None = None
    """Folder with networks, there on every machine."""
    modalities: str = "speech,text,face"
    """As in mmer-serve."""
    asr: str = "auto"
    """As in mmer-serve."""
    detector: str = "auto"
    """As in mmer-serve."""
    policy: str = Field(default_factory=lambda: os.environ.get("MMER_POLICY") or DEFAULT_POLICY)
    """As in mmer-serve, where MMER_POLICY is the default too."""
    offline: bool = False
    """As in mmer-serve."""

    def defaults(self) -> dict[str, Any]:
        """Options of a recognizer where a client chooses none; raises MmerError for wrong ones."""
        found: dict[str, Any] = {
            "modalities": parse_modalities(self.modalities),
            "asr": self.asr,
            "detector": self.detector,
            "policy": self.policy,
        }
        Options(source="stream", provider=self.provider, **found)  # refuses what it would
        return found


def app(settings: Settings | Mapping[str, Any]) -> serve.Application:
    """The application; `serve run` and `serve deploy` give settings as texts by name.

    Raises ValueError (pydantic's) and MmerError for settings that are wrong.
    """
    if not isinstance(settings, Settings):
        settings = Settings(**settings)
    given = settings.token
    if given == "auto":
        given = os.environ.get("MMER_SERVE_TOKEN", "") or "auto"
    ServeOptions(token=given)  # refuses what mmer-serve would
    settings.defaults()
    token = {"auto": secrets.token_hex(24), "none": ""}.get(given, given)
    limits = Limits(max_sessions=settings.max_sessions)
    if given == "auto":
        print(f"the page: http://127.0.0.1:8000/?token={token}", flush=True)
    sessions = serve.deployment(serve.ingress()(Sessions)).options(
        name=SESSIONS,
        ray_actor_options={"num_cpus": settings.replica_cpus},
        autoscaling_config={
            "min_replicas": settings.min_replicas,
            "max_replicas": settings.max_replicas,
            "target_ongoing_requests": settings.sessions,
        },
        # each socket is one for as long as it is open; Ray's default is 5
        max_ongoing_requests=limits.max_sessions + limits.pending,
        graceful_shutdown_timeout_s=limits.finish_s + 15.0,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=2.0,
        health_check_timeout_s=10.0,
        logging_config={"enable_access_log": False},  # addresses may hold the token
        request_router_config=RequestRouterConfig(
            request_router_class="mmer.realtime.serve.ray_router:PlaceRouter"
        ),
    )
    secret = token or secrets.token_urlsafe(24)
    if not settings.encoders:
        return sessions.bind(settings, token, secret, None)
    encoders = serve.deployment(Encoders).options(
        name=ENCODERS,
        num_replicas=settings.encoders,
        ray_actor_options={
            "num_cpus": settings.encoder_cpus,
            "num_gpus": settings.encoder_gpus,
        },
        max_ongoing_requests=8 * settings.max_replicas * limits.max_sessions,
    )
    handle = encoders.bind(settings.weights, settings.provider)
    return sessions.bind(settings, token, secret, handle)


# --- networks ------------------------------------------------------------------------------------


class Encoders:
    """Deployment of the networks: calls that come while one runs are its next batch.

    Networks in int8 run call by call: their scale is of all that a run holds, so an answer would
    depend on who else asks.
    """

    def __init__(self, weights: str | None, provider: str) -> None:
        models = SharedModels(weights, provider)
        bundle = Bundle(models.weights)
        self._engines: dict[str, Engine] = {
            name: models.encoder(name, bundle.place(name)).engine
            for name in MODALITIES
            if not bundle.why_not(name)
        }

    async def provider(self, name: str) -> str:
        """Provider of a network here."""
        return self._engines[name].provider

    async def run(self, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """One call of the network "speech", "text" or "face"; named arrays in and out."""
        if isinstance(self._engines[name], BatchingEngine):
            found: dict[str, np.ndarray] = await self._batch((name, inputs))
            return found
        return await asyncio.to_thread(self._engines[name].run, inputs)

    # Ray finds ``self`` by the decorated method's own name
    @serve.batch(max_batch_size=_ROWS, batch_wait_timeout_s=0.0)  # type: ignore[untyped-decorator]
    async def _batch(self, calls: Sequence[tuple[str, Arrays]]) -> list[dict[str, np.ndarray]]:
        return await asyncio.to_thread(self._run, calls)

    def _run(self, calls: Sequence[tuple[str, Arrays]]) -> list[dict[str, np.ndarray]]:
        groups: dict[Any, list[int]] = {}
        for k, (name, inputs) in enumerate(calls):
            shapes = tuple((i, a.shape[1:], a.dtype.str) for i, a in inputs.items())
            groups.setdefault((name, shapes), []).append(k)
        made: list[dict[str, np.ndarray]] = [{} for _ in calls]
        for (name, _), members in groups.items():
            found = run_joined(self._engines[name], [calls[k][1] for k in members])
            for k, outputs in zip(members, found, strict=True):
                made[k] = outputs
        return made


class RemoteEngine:
    """An engine whose calls run in the deployment, or here while that does not answer."""

    def __init__(self, handle: Any, name: str, here: Engine) -> None:
        self._run = handle.run
        self._name, self._here = name, here
        self._not_before = 0.0
        self.provider = here.provider
        try:
            self.provider = handle.provider.remote(name).result(timeout_s=_READY_S)
        except Exception as problem:  # noqa: BLE001  whatever Ray raises
            log.warning("the replicas with the networks do not answer: %s", problem)
        self.inputs = here.inputs
        self.outputs = here.outputs

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out; raises what the engine here raises."""
        if time.monotonic() >= self._not_before:
            try:
                found: dict[str, np.ndarray] = self._run.remote(self._name, dict(inputs)).result(
                    timeout_s=_ENCODE_S
                )
                return found
            except Exception as problem:  # noqa: BLE001  whatever Ray raises: a dead replica, a timeout
                self._not_before = time.monotonic() + _BACK_OFF_S
                log.warning("%s runs here for %g s: %s", self._name, _BACK_OFF_S, problem)
        return self._here.run(inputs)


class RemoteModels(SharedModels):
    """Models whose networks run in the deployment."""

    def __init__(self, handle: Any, weights: str | None) -> None:
        super().__init__(weights, "cpu")
        self._handle = handle

    def encoder(self, name: str, place: Any) -> Any:
        model = super().encoder(name, place)
        with self._locks[name]:
            if not isinstance(model.engine, RemoteEngine):
                model.engine = RemoteEngine(self._handle, name, model.engine)
                model.provider = model.engine.provider
        return model


# --- sessions ------------------------------------------------------------------------------------


class Sessions:
    """Deployment that holds the sockets and their sessions: the application of `mmer-serve`."""

    def __init__(self, settings: Settings, token: str, secret: str, encoders: Any | None) -> None:
        one_thread_each()
        sys.setswitchinterval(SWITCH_S)
        context = serve.get_replica_context()
        self._app_name = context.app_name
        models = (
            SharedModels(settings.weights, settings.provider)
            if encoders is None
            else RemoteModels(encoders, settings.weights)
        )
        names = {name.strip().lower() for name in settings.names.split(",") if name.strip()}
        self._made = create_app(
            token=token,
            hosts=names | set(names_of_this_machine()),
            models=models,
            limits=Limits(max_sessions=settings.max_sessions),
            defaults=settings.defaults(),
            offline=settings.offline,
            tickets=Tickets(secret, context.replica_id.unique_id),
            gather=self._gather,
        )
        self._service = self._made.state.service

    def __serve_build_asgi_app__(self) -> Starlette:
        inner = self._made.router.lifespan_context

        @asynccontextmanager
        async def lifespan(made: Starlette) -> AsyncIterator[Any]:
            async with inner(made) as state:
                watching = asyncio.ensure_future(self._watch())
                try:
                    yield state
                finally:
                    watching.cancel()
                    with suppress(asyncio.CancelledError):
                        await watching

        self._made.router.lifespan_context = lifespan
        return self._made

    async def _watch(self) -> None:
        """Finish the sessions when Ray asks this replica to stop.

        Ray waits for open sockets before it tells the application, so it would wait in vain.
        """
        stopping = _stop_flag()
        while not stopping():
            await asyncio.sleep(_WATCH_S)
        ends = await asyncio.to_thread(self._application_ends)
        await self._service.drain(Close.STOPPING if ends else Close.MOVED)

    def _application_ends(self) -> bool:
        """Whether all replicas end, and not this one alone."""
        with suppress(Exception):  # the controller may have gone first
            found = serve.status().applications.get(self._app_name)
            return found is None or str(found.status.value) == "DELETING"
        return True

    def metrics_text(self) -> tuple[str, str]:
        """This replica's name, and its metrics as Prometheus' text."""
        name = serve.get_replica_context().replica_id.unique_id
        return name, self._service.metrics_text().decode()

    async def _gather(self, text: bytes) -> bytes:
        """The metrics of all replicas, with the label ``replica``."""
        handle = serve.get_deployment_handle(SESSIONS, app_name=self._app_name)
        found = await handle.broadcast("metrics_text").results_async(timeout_s=_METRICS_S)
        return merged(dict(found))


def merged(texts: Mapping[str, str]) -> bytes:
    """Prometheus' texts of several replicas as one, each sample with the label ``replica``."""
    families: dict[str, Metric] = {}
    for replica, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text):
            whole = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, "replica": replica}
                whole.samples.append(sample._replace(labels=labels))

    class Collector:
        def collect(self) -> Sequence[Metric]:
            return list(families.values())

    registry = CollectorRegistry()
    registry.register(Collector())
    made: bytes = generate_latest(registry)
    return made


def _stop_flag() -> Any:
    """A function that says whether Ray has asked this replica to stop.

    Ray 2.60 has no public way to know: this reads what its own replica does.
    """
    worker = ray._private.worker.global_worker
    actor = worker.actors.get(worker.actor_id)
    replica = getattr(actor, "_replica_impl", None)
    if replica is None:
        log.warning("this version of Ray does not say when a replica stops")
    return lambda: bool(getattr(replica, "_shutting_down", False))
