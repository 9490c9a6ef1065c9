"""Moments for `mmer-bench fusion`: every modality as it is, and each corrupted in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.command import Say
from mmer.benchmarks.personal.clips import Clip, opinion, ravdess_clips
from mmer.models.encoder import TextModel
from mmer.models.errors import MmerError
from mmer.models.fusion import Opinion
from mmer.models.labels import MODALITIES
from mmer.models.quality import text_quality
from mmer.realtime.messages import AudioBlock, Message, VideoFrame

if TYPE_CHECKING:
    from mmer.training.tasks.fusion_outputs import EncoderOutputs

NAMES: Final = {"speech": "voice", "text": "words", "face": "face"}
NOISE: Final = 650.0
"""Deviation of the white noise, in units of int16: 34 dB below full scale."""
DARK: Final = 0.1
DIM: Final = 0.25
"""Shares of the light."""
MOMENTS: Final = 1400
DRAWS: Final = 20
"""Wrong texts for each clip."""
WRONG: Final = "bare, 30 % wrong"
"""State of a text: the simulated recognizer's errors in the paired moments too."""

Moments = Sequence[Mapping[str, Opinion]]
Items = NDArray[np.uint64]
"""Key of each modality's item in each moment, shape (N, 3)."""
Set = tuple[str, str, Moments, NDArray[np.int64], Items]
"""Data, state, N moments, their labels (N,) and their items."""
Change = Callable[[Message], Message]


def sets(data: Path, asr: str, cache: Path | None, say: Say) -> Iterator[Set]:
    """The clips of RAVDESS Actor_01 and the moments paired by label, each in all its states.

    Left out is what ``data`` does not have: video; audio/ravdess, text and face.

    Raises:
        MmerError: the packages of training are missing.
    """
    held_out = None
    if all((data / place).is_dir() for place in ("audio/ravdess", "text", "face")):
        held_out = _held_out(data, cache, say)
    if (data / "video").is_dir():
        yield from _clips(data, asr, cache, held_out, say)
    if held_out is not None:
        yield from _paired(held_out, say)


def _held_out(data: Path, cache: Path | None, say: Say) -> dict[str, EncoderOutputs]:
    """Outputs of the encoders on the items that the fusion was not trained on."""
    try:
        from mmer.training.tasks.fusion import half_of
        from mmer.training.tasks.fusion_outputs import read
    except ImportError as error:
        raise MmerError(f"{error}: pip install 'mmer-live[train]'") from error
    say("held-out items")
    return {m: half_of(o, 1) for m, o in read(data, None, cache, 200).items()}


def _clips(
    data: Path,
    asr: str,
    cache: Path | None,
    held_out: Mapping[str, EncoderOutputs] | None,
    say: Say,
) -> Iterator[Set]:
    say("clips, as they are")
    clean = ravdess_clips(data, asr, cache)
    labels = np.array([clip.label for clip in clean])
    plain = [of_clip(clip) for clip in clean]
    items = np.arange(len(labels), dtype=np.uint64)[:, None].repeat(len(MODALITIES), axis=1)

    def of(state: str, moments: Moments, draws: int = 1) -> Set:
        rows = np.tile(np.arange(len(labels)), draws)
        return "RAVDESS Actor_01", state, moments, labels[rows], items[rows]

    yield of("as they are", plain)
    changes: tuple[tuple[str, str, str, Change], ...] = (
        ("speech", "voice: noise", f"noise {NOISE}", noisy(np.random.default_rng(0))),
        ("face", f"face: {DIM:.0%} of the light", f"light {DIM}", darker(DIM)),
        ("face", f"face: {DARK:.0%} of the light", f"light {DARK}", darker(DARK)),
    )
    for modality, state, how, change in changes:
        say(f"clips, {state}")
        corrupted = [of_clip(c) for c in ravdess_clips(data, asr, cache, how, change)]
        yield of(state, exchanged(plain, modality, [c.get(modality) for c in corrupted]))
    if held_out is not None:
        say("clips, wrong words")
        for state, texts in (
            (f"words: {WRONG}", _misrecognized(data)),
            ("words: of another sentence", other_sentences(held_out["text"], len(plain) * DRAWS)),
        ):
            yield of(state, exchanged([*plain] * DRAWS, "text", texts), DRAWS)


def exchanged(moments: Moments, modality: str, opinions: Sequence[Opinion | None]) -> Moments:
    """Each moment with another opinion of one modality, or with none."""
    made = []
    for moment, other in zip(moments, opinions, strict=True):
        rest = {m: o for m, o in moment.items() if m != modality}
        made.append(rest if other is None else {**rest, modality: other})
    return made


