"""`mmer-bench hangover`: delay saved and sentences cut by a shorter hangover of the VAD.

Nothing is timed: what comes out depends on the sound alone, so it is the same on every machine,
however loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip import lay_out, mix
from mmer.benchmarks.harness.command import OptionalFolder, Outputs, Say, check_count
from mmer.benchmarks.harness.matching import Matching, Result, match
from mmer.benchmarks.harness.ravdess import ravdess_sounds
from mmer.benchmarks.harness.utterances import demo_utterances, vad_updates
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.rows import number
from mmer.benchmarks.report.statistics import summarise
from mmer.realtime.blocks.vad import VadConfig
from mmer.realtime.messages import SpeechState
from mmer.realtime.options import Options

HANGOVERS_S: Final = (None, 0.14, 0.2, 0.26, 0.3, 0.4, 0.5)  # None: adaptive
NOISES_DB: Final = (-60.0, -45.0)  # a quiet room, and one with a fan
LEAST_WHOLE: Final = {-60.0: 0.985, -45.0: 0.85}
"""Share of sentences that must stay in one piece, by noise."""


@dataclass(frozen=True, kw_only=True)
class Hangover(Outputs):
    """Delay saved and sentences cut by a shorter hangover.

    The VAD alone, with its adaptive wait and with hangovers from 140 to 500 ms, on sentences with
    known ends between silences, under two levels of noise. Nothing is timed, so the result is the
    same on every machine. The whole delay with another hangover: `mmer-bench live --hangover-s`.
    """

    data: OptionalFolder = None
    """Folder with audio/ravdess: people's sentences instead of the demo's synthetic ones."""
    count: int = 200
    """Sentences taken from it."""

    def check(self) -> None:
        super().check()
        check_count(self.count)

    def run(self, say: Say) -> Report:
        say("reading the sentences")
        utterances = ravdess_sounds(self.data, self.count) if self.data else demo_utterances()
        seconds = math.ceil(2 * sum(u.seconds for u in utterances))
        spans = lay_out(utterances, seconds)
        rows = []
        for noise_db in NOISES_DB:
            sound = mix(spans, utterances, seconds, noise_db)
            for hangover_s in HANGOVERS_S:
                say(f"noise {noise_db:g} dB, {_name(hangover_s)}")
                rows.append(row(match(spans, ends(sound, hangover_s)), hangover_s, noise_db))
        spoken = sum(span.t1 - span.t0 for span in spans)
        return Report(
            kind="hangover",
            title=f"mmer-bench hangover: {len(spans)} sentences",
            settings={"sentences": "RAVDESS" if self.data else "demo", "count": self.count},
            clip={"seconds": seconds, "utterances": len(spans), "speech_s": round(spoken, 2)},
            rows=rows,
        )


def ends(sound: NDArray[np.int16], hangover_s: float | None) -> list[Result]:
    """The utterances found in ``sound`` (n,), each with when its end was decided."""
    config = VadConfig(adaptive=True)
    if hangover_s is not None:
        config = VadConfig(hangover_s=hangover_s, tail_s=min(VadConfig.tail_s, hangover_s))
    updates = vad_updates(sound, config)
    return [
        Result(u.t0, u.t1, u.decided, u.utterance) for u in updates if u.state is SpeechState.ENDED
    ]


def _name(hangover_s: float | None) -> str:
    return "adaptive wait" if hangover_s is None else f"hangover {1000 * hangover_s:.0f} ms"


def row(matching: Matching, hangover_s: float | None, noise_db: float) -> Row:
    """Share of sentences in one piece, and the wait at their ends."""
    counts = matching.counts()
    waits = [1000 * s for s in matching.delays_s]
    found = summarise(waits)
    whole = len(matching.matches)
    default = " (default)" if hangover_s == Options.hangover_s else ""
    name = "adaptive" if hangover_s is None else f"{1000 * hangover_s:.0f}ms"
    least = LEAST_WHOLE[noise_db]
    wrong = ", ".join(matching.faults())
    return Row(
        key=f"hangover_{name}_noise_{-noise_db:.0f}db",
        what=f"{_name(hangover_s)}{default}, noise {noise_db:g} dBFS",
        measured=f"{counts['matched'] / whole:.1%} in one piece; "
        f"waiting p50 {number(found.p50)}, p95 {number(found.p95)} ms",
        note=f"{counts['matched']} of {whole}; {wrong or 'none wrong'}",
        values={**counts, "waiting_p50": found.p50, "waiting_p95": found.p95},
        samples={"waiting_ms": waits},
        target=f"at least {least:.1%} in one piece" if default else "",
        passed=counts["matched"] >= least * whole if default else None,
    )
