"""`mmer-bench against` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from mmer.benchmarks.harness.command import Asr, Flag, OptionalFloat, PicturedOutputs


@dataclass(frozen=True, kw_only=True)
class Against(PicturedOutputs):
    """The loop that people write today beside the live session: same networks, same clip.

    Three loops (one thread; one that records beside; one that records and listens beside) and
    the session play the annotated clip at the world's pace, each in a fresh process. Measured are
    the age of the video frame behind an answer and whether it grows, frames used, from the onset
    and from the end of speech to the answer, sound that nobody recorded, processor time.
    """

    asr: Asr = "moonshine"
    """Recognizer of words, as in mmer-live."""
    detector: Literal["auto", "blazeface", "mediapipe", "haar"] = "auto"
    """Face detector, as in mmer-live."""
    provider: str = "auto"
    """What runs the networks, as in mmer-live."""
    minutes: OptionalFloat = None
    """Length of each run: the clip over and over; left out: once."""
    seconds: int = 60
    """Length of the clip."""
    quick: Flag = False
    """A clip of 20 s, to see that everything runs."""
    only: Annotated[str | None, tyro.conf.arg(metavar="PROGRAMS")] = None
    """Some of one-thread, recorder, listener, session, with commas between."""

    def measure(self, command: str) -> int:
        """Run the programs, show them side by side, write it."""
        from rich.console import Console

        from mmer.benchmarks.baselines.play import PROGRAMS
        from mmer.benchmarks.baselines.plot import draw
        from mmer.benchmarks.baselines.run import AgainstSettings, run

        self.check()
        settings = AgainstSettings(
            asr=self.asr,
            detector=self.detector,
            provider=self.provider,
            seconds=20 if self.quick else self.seconds,
            minutes=self.minutes,
            only=PROGRAMS if self.only is None else _named(self.only),
        )
        with Console(stderr=True).status("starting") as status:
            found = run(settings, command, status.update)
        self.write(found.report)
        if self.plot is not None:
            draw(found.programs, found.clip, self.plot)
        return 0


def _named(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())
