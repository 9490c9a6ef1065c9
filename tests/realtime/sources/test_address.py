"""Addresses: what is one, what is refused offline, and what is shown of it."""

from pathlib import Path

import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.sources.address import is_loopback, is_url, refuse_network, resolved, shown


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("file:///tmp/a%20b%C3%A9.mp4", "/tmp/a b\u00e9.mp4"),
        ("FILE://localhost/tmp/a.mp4", "/tmp/a.mp4"),
        ("file:/tmp/a.mp4", "/tmp/a.mp4"),
        ("file:a.mp4", "a.mp4"),
        ("RTSP://User:Pass@Camera/Live", "rtsp://User:Pass@Camera/Live"),
        ("/tmp/100%25.mp4", "/tmp/100%25.mp4"),
        ("C:\\clips\\a.mp4", "C:\\clips\\a.mp4"),
    ],
)
def test_an_address_is_resolved(given: str, meant: str) -> None:
    assert resolved(given) == meant


def test_a_file_that_is_called_like_an_address_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file:a%20b.mp4").touch()
    monkeypatch.chdir(tmp_path)
    assert resolved("file:a%20b.mp4") == "file:a%20b.mp4"


def test_passwords_are_not_shown() -> None:
    assert is_url("rtsp://user:secret@camera/1")
    assert shown("rtsp://user:secret@camera/1") == "rtsp://camera/1"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "127.8.8.8"])
def test_this_machine_is_not_the_network(host: str) -> None:
    refuse_network(f"http://{host}/a.mjpg", offline=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "127.0.0.1.",
        "127.0.0.256", "127.1", "localhost.evil.example", "localhost@evil.example", "128.0.0.1",
        "0.0.0.0", "[::2]", "[::1", "[::ffff:10.0.0.1]", "",
    ],
)  # fmt: skip
def test_what_only_looks_like_this_machine_is_the_network(host: str) -> None:
    with pytest.raises(MmerError, match="is on the network"):
        refuse_network(f"http://{host}/x.mp4", offline=True)
    assert not is_loopback(host)


@pytest.mark.parametrize("option", ["source", "video"])
@pytest.mark.parametrize("how", ["variable", "argument"])
@pytest.mark.parametrize("url", ["http://example.com/a.mp4", "RTSP://u:secret@192.168.0.9/1"])
def test_offline_refuses_the_network_before_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, option: str, how: str, url: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("MMER_OFFLINE", "1")
    given = {option: url, "audio": "none", "modalities": ("face",), "offline": how == "argument"}
    with pytest.raises(MmerError) as caught:
        mmer.Recognizer(**given).prepare()
    message = str(caught.value)
    assert "is on the network, which --offline or MMER_OFFLINE forbids" in message
    assert "secret" not in message
    assert len(message.splitlines()) == 1
