"""From what was recorded to rows with a verdict: every definition of `mmer-bench live`.

Percentiles are nearest ranks; what never came counts as infinitely late (written "never"), so a
sentence that was missed, split, merged or cut lowers the figures instead of leaving them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from mmer.benchmarks.clip import AnnotatedClip
from mmer.benchmarks.matching import Matching, match
from mmer.benchmarks.paced import Estimate, Recording, analysed_per_second
from mmer.benchmarks.process import Watched
from mmer.benchmarks.report import Row
from mmer.benchmarks.statistics import Slope, Summary, slope, summarise

FULL_CLIP_S: Final = 60  # replay targets hold for a clip of this length: start-up is in them
LONG_S: Final = 600.0  # queues are judged over ten minutes
STEADY_FROM_S: Final = 60.0
STEADY_LEAST_S: Final = 120.0
TINY_MS: Final = 10.0  # growth of a delay in a whole run that is too small to matter
TINY_MB: Final = 10.0  # the same of memory


def replay_row(
    words: str, run: Watched, seconds: int, frames: int, least: float, note: str = ""
) -> Row:
    """Seconds of clip for each second from process start to exit, start-up included."""
    speed = seconds / run.wall_s
    ready_s = run.ready_s or 0.0
    after = seconds / (run.wall_s - ready_s)
    notes = [
        f"whole process, {run.wall_s:.1f} s; {after:.2f}x without its {ready_s:.1f} s of start-up",
        f"{frames / seconds:.1f} frames analysed a second of clip",
        f"{run.cpu_s:.0f} s of CPU",
    ]
    if seconds < FULL_CLIP_S:
        notes.append(f"judged with a clip of {FULL_CLIP_S} s")
    return Row(
        key="replay_no_words" if words == "none" else "replay",
        what=f"replay at --pace max, {'words off' if words == 'none' else f'words by {words}'}",
        measured=f"{speed:.2f}x real time",
        target=f"at least {least:g}x",
        passed=speed >= least if seconds >= FULL_CLIP_S else None,
        note="; ".join(n for n in (*notes, note) if n),
        values={
            "times_real_time": speed,
            "times_real_time_without_start": after,
            "wall_s": run.wall_s,
            "start_s": ready_s,
            "cpu_s": run.cpu_s,
            "peak_mb": run.peak_mb,
            "frames_per_s": frames / seconds,
        },
    )


def face_delay_row(estimates: Sequence[Estimate]) -> Row:
    """Of every estimate that used a face: written minus capture of the newest frame it used.

    A final is about its utterance: it uses no frame from after its end, however soon it comes, so
    the figure without finals stands beside the one that is judged.
    """
    every = _delays_ms(estimates)
    running = summarise(_delays_ms([e for e in estimates if not e.final]))
    found = summarise(every)
    return Row(
        key="face_delay_ms",
        what="newest video frame used: captured to estimate written",
        measured=_shown(found),
        target="p95 at most 150 ms",
        passed=found.p95 <= 150 if found.n else None,
        note=(
            f"{found.n} of {len(estimates)} estimates used a face; without finals p95 "
            f"{_number(running.p95)} ms"
        ),
        values={**_values(found), "p95_without_finals": running.p95},
    )


def analysed_row(recording: Recording, seconds: float) -> Row:
    """Frames that were judged, or searched in vain for a face, a second of the clip."""
    rate = analysed_per_second(recording, seconds)
    replaced = {name: recording.drops.get(name, 0) for name in ("video", "face")}
    return Row(
        key="frames_per_s",
        what="video frames analysed",
        measured=f"{rate:.1f} /s",
        target="at least 15 /s",
        passed=rate >= 15,
        note=(
            f"searched for a face {recording.tracked / seconds:.1f} /s; replaced by newer: "
            + ", ".join(f"{n} at {name}" for name, n in replaced.items())
        ),
        values={"analysed": rate, "searched": recording.tracked / seconds},
    )


def final_rows(recording: Recording, clip: AnnotatedClip, hangover_s: float) -> list[Row]:
    """From each annotated end of speech to its final label, and to its words.

    Of this, "waiting" is from the annotated end until the sound was there that decided the end of
    the utterance (the hangover, and what the voice detector takes for speech after the end).
    """
    labels = match(clip.spans, recording.finals)
    waits = summarise([1000 * s for s in match(clip.spans, recording.ends).delays_s])
    found = _of(labels)
    wait = f"waiting for the pause p50 {_number(waits.p50)} ms (hangover {hangover_s * 1000:.0f})"
    rows = [
        Row(
            key="final_label_ms",
            what="end of speech to final label written",
            measured=_shown(found),
            target="p50 at most 600, p95 at most 1000 ms",
            passed=found.p50 <= 600 and found.p95 <= 1000 if found.n else None,
            note=f"{_outcomes(labels)}; {wait}",
            values={
                **_values(found),
                **labels.counts(),
                "waiting_p50": waits.p50,
                "waiting_p95": waits.p95,
            },
        )
    ]
    if recording.session["models"].get("words"):
        words = match(clip.spans, recording.transcripts)
        rows.append(
            Row(
                key="final_words_ms",
                what="end of speech to final words written",
                measured=_shown(_of(words)),
                note=_outcomes(words),
                values={**_values(_of(words)), **words.counts()},
            )
        )
    return rows


def first_label_row(times: Sequence[tuple[float, float]]) -> Row:
    """From the start of the command's process to its first lines; the median of the runs."""
    line, label = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
    return Row(
        key="first_label_s",
        what="start of the command to first label",
        measured=f"{label:.2f} s",
        target="at most 4 s",
        passed=label <= 4,
        note=f"median of {len(times)} runs; first emotion line after {line:.2f} s",
        values={"first_label": label, "first_line": line},
    )


