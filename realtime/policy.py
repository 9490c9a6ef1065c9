"""Policies of a session: what is analysed and kept (``--policy``), and the notice to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES


@dataclass(frozen=True)
class Policy:
    """A policy: the modalities that may be analysed, and whether files may be written."""

    name: str
    modalities: tuple[str, ...]
    stores: bool
    analysed: str  # for the notice

    def chosen(self, modalities: tuple[str, ...]) -> tuple[str, ...]:
        """``modalities`` as far as the policy allows; raises MmerError for others that were named.

        All of them is the default, which names none.
        """
        if set(modalities) <= set(self.modalities):
            return modalities
        if set(modalities) == set(MODALITIES):
            return self.modalities
        allowed = ",".join(self.modalities)
        raise MmerError(
            f"--policy {self.name} analyses {self.analysed} alone, not "
            f"--modalities {','.join(modalities)}: leave one out, or name {allowed}"
        )

    def refuse_writers(self, options: Iterable[str]) -> None:
        """Raise MmerError where ``options``, which write files, are given and none may be."""
        given = list(options)
        if given and not self.stores:
            raise MmerError(f"--policy {self.name} stores nothing: leave out {', '.join(given)}")


POLICIES: Final = {
    policy.name: policy
    for policy in (
        Policy("open", MODALITIES, stores=True, analysed="voice, words and face"),
        Policy("text-only", ("text",), stores=True, analysed="words"),
        Policy("no-store", MODALITIES, stores=False, analysed="voice, words and face"),
    )
}
"""By name; the first is the default."""
POLICY_NAMES: Final = tuple(POLICIES)
DEFAULT_POLICY: Final = POLICY_NAMES[0]
POLICY_METAVAR: Final = "{" + ",".join(POLICY_NAMES) + "}"
"""The names, for the help of a command."""


def notice(policy: str = DEFAULT_POLICY) -> str:
    """Text to show to the people in front of microphone and camera, before a session.

    It informs them as Article 50(3) of Regulation (EU) 2024/1689 asks; who runs the session, and
    why, is for its operator to add.
    """
    chosen = POLICIES[policy]
    kept = "" if chosen.stores else " Nothing of it is stored here."
    return (
        f"A system that estimates emotion is running. It rates expression in {chosen.analysed}, "
        f"not what a person feels, and it is often wrong.{kept}"
    )
