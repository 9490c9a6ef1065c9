"""Assembly of the pipeline: load what the options ask for, side by side, and connect it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmer.models.bundle import Bundle, check_fusion
from mmer.models.errors import MmerError
from mmer.models.face_baseline import FaceBaseline
from mmer.models.labels import MODALITIES
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel
from mmer.realtime.asr.selection import Selection, load, select
from mmer.realtime.blocks.baseline import MODALITIES_WITH_BASELINE, Baselined, Baselines
from mmer.realtime.blocks.block import Block
from mmer.realtime.choose import Choice, find_detector, load_detector
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import BASELINES, Options
from mmer.realtime.pipeline import Pipeline

if TYPE_CHECKING:
    from mmer.models.cards.card import Card
    from mmer.models.fusion import FusionModel
    from mmer.realtime.blocks.fusion.pooling import Pool
    from mmer.realtime.shared_models import SharedModels

_NO_FUSION = (
    "the folder of --weights has no fusion.json: the encoders' opinions are multiplied as they "
    "are; `mmer-train fusion --weights DIR` trains a fusion for them"
)
_RUN_WAIT_S: Final = 2.0
"""How long a final waits for the networks of a run: transformers take longer than the shipped."""


@dataclass(frozen=True)
class Assembly:
    """A pipeline, its models, and notices about them."""

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

    The speech recognizer, which ``auto`` lets be absent, becomes a notice then.
    Without ``abstain``, which is for measurements, there is a label however unsure it is, and a
    fusion that fails raises. ``shared`` has the networks, which
    are of the options' ``weights`` and ``provider``; left out, they are loaded.
    """
    bundle = Bundle(options.weights)
    lacking = _without_model(options, bundle)
    chosen = frozenset(options.modalities) - set(lacking)
    audio, video = "audio" in streams, "video" in streams
    loads: dict[str, Callable[[], Any]] = {}
    if audio and "speech" in chosen:
        loads["speech"] = _model("speech", bundle, options, shared)
    if audio and "text" in chosen and options.asr != "none":
        loads["words"] = _asr(select(options.asr, store), shared)
        loads["text"] = _model("text", bundle, options, shared)
    if video and "face" in chosen:
        if bundle.needs_faces:
            found = find_detector(options.detector, store)
            loads["detector"] = lambda: load_detector(found, shared)
        loads["face"] = _model("face", bundle, options, shared)
    if options.weights is None or "fusion" in bundle.cards:
        loads["fusion"] = bundle.load_fusion if shared is None else shared.fusion
    with ThreadPoolExecutor(max(1, len(loads)), thread_name_prefix="load") as pool:
        loading: dict[str, Future[Any]] = {n: pool.submit(make) for n, make in loads.items()}
    try:
        loaded = {name: future.result() for name, future in loading.items()}
    except BaseException:
        loading.clear()  # the exception holds this frame: not the models that did load
        raise
    absent = {**_without_device(options, audio, video), **lacking}
    _add_baseline(options, loaded)
    return _connect(options, absent, loaded, bundle, abstain)


def _without_model(options: Options, bundle: Bundle) -> dict[str, str]:
    """By modality, why there is no model for it; raises MmerError where there is for none."""
    lacking = {m: why for m in options.modalities if (why := bundle.why_not(m))}
    if len(lacking) == len(options.modalities):
        raise MmerError(
            f"--weights {bundle.path} has no model for {', '.join(lacking)}, but for "
            f"{', '.join(bundle.fused or bundle.modalities)}: see --modalities"
        )
    return lacking


def _without_device(options: Options, audio: bool, video: bool) -> dict[str, str]:
    """By modality, why it has no stream; of a file that lacks one, the source reports it."""
    absent = {}
    if not audio and (options.source is None or options.audio == "none"):
        absent["speech"] = absent["text"] = "off" if options.audio == "none" else "no microphone"
    if not video and (options.source is None or options.video == "none"):
        absent["face"] = "off" if options.video == "none" else "no camera"
    return {name: why for name, why in absent.items() if name in options.modalities}


