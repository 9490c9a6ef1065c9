"""Transcripts of synthetic speech: texts spoken by flite, in noise, transcribed by Moonshine.

``python -m mmer.training.augment.spoken_texts --data DATA --cache CACHE`` makes the transcripts
for ``mmer-train text --cache CACHE``. An interrupted run can be continued.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tyro
from numpy.typing import NDArray

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.asr.interface import AsrModel, transcribe
from mmer.training.augment.recording import in_noise, limited
from mmer.training.datasets.media import decode, sound_files
from mmer.training.datasets.registry import read

FILE: Final = "spoken-texts.jsonl"
CORPORA: Final = ("meld",)
VOICES: Final = ("awb", "kal16", "rms", "slt")
"""flite's built-in voices at 16 kHz."""
STRETCH: Final = (0.8, 1.2)
"""Range of speaking durations, relative to the voice's own."""
SNR_DB: Final = (5.0, 30.0)
"""Range of signal-to-noise ratios."""
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Arguments:
    """Speak the training texts, add noise, transcribe them, and write the transcripts."""

    data: Path
    """Folder of the corpora (text/meld, audio/esc10)."""
    cache: Path
    """Folder for the transcripts."""
    corpora: tuple[str, ...] = CORPORA
    """Text corpora whose training split is spoken, in this order."""


def load(cache: Path) -> dict[str, str]:
    """Transcripts by written text; empty without a file, "" where no word was recognized.

    Raises:
        MmerError: the file cannot be read.
    """
    path = cache / FILE
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise MmerError(f"cannot read {path}: {error}") from error
    for line in filter(None, lines):
        try:
            row = json.loads(line.decode("utf-8"))
            found[row["text"]] = row["transcript"]
        except (ValueError, KeyError, TypeError) as error:
            # an interrupted run's last line may end amid a character
            if not (isinstance(error, ValueError) and line.startswith(b"{")):
                raise MmerError(f"cannot read {path}: it holds no transcripts of texts") from error
    return found


def speak(text: str, voice: str, stretch: float) -> NDArray[np.int16]:
    """Synthetic speech, int16 (n,), 16 kHz mono.

    Raises:
        MmerError: flite is not installed, or cannot speak the text.
    """
    if shutil.which("flite") is None:
        raise MmerError("spoken texts need flite: sudo apt-get install -y flite")
    with tempfile.NamedTemporaryFile(suffix=".wav") as made:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}"]
        # lower case: flite spells words of capitals
        command += ["-t", text.lower(), "-o", made.name]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise MmerError(f"flite takes more than {TIMEOUT_S:g} s for {text!r}") from error
        try:
            with wave.open(made.name) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        except (wave.Error, EOFError) as error:
            why = done.stderr.decode(errors="replace").strip() or str(error)
            raise MmerError(f"flite cannot speak {text!r}: {why}") from error
    return samples.astype(np.int16)


def transcripts(
    texts: Iterable[str], model: AsrModel, noises: Sequence[NDArray[np.int16]]
) -> Iterator[Mapping[str, str | float]]:
    """Each text with its transcript ("" where no word was recognized), voice and noise.

    Random numbers depend on the text alone, so an interrupted run continues identically.
    """
    for text in texts:
        digest = hashlib.sha256(text.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        voice = VOICES[int(rng.integers(len(VOICES)))]
        speech = speak(text, voice, float(rng.uniform(*STRETCH)))
        snr_db = float(rng.uniform(*SNR_DB))
        noise = noises[int(rng.integers(len(noises)))]
        noise = np.roll(noise, int(rng.integers(len(noise))))
        transcript = transcribe(limited(in_noise(speech, noise, snr_db)), model).text
        yield {"text": text, "transcript": transcript, "voice": voice, "snr_db": round(snr_db, 1)}


def make(arguments: Arguments, model: AsrModel) -> None:
    """Transcribe the texts that are not in the cache yet.

    Raises:
        MmerError: a corpus or flite is missing, or the cache cannot be written.
    """
    data, cache = arguments.data, arguments.cache
    texts: dict[str, None] = {}
    for corpus in arguments.corpora:
        items = read(corpus, data / "text" / corpus, "text", "train").items
        texts |= dict.fromkeys(item.text for item in items if item.text)
    done = load(cache)
    left = [text for text in texts if text not in done]
    noises = [decode(path) for path in sound_files(data / "audio/esc10", "noise")]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / FILE).open("a", encoding="utf-8") as out:
            if out.tell() and not (cache / FILE).read_bytes().endswith(b"\n"):
                out.write("\n")  # an interrupted run's last line
            for number, row in enumerate(transcripts(left, model, noises), 1):
                out.write(f"{json.dumps(row, ensure_ascii=False)}\n")
                if number % 100 == 0:
                    out.flush()
                    print(f"{len(done) + number} of {len(texts)} texts", file=sys.stderr)
    except OSError as error:
        raise MmerError(f"cannot write into {cache}: {error.strerror or error}") from error


def main() -> None:
    """The command."""
    from mmer.realtime.asr.registry import load_model

    arguments = tyro.cli(Arguments, prog="python -m mmer.training.augment.spoken_texts")
    run_command("spoken_texts", lambda: make(arguments, load_model("moonshine")))


if __name__ == "__main__":
    main()
