"""From the onset of speech to the first label that stays: how soon an answer can be acted upon.

The first final decision of incremental processing (Baumann, Buß and Schlangen 2011, Dialogue &
Discourse 2:113): a label counts from when it is shown and never changed again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.matching import match
from mmer.benchmarks.harness.realtime_run import Estimate, Recording
from mmer.benchmarks.report.delays import delay_row
from mmer.benchmarks.report.report import Row


def stable_since(estimates: Sequence[Estimate], label: str | None = None) -> float | None:
    """When ``label`` was written that an utterance kept until its final, that included.

    ``estimates`` are the utterance's own, in order; ``label`` None: whichever the final has. None
    where the final has another or no label, or is not there. An estimate without a label between
    is no label kept.
    """
    finals = [n for n, estimate in enumerate(estimates) if estimate.final]
    if not finals:
        return None
    final = estimates[finals[-1]]
    if final.label is None or label not in (None, final.label):
        return None
    since = final.written
    for estimate in reversed(estimates[: finals[-1]]):
        if estimate.label != final.label:
            break
        since = estimate.written
    return since


def stable_rows(recording: Recording, clip: AnnotatedClip) -> list[Row]:
    """From each annotated onset to the first stable label, and to the first correct one.

    The second where the sentences were acted with voice and face, and so have a true emotion.
    What is not answered once, ends without a label or (second row) with a wrong one, is never
    reached: infinite.
    """
    matching = match(clip.spans, recording.finals)
    by_utterance: dict[int, list[Estimate]] = {}
    for estimate in recording.estimates:
        if estimate.utterance is not None:
            by_utterance.setdefault(estimate.utterance, []).append(estimate)

    def delays(truth: bool) -> list[float]:
        out = []
        for m in matching.matches:
            since = None
            if m.outcome == "matched" and m.result and m.result.utterance is not None:
                mine = by_utterance[m.result.utterance]
                since = stable_since(mine, m.span.emotion if truth else None)
            out.append(math.inf if since is None else 1000 * (since - m.span.t0))
        return out

    any_label = delays(False)
    rows = [
        delay_row(
            "stable_label_ms",
            "onset of speech to first stable label, right or wrong",
            any_label,
            f"{_share(any_label)} ended with a label; the others never had one that stayed",
        )
    ]
    if clip.spans and all(span.emotion is not None for span in clip.spans):
        correct = delays(True)
        rows.append(
            delay_row(
                "correct_label_ms",
                "onset of speech to first correct stable label",
                correct,
                f"{_share(correct)} reached; the others ended with another label or none",
            )
        )
    return rows


def _share(delays: Sequence[float]) -> str:
    reached = sum(math.isfinite(d) for d in delays)
    return f"{reached} of {len(delays)}"
