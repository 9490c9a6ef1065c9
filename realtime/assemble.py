"""Load what the options ask for, side by side, and put the pipeline together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.store import Store, Unavailable
from mmer.realtime.blocks.face_detector import FaceDetector
from mmer.realtime.blocks.recognizer import SpeechRecognizer
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import Options
from mmer.realtime.pipeline import Pipeline

T = TypeVar("T")


@dataclass
class Assembly:
    """A pipeline with what there is to say about it."""

    pipeline: Pipeline
    models: dict[str, Any] = field(default_factory=dict)  # by part: what was loaded
    provider: dict[str, str] = field(default_factory=dict)  # by encoder
    notices: list[Notice] = field(default_factory=list)


def assemble(options: Options, streams: frozenset[Stream], store: Store) -> Assembly:
    """Build the pipeline for a source that has ``streams``; raises MmerError where that fails.

    What ``auto`` lets be absent (Vosk, the MediaPipe detector, any recognizer) becomes a notice.
    """
    chosen = set(options.modalities)
    hears, sees = "audio" in streams, "video" in streams
    notices: list[Notice] = []
    with ThreadPoolExecutor(4, thread_name_prefix="load") as pool:

        def load(wanted: bool, make: Callable[[], T]) -> Future[T] | None:
            return pool.submit(make) if wanted else None

        def speech_model() -> Any:
            from mmer.models.speech import SpeechModel

            return SpeechModel.load(_folder(options.weights, "speech"), options.provider)

        def text_model() -> Any:
            from mmer.models.text import TextModel

            return TextModel.load(_folder(options.weights, "text"), options.provider)

        def face_model() -> Any:
            from mmer.models.face import FaceModel

            return FaceModel.load(_folder(options.weights, "face"), options.provider)

        loading_speech = load("speech" in chosen and hears, speech_model)
        loading_words = load("text" in chosen and hears, lambda: choose_recognizer(options, store))
        loading_face = load("face" in chosen and sees, face_model)
        loading_detector = load("face" in chosen and sees, lambda: choose_detector(options, store))
        loading_text = load("text" in chosen and hears and options.asr != "none", text_model)

    from mmer.realtime.blocks.face_encoder import FaceEncoder
    from mmer.realtime.blocks.face_tracker import FaceTracker
    from mmer.realtime.blocks.fusion import Fusion, FusionConfig
    from mmer.realtime.blocks.speech_encoder import SpeechEncoder
    from mmer.realtime.blocks.text_encoder import TextEncoder
    from mmer.realtime.blocks.voice_activity import VoiceActivity, VoiceConfig
    from mmer.realtime.blocks.words import Words

    made = Assembly(pipeline=None)  # type: ignore[arg-type]  # set below, when all blocks are there
    speech = tracker = face = words = text = None
    if loading_speech is not None:
        model = loading_speech.result()
        speech = SpeechEncoder(model)
        made.models["speech"], made.provider["speech"] = model.card.file, model.provider
    if loading_face is not None and loading_detector is not None:
        model = loading_face.result()
        detector, about_detector, notice = loading_detector.result()
        tracker, face = FaceTracker(detector, model.geometry), FaceEncoder(model)
        made.models["detector"] = about_detector
        made.models["face"], made.provider["face"] = model.card.file, model.provider
        notices += notice
    absent: dict[str, str] = {}
    if loading_words is not None:
        recognizer, about_words, notice = loading_words.result()
        made.models["words"] = about_words
        notices += notice
        if recognizer is None:
            absent["text"] = "no recognizer"
        elif loading_text is not None:
            model = loading_text.result()
            words, text = Words(recognizer), TextEncoder(model)
            made.models["text"], made.provider["text"] = model.card.file, model.provider
    voice = None
    if hears and (speech is not None or words is not None):
        voice = VoiceActivity(VoiceConfig(hangover_s=options.hangover_s))
    expects = frozenset(n for n, block in (("speech", speech), ("text", text)) if block is not None)
    fusion = Fusion(
        FusionConfig(window_s=options.window_s),
        modalities=frozenset(chosen),
        expects=expects,
        absent=absent,
    )
    made.pipeline = Pipeline(
        fusion, voice=voice, words=words, speech=speech, text=text, tracker=tracker, face=face
    )
    made.notices = notices
    return made


def choose_recognizer(
    options: Options, store: Store
) -> tuple[SpeechRecognizer | None, str | None, list[Notice]]:
    """The recognizer that ``--asr`` asks for: auto takes Vosk, else pocketsphinx, else none."""
    from mmer.realtime.blocks.pocketsphinx_recognizer import PocketsphinxRecognizer
    from mmer.realtime.blocks.vosk_recognizer import VoskRecognizer

    if options.asr == "none":
        return None, None, []
    notices = []
    if options.asr in ("auto", "vosk"):
        try:
            folder = store.vosk_model()
            return VoskRecognizer(folder), f"vosk ({folder.name})", []
        except Unavailable as problem:
            if options.asr == "vosk":
                raise
            notices.append(
                Notice(0.0, "info", "words", f"{problem}; using pocketsphinx, which errs more")
            )
    try:
        return PocketsphinxRecognizer(), "pocketsphinx (en-us)", notices
    except MmerError as problem:
        if options.asr == "pocketsphinx":
            raise
        return None, None, [*notices, Notice(0.0, "warning", "words", f"no words: {problem}")]


def choose_detector(options: Options, store: Store) -> tuple[FaceDetector, str, list[Notice]]:
    """The face detector that ``--detector`` asks for: auto takes MediaPipe, else Haar."""
    from mmer.realtime.blocks.haar_detector import HaarDetector
    from mmer.realtime.blocks.mediapipe_detector import MediaPipeDetector

    if options.detector != "haar":
        try:
            path = store.face_detector()
            return MediaPipeDetector(path), f"mediapipe ({path.name})", []
        except MmerError as problem:
            if options.detector == "mediapipe":
                raise
            notice = Notice(0.0, "info", "face", f"{problem}; using OpenCV's Haar cascade")
            return HaarDetector(), "haar (opencv)", [notice]
    return HaarDetector(), "haar (opencv)", []


def _folder(weights: Path | None, name: str) -> Path | None:
    """``weights`` where it holds this model's card, else None: the shipped one."""
    if weights is None:
        return None
    if not weights.is_dir():
        raise MmerError(f"--weights {weights} is no folder: name one with NAME.onnx and NAME.json")
    if not any((weights / f"{each}.json").exists() for each in MODALITIES):
        cards = ", ".join(f"{each}.json" for each in MODALITIES)
        raise MmerError(f"--weights {weights} holds no model card: expected one of {cards}")
    return weights if (weights / f"{name}.json").exists() else None
