"""`mmer-bench reopen`: memory, threads and files of a program that opens recognizers for days."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from mmer.benchmarks.harness.command import Outputs, Say, check_count
from mmer.benchmarks.harness.machine import load_psutil
from mmer.benchmarks.harness.process import threads_and_files
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.statistics import slope
from mmer.models.errors import MmerError

COUNT: Final = 100
SETTLED: Final = 10
"""Of so many at the start nothing is evaluated: libraries load, and heaps fill."""
BLOCK: Final = 5
"""Openings in a block of the slope's interval: memory has a tooth, as heaps are reused."""


@dataclass(frozen=True, kw_only=True)
class Reopen(Outputs):
    """Memory, threads and open files while recognizers are opened and closed.

    One process opens `mmer.Recognizer` on the demo with everything on and closes it, again and
    again.
    """

    count: int = COUNT
    """Recognizers, one after the other."""

    def check(self) -> None:
        super().check()
        check_count(self.count)

    def run(self, say: Say) -> Report:
        command = (sys.executable, "-m", __name__, str(self.count))
        opened: list[Opened] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            for line in process.stdout:
                opened.append(Opened(**json.loads(line)))
                say(f"{len(opened)} of {self.count} opened and closed")
        if process.returncode or len(opened) != self.count:
            raise MmerError(f"the process ended with status {process.returncode}")
        return Report(
            kind="reopen",
            title=f"mmer-bench reopen: {self.count} recognizers opened and closed",
            settings=self.settings(),
            models=opened[-1].models,
            rows=rows(opened),
            series={"memory_mb": [(float(n), one.mb) for n, one in enumerate(opened, 1)]},
        )


@dataclass(frozen=True)
class Opened:
    """What the process holds after one more recognizer was closed."""

    mb: float  # resident
    threads: int
    files: int
    models: dict[str, Any]


def rows(opened: Sequence[Opened]) -> list[Row]:
    """Growth of memory, of threads and of open files once it has settled."""
    settled = opened[SETTLED:]
    mb = [one.mb for one in settled]
    found = slope([60.0 * n for n in range(len(mb))], mb, block_s=60.0 * BLOCK)
    memory = Row(
        key="memory",
        what=f"memory after each of {len(opened)} closings",
        measured="not measured",
        target="0 within its interval",
        note=f"needs --count {SETTLED + 4 * BLOCK} or more",
    )
    if found is not None:
        memory = Row(
            key="memory",
            what=memory.what,
            measured=f"{found.per_minute:+.3f} MB an opening ({found.low:+.3f} to "
            f"{found.high:+.3f})",
            target=memory.target,
            passed=found.low <= 0,
            note=f"{opened[0].mb:.0f} MB after the first, {median(mb[: 2 * BLOCK]):.0f} after "
            f"{SETTLED} to {SETTLED + 2 * BLOCK}, {median(mb[-2 * BLOCK :]):.0f} after the last "
            f"{2 * BLOCK}, at most {max(mb):.0f}",
            values={"mb": found.per_minute, "low": found.low, "high": found.high},
            samples={"memory_mb": mb},
        )
    first, last = (settled or opened)[0], opened[-1]
    held = Row(
        key="held",
        what="threads and open files",
        measured=f"{first.threads} and {last.threads} threads, "
        f"{first.files} and {last.files} files",
        target="no growth",
        passed=last.threads <= first.threads and last.files <= first.files,
        note=f"after {len(opened) - len(settled) + 1 if settled else 1} and {len(opened)} closings",
    )
    return [memory, held]


def main() -> None:
    """Run as ``python -m ... COUNT``: a line of JSON for each recognizer."""
    from mmer.realtime.demo import clip
    from mmer.realtime.recognizer import Recognizer

    process = load_psutil().Process()
    for _ in range(int(sys.argv[1])):
        with Recognizer(clip(), offline=True) as recognizer:
            models = dict(recognizer.info.models)
        del recognizer
        gc.collect()
        mb = process.memory_info().rss / 2**20
        threads, files = threads_and_files()
        held = {"mb": mb, "threads": threads, "files": files, "models": models}
        print(json.dumps(held), flush=True)


if __name__ == "__main__":
    main()
