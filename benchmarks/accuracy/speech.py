"""Speech rows: clean, in noise, cut short, and corpora never trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.accuracy.row import Measure, NotHere, Row, Setting, evaluated
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.training.augment.recording import in_noise, limited
from mmer.training.datasets.media import decode, sound_files
from mmer.training.tasks.speech_data import HELD_NOISE, SECONDS, SNR_DB

PLACE: Final = "audio/ravdess"
NOISE_PLACE: Final = "audio/esc10"
ACTORS: Final = "RAVDESS actors 17-20"
PEAK: Final = 32_000.0

Sound = NDArray[np.int16]


@dataclass(frozen=True)
class LeftOut:
    """A corpus on which a network never trained on it is evaluated; ``part`` names ``split``."""

    name: str
    place: str  # below the data folder
    note: str
    split: str = "all"
    part: str = ""


LEFT_OUT: Final[Mapping[str, LeftOut]] = {
    "ravdess": LeftOut(
        "RAVDESS",
        PLACE,
        "acted English; other actors of the same corpus, 17-20, are the development data by which "
        "recipe, temperature and threshold were chosen",
        # not all: the temperature is fitted to actors 17-20 whatever is left out of training
        "train",
        "actors 2-16",
    ),
    "emodb": LeftOut("EmoDB", "audio/emodb", "acted German, no surprise"),
    "nemo": LeftOut("nEMO", "audio/nemo", "acted Polish, no disgust"),
    "urdu": LeftOut("URDU", "audio/urdu", "talk shows in Urdu: anger, joy, neutral, sadness"),
    "emogator": LeftOut("EmoGator", "audio/emogator", "bursts of voice without words"),
}


@cache
def _noises(place: Path) -> tuple[Sound, ...]:
    """The sounds held out of every training."""
    return tuple(decode(p) for p in sound_files(place, "esc10") if p.name.startswith(HELD_NOISE))


def _first(seconds: float) -> Measure:
    def cut(sound: Sound) -> Sound:
        return sound[: round(seconds * SAMPLE_RATE)]

    return evaluated("speech", "ravdess", PLACE, "dev", cut)


def _in_noise(snr_db: float, recorded: bool) -> Measure:
    """Sounds of ESC-10 that are ``recorded``, or white noise; drawn by a seed."""

    def measure(setting: Setting) -> Mapping[str, Any]:
        rng = np.random.default_rng(17)
        noises = _noises(setting.data / NOISE_PLACE) if recorded else ()

        def mix(sound: Sound) -> Sound:
            noise: NDArray[Any]
            if recorded:
                chosen = noises[int(rng.integers(len(noises)))]
                noise = np.roll(chosen, -int(rng.integers(len(chosen))))
            else:
                noise = rng.standard_normal(len(sound))
            return limited(in_noise(sound, noise, snr_db), PEAK)

        return evaluated("speech", "ravdess", PLACE, "dev", mix)(setting)

    return measure


def _row(name: str, condition: str, measure: Measure, *needs: str, note: str = "") -> Row:
    return Row(
        key=f"speech.ravdess.{name}",
        group="speech",
        data=ACTORS,
        condition=condition,
        kind="development",
        headline="unweighted_recall",
        measure=measure,
        needs=(PLACE, *needs),
        in_readme=name in ("white_10", "esc10_10", "first_1"),
        note=note,
    )


def training_without(corpus: str) -> str:
    """The commands that train the speech network without a corpus."""
    runs = ("speech-first", "speech")
    return " && ".join(f"mmer-train {run} --leave-out {corpus}" for run in runs)


def _left_out(corpus: str) -> Row:
    one = LEFT_OUT[corpus]
    name = f"speech-without-{corpus}"
    training = training_without(corpus)

    def measure(setting: Setting) -> Mapping[str, Any]:
        folder = setting.runs / name
        if not (folder / "speech.json").is_file():
            raise NotHere(f"train it first: {training} (into the folder of --runs)")
        return evaluated("speech", corpus, one.place, one.split)(replace(setting, weights=folder))

    return Row(
        key=f"speech.{corpus}.left_out",
        group="speech",
        data=f"{one.name} {one.part}".strip(),
        condition="corpus left out of training",
        kind="out of domain",
        headline="unweighted_recall",
        measure=measure,
        needs=(one.place,),
        command=f"{training} && mmer-evaluate speech --dataset {corpus} --root DATA/{one.place} "
        f"--split {one.split} --weights runs/{name}",
        in_readme=True,
        note=one.note,
    )


SPEECH_ROWS: Final = (
    Row(
        key="speech.ravdess.clean",
        group="speech",
        data=ACTORS,
        condition="clean",
        kind="development",
        headline="unweighted_recall",
        measure=evaluated("speech", "ravdess", PLACE, "dev"),
        needs=(PLACE,),
        command="mmer-evaluate speech --dataset ravdess --root DATA/audio/ravdess --split dev",
        anchors="speech.ravdess",
        in_readme=True,
        note="acted English, two sentences, four speakers",
    ),
    Row(
        key="speech.ravdess.baseline",
        group="speech",
        data=ACTORS,
        condition="clean, with the baseline",
        kind="development",
        headline="unweighted_recall",
        measure=evaluated("speech", "ravdess", PLACE, "dev", adapt=True),
        needs=(PLACE,),
        command="mmer-evaluate speech --dataset ravdess --root DATA/audio/ravdess --split dev "
        "--adapt",
        note="one random order of each actor's clips, learned from those before",
    ),
    *(_row(f"white_{db}", f"white noise, {db} dB", _in_noise(db, recorded=False)) for db in SNR_DB),
    *(
        _row(f"esc10_{db}", f"ESC-10 sounds, {db} dB", _in_noise(db, recorded=True), NOISE_PLACE)
        for db in SNR_DB
    ),
    *(
        _row(
            f"first_{s:g}",
            f"first {s:g} s",
            _first(s),
            note="counted from up to 0.15 s before the speech; in the curve from its begin",
        )
        for s in SECONDS
    ),
    Row(
        key="speech.grid.clean",
        group="speech",
        data="GRID",
        condition="sound of the clips",
        kind="out of domain",
        headline="accuracy",
        measure=evaluated("speech", "grid", "video/grid", "all"),
        needs=("video/grid",),
        command="mmer-evaluate speech --dataset grid --root DATA/video/grid",
        in_readme=True,
        note="eight read commands, all neutral: how often a plain voice is called something else",
    ),
    *map(_left_out, LEFT_OUT),
)
