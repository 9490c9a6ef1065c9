"""Settings of a preparation as JSON, and the same preparation made from them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar, get_type_hints

from mmer.models.errors import MmerError

T = TypeVar("T")


def settings_of(preparation: Any) -> dict[str, Any]:
    """The fields of a dataclass, and its ``kind``."""
    return {"kind": preparation.kind, **asdict(preparation)}


def from_settings(made: type[T], settings: Mapping[str, Any]) -> T:
    """The dataclass ``made`` of what ``settings_of`` gave.

    Raises:
        MmerError: a setting is missing, unknown or of another type.
    """
    return made(**checked(settings, fields_of(made)))


def fields_of(made: type) -> dict[str, Any]:
    """Name and type of each field of a dataclass."""
    hints = get_type_hints(made)
    return {name: hints[name] for name in made.__dataclass_fields__}  # type: ignore[attr-defined]


def checked(settings: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` without ``kind``, if they are those of ``types`` by name and type.

    Raises:
        MmerError: one is missing, unknown or of another type.
    """
    kind = settings.get("kind")
    given = {name: value for name, value in settings.items() if name != "kind"}
    if unknown := sorted(set(given) - set(types)):
        known = ", ".join(sorted(types)) or "none"
        raise MmerError(f"preparation {kind!r} has no {', '.join(unknown)}; known are {known}")
    if missing := sorted(set(types) - set(given)):
        raise MmerError(f"preparation {kind!r} lacks {', '.join(missing)}: the card is damaged")
    for name, expected in types.items():
        value = given[name]
        if expected is float and type(value) is int:
            given[name] = float(value)
        elif type(value) is not expected:
            raise MmerError(
                f"preparation {kind!r}: {name} is {value!r}, expected {expected.__name__}"
            )
    return given
