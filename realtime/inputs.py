"""Files that a recognizer reads, which no output may overwrite."""

from __future__ import annotations

from pathlib import Path

from mmer.models.cards.card_files import model_files
from mmer.realtime.options import BASELINES, Options
from mmer.realtime.recordings import LINES, recorded_with
from mmer.realtime.sources.address import resolved


def files_read(options: Options) -> tuple[Path, ...]:
    """The source's file, the lines of a recording, the baseline's file and those of the models.

    Names of devices and addresses are among them: they are no files.
    """
    named = [text for text in (options.source, options.video) if isinstance(text, str)]
    found = [Path(resolved(text)) for text in named]
    if isinstance(options.source, str) and recorded_with(options.source) is not None:
        found.append(Path(options.source).with_name(LINES))
    if options.baseline not in BASELINES:
        found.append(Path(options.baseline))
    return (*found, *model_files(options.weights))
