from __future__ import annotations

import _thread
import contextlib
import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mmer.models.store.catalogue import FACE_DETECTOR, MOONSHINE, VOSK_MODEL, Asset
from mmer.models.store.download import Patience
from mmer.models.store.store import Store, Unavailable
from mmer.realtime.asr.registry import ENGINES

FACE_BYTES = bytes(range(256)) * 800  # 200 kB
LARGE_BYTES = FACE_BYTES * 5  # of the 1.4 MB that the detector may have


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        # a ZipInfo has a fixed date: the bytes are the same in every process
        file.writestr(zipfile.ZipInfo("tiny-model/am/final.mdl"), b"m" * 5000)
    return buffer.getvalue()


ZIP_BYTES = zipped()


class Server:
    """Serves the two files on loopback and counts; ``mode`` says how it misbehaves."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.mode = "good"
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                if outer.mode == "missing":
                    self.send_error(404)
                    return
                data = FACE_BYTES if "face" in self.path else ZIP_BYTES
                if outer.mode == "large":
                    data = LARGE_BYTES
                if outer.mode == "forged":
                    data = data[:-1] + b"?"
                self.send_response(200)
                if outer.mode == "endless":
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        while not outer.release.is_set():
                            self.wfile.write(bytes(1 << 16))
                    return
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if outer.mode in ("stalled", "broken"):
                    self.wfile.write(data[: len(data) // 2])
                    self.wfile.flush()
                    if outer.mode == "stalled":
                        outer.release.wait(30)
                    return
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def assets(url: str, other: str | None = None) -> tuple[Asset, Asset]:
    face = replace(
        FACE_DETECTOR,
        file="face.tflite",
        url=f"{url}/face.tflite?generation=7",
        sha256=hashlib.sha256(FACE_BYTES).hexdigest(),
    )
    vosk = replace(
        VOSK_MODEL,
        file="tiny-model.zip",
        url=f"{other or url}/tiny-model.zip",
        sha256=hashlib.sha256(ZIP_BYTES).hexdigest(),
        folder="tiny-model",
        needs=("am/final.mdl",),
    )
    return face, vosk


def make_store(
    home: Path,
    url: str,
    other: str | None = None,
    patience: Patience | None = None,
    offline: bool = False,
    stall_s: float = 15.0,
    steps: list[tuple[str, int, int | None]] | None = None,
    moonshine: Sequence[Asset] = (),
) -> Store:
    face, vosk = assets(url, other)
    return Store(
        home,
        [],
        offline=offline,
        report=lambda line: None,
        progress=lambda a, n, total: (steps if steps is not None else []).append(
            (a.name, n, total)
        ),
        face=face,
        vosk=vosk,
        moonshine=moonshine,
        patience=patience or Patience(),
        stall_s=stall_s,
    )


def get_face(store: Store) -> Path:
    return store.get(store.face)


def get_vosk(store: Store) -> Path:
    return store.get(store.vosk)


def names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def test_a_file_is_fetched_with_progress_and_never_twice(server: Server, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    path = get_face(make_store(tmp_path, server.url, steps=steps))
    assert path == tmp_path / "face.tflite"
    assert path.read_bytes() == FACE_BYTES
    assert steps[-1] == ("face-detector", len(FACE_BYTES), len(FACE_BYTES))
    assert [n for _, n, _ in steps] == sorted(n for _, n, _ in steps)
    assert get_face(make_store(tmp_path, server.url)) == path
    assert get_face(make_store(tmp_path, server.url, offline=True)) == path
    assert server.requests == ["/face.tflite?generation=7"]


def test_an_archive_is_fetched_unpacked_and_not_kept(server: Server, tmp_path: Path) -> None:
    model = get_vosk(make_store(tmp_path, server.url))
    assert (model / "am/final.mdl").read_bytes() == b"m" * 5000
    assert names(tmp_path) == ["tiny-model"]
    assert get_vosk(make_store(tmp_path, server.url)) == model
    assert len(server.requests) == 1


def test_fetch_all_answers_for_each(server: Server, tmp_path: Path) -> None:
    store = make_store(tmp_path, server.url)
    assert store.fetch_all() == [
        (store.face, tmp_path / "face.tflite"),
        (store.vosk, tmp_path / "tiny-model"),
    ]
    server.mode = "missing"
    (face, path), (vosk, reason) = make_store(tmp_path / "empty", server.url).fetch_all()
    assert (face.name, vosk.name) == ("face-detector", "vosk")
    assert "404" in str(path)
    assert "MMER_MODELS" in str(reason)


def moonshine_assets(url: str) -> list[Asset]:
    """The three, each with the bytes of the face detector."""
    sha256 = hashlib.sha256(FACE_BYTES).hexdigest()
    return [
        replace(a, url=f"{url}/face-{Path(a.file).name}", sha256=sha256, package=None)
        for a in MOONSHINE
    ]


def test_moonshines_files_are_fetched_into_a_folder_of_their_own(
    server: Server, tmp_path: Path
) -> None:
    three = moonshine_assets(server.url)
    store = make_store(tmp_path, server.url, moonshine=three)
    found = {asset.name: path for asset, path in store.fetch_all()}
    assert list(found) == ["face-detector", *(a.name for a in three), "vosk"]
    for asset in three:
        assert found[asset.name] == tmp_path / asset.file
        assert (tmp_path / asset.file).read_bytes() == FACE_BYTES
    assert names(tmp_path) == ["face.tflite", "moonshine-tiny-en", "tiny-model"]
    assert names(tmp_path / "moonshine-tiny-en") == sorted(Path(a.file).name for a in three)
    requests = len(server.requests)
    again = make_store(tmp_path, server.url, moonshine=three)
    assert ENGINES["moonshine"].get(again) == tuple(tmp_path / a.file for a in three)
    assert len(server.requests) == requests == 5


def test_a_failed_download_of_moonshine_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.mode = "forged"
    store = make_store(tmp_path, server.url, moonshine=moonshine_assets(server.url))
    with pytest.raises(Unavailable, match="sha256"):
        ENGINES["moonshine"].get(store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert len(server.requests) == 1  # the others are not tried


def test_a_fetched_file_can_be_read_by_others(server: Server, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("as the umask has it")
    path = get_face(make_store(tmp_path, server.url))
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    ("mode", "why"),
    [("forged", "sha256"), ("missing", "404"), ("broken", "broke off"), ("stalled", "stalled")],
)
def test_a_failed_download_says_why_and_leaves_nothing(
    server: Server, tmp_path: Path, mode: str, why: str
) -> None:
    server.mode = mode
    store = make_store(tmp_path, server.url, stall_s=0.5)
    with pytest.raises(Unavailable, match=why):
        store.get(store.face)
    with pytest.raises(Unavailable):
        store.get(store.vosk)
    assert names(tmp_path) == []


def test_a_damaged_cached_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    cached = tmp_path / "face.tflite"
    cached.write_bytes(FACE_BYTES[:-1] + b"?")
    store = make_store(tmp_path, server.url)
    assert store.get(store.face).read_bytes() == FACE_BYTES
    assert len(server.requests) == 1


def test_a_damaged_cached_file_stays_as_it_is_when_the_new_one_fails(
    server: Server, tmp_path: Path
) -> None:
    server.mode = "broken"
    (tmp_path / "face.tflite").write_bytes(b"damaged")
    with pytest.raises(Unavailable):
        get_face(make_store(tmp_path, server.url))
    assert names(tmp_path) == ["face.tflite"]


def test_a_download_without_an_end_is_ended(server: Server, tmp_path: Path) -> None:
    server.mode = "endless"
    store = make_store(tmp_path, server.url)
    with pytest.raises(Unavailable, match="more than 1 MB came"):
        store.get(store.face)
    assert not [p for p in tmp_path.iterdir() if p.stat().st_size > 2_000_000]


def test_a_file_may_be_somewhat_larger_than_is_said(server: Server, tmp_path: Path) -> None:
    server.mode = "large"
    store = make_store(tmp_path, server.url)
    asset = replace(store.face, sha256=hashlib.sha256(LARGE_BYTES).hexdigest())
    assert asset.most_bytes / 2 < len(LARGE_BYTES) < asset.most_bytes
    assert store.get(asset).read_bytes() == LARGE_BYTES


def test_a_damaged_folder_is_fetched_again(server: Server, tmp_path: Path) -> None:
    model = get_vosk(make_store(tmp_path, server.url))
    (model / "am/final.mdl").write_bytes(b"m")
    assert get_vosk(make_store(tmp_path, server.url)) == model
    assert (model / "am/final.mdl").stat().st_size == 5000
    assert len(server.requests) == 2
    assert names(tmp_path) == ["tiny-model"]


def test_interrupt_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.mode = "stalled"
    store = make_store(tmp_path, server.url)
    timer = threading.Timer(0.7, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        store.get(store.face)
    timer.join()
    assert names(tmp_path) == []


def test_what_progress_raises_ends_the_download(server: Server, tmp_path: Path) -> None:
    server.mode = "stalled"
    face, vosk = assets(server.url)

    def cancel(asset: Asset, done: int, total: int | None) -> None:
        if done:
            raise InterruptedError("enough")

    store = Store(tmp_path, [], offline=False, report=print, progress=cancel, face=face, vosk=vosk)
    with pytest.raises(InterruptedError):
        store.get(store.face)
    assert names(tmp_path) == []


def test_threads_share_a_store(server: Server, tmp_path: Path) -> None:
    store = make_store(tmp_path, server.url)
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: store.get(store.vosk), range(4)))
    assert paths == {tmp_path / "tiny-model"}
    assert len(server.requests) == 1


def test_a_refused_connection_is_noticed_at_once(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(Unavailable, match="cannot reach"):
        get_face(make_store(tmp_path, url))
    assert time.monotonic() - start < 2.0
    assert names(tmp_path) == []


def test_silent_hosts_are_noticed_within_five_seconds_in_all(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):  # they accept, and never answer
        urls = [f"http://127.0.0.1:{s.getsockname()[1]}" for s in (one, two)]
        patience = Patience()
        store = make_store(tmp_path, *urls, patience=patience)
        start = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            store.get(store.face)
        with pytest.raises(Unavailable):
            store.get(store.vosk)
        assert time.monotonic() - start < 5.0
        again = time.monotonic()  # and what was found out is remembered, by another store too
        for asset, reason in make_store(tmp_path, *urls, patience=patience).fetch_all():
            assert isinstance(reason, str), asset
        assert time.monotonic() - again < 0.3
    assert names(tmp_path) == []


def test_a_name_whose_look_up_hangs_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*args: object, **kwargs: object) -> list[object]:
        release.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    store = make_store(tmp_path, "http://models.invalid", patience=Patience(0.6, 0.5))
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"models\.invalid does not answer"):
        store.get(store.face)
    assert time.monotonic() - start < 2.0
    release.set()


def test_an_answer_restores_the_patience(server: Server, tmp_path: Path) -> None:
    patience = Patience(1.0, 0.9)
    patience.failed("elsewhere", "elsewhere does not answer", 0.7)
    assert patience.grant("here") == pytest.approx(0.3)
    get_face(make_store(tmp_path, server.url, patience=patience))
    assert patience.grant("here") == pytest.approx(0.9)
    with pytest.raises(Unavailable, match="elsewhere"):
        patience.grant("elsewhere")


def test_offline_never_connects(server: Server, tmp_path: Path) -> None:
    store = make_store(tmp_path, server.url, offline=True)
    with pytest.raises(Unavailable, match="offline"):
        store.get(store.face)
    assert all(isinstance(reason, str) for _, reason in store.fetch_all())
    assert server.requests == []
    assert names(tmp_path) == []


def test_without_a_terminal_one_line_is_all_that_is_printed(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    face, vosk = assets(server.url)
    get_face(Store(tmp_path, [], offline=False, face=face, vosk=vosk, patience=Patience()))
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "downloading" in err
    assert "127.0.0.1" in err


def test_leftovers_of_killed_processes_are_cleared(server: Server, tmp_path: Path) -> None:
    old, fresh = tmp_path / ".face.tflite.1.part", tmp_path / ".face.tflite.2.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    get_face(make_store(tmp_path, server.url))
    assert names(tmp_path) == [fresh.name, "face.tflite"]


def test_leftover_folders_of_killed_processes_are_cleared(server: Server, tmp_path: Path) -> None:
    old, fresh = tmp_path / ".tiny-model.1.part", tmp_path / ".tiny-model.2.part"
    for path in (old, fresh):
        path.mkdir()
        (path / "tiny-model.zip").write_bytes(b"half")
    os.utime(old, (1, 1))
    get_vosk(make_store(tmp_path, server.url))
    assert names(tmp_path) == [fresh.name, "tiny-model"]


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_store_download import make_store\n"
        "sys.stdin.readline()\n"
        "print(*[p for _, p in make_store(Path(sys.argv[2]), sys.argv[3]).fetch_all()], sep='\\n')"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path), server.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:  # both have loaded what they need before either begins
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert out.splitlines() == [str(tmp_path / "face.tflite"), str(tmp_path / "tiny-model")]
    assert (tmp_path / "face.tflite").read_bytes() == FACE_BYTES
    assert names(tmp_path) == ["face.tflite", "tiny-model"]
    store = make_store(tmp_path, server.url, offline=True)
    assert store.get(store.vosk) == tmp_path / "tiny-model"
