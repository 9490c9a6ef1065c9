"""Options of the recognizer that `mmer-serve` and `mmer-batch` share; `mmer-live` explains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mmer.models.engine.providers import Provider
from mmer.realtime.asr.registry import ASR_METAVAR
from mmer.realtime.choose import DETECTOR_METAVAR
from mmer.realtime.commands.command_line import Flag


@dataclass(frozen=True)
class RecognizerArguments:
    """Modalities, models and timing of each session or recording."""

    modalities: str = "speech,text,face"
    """Modalities to use, separated by commas."""
    asr: Annotated[str, tyro.conf.arg(metavar=ASR_METAVAR)] = "auto"
    """Speech recognizer, as in mmer-live."""
    detector: Annotated[str, tyro.conf.arg(metavar=DETECTOR_METAVAR)] = "auto"
    """Face detector, as in mmer-live."""
    provider: Provider = "auto"
    """What runs the networks, as in mmer-live."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder with networks, as in mmer-live."""
    video_fps: float = 20.0
    """Most frames analysed a second."""
    window_s: float = 4.0
    """How far back an estimate looks, in seconds."""
    hop_s: float = 0.25
    """Seconds from one estimate to the next."""
    hangover_s: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None
    """Silence after which an utterance has ended, as in mmer-live."""
    offline: Flag = False
    """Never use the network for downloads (also: MMER_OFFLINE=1)."""
