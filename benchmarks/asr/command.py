"""`mmer-bench asr`: word error rate and cost of each speech recognizer, on data on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.asr import reference
from mmer.benchmarks.asr.clips import DEV_ACTORS, grid, in_noise, ravdess, sounds
from mmer.benchmarks.asr.decoding import (
    Decoding,
    decode_live,
    decode_whole,
    joined_speech,
    partial_costs,
)
from mmer.benchmarks.asr.threshold import STUDIED, row_key, study, unthresholded
from mmer.benchmarks.asr.word_errors import WordErrors, rate_interval, word_errors
from mmer.benchmarks.harness.command import Asr, Folder, Outputs, Say
from mmer.benchmarks.harness.utterances import Utterance, trimmed
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.rows import number, percentiles
from mmer.benchmarks.report.statistics import summarise
from mmer.models.errors import MmerError
from mmer.models.store.catalogue import Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel
from mmer.realtime.asr.registry import ENGINES
from mmer.realtime.commands.command_line import Flag

SNRS_DB: Final = (20.0, 10.0, 5.0, 0.0)
MOST_ERRORS: Final = 0.03
"""Target: word error rate on clean RAVDESS, live."""
LONG_S: Final = 20.0  # the longest utterance that the VAD lets through
QUOTED: Final = 6  # texts of sounds without speech that a note quotes

DECODERS: Final[Mapping[str, Callable[[NDArray[np.int16], AsrModel], Decoding]]] = {
    "live": decode_live,
    "whole clip": decode_whole,
}


@dataclass(frozen=True, kw_only=True)
class SpeechRecognition(Outputs):
    """Word error rate and cost of the speech recognizers.

    Word error rate on acted sentences (RAVDESS, clean and in noise) and read commands (GRID), text
    on sounds that are no speech (ESC-10), CPU time. Cost is CPU time, so other work on the machine
    changes it little. Nothing is downloaded.
    """

    data: Folder
    """Folder with audio/ravdess, audio/esc10 and, where it is there, video/grid."""
    asr: Asr = "auto"
    """Engine; auto: every one that is on this machine."""
    threshold_study: Flag = False
    """Measure the no-speech threshold of Moonshine instead, on the training actors."""

    def check(self) -> None:
        super().check()
        if self.asr not in ("auto", *ENGINES):
            raise MmerError(f"--asr {self.asr!r} is unknown: use auto, {', '.join(ENGINES)}")
        if self.threshold_study and self.asr not in (STUDIED, "auto"):
            raise MmerError(f"--threshold-study measures {STUDIED}: leave out --asr {self.asr}")

    def run(self, say: Say) -> Report:
        if self.threshold_study:
            return study(self.data, say)
        models, missing = self._engines(Store(offline=True))
        say("reading the clips")
        material = Material.read(self.data)
        rows: list[Row] = []
        for name, model in models.items():
            open_model = unthresholded() if name == "moonshine" else None
            rows += engine_rows(model, material, say, open_model)
            if name == "moonshine":
                say(f"{reference.NAME}, whole clip, RAVDESS")
                rows.append(reference_row(material.spoken["RAVDESS"]))
        rows += [missing_row(name, why) for name, why in missing.items()]
        return Report(
            kind="asr",
            title=f"mmer-bench asr: {', '.join(models) or 'no engine'}",
            settings={"asr": self.asr, "actors": list(DEV_ACTORS), "snr_db": list(SNRS_DB)},
            clip={
                name: {"clips": len(clips), "seconds": round(sum(c.seconds for c in clips), 1)}
                for name, clips in material.spoken.items()
            },
            models={name: model.description for name, model in models.items()},
            provider=dict.fromkeys(models, "cpu"),
            rows=rows,
        )

    def _engines(self, store: Store) -> tuple[dict[str, AsrModel], dict[str, str]]:
        """Engines that can be loaded, and why others cannot; raises MmerError for a named one."""
        models: dict[str, AsrModel] = {}
        missing: dict[str, str] = {}
        for name in ENGINES if self.asr == "auto" else (self.asr,):
            engine = ENGINES[name]
            try:
                models[name] = engine.load(engine.find(store))
            except MmerError as problem:
                if self.asr != "auto":
                    raise
                missing[name] = str(problem)
        return models, missing


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that the engines are measured on, read once."""

    spoken: Mapping[str, Sequence[Utterance]]  # by name of the set; "RAVDESS" is clean
    environment: Sequence[NDArray[np.int16]]  # ESC-10

    @classmethod
    def read(cls, data: Path, actors: Sequence[int] = DEV_ACTORS) -> Material:
        """The sets below ``data``; raises MmerError where RAVDESS or ESC-10 is not there."""
        clean = ravdess(data, actors)
        environment = sounds(data / "audio" / "esc10", "*/*.opus")
        spoken: dict[str, Sequence[Utterance]] = {"RAVDESS": clean}
        for snr_db in SNRS_DB:
            spoken[f"RAVDESS, noise {snr_db:g} dB"] = in_noise(clean, environment, snr_db)
        if commands := grid(data):
            spoken["GRID"] = commands
        return cls(spoken, environment)


