"""Sources for the options, opened."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from numbers import Integral
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.files import check_name
from mmer.models.store.store import is_offline
from mmer.realtime.clock import Clock
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import Options
from mmer.realtime.recordings import media_of, recorded_with, what_differs
from mmer.realtime.sources.abandon import abandoned_on_error
from mmer.realtime.sources.address import refuse_network, resolved
from mmer.realtime.sources.checked import CheckedSource
from mmer.realtime.sources.source import Source

_PATIENCE_S: Final = 10.0
"""How long a device that is lost is waited for without ``reconnect``."""


def open_sources(options: Options, clock: Clock) -> tuple[list[Source], list[Notice]]:
    """Open the file, the source object or the devices; raises MmerError where that fails.

    A device that was asked for must open; a default one that is not there becomes a notice, as
    long as the other is. A stream that no chosen modality needs is not opened.
    """
    with abandoned_on_error(options.source):  # which is not opened then
        wanted = wanted_streams(options)
    offline = options.offline or is_offline()
    if options.source is not None and not isinstance(options.source, str):
        own = CheckedSource(options.source)
        own.open(clock)
        return [own], []
    if options.source is not None:
        from mmer.realtime.sources.media import MediaFile

        refuse_network(options.source, offline)
        # a recording has the session's own times, and its frames are thinned already
        recorded = recorded_with(options.source)
        thinned = recorded is not None and recorded.get("video_fps") == options.video_fps
        media = MediaFile(
            options.source,
            video_fps=None if thinned else options.video_fps,
            wanted=wanted,
            zero_s=None if recorded is None else 0.0,
        )
        media.open(clock)
        why = "" if recorded is None else what_differs(options.source)
        return [media], [Notice(0.0, "info", "recording", why)] if why else []
    made: list[tuple[str, bool, Source]] = []  # (stream, asked for by name, source)
    patience_s = math.inf if options.reconnect else _PATIENCE_S
    if "audio" in wanted:
        from mmer.realtime.sources.microphone import Microphone

        microphone = Microphone(device_of(options.audio), patience_s=patience_s)
        made.append(("audio", options.audio is not None, microphone))
    if "video" in wanted:
        from mmer.realtime.sources.camera import Camera

        video = None if options.video is None else resolved(options.video)
        check_name("video", video)
        refuse_network(video or "", offline)
        name = device_of(video)
        camera = Camera(0 if name is None else name, patience_s=patience_s)
        made.append(("video", options.video is not None, camera))
    opened: list[Source] = []
    notices: list[Notice] = []
    with ExitStack() as undo:
        for stream, asked, source in made:
            try:
                source.open(clock)
            except MmerError as problem:
                if asked or len(made) == 1:
                    raise
                about = "microphone" if stream == "audio" else "camera"
                notices.append(Notice(0.0, "warning", about, str(problem)))
            else:
                opened.append(source)
                undo.callback(source.close)
        undo.pop_all()
    if not opened:
        reasons = "; ".join(notice.text.partition(";")[0] for notice in notices)
        raise MmerError(
            f"{reasons}: connect one (mmer-live --list-devices shows what is found), or name a "
            "media file: mmer-live FILE"
        )
    return opened, notices


def wanted_streams(options: Options) -> frozenset[Stream]:
    """What the chosen modalities need, less what was switched off; MmerError if nothing is left."""
    wanted: set[Stream] = set()
    by_sound = {"speech"} if options.asr == "none" else {"speech", "text"}
    if options.audio != "none" and by_sound & set(options.modalities):
        wanted.add("audio")
    if options.video != "none" and "face" in options.modalities:
        wanted.add("video")
    if not wanted:
        off = "--audio none" if options.audio == "none" else "--video none"
        raise MmerError(f"{off} leaves nothing for --modalities {','.join(options.modalities)}")
    return frozenset(wanted)


def named_source(source: Any) -> Any:
    """A caller's ``source`` for `Options`: of a path its text, of a recording its media file."""
    if isinstance(source, (str, os.PathLike)):
        return media_of(resolved(os.fsdecode(source)))
    return source


def named_device(device: Any) -> Any:
    """A device's number as text; what is neither text nor a number is for `Options` to refuse."""
    is_number = isinstance(device, Integral) and not isinstance(device, bool)
    return str(device) if is_number else device


def device_of(name: str | None) -> int | str | None:
    """A device's index where ``name`` is a number, else its name."""
    return int(name) if name is not None and name.isdecimal() else name
