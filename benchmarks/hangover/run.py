"""Voice activity alone, on sentences whose ends are known, with one hangover after the other.

Nothing is timed: what comes out depends on the sound alone, so it is the same on every machine,
however loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip import Span, lay_out, mix
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.matching import Matching, Result, match
from mmer.benchmarks.harness.utterances import demo_utterances, ravdess_sounds
from mmer.benchmarks.report.delays import number
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.statistics import summarise
from mmer.models.errors import MmerError
from mmer.realtime.blocks.speech_detector import FRAME
from mmer.realtime.blocks.vad import Vad, VadConfig
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, SpeechState, SpeechUpdate
from mmer.realtime.options import Options

HANGOVERS_S: Final = (0.14, 0.2, 0.26, 0.3, 0.4, 0.5)
NOISES_DB: Final = (-60.0, -45.0)  # a quiet room, and one with a fan
COUNT: Final = 200  # sentences


@dataclass(frozen=True)
class HangoverSettings:
    """Which sentences; raises MmerError for values that make no sense."""

    data: Path | None = None
    count: int = COUNT

    def __post_init__(self) -> None:
        if self.count < 1:
            raise MmerError(f"--count is {self.count}: it must be at least 1")


def run(settings: HangoverSettings, command: str, say: Callable[[str], None]) -> Report:
    """Hear the sentences with every hangover under every noise."""
    machine = describe_machine()
    say("reading the sentences")
    if settings.data is None:
        utterances = demo_utterances()
    else:
        utterances = ravdess_sounds(settings.data, settings.count)
    seconds = math.ceil(2 * sum(u.seconds for u in utterances))
    spans = lay_out(utterances, seconds)
    rows = []
    for noise_db in NOISES_DB:
        sound = mix(spans, utterances, seconds, noise_db)
        for hangover_s in HANGOVERS_S:
            say(f"noise {noise_db:g} dB, hangover {1000 * hangover_s:.0f} ms")
            rows.append(row(match(spans, ends(sound, hangover_s)), hangover_s, noise_db))
    return Report(
        kind="hangover",
        title=f"mmer-bench hangover: {len(spans)} sentences",
        command=command,
        machine=machine,
        settings={"sentences": "RAVDESS" if settings.data else "demo", "count": settings.count},
        clip=_described(spans, seconds),
        models={},
        provider={},
        rows=rows,
    )


def ends(sound: NDArray[np.int16], hangover_s: float) -> list[Result]:
    """The utterances found in ``sound`` (n,), each with when its end was decided."""
    config = VadConfig()
    tail_s = min(config.tail_s, hangover_s)
    voice = Vad(VadConfig(hangover_s=hangover_s, tail_s=tail_s))
    updates: list[SpeechUpdate] = []
    for at in range(0, len(sound), FRAME):
        updates += voice.push(AudioBlock(at / SAMPLE_RATE, sound[at : at + FRAME]))
    updates += voice.flush()
    return [
        Result(u.t0, u.t1, u.decided, u.utterance) for u in updates if u.state is SpeechState.ENDED
    ]


def row(matching: Matching, hangover_s: float, noise_db: float) -> Row:
    """How many sentences were heard in one piece, and how long their ends waited."""
    counts = matching.counts()
    waits = [1000 * s for s in matching.delays_s]
    found = summarise(waits)
    whole = len(matching.matches)
    default = " (default)" if hangover_s == Options.hangover_s else ""
    wrong = ", ".join(f"{n} {name}" for name, n in counts.items() if n and name != "matched")
    return Row(
        key=f"hangover_{1000 * hangover_s:.0f}ms_noise_{-noise_db:.0f}db",
        what=f"hangover {1000 * hangover_s:.0f} ms{default}, noise {noise_db:g} dBFS",
        measured=f"{counts['matched'] / whole:.1%} in one piece; "
        f"waiting p50 {number(found.p50)}, p95 {number(found.p95)} ms",
        note=f"{counts['matched']} of {whole}; {wrong or 'none wrong'}",
        values={**counts, "waiting_p50": found.p50, "waiting_p95": found.p95},
        samples={"waiting_ms": waits},
    )


def _described(spans: Sequence[Span], seconds: int) -> dict[str, float]:
    spoken = sum(span.t1 - span.t0 for span in spans)
    return {"seconds": seconds, "utterances": len(spans), "speech_s": round(spoken, 2)}
