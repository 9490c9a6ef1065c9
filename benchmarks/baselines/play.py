"""A clip in real time to a baseline loop, in a process of its own.

Runs as ``python -m mmer.benchmarks.baselines.play LOOP OPTIONS OUTPUT NOTES``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmer.benchmarks.baselines.devices import Devices
from mmer.benchmarks.baselines.loops import LOOPS, Display
from mmer.benchmarks.baselines.models import Models
from mmer.benchmarks.harness.trace import note_to
from mmer.models.command import run_command
from mmer.realtime.clock import SessionClock


def play(name: str, options: Mapping[str, Any], output: Path, notes: Path) -> None:
    """Run a loop to the end of the clip; its printed lines and the notes go to files."""
    models = Models(options["asr"], options["detector"], options["provider"])
    with output.open("w", encoding="utf-8") as printed, notes.open("w", encoding="utf-8") as file:
        note = note_to(file)
        devices = Devices(Path(options["source"]), SessionClock(), note)
        note("models", models.names)
        note("provider", models.provider)
        devices.start()
        print(name, file=printed, flush=True)  # everything is loaded, the clip begins
        LOOPS[name](devices, models, Display(devices, note, printed))
        devices.close()


def main() -> None:
    """``LOOP OPTIONS OUTPUT NOTES``, the options as JSON."""
    name, options, output, notes = sys.argv[1:]
    play(name, json.loads(options), Path(output), Path(notes))


if __name__ == "__main__":
    run_command("loop", main)
