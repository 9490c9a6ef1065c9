"""Measure the curves and write them down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmer.benchmarks.curve.clips import clips_panel
from mmer.benchmarks.curve.plot import draw
from mmer.benchmarks.curve.points import Panel
from mmer.benchmarks.curve.report import Curves
from mmer.benchmarks.curve.voice import voice_panel
from mmer.benchmarks.curve.words import words_panel
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.networks import hashes
from mmer.benchmarks.report.plots import check_matplotlib
from mmer.models.errors import MmerError
from mmer.realtime.options import Options


@dataclass(frozen=True)
class CurveSettings:
    """On what is measured, with what, and in which folder the results go.

    Raises MmerError for an unknown recognizer.
    """

    data: Path
    output: Path
    weights: Path | None = None
    asr: str = "moonshine"

    def __post_init__(self) -> None:
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would


def run(settings: CurveSettings, say: Callable[[str], None]) -> Curves:
    """Measure what there is data for, and write curve.png, curve.json and curve.md.

    Raises:
        MmerError: there is data for nothing; a model or a package is missing.
    """
    check_matplotlib()
    machine = describe_machine()
    data, weights = settings.data, settings.weights
    panels: list[Panel] = []
    skipped: dict[str, str] = {}
    wanted: tuple[tuple[str, str, Callable[[], Panel]], ...] = (
        ("voice", "audio/ravdess", lambda: voice_panel(data, weights, say)),
        (
            "voice, words and face",
            "video/ravdess_actor01_frames",
            lambda: clips_panel(data, weights, settings.asr, say),
        ),
        ("words", "text/meld", lambda: words_panel(data, weights, say)),
    )
    for name, place, measure in wanted:
        if (data / place).is_dir():
            panels.append(measure())
        else:
            skipped[name] = f"DATA/{place} is not there"
    if not panels:
        raise MmerError(f"nothing to measure on: {'; '.join(skipped.values())}")
    curves = Curves(machine, hashes(weights), panels, skipped)
    say("drawing")
    draw(panels, settings.output / "curve.png")
    (settings.output / "curve.json").write_text(curves.to_json(), encoding="utf-8")
    (settings.output / "curve.md").write_text(curves.to_markdown("curve.png"), encoding="utf-8")
    return curves
