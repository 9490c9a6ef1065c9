"""Preparation of a session: open the sources and load the models before its time begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.inputs import files_read
from mmer.realtime.memory import trim
from mmer.realtime.messages import Notice, Stream
from mmer.realtime.options import Options
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.sources.source import Source

if TYPE_CHECKING:
    from mmer.realtime.shared_models import SharedModels


@dataclass
class Prepared:
    """Opened sources and a loaded pipeline, ready to run."""

    sources: list[Source]
    pipeline: Pipeline
    notices: list[Notice]
    info: SessionInfo

    def close(self) -> None:
        """Close the sources; harmless when repeated."""
        for source in self.sources:
            source.close()


def prepare(
    options: Options,
    clock: SessionClock,
    report: Callable[[str], None] | None = None,
    models: SharedModels | None = None,
) -> Prepared:
    """Open sources first (a wrong path should fail at once), then load what ``models`` lack."""
    from mmer.models.store.store import Store
    from mmer.realtime.assemble import assemble
    from mmer.realtime.open_sources import open_sources, wanted_streams

    sources, notices = open_sources(options, clock)
    try:
        streams: frozenset[Stream] = frozenset().union(*(s.streams for s in sources))
        if not (streams := streams & wanted_streams(options)):
            raise MmerError(
                f"{sources[0].name} has none of the streams that --modalities "
                f"{','.join(options.modalities)} need"
            )
        if options.people != "largest" and "video" not in streams:
            raise MmerError(
                f"--people {options.people} needs video, and {sources[0].name} has none"
            )
        store = Store(offline=options.offline or None, report=report)
        made = assemble(options, streams, store, shared=models)
    except BaseException:
        for source in sources:
            source.close()
        raise
    trim()  # of what the loading needed
    durations = [s.duration_s for s in sources if s.duration_s is not None]
    duration_s = max(durations, default=None)
    info = SessionInfo(
        utc=None,
        source={
            **_name(options, sources),
            "streams": sorted(streams),
            "duration_s": None if duration_s is None else round(duration_s, 3),
        },
        models=made.models,
        provider=made.provider,
        config=options.for_json(),
        policy=options.policy,
        streams=streams,
        duration_s=duration_s,
        reads=files_read(options),
    )
    return Prepared(sources, made.pipeline.guarded(), [*notices, *made.notices], info)


def _name(options: Options, sources: list[Source]) -> dict[str, Any]:
    """Kind and name of what is read, as the session line shows them."""
    if options.source is None:
        return {"kind": "device", "name": [s.name for s in sources]}
    if isinstance(options.source, str):
        return {"kind": "file", "name": options.source}
    return {"kind": "object", "name": options.source.name}
