"""Annotation tools: ELAN (EAF 2.8) and Praat (TextGrid), by pympi."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from mmer.realtime.exports.run import Run
from mmer.realtime.exports.segments import TIERS, segments

_NO_DATE: Final = "1970-01-01T00:00:00+00:00"
"""ELAN's file must have a date; a replay has none, and its files are the same every time."""


def write_eaf(run: Run, path: Path) -> None:
    """ELAN file with one tier each for transcript, utterance labels, running and modality labels.

    Links the recognized media file. Times are in milliseconds.
    """
    from pympi.Elan import Eaf

    eaf = Eaf(author="mmer")
    eaf.adocument["DATE"] = _NO_DATE if run.utc is None else run.utc.isoformat(timespec="seconds")
    if run.media is not None:
        kind = mimetypes.guess_type(run.media.name)[0] or "application/octet-stream"
        eaf.add_linked_file(run.media.absolute().as_uri(), mimetype=kind)
    eaf.add_property("mmer-policy", run.policy)
    made = segments(run)
    for name in TIERS:
        eaf.add_tier(name)
        for segment in made[name]:
            eaf.add_annotation(name, segment.start_ms, segment.end_ms, segment.text)
    eaf.remove_tier("default")
    eaf.to_file(str(path))


def write_textgrid(run: Run, path: Path) -> None:
    """Praat TextGrid with the same tiers as intervals, in seconds; gaps are empty intervals."""
    from pympi.Praat import TextGrid

    made = segments(run)
    ends = [segment.end_ms for tier in made.values() for segment in tier]
    grid = TextGrid(xmin=0, xmax=max(ends, default=1) / 1000)
    for name in TIERS:
        tier = grid.add_tier(name)
        for segment in made[name]:
            start, end = segment.start_ms / 1000, segment.end_ms / 1000
            tier.add_interval(start, end, segment.text, check=False)  # checks all pairs
    grid.to_file(str(path))