def growth_rows(recording: Recording, seconds: float) -> list[Row]:
    """Whether anything falls behind: oldest waiting message, and delay of the face, over time.

    Growth is a slope whose 95 % interval lies above 0 and that comes to more than 10 ms in the run.
    """
    oldest = oldest_waiting_ms(recording)
    boxes = sorted({name for _, queue in recording.health for name in queue})
    worst = {b: 1000 * max(q.get(b, 0.0) for _, q in recording.health) for b in boxes}
    late = ", ".join(f"{name} {age:.0f}" for name, age in worst.items() if age >= 0.5) or "none"
    dropped = ", ".join(f"{name} {n}" for name, n in sorted(recording.drops.items()) if n) or "none"
    shown = [e for e in recording.estimates if not e.final and e.face_delay_s is not None]
    return [
        _growth_row(
            "queue_growth",
            "oldest message in any queue: its age over the run",
            slope([t for t, _ in oldest], [age for _, age in oldest]),
            seconds,
            f"greatest age by queue, ms: {late}; replaced or skipped: {dropped}",
        ),
        _growth_row(
            "face_delay_growth",
            "video frame to estimate: the delay over the run",
            slope([e.written for e in shown], _delays_ms(shown)),
            seconds,
            "",
        ),
    ]


def oldest_waiting_ms(recording: Recording) -> list[tuple[float, float]]:
    """At each health line, its time and the age of the oldest message in any queue."""
    return [(t, 1000 * max(queue.values(), default=0.0)) for t, queue in recording.health]


def memory_rows(paced: Watched, replay: Watched | None, words: str | None) -> list[Row]:
    """Peak memory of whole processes, and whether it grows after the first minute."""
    peaks = {"paced": paced.peak_mb, **({"replay": replay.peak_mb} if replay else {})}
    peak = max(peaks.values())
    fits = words is not None and words.startswith("pocketsphinx")
    later = [(t, mb) for t, mb in paced.memory if t >= STEADY_FROM_S]
    long = paced.wall_s >= STEADY_LEAST_S
    found = slope([t for t, _ in later], [mb for _, mb in later]) if long else None
    return [
        Row(
            key="memory_peak_mb",
            what="peak memory",
            measured=f"{peak:.0f} MB",
            target="at most 900 MB",
            passed=peak <= 900 if fits else None,
            note=", ".join(f"{name} {mb:.0f} MB" for name, mb in peaks.items())
            + ("" if fits else "; judged with pocketsphinx"),
            values=peaks,
        ),
        Row(
            key="memory_growth",
            what="memory after the first minute",
            measured="not measured" if found is None else _shown_slope(found, "MB"),
            target="steady",
            passed=None if found is None else not found.grows(TINY_MB),
            note="needs --minutes 2 or more"
            if found is None
            else f"{later[0][1]:.0f} MB after the first minute, {later[-1][1]:.0f} MB at the end",
            values=_slope_values(found),
        ),
    ]


def cpu_row(paced: Watched, seconds: float) -> Row:
    """Processor time of the whole paced process for each second of the clip."""
    return Row(
        key="cpu_s_per_s",
        what="processor time a second of clip, paced",
        measured=f"{paced.cpu_s / seconds:.2f} s",
        note="all cores together, start-up included",
        values={"cpu_s_per_s": paced.cpu_s / seconds},
    )


def _growth_row(key: str, what: str, found: Slope | None, seconds: float, note: str) -> Row:
    if found is None:
        return Row(
            key, what, "not measured", "no growth in 10 minutes", None, "too short for a slope"
        )
    long = seconds >= LONG_S
    return Row(
        key=key,
        what=what,
        measured=_shown_slope(found, "ms"),
        target="no growth in 10 minutes",
        passed=not found.grows(TINY_MS) if long else None,
        note="; ".join(n for n in (note, "" if long else "judged with --minutes 10") if n),
        values=_slope_values(found),
    )


def _delays_ms(estimates: Sequence[Estimate]) -> list[float]:
    return [1000 * e.face_delay_s for e in estimates if e.face_delay_s is not None]


def _of(matching: Matching) -> Summary:
    return summarise([1000 * s for s in matching.delays_s], matching.misses)


def _outcomes(matching: Matching) -> str:
    counts = matching.counts()
    wrong = [f"{n} {name}" for name, n in counts.items() if n and name not in ("matched",)]
    whole = f"{counts['matched']} of {len(matching.matches)} utterances matched"
    return ", ".join([whole, *wrong])


def _number(ms: float) -> str:
    return "never" if math.isinf(ms) else "none" if math.isnan(ms) else f"{ms:.0f}"


def _shown(found: Summary) -> str:
    if not found.n:
        return "none"
    return f"p50 {_number(found.p50)}, p95 {_number(found.p95)}, max {_number(found.max)} ms"


def _values(found: Summary) -> dict[str, float | None]:
    return {
        "p50": found.p50,
        "p95": found.p95,
        "max": found.max,
        "n": found.n,
        "misses": found.misses,
    }


def _shown_slope(found: Slope, unit: str) -> str:
    return f"{found.per_minute:+.2f} {unit}/min ({found.low:+.2f} to {found.high:+.2f})"


def _slope_values(found: Slope | None) -> dict[str, float | None]:
    if found is None:
        return {}
    return {
        "per_minute": found.per_minute,
        "low": found.low,
        "high": found.high,
        "minutes": found.minutes,
    }
