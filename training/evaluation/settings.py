"""Settings of an evaluation, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.preparation.text_style import STYLES, TextStyle
from mmer.realtime.asr.registry import asr_names
from mmer.training.metrics.bootstrap import check_draws

KINDS: Final = (*MODALITIES, "clip")
"""Targets of an evaluation."""
_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "style": ("text",),
    "word_error_rate": ("text",),
    "context": ("text",),
    "cropped": ("face",),
    "modalities": ("clip",),
    "asr": ("clip",),
    "gold_words": ("clip",),
    "offline": ("face", "clip"),
    "adapt": ("speech", "face", "clip"),
}


@dataclass(frozen=True)
class Settings:
    """The options of ``mmer-evaluate``; see its ``--help``.

    ``style``: the style that written texts are converted to. ``context``: the largest number of
    earlier utterances before a text; None: as many as the model reads.
    ``adapt``: with the person's baseline, learned from the items before.
    ``resamples`` and ``seed`` are of the bootstrap, of simulated errors and of a person's order.
    """

    allow_leak: bool = False
    drop_leaks: bool = False
    drop_twins: bool = False
    style: TextStyle = "written"
    word_error_rate: float = 0.0
    context: int | None = None
    cropped: bool = False
    modalities: tuple[str, ...] = MODALITIES
    asr: str = "auto"
    gold_words: bool = False
    provider: str = "auto"
    offline: bool = False
    adapt: bool = False
    resamples: int = 2000
    seed: int = 0

    def check(self, modality: str) -> None:
        """Check the values against what is evaluated.

        Raises:
            MmerError: a value is out of range, or an option is for something else.
        """
        if modality not in KINDS:
            raise MmerError(f"cannot evaluate {modality!r}: name one of {', '.join(KINDS)}")
        for setting in fields(self):
            kinds = _FOR.get(setting.name, KINDS)
            if modality not in kinds and getattr(self, setting.name) != setting.default:
                name = setting.name.replace("_", "-")
                raise MmerError(f"--{name} is for {' and '.join(kinds)}, not for {modality}")
        if self.allow_leak and self.drop_leaks:
            raise MmerError("--allow-leak with --drop-leaks: choose one of the two")
        if not 0 <= self.word_error_rate <= 1:
            raise MmerError(f"--word-error-rate is {self.word_error_rate:g}: it must be 0 to 1")
        if self.context is not None and self.context < 0:
            raise MmerError(f"--context is {self.context}: it must be 0 or more")
        check_draws(self.resamples, self.seed)
        if self.asr not in asr_names():
            raise MmerError(f"--asr {self.asr!r} is unknown: use {', '.join(asr_names())}")
        if self.style not in STYLES:
            raise MmerError(f"--style {self.style!r} is unknown: use {', '.join(STYLES)}")
        if self.gold_words and self.asr == "none":
            raise MmerError("--gold-words with --asr none: choose one of the two")
        if unknown := sorted(set(self.modalities) - set(MODALITIES)):
            raise MmerError(
                f"--modalities: {', '.join(unknown)} is unknown: use {', '.join(MODALITIES)}"
            )

    def for_json(self, modality: str) -> dict[str, Any]:
        """The settings that apply to what is evaluated."""
        # asr_style: the name of style "bare" until 0.2
        values = asdict(self) | ({"asr_style": self.style == "bare"} if modality == "text" else {})
        return {k: v for k, v in values.items() if modality in _FOR.get(k, KINDS)}
