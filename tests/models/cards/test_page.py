"""The page of cards tells all that a card says, and what is not there is left out."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mmer.models.cards.card import Coverage, Development, Measured, Parity, load_card, weights_dir
from mmer.models.cards.page import render

FIGURES = (0.4, 0.81, 0.82, 0.73, 0.74, 0.035)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("speech", "text", "face"):
        for suffix in (".json", ".onnx"):
            shutil.copy(weights_dir() / (name + suffix), tmp_path)
    return tmp_path


def test_all_that_a_card_says_is_on_the_page(folder: Path) -> None:
    card = load_card(folder / "face.json")
    full = replace(
        card,
        name="fusion",
        modality="fusion",
        intended_use=("a study",),
        unintended_use=("a court",),
        known_failures=("the left-handed",),
        starting_point="another network (MIT)",
        precision="int8",
        latency_ms=1.54,
        machine="an abacus",
        parity=Parity(500, 1e-6, 1e-5, 1.0, 0.012, 0.13, 0.992),
        development=Development("clouds", 90, *FIGURES, "a note", {"joy": 0.5, "fear": 0.25}),
        conditions=(Development("fog", 9, *FIGURES),),
        coverage=(Coverage(0.0, 1.0, 0.8, None), Coverage(0.3, 0.7, 0.9, 0.2)),
        abstain_below=0.3,
        abstention="Because it is so.",
        measured=(
            Measured("sky", "", 8, *FIGURES, {"accuracy": [0.7, 0.9]}, "mmer-evaluate face"),
            Measured("sky", "at night", 8, *FIGURES, {}, "mmer-evaluate face"),
        ),
    )
    full.save(folder / "fusion.json")
    page = render(folder)
    section = page[page.index("## fusion") :]
    megabytes = (folder / card.file).stat().st_size / 1e6
    assert "on one thread of an abacus." in section
    for told in (
        f"int8, {megabytes:.2f} MB; 1.54 ms a development item (median) on one thread",
        "Starting point: another network (MIT).",
        "Made for:\n\n- a study\n",
        "Not made for:\n\n- a court\n",
        "| as it is | 0.810 | 0.400 | 0.820 | 0.730 | 0.740 | 0.035 | 90 |",
        "| fog | 0.810 | 0.400 | 0.820 | 0.730 | 0.740 | 0.035 | 9 |",
        "| anger | disgust | fear | joy | neutral | sadness | surprise |",
        "| - | - | 0.250 | 0.500 | - | - | - |",
        "a note",
        "Withhold answers below a confidence of 0.3. Because it is so.",
        "| 0 | 1.000 | 0.800 | - |",
        "| **0.3** | 0.700 | 0.900 | 0.200 |",
        "on 500 development items: in float32 the largest difference of a logit is 1e-05",
        "as shipped (int8) 0.13, 0.012 and 99.2%.",
        "### Known failures\n\n- the left-handed\n",
        "| sky | - | 0.810 (0.700 to 0.900) | 0.400 | 0.820 | 0.730 | 0.740 | 0.035 | 8 |",
        "| sky | at night | 0.810 | 0.400 |",
        "```\nmmer-evaluate face\n```",
    ):
        assert told in section
    assert "| [fusion](#fusion) | 0.810 | 0.400 |" in page


def test_other_data_are_listed_by_kind_with_what_they_took_part_in(folder: Path) -> None:
    kinds = ("out of domain", "", "development", "in domain", "of a later version")
    measured = tuple(
        Measured(f"data {k}", "", 8, *FIGURES, {}, "", kind=kind) for k, kind in enumerate(kinds)
    )
    card = replace(load_card(folder / "face.json"), measured=measured)
    card.save(folder / "face.json")
    page = render(folder)
    section = page[page.index("## face\n") :]
    section = section[section.index("### On other data") : section.index("### Notes")]
    tables = {
        about: {k for k in range(len(kinds)) if f"| data {k} |" in table}
        for about, table in re.findall(r"^([^|\n]+)\n\n(\| data .+?)\n\n", section, re.M | re.S)
    }
    assert [(about.split(":")[0], rows) for about, rows in tables.items()] == [
        ("Development data", {2}),
        ("In domain", {3}),
        ("Out of domain", {0}),
        ("The card does not say which of these took part in training or tuning.", {1, 4}),
    ]


def test_of_a_card_without_kinds_nothing_is_claimed(folder: Path) -> None:
    for path in folder.glob("*.json"):
        table = json.loads(path.read_text())
        assert table["measured"]
        for entry in table["measured"]:
            entry.pop("kind", None)
        path.write_text(json.dumps(table))
        assert {m.kind for m in load_card(path).measured} == {""}
    page = render(folder)
    assert page.count("The card does not say which") == 3
    assert "nothing was tuned" not in page.lower()


def test_what_a_card_does_not_say_is_left_out(folder: Path) -> None:
    for name in ("speech", "text", "face"):
        card = load_card(folder / f"{name}.json")
        bare = replace(
            card, measured=(), coverage=(), parity=None, known_failures=(), intended_use=()
        )
        bare.save(folder / f"{name}.json")
    page = render(folder)
    for title in (
        "fusion",
        "On other data",
        "Withhold",
        "Against the trained",
        "badly",
        "Made for",
    ):
        assert title not in page
    assert "None" not in page
