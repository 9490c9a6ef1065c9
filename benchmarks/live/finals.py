"""Rows of utterances: from the annotated end of speech to the final label, and its parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.matching import Matching, match
from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import delay_row, number
from mmer.benchmarks.report.statistics import summarise

MOST_TRANSCRIPT_P50_MS: Final = 357  # what PocketSphinx took
LEAST_UTTERANCES: Final = 20  # of fewer, the p95 is the slowest


def final_rows(recording: Recording, clip: AnnotatedClip, hangover_s: float | None) -> list[Row]:
    """Delay from each annotated end of speech to its final label, its parts, and the transcript.

    "Waiting" is until the sound was there that decided the end of the utterance (the hangover,
    and what the VAD takes for speech after the end): no machine shortens it. What
    follows is queues, networks and writing.
    """
    labels = match(clip.spans, recording.finals)
    decided = {r.utterance: r.written for r in recording.ends}
    pause = "the adaptive wait" if hangover_s is None else f"hangover {1000 * hangover_s:.0f} ms"
    waits, rest = [], []
    for m in labels.matches:
        if m.result and m.result.utterance in decided:
            at = decided[m.result.utterance]
            waits.append(1000 * (at - m.span.t1))
            rest.append(1000 * (m.result.written - at))
    found = summarise(late_ms(labels))
    enough = found.n >= LEAST_UTTERANCES
    rows = [
        delay_row(
            "final_label_ms",
            "end of speech to final label written",
            late_ms(labels),
            f"{outcomes(labels)}; {pause}",
            "p50 at most 315, p95 at most 380 ms",
            {**labels.counts(), "hangover_ms": hangover_s and 1000 * hangover_s},
        ).evaluated(
            found.p50 <= 315 and found.p95 <= 380,
            enough,
            f"evaluated from {LEAST_UTTERANCES} utterances on",
        ),
        delay_row(
            "final_label_waiting_ms",
            "of it, waiting for the pause",
            waits,
            f"the pause that must pass ({pause}), and what the VAD takes for "
            "speech beyond the annotated end",
        ),
        delay_row(
            "final_label_compute_ms",
            "of it, queues, networks, fusion and writing",
            rest,
            f"of the utterances answered once; p95 {number(summarise(rest).p95)} ms of the limit",
        ),
    ]
    if recording.models.get("words"):
        transcripts = match(clip.spans, recording.transcripts)
        late = late_ms(transcripts)
        row = delay_row(
            "final_words_ms",
            "end of speech to final transcript written",
            late,
            outcomes(transcripts),
            f"p50 at most {MOST_TRANSCRIPT_P50_MS} ms",
            dict(transcripts.counts()),
        )
        rows.append(row.evaluated(summarise(late).p50 <= MOST_TRANSCRIPT_P50_MS, enough))
    return rows


def provisional_rows(recording: Recording, clip: AnnotatedClip) -> list[Row]:
    """Delay from each annotated end of speech to its first label, and how often that one stood.

    The first label is the provisional one of the pause that became the end; where there was none,
    the final label is the first. A provisional one is withdrawn where speech went on after it.
    Where both have none, being too unsure, they count in the delays alone.
    """
    labels = match(clip.spans, recording.finals)
    finals = {e.utterance: e for e in recording.estimates if e.final}
    given = [e for e in recording.estimates if e.provisional]
    standing = {
        e.utterance: e for e in given if e.utterance in finals and e.t1 == finals[e.utterance].t1
    }
    delays = []
    for m in labels.matches:
        first = None if m.result is None else standing.get(m.result.utterance, m.result)
        delays.append(math.inf if first is None else 1000 * (first.written - m.span.t1))
    pairs = [(e.label, finals[u].label) for u, e in standing.items()]
    labelled = [(first, last) for first, last in pairs if first or last]
    equal = sum(first == last for first, last in labelled)
    share = equal / len(labelled) if labelled else None
    found = summarise(delays)
    withdrawn = len(given) - len(standing)
    return [
        delay_row(
            "provisional_label_ms",
            "end of speech to provisional label written",
            delays,
            f"{len(standing)} of {len(finals)} utterances had one; {withdrawn} withdrawn",
            "p50 at most 190, p95 at most 260 ms",
            {"given": len(given), "standing": len(standing), "withdrawn": withdrawn},
        ).evaluated(
            found.p50 <= 190 and found.p95 <= 260,
            found.n >= LEAST_UTTERANCES,
            f"evaluated from {LEAST_UTTERANCES} utterances on",
        ),
        Row(
            key="provisional_equal",
            what="provisional label equals the final one",
            measured="none with a label" if share is None else f"{share:.1%}",
            target="at least 95 %",
            note=f"{equal} of {len(labelled)} with a label, {len(labelled) - equal} revised; "
            f"{len(pairs) - len(labelled)} had none, both times",
            values={"share": share, "equal": equal, "of": len(labelled), "pairs": len(pairs)},
            better="more",
        ).evaluated(
            share is not None and share >= 0.95,
            len(labelled) >= LEAST_UTTERANCES,
            f"evaluated from {LEAST_UTTERANCES} with a label on",
        ),
    ]


def late_ms(matching: Matching) -> list[float]:
    """Delay by sentence, infinite where it is missed, split, merged or cut."""
    return [1000 * m.delay_s if m.result else math.inf for m in matching.matches]


def outcomes(matching: Matching) -> str:
    """Number of sentences answered, and the outcomes of the others."""
    counts = matching.counts()
    whole = f"{counts['matched']} of {len(matching.matches)} utterances matched"
    return ", ".join([whole, *matching.faults()])


def stable_since(estimates: Sequence[Estimate], label: str | None = None) -> float | None:
    """Time from which on an utterance's ``label`` did not change until its final, that included.

    ``estimates`` are the utterance's own, in order; ``label`` None: whichever the final has. None
    where the final has another or no label, or is not there. An estimate without a label between
    is a change.
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
    """Delay from each annotated onset to the first stable label, and to the first correct one.

    The second where the sentences were acted with speech and face, and so have a true emotion.
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
            if m.result and m.result.utterance is not None:
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
