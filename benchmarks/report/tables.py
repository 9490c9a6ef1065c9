"""Tables of a report: a column for each thing compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Table:
    """Cells as they are shown: a heading a column, a row a line; the first column names the row."""

    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    caption: str = ""
    words: int = 1
    """Number of first columns that are text, on the left; the others are figures."""

    def to_markdown(self) -> str:
        """The table, its caption above."""
        rule = ["---" if n < self.words else "---:" for n in range(len(self.headings))]
        rows = [self.headings, rule, *self.lines]
        shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([*([self.caption, ""] if self.caption else []), *shown, ""])

    def show(self, console: Console) -> None:
        """Print it."""
        from rich.table import Table as Shown

        shown = Shown(title=self.caption or None, title_justify="left")
        for number, heading in enumerate(self.headings):
            shown.add_column(
                heading, overflow="fold", justify="left" if number < self.words else "right"
            )
        for line in self.lines:
            shown.add_row(*line)
        console.print(shown)
