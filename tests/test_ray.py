"""Ray, one for all tests: the rows of a batch without it, and sessions that outlive a replica."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

if find_spec("ray") is None:  # it is imported where it is used, for that takes a while
    pytest.skip("needs the extra: pip install 'mmer-live[ray]'", allow_module_level=True)

from sounds import silence, voice
from synthetic_media import tone, write_wav

import mmer.client
from mmer.models.encoder import load_encoder
from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import examples
from mmer.realtime.batch.inputs import Item, find_items
from mmer.realtime.batch.pool import DIED
from mmer.realtime.batch.recognition import BatchOptions, BatchRecognizer
from mmer.realtime.batch.run import on_ray, run_batch
from mmer.realtime.batch.workers import over_workers
from mmer.realtime.messages import EmotionEstimate, Notice, SessionEnd

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-tests"
SPEECH = BatchOptions(modalities=("speech",), asr="none", offline=True)
SPOKEN = np.concatenate([voice(0.6), silence(0.4)])


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Four logical processors: with two, Ray Data waits for ever."""
    import ray

    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        ray.init(address="local", num_cpus=4, include_dashboard=False,
                 object_store_memory=200 * 2**20, logging_level=logging.ERROR,
                 log_to_driver=False)  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


# --- corpora -------------------------------------------------------------------------------------