def _add_baseline(options: Options, loaded: dict[str, Any]) -> None:
    """Put a person's offsets from a file among what was loaded, as "baseline"."""
    if options.baseline not in BASELINES:
        from mmer.realtime.baseline_file import load_baseline

        networks: dict[str, str] = {
            m: loaded[m].card.sha256 for m in MODALITIES_WITH_BASELINE if m in loaded
        }
        loaded["baseline"] = load_baseline(Path(options.baseline), networks)


def _connect(
    options: Options,
    absent: dict[str, str],
    loaded: dict[str, Any],
    bundle: Bundle,
    abstain: bool,
) -> Assembly:
    """Blocks of what was loaded, one pipeline of them, and the models by part."""
    from mmer.realtime.blocks.fusion.pooling import OnlyPool

    notices: list[Notice] = []
    for part in ("words", "detector"):
        if part in loaded:
            notices += loaded[part].notices
    baselined = _baselines(options, loaded, bundle)
    speech = _speech_block(loaded, baselined)
    asr, text = _text_blocks(options, absent, loaded)
    tracker, clips, face = _face_blocks(options, loaded, bundle, baselined)
    learned = loaded.pop("fusion", None)
    answering = bundle.answering
    pool: Pool | None = learned
    if learned is not None:
        check_fusion(learned, loaded)
    elif answering is not None:
        pool = OnlyPool()
    encoders = [loaded[m] for m in MODALITIES if m in loaded]
    if len(encoders) == 1 and not bundle.is_run:  # nothing to fuse: its own answer
        learned, pool, answering = None, OnlyPool(), encoders[0].card
    if answering is None:
        notices.append(Notice(0.0, "info", "fusion", _NO_FUSION))
    expects = [name for name, block in (("speech", speech), ("text", text)) if block is not None]
    return Assembly(
        pipeline=Pipeline(
            _fusion_block(
                options,
                pool,
                answering if abstain else None,
                expects,
                absent,
                clips=clips is not None,
                of_run=bundle.is_run,
                strict=not abstain,
            ),
            vad=None if speech is None and asr is None else _vad(options),
            asr=asr,
            speech=speech,
            text=text,
            tracker=tracker,
            clips=clips,
            face=face,
            people=options.people != "largest",
        ),
        models=_models(loaded, learned),
        provider={name: loaded[name].provider for name in MODALITIES if name in loaded},
        notices=notices,
    )


def _baselines(
    options: Options, loaded: dict[str, Any], bundle: Bundle
) -> Callable[[str, Block], Block]:
    """What puts the person's baseline behind an encoder's block, where there is one."""
    known = loaded.pop("baseline", {})

    def learned(modality: str) -> FaceBaseline | None:
        if modality != "face" or loaded["face"].clips:
            return None
        return FaceBaseline.of(loaded["face"].card, bundle.path)

    def baselined(modality: str, block: Block) -> Block:
        if modality == "speech" and options.people != "largest":
            return block  # whose voice it is, the fusion finds out
        if options.baseline == "session":
            return Baselined(block, modality, learned=learned(modality))
        return Baselined(block, modality, known[modality]) if modality in known else block

    return baselined


def _speech_block(loaded: dict[str, Any], baselined: Callable[[str, Block], Block]) -> Block | None:
    from mmer.realtime.blocks.speech_encoder import SpeechEncoder

    if "speech" not in loaded:
        return None
    return baselined("speech", SpeechEncoder(loaded["speech"]))


