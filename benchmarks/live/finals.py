"""Rows of utterances: from the annotated end of speech to the final label, and its parts."""

from __future__ import annotations

import math
from typing import Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.matching import Matching, match
from mmer.benchmarks.harness.realtime_run import Recording
from mmer.benchmarks.report.delays import delay_row, number
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import summarise

MOST_WORDS_P50_MS: Final = 357  # what PocketSphinx took
LEAST_UTTERANCES: Final = 20  # of fewer, the p95 is the slowest


def final_rows(recording: Recording, clip: AnnotatedClip, hangover_s: float) -> list[Row]:
    """From each annotated end of speech to its final label, the two parts of that, and its words.

    "Waiting" is until the sound was there that decided the end of the utterance (the hangover,
    and what the voice detector takes for speech after the end): no machine shortens it. What
    follows is queues, networks and writing.
    """
    labels = match(clip.spans, recording.finals)
    decided = {r.utterance: r.written for r in recording.ends}
    waits, rest = [], []
    for m in labels.matches:
        if m.outcome == "matched" and m.result and m.result.utterance in decided:
            at = decided[m.result.utterance]
            waits.append(1000 * (at - m.span.t1))
            rest.append(1000 * (m.result.written - at))
    delays = late_ms(labels)
    found = summarise(delays)
    short = found.n < LEAST_UTTERANCES
    notes = [
        outcomes(labels),
        f"hangover {hangover_s * 1000:.0f} ms",
        f"judged from {LEAST_UTTERANCES} utterances on" if short else "",
    ]
    rows = [
        delay_row(
            "final_label_ms",
            "end of speech to final label written",
            delays,
            "; ".join(n for n in notes if n),
            "p50 at most 450, p95 at most 700 ms",
            None if short else found.p50 <= 450 and found.p95 <= 700,
            {**labels.counts(), "hangover_ms": 1000 * hangover_s},
        ),
        delay_row(
            "final_label_waiting_ms",
            "of it, waiting for the pause",
            waits,
            f"the hangover of {hangover_s * 1000:.0f} ms, and what the voice detector takes for "
            "speech beyond the annotated end",
        ),
        delay_row(
            "final_label_compute_ms",
            "of it, queues, networks, fusion and writing",
            rest,
            f"of the utterances answered once; p95 {number(summarise(rest).p95)} ms of the limit",
        ),
    ]
    if recording.session["models"].get("words"):
        words = match(clip.spans, recording.transcripts)
        late = summarise(late_ms(words))
        rows.append(
            delay_row(
                "final_words_ms",
                "end of speech to final words written",
                late_ms(words),
                outcomes(words),
                f"p50 at most {MOST_WORDS_P50_MS} ms",
                None if short else late.p50 <= MOST_WORDS_P50_MS,
                values=dict(words.counts()),
            )
        )
    return rows


def late_ms(matching: Matching) -> list[float]:
    """By sentence: its delay, infinite where it is missed, split, merged or cut."""
    return [1000 * m.delay_s if m.outcome == "matched" else math.inf for m in matching.matches]


def outcomes(matching: Matching) -> str:
    """How many sentences were answered, and what went wrong with the others."""
    counts = matching.counts()
    wrong = [f"{n} {name}" for name, n in counts.items() if n and name not in ("matched",)]
    whole = f"{counts['matched']} of {len(matching.matches)} utterances matched"
    return ", ".join([whole, *wrong])