def test_rows_are_those_without_ray_and_what_fails_is_a_row(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    corpus = tmp_path / "in"
    corpus.mkdir()
    for k in range(3):
        write_wav(corpus / f"{k}.wav", tone(1.0 + k, 16_000))
    (corpus / "bad.wav").write_text("no sound\n")
    out = tmp_path / "out"
    outcome = run_batch([str(corpus)], out, SPEECH, on_ray("local", 2))
    assert outcome.count == 4
    assert list(outcome.errors) == ["bad.wav"]
    recognizer = BatchRecognizer(SPEECH)
    items = find_items([str(corpus)])
    for item in items:
        if item.name != "bad.wav":
            assert item.lines_below(out).read_bytes() == b"".join(recognizer.lines(item))
    rows = parquet.read_table(out / "files.parquet").to_pylist()
    assert [row["file"] for row in rows] == [item.name for item in items]
    assert "is a text file" in rows[3]["error"]


def test_a_recording_on_which_every_actor_dies_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Data leaves rows of errored blocks out; here they come back with their reason."""
    from mmer.realtime.batch import ray_data

    class Deadly(ray_data._Recognition):
        def _row(self, item: Item) -> Any:
            if item.name == "1.wav":
                os._exit(9)
            return super()._row(item)

    monkeypatch.setattr(ray_data, "_Recognition", Deadly)
    items = []
    for k in range(2):
        path = write_wav(tmp_path / f"{k}.wav", tone(1.0, 16_000))
        items.append(Item(path.name, str(path)))
    done: dict[str, str | None] = {}
    ray_data.run_ray(
        items, SPEECH, tmp_path / "out", lambda item, reason: done.update({item.name: reason}),
        address="local", workers=1,
    )  # fmt: skip
    assert done == {"0.wav": None, "1.wav": DIED}


# --- training ------------------------------------------------------------------------------------


def test_results_of_actors_come_in_the_order_of_the_inputs() -> None:
    divided: Any = partial(partial, divmod, 100)
    assert list(over_workers(divided, [3, 7, 50], 2, "local")) == [(33, 1), (14, 2), (2, 0)]
    missing: Any = partial(load_encoder, "speech", Path("nowhere"), "cpu")
    with pytest.raises(MmerError, match="nowhere"):
        list(over_workers(missing, [1], 1, "local"))


def test_folds_of_an_ablation_are_trained_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")
    from generated_corpora import write_ravdess

    from mmer.training.commands.ablate import ablate
    from mmer.training.commands.ray_runs import TrainingRun, train_on_ray
    from mmer.training.recipes.recipe import Recipe

    data = tmp_path / "data"
    write_ravdess(data / "ravdess", range(2, 5), 1, {"speech": 1.0})
    options = {"corpus": "ravdess", "train": ["train"], "folds": 3, "width": 8,
               "encoders": {"speech": {"kind": "mfcc-cnn"}}}  # fmt: skip
    one = Recipe("folds", "multimodal", epochs=1, batch=4, learning_rate=5e-3, options=options)
    (tmp_path / "ray").mkdir()
    rows = ablate(one, data, tmp_path / "ray", None, [], folds=True, ray="local")
    assert list(rows) == ["speech"]
    assert (tmp_path / "ray/speech/fold-1/checkpoint.pt").is_file()
    before = (tmp_path / "ray/speech/fold-0/checkpoint.pt").stat().st_mtime_ns
    assert ablate(one, data, tmp_path / "ray", None, [], folds=True, ray="local") == rows
    assert (tmp_path / "ray/speech/fold-0/checkpoint.pt").stat().st_mtime_ns == before
    wrong = TrainingRun(one, tmp_path / "nowhere", tmp_path / "wrong", None, False)
    with pytest.raises(MmerError, match="wrong: "):
        train_on_ray("local", [wrong])


# --- sessions ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(cluster: None) -> Iterator[str]:
    """Two replicas that hold sessions, and one that runs networks."""
    from ray import serve

    from mmer.realtime.serve.ray_app import Settings, app

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    settings = Settings(token=TOKEN, min_replicas=2, max_replicas=2, asr="none", offline=True)
    serve.run(app(settings), name="mmer", logging_config={"log_level": "ERROR"})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def get(address: str, path: str) -> bytes:
    request = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def actor(name: str) -> Any:
    import ray

    (found,) = [n for n in ray.util.list_named_actors(all_namespaces=True) if name in n["name"]]
    return ray.get_actor(found["name"], namespace=found["namespace"])


def kill_9(name: str) -> None:
    import ray

    pid = ray.get(actor(name).__ray_call__.remote(lambda itself: os.getpid()))
    os.kill(pid, signal.SIGKILL)


class Talking:
    """Sends a spoken second over and over, in real time, until it is left."""

    def __init__(self, session: mmer.client.Session) -> None:
        self._session = session
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Talking:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        packet, due = 0, time.monotonic()
        while not self._stopped.is_set():
            begin = packet * 640 % len(SPOKEN)
            self._session.push_audio(SPOKEN[begin : begin + 640])
            packet, due = packet + 1, due + 0.04
            time.sleep(max(0.0, due - time.monotonic()))


def test_the_page_and_the_metrics_of_all_replicas(address: str) -> None:
    page = get(address, f"/?token={TOKEN}").decode()
    assert "<title>" in page
    assert json.loads(get(address, "/v1/info"))["models"]["face"] == "face.onnx"
    text = get(address, "/metrics").decode()
    replicas = {line.split('replica="')[1].split('"')[0]
                for line in text.splitlines() if line.startswith("mmer_sessions{")}  # fmt: skip
    assert len(replicas) == 2
    assert text.count("# TYPE mmer_sessions gauge") == 1
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address + "/metrics", timeout=20)


def test_calls_that_come_together_are_answered_each(address: str) -> None:
    from ray import serve

    model = load_encoder("face", None, "cpu")
    faces = examples(model.preparation, model.engine.inputs, 3)
    run = serve.get_deployment_handle("encoders", "mmer").run
    waiting = [run.remote("face", face) for face in faces]
    for face, answer in zip(faces, waiting, strict=True):
        found = answer.result(timeout_s=20.0)
        for name, expected in model.engine.run(face).items():
            np.testing.assert_allclose(found[name], expected, atol=1e-4)


def test_a_lost_connection_comes_back_to_its_replica(address: str) -> None:
    with mmer.client.Session(f"{address}/?token={TOKEN}", rate=16_000) as session:
        place = session.place
        with Talking(session):
            for number, _ in enumerate(session):
                if number == 2:
                    session._connection.socket.shutdown(socket.SHUT_RDWR)
                if session.reconnects == 3:
                    break
                if session.reconnects and number % 5 == 0:
                    session._connection.socket.shutdown(socket.SHUT_RDWR)
                assert session.place == place


def test_a_session_outlives_its_replica_and_the_networks(address: str) -> None:
    with mmer.client.Session(f"{address}/?token={TOKEN}", rate=16_000) as session:
        place, killed, back = session.place, 0.0, 0.0
        finals: list[EmotionEstimate] = []
        notices: list[Notice] = []
        with Talking(session):
            for event in session:
                if isinstance(event, EmotionEstimate) and event.final:
                    finals.append(event)
                    if len(finals) == 1:
                        killed = time.monotonic()
                        kill_9(place)
                    if back and len(finals) == 3:
                        kill_9("encoders")
                    if back and len(finals) == 6:
                        session.stop()
                if isinstance(event, Notice) and "another process" in event.text:
                    notices.append(event)
                    back = time.monotonic()
                if isinstance(event, SessionEnd):
                    break
    assert session.place != place
    assert session.reconnects == 1
    assert (
        0 < back - killed < 5.0
    )  # 2 s on a machine with nothing else to do: mmer-bench serve --ray
    assert len(notices) == 1
    ids = [final.utterance for final in finals]
    assert ids == sorted(set(ids))
    assert len(finals) >= 6
    lacking = [final.utterance for final in finals[1:] if not final.modalities["speech"]]
    assert len(lacking) <= 1  # the one whose call was in work when the networks were killed
    begins = [final.window[0] for final in finals[1:]]
    assert min(begins) >= finals[0].window[1]


def test_an_application_that_ends_finishes_its_sessions(address: str) -> None:
    """Last: it is deleted."""
    from ray import serve

    with mmer.client.Session(f"{address}/?token={TOKEN}", rate=16_000) as session:
        ending = threading.Thread(target=lambda: serve.delete("mmer"), daemon=True)
        events = []
        with Talking(session):
            for event in session:
                events.append(event)
                if len(events) == 4:
                    ending.start()
        ending.join(60.0)
    assert isinstance(events[-1], SessionEnd)
    assert session.reconnects == 0
    assert events[-1].utterances == sum(isinstance(e, EmotionEstimate) and e.final for e in events)


def test_metrics_of_several_replicas_are_one_text() -> None:
    from mmer.realtime.serve.ray_app import merged

    one = b"# HELP a_total x\n# TYPE a_total counter\na_total 1.0\n".decode()
    text = merged({"p": one, "q": one.replace("1.0", "2.0")}).decode()
    assert 'a_total{replica="p"} 1.0' in text
    assert 'a_total{replica="q"} 2.0' in text
    assert text.count("# TYPE") == 1


def test_the_manifest_is_what_ray_and_the_application_take() -> None:
    yaml = pytest.importorskip("yaml", reason="comes with Ray")
    from ray.serve.schema import ServeDeploySchema

    from mmer.realtime.serve.ray_app import Settings, app

    text = (Path(mmer.__file__).parent / "realtime/serve/ray_service.yaml").read_text()
    service, *_ = yaml.safe_load_all(text)
    config = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
    (application,) = config.applications
    settings = Settings(**application.args)
    assert app(application.args).__class__ is app(settings).__class__
    with pytest.raises(ValueError, match="replica"):
        app({"replica": "2"})
    workers = service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    cores = workers["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    wanted = settings.max_replicas * settings.replica_cpus + settings.encoders
    assert workers["maxReplicas"] * int(cores) >= wanted


@pytest.mark.parametrize("asked", ["", "no-store", "text-only"])
def test_the_policy_is_that_of_the_settings_or_the_environment(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmer.realtime.serve import ray_app

    monkeypatch.setenv("MMER_POLICY", asked)
    settings = ray_app.Settings(asr="none" if asked == "no-store" else "auto", offline=True)
    replica = SimpleNamespace(app_name="mmer", replica_id=SimpleNamespace(unique_id="one"))
    monkeypatch.setattr(ray_app.serve, "get_replica_context", lambda: replica)
    monkeypatch.setattr(ray_app, "one_thread_each", lambda: None)  # nor in this process
    monkeypatch.setattr(ray_app.sys, "setswitchinterval", lambda seconds: None)
    made = ray_app.Sessions(settings, "", "secret", None).__serve_build_asgi_app__()
    assert made.state.service.policy.name == (asked or "open")
    assert ray_app.Settings(policy="open").policy == "open"
    for wrong in ({"policy": "none"}, {"policy": "text-only", "modalities": "face"}):
        with pytest.raises(MmerError, match="--policy"):
            ray_app.app(wrong)


def test_the_place_is_read_from_the_query() -> None:
    from ray.serve._private.common import StreamingHTTPRequest

    from mmer.realtime.serve.ray_router import place_of

    def request(query: bytes) -> list[bytes]:
        scope = {"type": "websocket", "query_string": query}
        return [pickle.dumps(StreamingHTTPRequest(asgi_scope=scope, proxy_actor_name="p"))]

    assert place_of(request(b"token=x&place=p%2Fq")) == "p/q"
    assert place_of(request(b"replace=1")) == place_of([]) == place_of([object()]) == ""