def _misrecognized(data: Path) -> list[Opinion]:
    """``DRAWS`` times the clips' sentences, as a simulated recognizer mistakes them.

    Its mistakes are words of MELD dev.
    """
    from mmer.training.augment.asr_errors import misrecognize
    from mmer.training.datasets.registry import read

    sentences = [i.text or "" for i in read("ravdess", data / "video", "clip", "all").items]
    vocabulary = [i.text or "" for i in read("meld", data / "text/meld", "text", "dev").items]
    model = TextModel.load()
    found = []
    for text in misrecognize(sentences * DRAWS, 0.3, vocabulary, 1, "bare"):
        prediction = model.predict(text, (), "bare")
        quality = text_quality(text, 0.7) * prediction.usable
        found.append(Opinion(prediction.log_probs.astype(np.float64), quality, 0.0))
    return found


def other_sentences(texts: EncoderOutputs, n: int) -> list[Opinion]:
    """Words of ``n`` other sentences as a recognizer writes them: of any emotion as often."""
    rng = np.random.default_rng(0)
    k = texts.states.index("as recognized")
    rows = [np.flatnonzero((texts.labels == c) & (texts.quality[:, k] > 0)) for c in range(7)]
    found = []
    for _ in range(n):
        r = int(rng.choice(rows[int(rng.integers(len(rows)))]))
        logs, quality = texts.log_probs[r, k].astype(np.float64), float(texts.quality[r, k])
        found.append(Opinion(logs, quality, 0.0, punctuated=1.0))
    return found


def _paired(held_out: Mapping[str, EncoderOutputs], say: Say) -> Iterator[Set]:
    from mmer.training.tasks.fusion_pairing import Pairing

    say("moments paired by label")
    corrupted = {"speech": "noise 0 dB", "text": WRONG, "face": "dark"}
    for which in (None, *MODALITIES):
        states = {m: corrupted[m] if m == which else held_out[m].states[0] for m in MODALITIES}
        chosen = {m: _only(held_out[m], states[m]) for m in MODALITIES}
        drawn = Pairing(chosen).draw(MOMENTS, np.random.default_rng(0))
        name = "as they are" if which is None else f"{NAMES[which]}: {corrupted[which]}"
        yield (
            "paired by label",
            name,
            list(_opinions(drawn.inputs)),
            drawn.labels,
            np.stack(
                [chosen[m].contents[drawn.rows[:, k]] for k, m in enumerate(MODALITIES)], axis=1
            ),
        )


def of_clip(clip: Clip) -> dict[str, Opinion]:
    """A clip's opinions as the fusion block has them at the utterance's end."""
    found = {}
    for modality in MODALITIES:
        evidence = [e for e in clip.evidence if e.modality == modality and clip.of_utterance(e)]
        if evidence:
            found[modality] = opinion(evidence, modality)
    return found


def _only(outputs: EncoderOutputs, state: str) -> EncoderOutputs:
    """The same items in one of their states."""
    k = outputs.states.index(state)
    return replace(
        outputs,
        states=(state,),
        log_probs=outputs.log_probs[:, [k]],
        quality=outputs.quality[:, [k]],
    )


def _opinions(inputs: Mapping[str, NDArray[np.float32]]) -> Iterator[dict[str, Opinion]]:
    for n in range(len(inputs["present"])):
        found = {}
        for k, modality in enumerate(MODALITIES):
            if inputs["present"][n, k]:
                logs = inputs["log_probs"][n, k].astype(np.float64)
                punctuated = float(inputs["context"][n, k, 0])
                quality = float(inputs["quality"][n, k])
                talking = float(modality == "face")  # as at an utterance's end
                found[modality] = Opinion(
                    logs, quality, 0.0, punctuated=punctuated, talking=talking
                )
        yield found


def noisy(rng: np.random.Generator) -> Change:
    """White noise added to the sound."""

    def change(message: Message) -> Message:
        if not isinstance(message, AudioBlock):
            return message
        mixed = message.samples + NOISE * rng.standard_normal(len(message.samples))
        return replace(message, samples=np.clip(mixed, -32_768, 32_767).astype(np.int16))

    return change


def darker(light: float) -> Change:
    """A share ``light`` of the light."""

    def change(message: Message) -> Message:
        if not isinstance(message, VideoFrame):
            return message
        return replace(message, image=(message.image * light).astype(np.uint8))

    return change
