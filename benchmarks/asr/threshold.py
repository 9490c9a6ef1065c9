"""Study of Moonshine's no-speech threshold: right text dropped and invented text left, by value."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.asr.clips import (
    LONG_S,
    TRAINING_ACTORS,
    in_noise,
    loudest_part,
    music,
    ravdess,
    sounds,
    white_noise,
)
from mmer.benchmarks.asr.decoding import decode_utterances
from mmer.benchmarks.asr.word_errors import WordErrors, word_errors
from mmer.benchmarks.harness.command import Say
from mmer.benchmarks.harness.utterances import Utterance
from mmer.benchmarks.report.report import Report, Row
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel, Hypothesis, transcribe
from mmer.realtime.asr.moonshine import NO_SPEECH, MoonshineModel
from mmer.realtime.asr.registry import ENGINES

STUDIED: Final = "moonshine"
THRESHOLDS: Final = tuple(round(-1.0 + 0.05 * k, 2) for k in range(15))  # -1.0 to -0.3
SNRS_DB: Final = (None, 10.0, 0.0)  # None: clean
SHIPPED: Final = ("clean", "10 dB")  # what is decoded by the model as shipped too
PARTS_S: Final = (1.0, 2.0)  # parts of ESC-10, beside the whole clips of 5 s
MADE: Final = 48  # sounds of each synthetic kind
MADE_LONG: Final = 24
BURSTS: Final = 180  # of EmoGator
OFTEN: Final = 4  # texts that the row of a kind of sound quotes
SILENT: Final = -math.inf  # score of a sound that gave no text at any threshold
NO_WORDS: Final = WordErrors()
LONG: Final = "long noise and music"
NO_TEXT: Final = ("music", LONG)  # sounds of which none may give a text


@dataclass(frozen=True)
class Scored:
    """Mean token log-probability of one utterance, its text, and errors where it is speech."""

    score: float
    text: str = ""
    errors: WordErrors = NO_WORDS


def unthresholded() -> MoonshineModel:
    """Moonshine without the threshold alone; raises Unavailable where its files are not here."""
    return _moonshine(-math.inf)


def unfiltered() -> MoonshineModel:
    """Moonshine's decoder alone: no threshold, no other filter of texts, no second try.

    Raises:
        Unavailable: its files are not here.
    """
    return _moonshine(None)


def study(data: Path, say: Say) -> Report:
    """Score speech and other sounds, then apply every threshold.

    Raises:
        MmerError: the data or the model are not there.
    """
    model = unfiltered()
    shipped = _moonshine(NO_SPEECH)
    say("reading")
    clips = ravdess(data, TRAINING_ACTORS)
    environment = sounds(data / "audio" / "esc10", "*/*.opus")
    bursts = sounds(data / "audio" / "emogator", "**/*.opus", BURSTS)
    other = other_scores(environment, bursts, model, say)
    remaining = other_scores(environment, bursts, shipped, say)
    noisy = degraded(clips, environment)
    speech = {name: all_speech_scores(name, each, model, say) for name, each in noisy.items()}
    transcribed = {name: all_speech_scores(name, noisy[name], shipped, say) for name in SHIPPED}
    return Report(
        kind="asr_threshold",
        title="mmer-bench asr: Moonshine's no-speech threshold",
        settings={"actors": list(TRAINING_ACTORS), "snr_db": list(SNRS_DB)},
        clip={
            "speech": {name: len(scored) for name, scored in speech.items()},
            "no_speech": {name: len(scored) for name, scored in other.items()},
        },
        models={"asr": model.description},
        provider={"asr": "cpu"},
        rows=[
            *(speech_row(name, scored, other) for name, scored in speech.items()),
            *(other_row(name, scored, speech) for name, scored in other.items()),
            *(shipped_speech_row(name, transcribed[name], speech[name]) for name in SHIPPED),
            *(shipped_row(name, remaining[name], scored) for name, scored in other.items()),
            *(threshold_row(value, speech, other) for value in THRESHOLDS),
        ],
    )


def degraded(
    clips: Sequence[Utterance], environment: Sequence[NDArray[np.int16]]
) -> dict[str, Sequence[Utterance]]:
    """The clips, clean and by the ratio of the noise under them."""
    noisy = {f"{db:g} dB": in_noise(clips, environment, db) for db in SNRS_DB if db is not None}
    return {"clean": clips, **noisy}


def all_speech_scores(
    name: str, clips: Sequence[Utterance], model: AsrModel, say: Say
) -> list[Scored]:
    """Scores of the utterances of all clips of a kind."""
    scored = []
    for k, clip in enumerate(clips):
        say(f"speech, {name}: {k} of {len(clips)}")
        scored += speech_scores(clip, model)
    return scored


def other_scores(
    environment: Sequence[NDArray[np.int16]],
    bursts: Sequence[NDArray[np.int16]],
    model: AsrModel,
    say: Say,
) -> dict[str, list[Scored]]:
    """Scores of sounds without speech, by kind: given directly, and as the VAD finds them."""
    other: dict[str, list[Scored]] = {}
    for name, made in non_speech(environment).items():
        say(name)
        other[name] = [sound_score(sound, model) for sound in made]
    for name, recorded in (("ESC-10, live", environment), ("vocal bursts, live", bursts)):
        say(name)
        other[name] = [s for sound in recorded for s in live_scores(sound, model)]
    return other


def non_speech(environment: Sequence[NDArray[np.int16]]) -> dict[str, list[NDArray[np.int16]]]:
    """Sounds that the model is given directly, by kind."""
    parts = [loudest_part(sound, s) for s in PARTS_S for sound in environment]
    return {
        "ESC-10": [*environment, *parts],
        "white noise": white_noise(MADE, -55, -15, seed=0),
        "near silence": white_noise(MADE, -85, -65, seed=1),
        "music": music(MADE, seed=2),
        LONG: [
            *white_noise(MADE_LONG, -55, -15, seed=3, lengths_s=LONG_S),
            *music(MADE_LONG, seed=4, lengths_s=LONG_S),
        ],
    }


def speech_scores(clip: Utterance, model: AsrModel) -> list[Scored]:
    """Scores of the utterances that the VAD finds in a clip.

    The reference of an utterance that is a part of the clip is not known, so only its own words
    count: hits and wrong ones.
    """
    return [
        _scored(final, word_errors(clip.text, final.text))
        for final in decode_utterances(clip.samples, model)
    ]


def live_scores(samples: NDArray[np.int16], model: AsrModel) -> list[Scored]:
    """Scores of the utterances that the VAD finds in a sound."""
    return [_scored(final) for final in decode_utterances(samples, model)]


def sound_score(samples: NDArray[np.int16], model: AsrModel) -> Scored:
    """Score of a sound that is decoded as one utterance."""
    return _scored(transcribe(samples, model))


def auc(speech: Sequence[Scored], other: Sequence[Scored]) -> float:
    """Probability that speech scores above another sound; ties count half."""
    a = np.array([s.score for s in speech])[:, None]
    b = np.array([s.score for s in other])[None]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def speech_row(name: str, speech: Sequence[Scored], other: Mapping[str, Sequence[Scored]]) -> Row:
    """Area under the ROC curve of speech against all other sounds."""
    every = [scored for kind in other.values() for scored in kind]
    right = [s for s in speech if s.errors.hits and not s.errors.wrong]
    whole, of_right = auc(speech, every), auc(right, every)
    return Row(
        key=f"speech_{row_key(name)}",
        what=f"speech, {name}: AUC against sounds without speech",
        measured=f"{whole:.3f}; where the text is right {of_right:.3f}",
        note=f"{len(speech)} utterances, {len(right)} of them right",
        values={"auc": whole, "auc_right": of_right, "n": len(speech), "right": len(right)},
        samples={
            "log_prob": [s.score for s in speech],
            "hits": [s.errors.hits for s in speech],
            "wrong": [s.errors.wrong for s in speech],
        },
        better="more",
    )


def other_row(name: str, other: Sequence[Scored], speech: Mapping[str, Sequence[Scored]]) -> Row:
    """Area under the ROC curve of each kind of speech against one kind of other sounds."""
    areas = {kind: auc(scored, other) for kind, scored in speech.items()}
    common = Counter(s.text or "no text" for s in other).most_common(OFTEN)
    texts = ", ".join(f"{text} ({n})" for text, n in common)
    return Row(
        key=f"other_{row_key(name)}",
        what=f"{name}: AUC of speech against it",
        measured=", ".join(f"{kind} {area:.3f}" for kind, area in areas.items()),
        note=f"{len(other)} sounds; most often {texts}",
        values={f"auc_{row_key(kind)}": area for kind, area in areas.items()} | {"n": len(other)},
        samples={"log_prob": [s.score for s in other]},
        better="more",
    )


def shipped_speech_row(name: str, shipped: Sequence[Scored], alone: Sequence[Scored]) -> Row:
    """Words of speech that the model as shipped drops, beside those of the threshold alone."""
    whole = total(alone)
    dropped = total(a for a, s in zip(alone, shipped, strict=True) if a.text and not s.text)
    by_score = total(a for a in alone if a.score < NO_SPEECH)
    values = {
        "right": dropped.hits / max(1, whole.hits),
        "wrong": dropped.wrong / max(1, whole.wrong),
        "right_threshold_alone": by_score.hits / max(1, whole.hits),
        "wrong_threshold_alone": by_score.wrong / max(1, whole.wrong),
    }
    right, wrong, right_alone, wrong_alone = (f"{100 * v:.1f}" for v in values.values())
    return Row(
        key=f"shipped_speech_{row_key(name)}",
        what=f"speech, {name}: words dropped, as shipped",
        measured=f"right {right} %, wrong {wrong} %; "
        f"by the threshold alone {right_alone}, {wrong_alone} %",
        note=f"{whole.hits} right words, {whole.wrong} wrong ones by the decoder alone",
        values=values,
    )


def shipped_row(name: str, shipped: Sequence[Scored], alone: Sequence[Scored]) -> Row:
    """Sounds of a kind with text: by the model as shipped, and by the default threshold alone."""
    texts = [s.text for s in shipped if s.text]
    by_score = sum(s.score >= NO_SPEECH for s in alone)
    quoted = ", ".join(f"{text} ({n})" for text, n in Counter(texts).most_common(OFTEN))
    return Row(
        key=f"shipped_{row_key(name)}",
        what=f"{name}: sounds with text, as shipped",
        measured=f"{len(texts)} of {len(shipped)} ({len(texts) / max(1, len(shipped)):.0%}); "
        f"by the threshold alone {by_score}",
        target="none" if name in NO_TEXT else "",
        passed=not texts if name in NO_TEXT else None,
        note=quoted,
        values={"with_text": len(texts), "threshold_alone": by_score, "sounds": len(shipped)},
    )


def threshold_row(
    value: float, speech: Mapping[str, Sequence[Scored]], other: Mapping[str, Sequence[Scored]]
) -> Row:
    """One threshold: right and wrong words of speech that it drops, other sounds with text."""
    values: dict[str, float | None] = {}
    for name, scored in speech.items():
        dropped = total(s for s in scored if s.score < value)
        whole = total(scored)
        values[f"right_{row_key(name)}"] = dropped.hits / max(1, whole.hits)
        values[f"wrong_{row_key(name)}"] = dropped.wrong / max(1, whole.wrong)
    for name, scored in other.items():
        values[f"text_{row_key(name)}"] = sum(s.score >= value for s in scored) / max(
            1, len(scored)
        )

    def shares(kind: str, names: Iterable[str]) -> str:
        return ", ".join(f"{100 * (values[f'{kind}_{row_key(n)}'] or 0):.1f}" for n in names)

    default = " (default)" if value == NO_SPEECH else ""
    return Row(
        key=f"threshold_{-100 * value:.0f}",
        what=f"threshold {value:.2f}{default}",
        measured=f"right words dropped {shares('right', speech)} %; wrong words dropped "
        f"{shares('wrong', speech)} %; sounds with text {shares('text', other)} %",
        values=values,
    )


def total(scored: Iterable[Scored]) -> WordErrors:
    """Sum of the words of utterances."""
    return sum((s.errors for s in scored), WordErrors())


def _moonshine(no_speech: float | None) -> MoonshineModel:
    encoder, decoder, vocabulary = ENGINES[STUDIED].find(Store(offline=True))
    return MoonshineModel(encoder, decoder, vocabulary, no_speech)


def _scored(final: Hypothesis, errors: WordErrors = NO_WORDS) -> Scored:
    sure = final.confidence
    score = SILENT if sure is None else math.log(max(sure, sys.float_info.min))
    return Scored(score, final.text, errors)


def row_key(name: str) -> str:
    """Name of a set of clips as a part of a row's key."""
    return name.lower().replace(",", "").replace("-", "").replace(" ", "_")
