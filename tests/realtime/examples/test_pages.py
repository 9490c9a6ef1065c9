"""Pages of the examples: their code can be compiled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "realtime" / "examples"


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_to_files_and_code_compiles(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.resolve().parent / link).exists(), link
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(code, page.name, "exec")


def test_psychopy_pages_channels_are_those_of_the_stream() -> None:
    from mmer.realtime.sinks.lsl import CHANNELS

    text = (FOLDER / "psychopy.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^labels = (\[.*\])$", text, re.MULTILINE)
    assert tuple(re.findall(r'"(\w+)"', listed)) == CHANNELS[:7]
