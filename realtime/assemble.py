"""Load what the options ask for, side by side, and put the pipeline together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmer.models.card import KINDS
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.store import Store
from mmer.realtime.choose import find_blazeface, find_vosk, load_detector, load_recognizer
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import Options
from mmer.realtime.pipeline import Pipeline

_NO_FUSION = (
    "the folder of --weights has no fusion.json: the encoders' opinions are multiplied as they "
    "are; `mmer-train fusion --weights DIR` trains a fusion for them"
)


@dataclass(frozen=True)
class Assembly:
    """A pipeline with what there is to say about it."""

    pipeline: Pipeline
    models: dict[str, str | None]  # by part: what was loaded
    provider: dict[str, str]  # by encoder: what it runs on
    notices: list[Notice]


def assemble(
    options: Options, streams: frozenset[Stream], store: Store, *, abstain: bool = True
) -> Assembly:
    """Build the pipeline for a source that has ``streams``; raises MmerError where that fails.

    What ``auto`` lets be absent (Vosk, the MediaPipe detector, any recognizer) becomes a notice.
    Without ``abstain`` there is a label however unsure it is.
    """
    chosen = frozenset(options.modalities)
    hears, sees = "audio" in streams, "video" in streams
    loads: dict[str, Callable[[], Any]] = {}
    if hears and "speech" in chosen:
        loads["speech"] = _speech_model(options)
    if hears and "text" in chosen and options.asr != "none":
        vosk = find_vosk(options.asr, store)
        loads["words"] = lambda: load_recognizer(options.asr, vosk)
        loads["text"] = _text_model(options)
    if sees and "face" in chosen:
        blazeface = find_blazeface(options.detector, store)
        loads["detector"] = lambda: load_detector(options.detector, blazeface)
        loads["face"] = _face_model(options)
    loads["fusion"] = _fusion_model(options)
    with ThreadPoolExecutor(max(1, len(loads)), thread_name_prefix="load") as pool:
        loading: dict[str, Future[Any]] = {n: pool.submit(make) for n, make in loads.items()}
    loaded = {name: future.result() for name, future in loading.items()}
    return _connect(options, _without_device(options, hears, sees), loaded, abstain)


def _without_device(options: Options, hears: bool, sees: bool) -> dict[str, str]:
    """By modality, why it has no stream; of a file that lacks one, the file itself tells."""
    absent = {}
    if not hears and (options.source is None or options.audio == "none"):
        absent["speech"] = absent["text"] = "off" if options.audio == "none" else "no microphone"
    if not sees and (options.source is None or options.video == "none"):
        absent["face"] = "off" if options.video == "none" else "no camera"
    return {name: why for name, why in absent.items() if name in options.modalities}


def _connect(
    options: Options, absent: dict[str, str], loaded: dict[str, Any], abstain: bool
) -> Assembly:
    from mmer.realtime.blocks.face_encoder import FaceEncoder
    from mmer.realtime.blocks.face_tracker import FaceTracker
    from mmer.realtime.blocks.fusion import Fusion, FusionConfig
    from mmer.realtime.blocks.speech_encoder import SpeechEncoder
    from mmer.realtime.blocks.text_encoder import TextEncoder, TextEncoderConfig
    from mmer.realtime.blocks.voice_activity import VoiceActivity, VoiceConfig
    from mmer.realtime.blocks.words import Words

    speech = words = text = tracker = face = voice = None
    models: dict[str, str | None] = {}
    notices: list[Notice] = []
    for part in ("words", "detector"):
        if part in loaded:
            models[part] = loaded[part].name
            notices += loaded[part].notices
    if "speech" in loaded:
        speech = SpeechEncoder(loaded["speech"])
    if "words" in loaded and loaded["words"].made is not None:
        recognizer = loaded["words"].made
        words = Words(recognizer)
        text = TextEncoder(loaded["text"], TextEncoderConfig(trust=recognizer.trust))
    elif "words" in loaded:
        absent["text"] = "no recognizer"
        del loaded["text"]
    elif options.asr == "none" and "text" in options.modalities:
        absent["text"] = "off"
    if "face" in loaded:
        face = FaceEncoder(loaded["face"])
        tracker = FaceTracker(loaded["detector"].made, loaded["face"].geometry)
    if speech is not None or words is not None:
        voice = VoiceActivity(VoiceConfig(hangover_s=options.hangover_s))
    expects = [name for name, block in (("speech", speech), ("text", text)) if block is not None]
    learned = loaded.pop("fusion")
    config = FusionConfig(options.window_s)
    if learned is None:
        notices.append(Notice(0.0, "info", "fusion", _NO_FUSION))
    elif abstain:
        config = replace(config, min_confidence=learned.abstain_below)
    fusion = Fusion(config, options.modalities, expects, absent, learned)
    for name in MODALITIES:
        if name in loaded:
            models[name] = loaded[name].card.file
    models["fusion"] = None if learned is None else learned.card.file
    return Assembly(
        pipeline=Pipeline(
            fusion, voice=voice, words=words, speech=speech, text=text, tracker=tracker, face=face
        ),
        models=models,
        provider={name: loaded[name].provider for name in MODALITIES if name in loaded},
        notices=notices,
    )


def _speech_model(options: Options) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.speech import SpeechModel

        return SpeechModel.load(_folder(options.weights, "speech"), options.provider)

    return load


def _text_model(options: Options) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.text import TextModel

        return TextModel.load(_folder(options.weights, "text"), options.provider)

    return load


def _face_model(options: Options) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.face import FaceModel

        return FaceModel.load(_folder(options.weights, "face"), options.provider)

    return load


def _fusion_model(options: Options) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.fusion import FusionModel

        folder = _folder(options.weights, "fusion")
        return FusionModel.load(folder) if options.weights is None or folder else None

    return load


def _folder(weights: Path | None, name: str) -> Path | None:
    """``weights`` where it holds this model's card, else None: the shipped one.

    There is no shipped fusion for encoders of the user's own: it would believe them as the others.
    """
    if weights is None:
        return None
    if not weights.is_dir():
        raise MmerError(f"--weights {weights} is no folder: name one with NAME.onnx and NAME.json")
    if not any((weights / f"{each}.json").exists() for each in KINDS):
        cards = ", ".join(f"{each}.json" for each in KINDS)
        raise MmerError(f"--weights {weights} holds no model card: expected one of {cards}")
    return weights if (weights / f"{name}.json").exists() else None