def engine_rows(
    model: AsrModel, material: Material, say: Say, open_model: AsrModel | None = None
) -> list[Row]:
    """All rows of one engine; ``open_model`` is the same one without its no-speech threshold."""
    rows: list[Row] = []
    decoded: dict[str, dict[str, list[Decoding]]] = {}
    for path, decode in DECODERS.items():
        decoded[path] = {}
        for name, clips in material.spoken.items():
            found = decoded[path][name] = []
            for k, clip in enumerate(clips):
                say(f"{model.name}, {path}, {name}: {k} of {len(clips)}")
                found.append(decode(clip.samples, model))
            rows.append(error_row(model.name, path, name, clips, found))
    clean = {path: sets["RAVDESS"] for path, sets in decoded.items()}
    rows += [cost_row(model.name, path, found) for path, found in clean.items()]
    rows.append(final_row(model.name, clean["live"]))
    say(f"{model.name}, utterances of {LONG_S:g} s")
    rows.append(long_row(model, material.spoken["RAVDESS"]))
    for path, decode in DECODERS.items():
        say(f"{model.name}, {path}, ESC-10")
        texts = [decode(sound, model).text for sound in material.environment]
        before = (
            [decode(sound, open_model).text for sound in material.environment]
            if open_model is not None
            else None
        )
        rows.append(no_speech_row(model.name, path, texts, before))
    return rows


def error_row(
    asr: str, path: str, name: str, clips: Sequence[Utterance], found: Sequence[Decoding]
) -> Row:
    """Word error rate of one set, pooled over its clips."""
    errors = [word_errors(c.text, d.text) for c, d in zip(clips, found, strict=True)]
    whole = sum(errors, WordErrors())
    low, high = rate_interval(errors)
    silent = sum(not d.text for d in found)
    evaluated = path == "live" and name == "RAVDESS"
    return Row(
        key=f"{asr}_wer_{row_key(name)}_{row_key(path)}",
        what=f"{asr}: word error rate, {name}, {path}",
        measured=f"{whole.rate:.1%}",
        target=f"at most {MOST_ERRORS:.0%}" if evaluated else "",
        passed=whole.rate <= MOST_ERRORS if evaluated else None,
        note=f"{low:.1%} to {high:.1%}; {whole.words} words: {whole.substitutions} substituted, "
        f"{whole.deletions} deleted, {whole.insertions} inserted; "
        f"{silent} of {len(clips)} clips without text",
        values={
            "rate": whole.rate, "low": low, "high": high, "words": whole.words,
            "substitutions": whole.substitutions, "deletions": whole.deletions,
            "insertions": whole.insertions, "clips": len(clips), "clips_without_text": silent,
        },
    )  # fmt: skip


