"""Dependencies: Python packages and system libraries, and what works without each."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from mmer.models.store.catalogue import MOONSHINE


@dataclass(frozen=True)
class Package:
    """A dependency: what to import ("": its files alone are used), and what works without it.

    ``without`` is empty where nothing works; ``requirement`` is for pip, where the name is too
    little.
    """

    module: str
    without: str = ""
    requirement: str = ""


PACKAGES: Final = {
    "numpy": Package("numpy"),
    "onnxruntime": Package("onnxruntime"),
    "av": Package("av"),
    "opencv-contrib-python": Package("cv2"),
    "webrtcvad-wheels": Package("webrtcvad"),
    "kaldi-native-fbank": Package("kaldi_native_fbank"),
    "tokenizers": Package("tokenizers"),
    "rich": Package("rich"),
    "tyro": Package("tyro"),
    "pooch": Package("pooch"),
    "platformdirs": Package("platformdirs"),
    "sounddevice": Package("sounddevice", "no microphone; files and cameras work"),
    "vosk": Package("vosk", "speech is transcribed by Moonshine alone"),
    "moonshine-voice": Package(
        "", "Moonshine's files are downloaded when first needed", MOONSHINE[0].requirement
    ),
}
"""Every dependency of pyproject.toml, by the name that pip knows."""
EXTRAS: Final = {
    "pylsl": Package("pylsl", "only --lsl needs it"),
    "python-osc": Package("pythonosc", "only --osc needs it"),
    "paho-mqtt": Package("paho.mqtt.client", "only --mqtt needs it"),
    "pympi-ling": Package("pympi", "only --export FILE.eaf and FILE.TextGrid need it"),
    "webvtt-py": Package("webvtt", "only --export FILE.vtt and FILE.srt need it"),
    "pyarrow": Package("pyarrow", "only mmer-batch and --export FILE.parquet need it"),
    "mediapipe": Package("mediapipe", "only --detector mediapipe needs it"),
    **{
        name: Package(
            name.replace("-", "_"),
            "only mmer-serve and mmer.client need the extra serve",
            "mmer-live[serve]",
        )
        for name in (
            "starlette",
            "uvicorn",
            "python-multipart",
            "prometheus_client",
            "websockets",
            "cryptography",
        )
    },
    "ray": Package("", "only the server on Ray and --ray of mmer-batch and mmer-ablate need it"),
}
"""Dependencies of single options."""

LIBRARIES: Final = {
    "libgl1": ("libGL.so.1", ""),
    "libglib2.0-0": ("libglib-2.0.so.0", ""),
    "libportaudio2": ("libportaudio.so.2", "no microphone; files and cameras work"),
    "libegl1": ("libEGL.so.1", "only --detector mediapipe needs it"),
    "libgles2": ("libGLESv2.so.2", "only --detector mediapipe needs it"),
    "libsm6": ("libSM.so.6", "--window does not open; --overlay works"),
}
"""Debian packages that wheels need: the file that is loaded, and what works without it.

OpenCV's Qt needs libGL and GLib (and libSM for a window), MediaPipe needs EGL and GLES, sounddevice
needs PortAudio.
"""


def version(distribution: str) -> str | None:
    """The installed version; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def import_problem(module: str) -> str | None:
    """Why a module cannot be imported, in one line; None when it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken package may raise anything
        return next(iter(str(error).splitlines()), type(error).__name__)
    return None


def absent_libraries() -> list[str]:
    """Those of LIBRARIES that the dynamic linker does not find; none on systems other than Linux.

    The wheels of other systems bring what they need.
    """
    if not sys.platform.startswith("linux"):
        return []
    return [package for package, (file, _) in LIBRARIES.items() if not _loads(file)]


def apt_get(packages: Iterable[str]) -> str:
    """The command that installs Debian packages."""
    return f"sudo apt-get install -y {' '.join(packages)}"


def _loads(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True
