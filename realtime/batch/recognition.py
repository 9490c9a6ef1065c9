"""Recognition of one recording after the other on networks that are loaded once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.store.store import Store
from mmer.realtime.assemble import assemble
from mmer.realtime.batch.inputs import Item
from mmer.realtime.open_sources import wanted_streams
from mmer.realtime.options import Options
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.jsonl import LineWriter

log = logging.getLogger("mmer.batch")


@dataclass(frozen=True)
class BatchOptions:
    """Options of a recognizer that hold for every recording; raises MmerError for a wrong value."""

    modalities: tuple[str, ...] = MODALITIES
    asr: str = "auto"
    detector: str = "auto"
    provider: str = "auto"
    weights: str | None = None
    offline: bool = False
    video_fps: float = 20.0
    window_s: float = 4.0
    hop_s: float = 0.25
    hangover_s: float | None = None

    def __post_init__(self) -> None:
        wanted_streams(self.of("recording"))

    def of(self, source: str) -> Options:
        """Options of a recognizer of one file."""
        weights = None if self.weights is None else Path(self.weights)
        return Options(source=source, pace="max", **{**asdict(self), "weights": weights})


class Unreadable(Exception):
    """A recording cannot be recognized; the text says why."""


class Stopped(Exception):
    """The batch was stopped before the recording's end."""


class BatchRecognizer:
    """Networks of ``options``, loaded on construction; one recording at a time.

    ``facts`` is JSON text of the options and of what was loaded: two recognizers with equal facts
    write equal lines. Raises MmerError where a network cannot be loaded.
    """

    def __init__(self, options: BatchOptions) -> None:
        self._models = SharedModels(options.weights, options.provider)
        given = asdict(options)
        self._settings = {k: v for k, v in given.items() if k not in ("weights", "provider")}
        whole = options.of("recording")
        store = Store(offline=options.offline or None)
        made = assemble(whole, wanted_streams(whole), store, shared=self._models)
        self.facts = _facts(given, made.models, made.provider)

    def lines(self, item: Item, stopped: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
        """The recording's JSON lines: those of ``mmer-live PATH --pace max --output FILE``.

        All but the first are equal to the byte. The first has the item's name in place of the path,
        so that the bytes do not depend on where the corpus lies.

        Raises:
            Unreadable: it is no media file, is not there, or the recognizer failed on it.
            Stopped: ``stopped`` has become true.
        """
        writer = LineWriter()
        try:
            with Recognizer(
                item.path, models=self._models, pace="max", **self._settings
            ) as recognizer:
                info = recognizer.info
                yield writer.first(replace(info, source={**info.source, "name": item.name}))
                for event in recognizer.events():
                    if stopped():
                        raise Stopped
                    if (line := writer.event(event, None)) is not None:
                        yield line
        except (Stopped, GeneratorExit):
            raise
        except MmerError as problem:
            raise Unreadable(str(problem)) from problem
        except Exception as problem:  # one recording costs itself alone
            log.exception("%s: the recognizer failed", item.name)
            raise Unreadable(f"the recognizer failed ({type(problem).__name__}: {problem})") from (
                problem
            )


def _facts(
    options: Mapping[str, Any], models: Mapping[str, str | None], provider: Mapping[str, str]
) -> str:
    from mmer import __version__

    facts = {"version": __version__, "options": options, "models": models, "provider": provider}
    return json.dumps(facts, indent=1)
