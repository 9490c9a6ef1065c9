"""Checks of the outputs that a user asks for, before one of them is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer.models.errors import MmerError
from mmer.realtime.inputs import files_read
from mmer.realtime.options import Options
from mmer.realtime.policy import POLICIES
from mmer.realtime.recordings import LINES, MEDIA
from mmer.realtime.sinks.output import STDOUT, refuse_input, refuse_twice
from mmer.realtime.sinks.registry import (
    DEFAULT,
    Target,
    files_of,
    parse_output,
    refuse_mixing,
    writers,
)
from mmer.realtime.sinks.sink import Sink


def check_outputs(
    options: Options,
    targets: Sequence[Target] = (),
    files: Mapping[str, Path] | None = None,
    config: Path | None = None,
) -> None:
    """Raise MmerError for outputs that cannot be: by themselves, or together.

    They store what the policy forbids, mix people up, write to a file that is read, or two of them
    write to one file. ``files`` are further ones by their options ("--overlay"); ``config`` is a
    file of settings that was read.
    """
    files = files or {}
    stored = [f"{option} {path}" for option, path in files.items()]
    POLICIES[options.policy].refuse_writers([*writers(targets), *stored])
    refuse_mixing(options.people, targets)
    written = [file for target in targets for file in files_of(target)]
    written += files.values()
    if options.record is not None:
        written += [options.record / MEDIA, options.record / LINES]
    refuse_twice(written)
    read = (*files_read(options), *([] if config is None else [config]))
    for file in written:
        if file != STDOUT:
            refuse_input(file, *read)


def asked(outputs: Iterable[str | os.PathLike[str] | Sink]) -> list[Target | Sink]:
    """What ``outputs`` of the API name: texts as ``--output`` has them, files of JSON lines, sinks.

    Raises MmerError for anything else, and for one sink given twice.
    """
    if isinstance(outputs, (str, bytes, os.PathLike)):
        raise MmerError(f"outputs is a sequence: ({outputs!r},), not a text or path alone")
    if not isinstance(outputs, Iterable):
        raise MmerError(f"outputs is {outputs!r}, expected a sequence of texts, paths and sinks")
    found = [_asked(output) for output in outputs]
    sinks = [sink for sink in found if not isinstance(sink, Target)]
    if len({id(sink) for sink in sinks}) < len(sinks):
        raise MmerError("outputs has one sink twice: it would get everything twice")
    return found


def _asked(output: Any) -> Target | Sink:
    if isinstance(output, str):
        return parse_output(output)
    if isinstance(output, os.PathLike):
        return Target(DEFAULT, os.fsdecode(output))
    methods = (getattr(output, name, None) for name in ("open", "write", "close"))
    if isinstance(output, type) or not all(map(callable, methods)):
        raise MmerError(f"an output is {output!r}, expected a text, a path or a Sink object")
    sink: Sink = output
    return sink
