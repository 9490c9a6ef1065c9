"""Check of a preparation's settings by name and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mmer.models.errors import MmerError

LARGEST: Final = 1_000_000
"""No setting is larger: lengths, sizes, rates in Hz and counts, which decide on memory."""


def checked(settings: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` without ``kind``, if they are those of ``types`` by name and type.

    Raises:
        MmerError: one is missing, unknown, of another type, or a number that none can be.
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
        if expected in (int, float) and not abs(value) <= LARGEST:  # NaN too
            raise MmerError(
                f"preparation {kind!r}: {name} is {value!r}, expected {LARGEST} at most"
            )
    return given
