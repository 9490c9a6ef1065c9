"""The model that a card is of: one like the shipped ones, or one of a run of ``mmer-export``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmer.models.cards.card import card_path, load_card

if TYPE_CHECKING:
    from mmer.models.face import FaceModel
    from mmer.models.fusion import FusionModel
    from mmer.models.prepared import PreparedFace, PreparedSpeech, PreparedText
    from mmer.models.run_fusion import RunFusion
    from mmer.models.speech import SpeechModel
    from mmer.models.text import TextModel


def load_speech(folder: Path | None, provider: str = "auto") -> SpeechModel | PreparedSpeech:
    """The speech model in ``folder`` (or of that card), the shipped one where None.

    Raises:
        MmerError: a file is missing, damaged or of another kind; the provider cannot run.
    """
    from mmer.models.prepared import PreparedSpeech
    from mmer.models.speech import SpeechModel

    kind = PreparedSpeech if _has("input", folder, "speech") else SpeechModel
    return kind.load(folder, provider)


def load_text(folder: Path | None, provider: str = "auto") -> TextModel | PreparedText:
    """The text model: see ``load_speech``."""
    from mmer.models.prepared import PreparedText
    from mmer.models.text import TextModel

    kind = PreparedText if _has("input", folder, "text") else TextModel
    return kind.load(folder, provider)


def load_face(folder: Path | None, provider: str = "auto") -> FaceModel | PreparedFace:
    """The model of the face, or of whole frames: see ``load_speech``."""
    from mmer.models.face import FaceModel
    from mmer.models.prepared import PreparedFace

    kind = PreparedFace if _has("input", folder, "face") else FaceModel
    return kind.load(folder, provider)


def load_encoder(modality: str, folder: Path | None, provider: str = "auto") -> Any:
    """The model of "speech", "text" or "face": see ``load_speech``."""
    loaders: dict[str, Callable[[Path | None, str], Any]] = {
        "speech": load_speech,
        "text": load_text,
        "face": load_face,
    }
    return loaders[modality](folder, provider)


def load_fusion(folder: Path | None) -> FusionModel | RunFusion:
    """The fusion, on the CPU: see ``load_speech``."""
    from mmer.models.fusion import FusionModel
    from mmer.models.run_fusion import RunFusion

    return (RunFusion if _has("uses", folder, "fusion") else FusionModel).load(folder)


def _has(key: str, folder: Path | None, modality: str) -> bool:
    return key in load_card(card_path(folder, modality)).preprocessing
