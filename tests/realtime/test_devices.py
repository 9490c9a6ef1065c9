from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.devices import cameras, list_devices, microphones


@dataclass
class Microphone:
    index: int
    name: str
    host: str
    channels: int
    rate: float
    default: bool


@dataclass
class Camera:
    device: str
    name: str


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts what the two listings answer (or raise) in place of the real ones."""

    def answer(value: object) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    def put(heard: object, seen: object) -> None:
        microphone, camera = ModuleType("microphone"), ModuleType("camera")
        microphone.input_devices = lambda: answer(heard)  # type: ignore[attr-defined]
        camera.cameras = lambda: answer(seen)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mmer.realtime.sources.microphone", microphone)
        monkeypatch.setitem(sys.modules, "mmer.realtime.sources.camera", camera)

    return put


def test_devices_are_listed_as_the_options_name_them(sources: Callable[..., None]) -> None:
    sources(
        [
            Microphone(0, "USB Audio", "ALSA", 2, 48000.0, False),
            Microphone(3, "pulse", "ALSA", 1, 44100.0, True),
        ],
        [Camera("0", "Integrated Camera")],
    )
    assert list_devices().splitlines() == [
        "Microphones (--audio INDEX or part of the NAME)",
        "  0: USB Audio (ALSA, 2 ch, 48000 Hz)",
        "  3: pulse (ALSA, 1 ch, 44100 Hz), the default",
        "Cameras (--video INDEX or PATH)",
        "  0: Integrated Camera",
    ]


def test_no_devices_are_said_plainly(sources: Callable[..., None]) -> None:
    sources([], [])
    assert list_devices().splitlines()[1::2] == ["  none found", "  none found"]
    assert microphones().lines == cameras().lines == ()
    assert microphones().problem == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError("PortAudio library not found"),
        MmerError("the microphone needs PortAudio: sudo apt-get install -y libportaudio2"),
    ],
)
def test_without_portaudio_the_command_is_named_once(
    sources: Callable[..., None], error: Exception
) -> None:
    sources(error, [Camera("0", "Integrated Camera")])
    text = list_devices()
    assert text.count("sudo apt-get install -y libportaudio2") == 1
    assert "PortAudio" in text
    assert "Integrated Camera" in text


def test_a_fault_in_the_program_is_not_hidden(sources: Callable[..., None]) -> None:
    sources(ZeroDivisionError(), [])
    with pytest.raises(ZeroDivisionError):
        list_devices()
