"""Moonshine and synthetic speech, for tests that are skipped where a machine lacks them."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.models.store.catalogue import MOONSHINE
from mmer.models.store.store import Store, Unavailable
from mmer.realtime.asr.moonshine import MoonshineModel
from mmer.realtime.asr.registry import ENGINES

SENTENCE = "Where have you been? I was waiting for you, and nobody told me anything."


def moonshine_files() -> tuple[Path, Path, Path]:
    """Encoder, decoder and vocabulary; skips the test where one is not on this machine."""
    found = _files()
    if found is None:
        pytest.skip(f"Moonshine is not here: pip install '{MOONSHINE[0].requirement}'")
    return found


@functools.cache
def _files() -> tuple[Path, Path, Path] | None:
    try:
        encoder, decoder, vocabulary = ENGINES["moonshine"].find(Store(offline=True))
    except Unavailable:
        return None
    return encoder, decoder, vocabulary


def moonshine() -> MoonshineModel:
    """One for all tests of a process: it is immutable."""
    return _opened(*moonshine_files())


@functools.cache
def _opened(*files: Path) -> MoonshineModel:
    return MoonshineModel(*files)


@functools.cache
def spoken(text: str = SENTENCE, voice: str = "slt") -> NDArray[np.int16]:
    """flite's speech, int16 (n,), 16 kHz mono; skips the test without flite."""
    if shutil.which("flite") is None:
        pytest.skip("synthetic speech needs flite: apt-get install flite")
    with tempfile.NamedTemporaryFile(suffix=".wav") as made:
        command = ["flite", "-voice", voice, "-t", text.lower(), "-o", made.name]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with wave.open(made.name) as sound:
            assert sound.getframerate() == 16_000
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    samples = samples.astype(np.int16)
    samples.flags.writeable = False
    return samples
