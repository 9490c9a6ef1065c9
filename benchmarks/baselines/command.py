"""`mmer-bench against`: baseline loops beside the live session on the same clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from mmer.benchmarks.baselines.loops import LOOPS
from mmer.benchmarks.baselines.measures import WHAT, Program, rows_of
from mmer.benchmarks.harness.clip import AnnotatedClip, describe, make_clip, repeated, rounds_of
from mmer.benchmarks.harness.command import OptionalFloat, Say, SessionOptions, some_of
from mmer.benchmarks.harness.play import record, record_session
from mmer.benchmarks.harness.trace import Recording
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.tables import Table
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag

SESSION: Final = "session"
PROGRAMS: Final = (*LOOPS, SESSION)
TITLES: Final = {
    "one-thread": "loop: one thread",
    "recorder": "loop: a thread records",
    "listener": "loop: a thread records and predicts",
    SESSION: "mmer",
}
COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
LOST: Final = "red"


@dataclass(frozen=True, kw_only=True)
class Against(SessionOptions):
    """Baseline loops, as demos have them, beside the live session: same networks, same clip.

    Three loops (one thread; a second one that records; a second one that records and predicts) and
    the session play the annotated clip in real time, each in a fresh process. Measured are
    the age of the video frame behind an answer and whether it grows, frames used, from the onset
    and from the end of speech to the answer, sound never recorded, processor time.
    """

    minutes: OptionalFloat = None
    """Length of each run: the clip over and over; left out: once."""
    seconds: int = 60
    """Length of the clip."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    only: Annotated[str | None, tyro.conf.arg(metavar="PROGRAMS")] = None
    """Some of one-thread, recorder, listener, session, with commas between."""

    @property
    def clip_s(self) -> int:
        """Length of the clip."""
        return 20 if self.quick else self.seconds

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of the programs to run; raises MmerError."""
        return some_of("--only", self.only, PROGRAMS)

    def check(self) -> None:
        super().check()
        if not 5 <= self.clip_s <= 3600:
            raise MmerError(f"a clip of {self.clip_s} s: it must last 5 to 3600 s")
        rounds_of(self.minutes, self.clip_s)  # refuses what is no length
        some_of("--only", self.only, PROGRAMS)

    def run(self, say: Say) -> Report:
        say("assembling the clip")
        rounds = rounds_of(self.minutes, self.clip_s)
        clip = repeated(make_clip(demo_utterances(), self.clip_s), rounds)
        programs = []
        for name in self.programs:
            say(f"{TITLES[name]}: playing {clip.seconds} s in real time")
            programs.append(self._play(name, clip))
        rows = [rows_of(program, clip) for program in programs]
        newest = programs[-1].recording
        return Report(
            kind="against",
            title=f"mmer-bench against: {clip.seconds} s clip, {len(clip.spans)} sentences, "
            f"{clip.speech_s:.0f} s of speech",
            settings=self.settings(seconds=self.clip_s, only=self.programs),
            clip=describe(clip),
            models=newest.models,
            provider=newest.provider,
            rows=[row for group in rows for row in group],
            series={
                f"age_ms.{p.name}": [
                    (e.written, 1000 * e.face_delay_s)
                    for e in p.answers
                    if e.face_delay_s is not None
                ]
                for p in programs
            },
            draw=lambda path: draw(programs, clip, path),
            tables=[side_by_side(programs, rows)],
        )

    def _play(self, name: str, clip: AnnotatedClip) -> Program:
        options = self.recognizer(clip.path)
        if name == SESSION:
            recording, watched = record_session(options)
        else:
            arguments = (name, json.dumps(options))
            recording, watched = record("mmer.benchmarks.baselines.play", arguments, Recording())
        return Program(name, TITLES[name], recording, watched, names_utterances=name == SESSION)


def side_by_side(programs: Sequence[Program], rows: Sequence[Sequence[Row]]) -> Table:
    """A line a measure, a column a program."""
    return Table(
        headings=["", *(program.title for program in programs)],
        lines=[
            [what, *(row.measured for row in line)]
            for what, *line in zip(WHAT.values(), *rows, strict=True)
        ],
    )


def draw(programs: Sequence[Program], clip: AnnotatedClip, path: Path) -> None:
    """Above the age of each answer's frame, below recorded and lost sound and the answers; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axis in (above, below):
        for span in clip.spans:
            axis.axvspan(span.t0, span.t1, color="0.92", zorder=0)
    for place, program in enumerate(programs):
        colour = COLOURS[place % len(COLOURS)]
        ages = [(a.written, a.face_delay_s) for a in program.answers if a.face_delay_s is not None]
        above.plot(
            [t for t, _ in ages], [1000 * age for _, age in ages],
            color=colour, marker=".", markersize=3, linewidth=0.8, label=program.title,
        )  # fmt: skip
        _sound(below, place, colour, program, clip)
    above.set_yscale("log")
    above.set_ylabel("frame captured to\nits answer written, ms")
    above.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside upper center", ncols=len(programs))
    above.set_title("The same networks on the same clip; grey: someone speaks", fontsize=10)
    below.set_yticks(range(len(programs)), [program.title for program in programs], fontsize=8)
    below.invert_yaxis()
    below.set_xlabel("seconds of the clip; red: sound that was never recorded; dot: an answer with "
                     "new sound", fontsize=8)  # fmt: skip
    below.set_xlim(0, clip.seconds)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _sound(axis: Any, place: int, colour: str, program: Program, clip: AnnotatedClip) -> None:
    axis.broken_barh([(0, clip.seconds)], (place - 0.3, 0.6), color=colour, alpha=0.25)
    lost = [(t0, t1 - t0) for t0, t1 in program.recording.lost]
    axis.broken_barh(lost, (place - 0.3, 0.6), color=LOST)
    news, before = [], None
    for answer in program.answers:
        if answer.sound is not None and answer.sound != before:
            news.append(answer.written)
            before = answer.sound
    axis.plot(news, [place] * len(news), ".", color=colour, markersize=4)
