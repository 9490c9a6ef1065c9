"""Rows of the whole: audio-visual clips, and voices and words of IEMOCAP by their posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mmer.benchmarks.accuracy.evaluate import evaluated
from mmer.benchmarks.accuracy.row import Row, Setting

CLIPS: Final = "video"
ACTOR: Final = "RAVDESS Actor_01, 39 clips"


def _clips(name: str, condition: str, note: str = "", options: str = "", **given: Any) -> Row:
    def measure(setting: Setting) -> Mapping[str, Any]:
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


FUSED_ROWS: Final = (
    _clips(
        "recognized",
        "fused, recognized words",
        note="one actor who trained nothing; 35 of the videos are rebuilt from 20 pictures each; "
        "the two sentences are the same in every emotion, so that words can only mislead",
        options=" --asr pocketsphinx",
    ),
    _clips("gold", "fused, gold words", options=" --gold-words", gold_words=True),
    _clips(
        "no_words", "fused, voice and face", options=" --asr none", asr="none",
    ),
    _clips(
        "voice", "voice alone", options=" --modalities speech --asr none",
        modalities=("speech",), asr="none",
    ),
    _clips(
        "face", "face alone", options=" --modalities face --asr none",
        modalities=("face",), asr="none",
    ),
)  # fmt: skip
