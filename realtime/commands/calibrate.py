"""`mmer-live --calibrate FILE`: a minute of reading aloud to a baseline file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.baseline_file import network_hashes, save_baseline
from mmer.realtime.calibration import LEAST, Calibration
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import Health, Message
from mmer.realtime.options import Options
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.asked import check_outputs
from mmer.realtime.sinks.output import check_output_path

SECONDS: Final = 60.0
TEXT: Final = """\
The library opens at nine in the morning. The main door is on the north side, next to the car park.
Visitors leave their coats in the cloakroom on the left. The reading rooms are on the first floor.

Books are sorted by subject and then by author. Each shelf has a number at its end. Large maps lie
in flat drawers near the window. Newspapers of the last month hang in the hall.

To borrow a book, take it to the desk with your card. A loan lasts for three weeks. It can be
extended twice, at the desk or by telephone. Books that others have asked for cannot be extended.

The second floor has six small rooms for groups. They are booked by the hour. There is a printer
beside the stairs. It takes coins and cards. Paper is added every morning.

On Fridays the library closes at five. On the other days it closes at seven."""
"""To be read aloud in an even voice; about a minute. It is our own."""


def calibrate(options: Options, file: Path, config: Path | None = None) -> int:
    """Record a minute, or take a media file, and write ``file``; the exit status.

    ``config`` is the file of settings that was read.

    Raises:
        MmerError: the file cannot be written; too little was heard and seen.
    """
    check_output_path(file)
    spoken = tuple(m for m in options.modalities if m != "text")
    if not spoken:
        raise MmerError("--calibrate is about voice and face: see --modalities")
    options = replace(options, modalities=spoken, asr="none", baseline="none")
    check_outputs(options, files={"--calibrate": file}, config=config)
    live = options.source is None
    if live:
        print(f"Read this aloud in your usual voice, looking at the camera:\n\n{TEXT}\n")
    found = Calibration()
    with ExitStack() as leaving:
        recognizer = leaving.enter_context(Recognizer(**vars(options)))
        events = leaving.enter_context(closing(recognizer.events(delivery=Delivery.LOSSLESS)))
        _learn(found, events, recognizer, live)
    offsets = found.offsets()
    if not offsets:
        said, seen_s = int(found.seen["speech"]), int(found.seen.get("face", 0))
        raise MmerError(
            f"only {said} good utterances and {seen_s} s of a face "
            f"(needed: {LEAST['speech']:.0f}, or {LEAST['face']:.0f} s): nothing was written"
        )
    save_baseline(file, offsets, network_hashes(options.weights))
    print(f"{file}: {described(found, spoken)}; use it with --baseline {file}")
    return 0


def described(found: Calibration, modalities: Iterable[str]) -> str:
    """The modalities that are in the file, and what is missing of the others."""
    names = {"speech": "voice", "face": "face"}
    missing = {m: found.missing(m) for m in modalities}
    there = " and ".join(f"the {names[m]}" for m, what in missing.items() if not what)
    absent = ", ".join(f"{names[m]}: {what}" for m, what in missing.items() if what)
    return f"{there} ({absent})" if absent else there


def _learn(
    found: Calibration, events: Iterable[Message], recognizer: Recognizer, live: bool
) -> None:
    for event in events:
        found.add(event)
        if isinstance(event, Health) and live:
            seen = found.seen
            line = f"{event.t:3.0f} of {SECONDS:.0f} s: {int(seen['speech'])} utterances, "
            print(f"\r{line}{int(seen.get('face', 0))} s of the face ", end="", file=sys.stderr)
            if event.t >= SECONDS:
                recognizer.stop()
    if live:
        print(file=sys.stderr)
