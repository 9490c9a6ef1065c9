"""Fusion rows: audio-visual clips, and published speech and text posteriors of IEMOCAP."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.accuracy.row import NotHere, Row, Setting, evaluated

CLIPS: Final = "video"
ACTOR: Final = "RAVDESS Actor_01, 39 clips"
POSTERIORS: Final = "features/iemocap_unimodal.npz"
POOLS: Final = {
    "audio": "voice alone",
    "text": "words alone",
    "mean": "mean of the two, the line to beat",
    "product": "product of the two",
    "learned": "learned fusion, cross-validated by dialogue",
}
"""Conditions by the name of the pool in the study of late fusion."""


def _clips(name: str, condition: str, note: str = "", options: str = "", **given: Any) -> Row:
    def measure(setting: Setting) -> Mapping[str, Any]:
        if setting.asr == "none" and "asr" not in given:
            raise NotHere("it is about words, and there are none with --asr none")
        options = {"asr": setting.asr, "offline": True} | given
        return evaluated("clip", "ravdess", CLIPS, "all", None, **options)(setting)

    return Row(
        key=f"fused.clips.{name}",
        group="fused",
        data=ACTOR,
        condition=condition,
        kind="development",
        headline="unweighted_recall",
        measure=measure,
        needs=(f"{CLIPS}/ravdess_actor01_frames",),
        command=f"mmer-evaluate clip --dataset ravdess --root DATA/{CLIPS} --offline{options}",
        in_readme=True,
        note=note,
    )


@cache
def _iemocap(data: Path) -> Mapping[str, Any]:
    try:
        from mmer.training.studies.late_fusion import iemocap
    except ImportError as error:
        raise NotHere(f"{error}: pip install 'mmer-live[train]'") from error
    return iemocap(data)


def _posteriors(pool: str, condition: str) -> Row:
    def measure(setting: Setting) -> Mapping[str, Any]:
        found = _iemocap(setting.data)
        about = {"n": found["n"], "resampled_by": "dialogue", "groups": found["dialogues"]}
        return {"twins": 0, "warnings": [], **about, **found["pools"][pool]}

    return Row(
        key=f"fused.iemocap.{pool}",
        group="fused",
        data="IEMOCAP, others' posteriors",
        condition=condition,
        kind="development",
        headline="weighted_f1",
        measure=measure,
        needs=(POSTERIORS,),
        command="python -m mmer.training.studies.late_fusion",
        in_readme=pool in ("audio", "text", "mean", "learned"),
        note="six classes of its own; not the shipped fusion but one of its kind, each fifth of "
        "the 20 dialogues evaluated by one fitted to the others"
        if pool == "learned"
        else "",
    )


_ALONE: Final[tuple[tuple[str, str, str, Mapping[str, Any]], ...]] = tuple(
    (name, f"{name} alone", f" --modalities {m} --asr none", {"modalities": (m,), "asr": "none"})
    for name, m in (("voice", "speech"), ("face", "face"))
)
"""Names, conditions, options on the command line and of the evaluator."""
FUSED_ROWS: Final = (
    _clips(
        "recognized",
        "fused, recognized words",
        note="one actor who trained nothing; 35 of the videos are rebuilt from 20 pictures each; "
        "the two sentences are the same in every emotion, so that words can only mislead",
        options=" --asr ASR",
    ),
    _clips("gold", "fused, gold words", options=" --gold-words", gold_words=True),
    _clips("no_words", "fused, voice and face", options=" --asr none", asr="none"),
    *(_clips(name, what, options=options, **given) for name, what, options, given in _ALONE),
    *(
        _clips(
            f"{name}_baseline",
            f"{condition}, with the baseline, one order",
            "one random order of the clips, learned from those before; thirty orders: "
            "mmer-bench baseline",
            f"{options} --adapt",
            adapt=True,
            **given,
        )
        for name, condition, options, given in (
            ("recognized", "fused, recognized words", " --asr ASR", {}),
            *_ALONE,
        )
    ),
    *(_posteriors(pool, condition) for pool, condition in POOLS.items()),
)
