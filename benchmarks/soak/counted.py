"""Counts of a session's JSON lines, and the rows of a soak that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.soak.findings import memory_row, resources_row


@dataclass
class Counted:
    """Utterances by their lines, notices, losses, and the end."""

    models: Mapping[str, Any] = field(default_factory=dict)
    provider: Mapping[str, str] = field(default_factory=dict)
    finals: Counter[int] = field(default_factory=Counter)  # by utterance
    transcripts: Counter[int] = field(default_factory=Counter)
    begins: list[float] = field(default_factory=list)  # of the utterances, by their transcripts
    labelled: int = 0  # finals with a label
    texts: int = 0  # transcripts with a text
    estimates: int = 0
    oldest_s: float = 0.0  # the longest that a message waited, sampled once a second
    gap_s: float = 0.0
    faults: list[str] = field(default_factory=list)  # notices other than info
    backward: int = 0  # lines with an earlier time than the one before
    end: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, lines: Iterable[Mapping[str, Any]]) -> Counted:
        """Count ``lines``, of which only one at a time is held."""
        counted, t = cls(), 0.0
        for line in lines:
            kind = line["type"]
            if kind == "session":
                counted.models, counted.provider = line["models"], line["provider"]
            elif kind == "utterance":
                counted.transcripts[line["id"]] += 1
                counted.texts += bool(line["text"])
                counted.begins.append(line["t0"])
            elif kind == "emotion":
                counted.estimates += 1
                if line["final"]:
                    counted.finals[line["utterance"]] += 1
                    counted.labelled += line["label"] is not None
            elif kind == "notice" and line["level"] != "info":
                counted.faults.append(line["text"])
            elif kind == "health":
                ages = [age for age in line["queue"].values() if age is not None]
                counted.oldest_s = max([counted.oldest_s, *ages])
                counted.gap_s = line["gap_s"]
            elif kind == "end":
                counted.end = line
            counted.backward += line.get("t", t) < t
            t = line.get("t", t)
        return counted


def rounds_row(counted: Counted, rounds: int, round_s: int) -> Row:
    """Utterances in each round of a session whose every round is the same."""
    found = Counter(int(t0 // round_s) for t0 in counted.begins)
    by_round = [found[n] for n in range(rounds)]
    return Row(
        key="utterances_per_round",
        what="utterances found in each round",
        measured=f"{min(by_round)} to {max(by_round)}",
        target="every round the same",
        note=f"{rounds} rounds of {round_s} s",
        values={"least": min(by_round), "most": max(by_round)},
    ).evaluated(min(by_round) == max(by_round) > 0)


def rows(
    counted: Counted,
    watched: Watched,
    rate: float,
    seconds: float,
    resources: Sequence[tuple[str, int, int]] = (),
) -> list[Row]:
    """All rows of ``seconds`` of a session at ``rate`` times real time."""
    ids = {*counted.finals, *counted.transcripts}
    wrong = sum(counted.finals[n] != 1 or counted.transcripts[n] != 1 for n in ids)
    ended = counted.end is not None and counted.end["utterances"] == len(ids)
    faults = "; ".join(f"{n} times {text}" for text, n in Counter(counted.faults).most_common(5))
    return [
        Row(
            key="answered_once",
            what="utterances without exactly one transcript and one final label",
            measured=f"{wrong} of {len(ids)}",
            target="none",
            note=f"{counted.texts} with a text, {counted.labelled} with a label; "
            f"{counted.estimates} estimates; {counted.backward} lines out of order",
            values={"wrong": wrong, "utterances": len(ids), "backward": counted.backward},
        ).evaluated(wrong == 0 and ended and not counted.backward, bool(ids)),
        Row(
            key="faults",
            what="warnings, errors and lost sound",
            measured=f"{len(counted.faults)}, {counted.gap_s:.2f} s lost",
            target="none",
            passed=not counted.faults and counted.gap_s == 0,
            note=faults,
            values={"faults": len(counted.faults), "gap_s": counted.gap_s},
        ),
        memory_row(watched, rate, seconds),
        resources_row(resources, watched, rate),
        Row(
            key="queues",
            what="oldest message in any queue, sampled once a second",
            measured="not measured" if rate != 1 else f"at most {1000 * counted.oldest_s:.0f} ms",
            values={"oldest_s": counted.oldest_s},
        ),
        Row(
            key="cpu",
            what="processor time a second of the session",
            measured=f"{(watched.cpu_s - watched.ready_cpu_s) / seconds:.3f} s",
            values={"cpu_s_per_s": (watched.cpu_s - watched.ready_cpu_s) / seconds},
        ),
    ]
