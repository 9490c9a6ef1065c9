"""Registry: named entries whose classes are imported when they are first used.

Every table of things that a user picks by name is one: encoders, heads, fusions, preparations,
corpora, tasks, speech recognizers, face detectors, outputs. One entry holds all facts of its thing.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from mmer.models.errors import MmerError


@dataclass(frozen=True)
class Entry:
    """One named thing; a registry with more facts subclasses this."""

    place: str  # "package.module:Name"
    summary: str  # a noun phrase, for --list
    paper: str = ""


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """Entries by name, in order; ``kind`` is what error messages call one ("encoder")."""

    def __init__(self, kind: str, entries: Mapping[str, E]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> E:
        """The entry ``name``; raises MmerError that lists the known names."""
        if name not in self:
            raise MmerError(f"no {self.kind} {name!r}; known are {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> ItemsView[str, E]:
        """Names and entries."""
        return self._entries.items()

    def load(self, name: str) -> Any:
        """The class or function ``name``; raises MmerError as above, ImportError for a package."""
        module, attribute = self[name].place.split(":")
        return getattr(import_module(module), attribute)

    def add(self, name: str, entry: E) -> None:
        """Add an entry, from outside this project too; raises MmerError where the name is taken."""
        if name in self:
            raise MmerError(f"there is already a {self.kind} {name!r}")
        self._entries[name] = entry
