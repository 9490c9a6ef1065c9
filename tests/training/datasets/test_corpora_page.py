"""The notes on the corpora speak of each corpus in the table, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from mmer.training.datasets import named_corpora
from mmer.training.datasets.named_files import NamedFiles
from mmer.training.datasets.registry import corpus_names

FOLDER: Final = Path(__file__).parents[3] / "training/datasets"
PAGE: Final = FOLDER / "CORPORA.md"

pytestmark = pytest.mark.skipif(
    not PAGE.is_file(), reason="the tests run without the sources beside them"
)


def sections() -> dict[str, str]:
    """The text below each heading, by heading."""
    parts = re.split(r"^#{2,3} (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def in_the_table() -> list[str]:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    return [name for name in names if name in corpus_names()]


def test_the_table_links_to_the_notes() -> None:
    assert len(in_the_table()) >= 14
    assert "(CORPORA.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*in_the_table(), "emorynlp", "goemotions", "dailydialog"])
def test_each_corpus_has_its_section(name: str) -> None:
    beginnings = [text.lstrip().split("\n\n")[0] for text in sections().values()]
    assert sum(f"`{name}`" in text for text in beginnings if not text.startswith("|")) == 1


def test_the_layouts_are_those_of_the_readers() -> None:
    page = PAGE.read_text(encoding="utf-8")
    trees = "\n".join(re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    for name in ("ravdess", "emodb", "tess", "savee", "nemo", "urdu", "emogator", "cremad"):
        files = getattr(named_corpora, name.upper())
        assert isinstance(files, NamedFiles)
        example = re.split(r"[ ,]", files.layout)[0]
        assert example in trees
        folder, _, stem = example.rpartition(".")[0].rpartition("/")
        assert re.search(files.pattern.pattern + "$", f"{folder}/{stem}")


def test_links_lead_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in sections()}
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    assert len(links) > 10
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (FOLDER / link).is_file(), link