def _text_blocks(
    options: Options, absent: dict[str, str], loaded: dict[str, Any]
) -> tuple[Block | None, Block | None]:
    """Recognizer and text encoder; where there is no recognizer, why goes to ``absent``."""
    from mmer.realtime.blocks.text_encoder import TextEncoder, TextEncoderConfig
    from mmer.realtime.blocks.transcriber import Transcriber

    if "words" in loaded and loaded["words"].made is not None:
        asr = loaded["words"].made
        text = TextEncoder(loaded["text"], TextEncoderConfig(trust=asr.trust))
        return Transcriber(asr.stream()), text
    if "words" in loaded:
        absent["text"] = "no speech recognizer"
        del loaded["text"]
    elif options.asr == "none" and "text" in options.modalities:
        absent["text"] = "off"  # whether or not there is a microphone
    return None, None


def _face_blocks(
    options: Options,
    loaded: dict[str, Any],
    bundle: Bundle,
    baselined: Callable[[str, Block], Block],
) -> tuple[Block | None, Block | None, Block | None]:
    """Tracker, collector of clips and encoder, as the network needs them.

    Raises:
        MmerError: several people are asked for, and the network is not one of single faces.
    """
    from mmer.realtime.blocks.clip_collector import ClipCollector, ClipConfig
    from mmer.realtime.blocks.face_encoder import FaceEncoder
    from mmer.realtime.blocks.face_tracker import FaceTracker
    from mmer.realtime.blocks.people_tracker import PeopleTracker

    if "face" not in loaded:
        return None, None, None
    model = loaded["face"]
    tracker: Block | None = None
    clips: Block | None = None
    if model.clips:
        clips = ClipCollector(model.count, model.size, ClipConfig(window_s=options.window_s))
    if "detector" in loaded:
        follow = FaceTracker if options.people == "largest" else PeopleTracker
        tracker = follow(loaded["detector"].made, model.geometry)
    if options.people != "largest" and (clips is not None or tracker is None):
        raise MmerError(
            f"--people {options.people} needs a network of single faces; the run in "
            f"{bundle.path} takes clips"
        )
    return tracker, clips, baselined("face", FaceEncoder(model))


def _vad(options: Options) -> Block:
    from mmer.realtime.blocks.vad import Vad, VadConfig

    fixed_s = options.hangover_s
    return Vad(VadConfig(adaptive=True) if fixed_s is None else VadConfig(hangover_s=fixed_s))


def _fusion_block(
    options: Options,
    pool: Pool | None,
    answering: Card | None,
    expects: Sequence[str],
    absent: dict[str, str],
    *,
    clips: bool,
    of_run: bool,
    strict: bool,
) -> Block:
    """The fusion of one person or of several; ``answering``'s card says what is withheld."""
    from mmer.realtime.blocks.fusion.block import FusionBlock, FusionConfig
    from mmer.realtime.blocks.fusion.people import PeopleFusion

    config = FusionConfig(options.window_s)
    if of_run:
        config = replace(config, final_wait_s=_RUN_WAIT_S)
    if answering is not None:
        config = replace(config, min_confidence=answering.abstain_below)

    def of_one() -> FusionBlock:
        return FusionBlock(
            config, options.modalities, expects, absent, pool, clips=clips, strict=strict
        )

    if options.people == "largest":
        return of_one()
    heard = options.baseline == "session" and "speech" in expects
    voices = Baselines("speech") if heard else None
    return PeopleFusion(of_one, options.people == "speaking", voices)


def _models(loaded: dict[str, Any], learned: FusionModel | None) -> dict[str, str | None]:
    """Names of what was loaded, by part."""
    models: dict[str, str | None] = {
        part: loaded[part].name for part in ("words", "detector") if part in loaded
    }
    models |= {name: loaded[name].card.file for name in MODALITIES if name in loaded}
    return models | {"fusion": None if learned is None else learned.card.file}


def _model(
    name: str, bundle: Bundle, options: Options, shared: SharedModels | None
) -> Callable[[], Any]:
    if shared is not None:
        return lambda: shared.encoder(name, bundle.place(name))
    return lambda: bundle.load_encoder(name, options.provider)


def _asr(
    selection: Selection, shared: SharedModels | None
) -> Callable[[], Choice[AsrModel | None]]:
    return lambda: load(selection) if shared is None else shared.asr(selection)