def cost_row(asr: str, path: str, found: Sequence[Decoding]) -> Row:
    """Real-time factor: CPU time by length of the sound that the engine was given."""
    sound_s, cpu_s = sum(d.sound_s for d in found), sum(d.cpu_s for d in found)
    factor = cpu_s / sound_s if sound_s else math.nan
    return Row(
        key=f"{asr}_real_time_factor_{row_key(path)}",
        what=f"{asr}: real-time factor, RAVDESS, {path}",
        measured=f"{factor:.3f}",
        note=f"{cpu_s:.1f} s of CPU time for {sound_s:.0f} s of sound",
        values={"factor": factor, "cpu_s": cpu_s, "sound_s": sound_s},
        samples={"cpu_s": [d.cpu_s for d in found]},
    )


def final_row(asr: str, found: Sequence[Decoding]) -> Row:
    """CPU time of an utterance's final transcript, of the live ones."""
    costs = [ms for d in found for ms in d.final_cpu_ms]
    summary = summarise(costs)
    return Row(
        key=f"{asr}_final_cpu_ms",
        what=f"{asr}: CPU time of a final transcript, RAVDESS, live",
        measured=f"median {number(summary.p50)}, p95 {number(summary.p95)} ms",
        note=f"{summary.n} utterances, from the pause that may be the end to the final",
        values=percentiles(summary),
        samples={"cpu_ms": costs},
    )


def long_row(model: AsrModel, clips: Sequence[Utterance]) -> Row:
    """CPU time a second of an utterance of 20 s without a pause, one utterance an actor."""
    by_actor: dict[str, list[NDArray[np.int16]]] = {}
    for clip in clips:
        by_actor.setdefault(clip.name.rpartition("-")[2], []).append(
            trimmed(clip.name, clip.samples).samples
        )
    costs = [partial_costs(joined_speech(s, LONG_S), model) for s in by_actor.values()]
    per_s = [sum(calls) / LONG_S for calls in costs]
    longest = max(max(calls) for calls in costs)
    return Row(
        key=f"{model.name}_long_utterance",
        what=f"{model.name}: CPU time a second, utterance of {LONG_S:g} s without a pause",
        measured=f"{np.mean(per_s):.2f} s",
        note=f"{len(per_s)} utterances, {min(per_s):.2f} to {max(per_s):.2f} s; "
        f"longest call {1000 * longest:.0f} ms",
        values={"cpu_s_per_s": float(np.mean(per_s)), "longest_call_ms": 1000 * longest},
        samples={"cpu_s_per_s": per_s},
    )


def no_speech_row(asr: str, path: str, texts: Sequence[str], before: Sequence[str] | None) -> Row:
    """Sounds without speech that give text, with the no-speech threshold and without it."""
    found = [text for text in texts if text]
    values: dict[str, float | None] = {"with_text": len(found), "sounds": len(texts)}
    without = ""
    if before is not None:
        values["without_threshold"] = sum(map(bool, before))
        without = f" ({values['without_threshold']:.0f} without the threshold)"
    quoted = ", ".join(f'"{text}"' for text in found[:QUOTED])
    more = f" and {len(found) - QUOTED} more" if len(found) > QUOTED else ""
    return Row(
        key=f"{asr}_no_speech_{row_key(path)}",
        what=f"{asr}: ESC-10 clips (no speech) with text, {path}",
        measured=f"{len(found)} of {len(texts)}{without}",
        note=quoted + more,
        values=values,
    )


def reference_row(clips: Sequence[Utterance]) -> Row:
    """Word error rate of Moonshine's network by its makers' own library."""
    folder = ENGINES["moonshine"].find(Store(offline=True))[0].parent
    try:
        found = reference.MakersRecognizer(folder).decode_all(clips)
    except Unavailable as problem:
        missing = missing_row(reference.NAME, str(problem))
        return replace(missing, what=f"{reference.NAME}: word error rate, RAVDESS, whole clip")
    return error_row(reference.NAME, "whole clip", "RAVDESS", clips, found)


def missing_row(asr: str, why: str) -> Row:
    """An engine of the registry that could not be measured."""
    return Row(key=asr, what=f"{asr}: all of the above", measured="not measured", note=why)
