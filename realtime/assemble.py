"""Load what the options ask for, side by side, and put the pipeline together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.store.store import Store
from mmer.models.weights_folder import WeightsFolder
from mmer.realtime.asr.interface import AsrModel
from mmer.realtime.asr.selection import Selection, load, select
from mmer.realtime.choose import Choice, find_detector, load_detector
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import Options
from mmer.realtime.pipeline import Pipeline

if TYPE_CHECKING:
    from mmer.models.run_fusion import RunFusion
    from mmer.realtime.blocks.block import Block
    from mmer.realtime.shared_models import SharedModels

_NO_FUSION = (
    "the folder of --weights has no fusion.json: the encoders' opinions are multiplied as they "
    "are; `mmer-train fusion --weights DIR` trains a fusion for them"
)
_RUN_WAIT_S: Final = 2.0
"""How long a final waits for the networks of a run: transformers take longer than the shipped."""


@dataclass(frozen=True)
class Assembly:
    """A pipeline with what there is to say about it."""

    pipeline: Pipeline
    models: dict[str, str | None]  # by part: what was loaded
    provider: dict[str, str]  # by encoder: what it runs on
    notices: list[Notice]


def assemble(
    options: Options,
    streams: frozenset[Stream],
    store: Store,
    *,
    abstain: bool = True,
    shared: SharedModels | None = None,
) -> Assembly:
    """Build the pipeline for a source that has ``streams``; raises MmerError where that fails.

    What ``auto`` lets be absent (a speech recognizer, BlazeFace) becomes a notice.
    Without ``abstain`` there is a label however unsure it is. ``shared`` has the networks, which
    are of the options' ``weights`` and ``provider``; left out, they are loaded.
    """
    folder = None if options.weights is None else WeightsFolder(options.weights)
    lacking = _without_model(options, folder)
    chosen = frozenset(options.modalities) - set(lacking)
    hears, sees = "audio" in streams, "video" in streams
    loads: dict[str, Callable[[], Any]] = {}
    if hears and "speech" in chosen:
        loads["speech"] = _model("speech", folder, options, shared)
    if hears and "text" in chosen and options.asr != "none":
        loads["words"] = _asr(select(options.asr, store), shared)
        loads["text"] = _model("text", folder, options, shared)
    if sees and "face" in chosen:
        if folder is None or folder.needs_faces:
            found = find_detector(options.detector, store)
            loads["detector"] = lambda: load_detector(options.detector, found)
        loads["face"] = _model("face", folder, options, shared)
    if folder is None or "fusion" in folder.cards:
        loads["fusion"] = _fusion(folder, shared)
    with ThreadPoolExecutor(max(1, len(loads)), thread_name_prefix="load") as pool:
        loading: dict[str, Future[Any]] = {n: pool.submit(make) for n, make in loads.items()}
    loaded = {name: future.result() for name, future in loading.items()}
    absent = {**_without_device(options, hears, sees), **lacking}
    return _connect(options, absent, loaded, folder, abstain)


def _without_model(options: Options, folder: WeightsFolder | None) -> dict[str, str]:
    """By modality, why there is no model for it; raises MmerError where there is for none."""
    if folder is None:
        return {}
    lacking = {m: why for m in options.modalities if (why := folder.why_not(m))}
    if len(lacking) == len(options.modalities):
        raise MmerError(
            f"--weights {folder.path} has no model for {', '.join(lacking)}, but for "
            f"{', '.join(folder.fused or folder.modalities)}: see --modalities"
        )
    return lacking


def _without_device(options: Options, hears: bool, sees: bool) -> dict[str, str]:
    """By modality, why it has no stream; of a file that lacks one, the file itself tells."""
    absent = {}
    if not hears and (options.source is None or options.audio == "none"):
        absent["speech"] = absent["text"] = "off" if options.audio == "none" else "no microphone"
    if not sees and (options.source is None or options.video == "none"):
        absent["face"] = "off" if options.video == "none" else "no camera"
    return {name: why for name, why in absent.items() if name in options.modalities}


def _connect(
    options: Options,
    absent: dict[str, str],
    loaded: dict[str, Any],
    folder: WeightsFolder | None,
    abstain: bool,
) -> Assembly:
    from mmer.models.prepared import PreparedFace
    from mmer.models.run_fusion import RunFusion
    from mmer.realtime.blocks.clip_collector import ClipCollector, ClipConfig
    from mmer.realtime.blocks.clip_encoder import ClipEncoder
    from mmer.realtime.blocks.face_encoder import FaceEncoder
    from mmer.realtime.blocks.face_tracker import FaceTracker
    from mmer.realtime.blocks.fusion.block import FusionBlock, FusionConfig
    from mmer.realtime.blocks.fusion.pooling import OnlyPool
    from mmer.realtime.blocks.speech_encoder import SpeechEncoder
    from mmer.realtime.blocks.text_encoder import TextEncoder, TextEncoderConfig
    from mmer.realtime.blocks.transcriber import Transcriber
    from mmer.realtime.blocks.vad import Vad, VadConfig

    speech = words = text = tracker = clips = voice = None
    face: Block | None = None
    models: dict[str, str | None] = {}
    notices: list[Notice] = []
    for part in ("words", "detector"):
        if part in loaded:
            models[part] = loaded[part].name
            notices += loaded[part].notices
    if "speech" in loaded:
        speech = SpeechEncoder(loaded["speech"])
    if "words" in loaded and loaded["words"].made is not None:
        asr = loaded["words"].made
        words = Transcriber(asr.stream())
        text = TextEncoder(loaded["text"], TextEncoderConfig(trust=asr.trust))
    elif "words" in loaded:
        absent["text"] = "no speech recognizer"
        del loaded["text"]
    elif options.asr == "none" and "text" in options.modalities:
        absent.setdefault("text", "off")
    if "face" in loaded:
        model = loaded["face"]
        if isinstance(model, PreparedFace):
            clips = ClipCollector(model.count, model.size, ClipConfig(window_s=options.window_s))
            face = ClipEncoder(model)
        else:
            face = FaceEncoder(model)
        if "detector" in loaded:
            tracker = FaceTracker(loaded["detector"].made, model.geometry)
    if speech is not None or words is not None:
        voice = Vad(VadConfig(hangover_s=options.hangover_s))
    expects = [name for name, block in (("speech", speech), ("text", text)) if block is not None]
    config = FusionConfig(options.window_s)
    pool = learned = loaded.pop("fusion", None)
    answers = None if learned is None else learned.card
    if folder is not None and folder.is_run:
        config = replace(config, final_wait_s=_RUN_WAIT_S)
        if isinstance(learned, RunFusion):
            _fit(learned, loaded)
        if learned is None and len(folder.modalities) == 1:
            pool, answers = OnlyPool(), folder.cards[folder.modalities[0]]
    if answers is None:
        notices.append(Notice(0.0, "info", "fusion", _NO_FUSION))
    elif abstain:
        config = replace(config, min_confidence=answers.abstain_below)
    fusion = FusionBlock(config, options.modalities, expects, absent, pool, clips=clips is not None)
    for name in MODALITIES:
        if name in loaded:
            models[name] = loaded[name].card.file
    models["fusion"] = None if learned is None else learned.card.file
    return Assembly(
        pipeline=Pipeline(
            fusion,
            vad=voice,
            asr=words,
            speech=speech,
            text=text,
            tracker=tracker,
            clips=clips,
            face=face,
        ),
        models=models,
        provider={name: loaded[name].provider for name in MODALITIES if name in loaded},
        notices=notices,
    )


def _fit(fusion: RunFusion, loaded: dict[str, Any]) -> None:
    """See that the models give what the fusion looks at; raises MmerError."""
    for name in fusion.modalities:
        gives = getattr(loaded.get(name), "gives", fusion.uses)
        if fusion.uses != "logits" and gives != fusion.uses:
            raise MmerError(
                f"{fusion.card.file} looks at the {fusion.uses} of {name}, but "
                f"{loaded[name].card.file} gives its {gives}: export the run again"
            )


def _model(
    name: str, folder: WeightsFolder | None, options: Options, shared: SharedModels | None
) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.loading import load_encoder

        place = None if folder is None else folder.place(name)
        if shared is not None:
            return shared.encoder(name, place)
        return load_encoder(name, place, options.provider)

    return load


def _asr(selection: Selection, shared: SharedModels | None) -> Callable[[], Choice[AsrModel]]:
    return lambda: load(selection) if shared is None else shared.asr(selection)


def _fusion(folder: WeightsFolder | None, shared: SharedModels | None) -> Callable[[], Any]:
    def load() -> Any:
        from mmer.models.loading import load_fusion

        if shared is not None:
            return shared.fusion()
        return load_fusion(None if folder is None else folder.path)

    return load
