"""``mmer-train --list``: every recipe, encoder, head and fusion, one line each."""

from __future__ import annotations

from importlib import resources

from mmer.models.networks.encoders import ENCODERS
from mmer.models.networks.encoders.head_table import HEADS
from mmer.models.networks.fusions import FUSIONS
from mmer.training.recipes.recipe import load_recipe, recipe_names


def listing() -> str:
    """The whole list, as text; needs no torch."""
    lines = ["Recipes (mmer-train NAME --data DATA)"]
    for name in recipe_names():
        lines.append(_line(name, about(name)))
    lines += ["", "Encoders (a recipe's [options.encoders.MODALITY] kind)"]
    for name, encoder in ENCODERS.items():
        lines.append(
            _line(name, f"{encoder.modality}: {encoder.summary} ({_short(encoder.paper)})")
        )
    lines += ["", "Heads (head)"]
    lines += [_line(name, head.summary) for name, head in HEADS.items()]
    lines += ["", "Fusions (options.fusion)"]
    for name, fusion in FUSIONS.items():
        lines.append(_line(name, f"{fusion.summary} ({_short(fusion.paper)})"))
    return "\n".join(lines)


def about(name: str) -> str:
    """The first sentence of a recipe's comment."""
    file = resources.files("mmer.training.recipes") / f"{name}.toml"
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words.append(line.lstrip("# "))
    sentence = " ".join(words).split(". ")[0].rstrip(".")
    return sentence or load_recipe(name).task


def _line(name: str, words: str) -> str:
    return f"  {name:28} {words}"


def _short(paper: str) -> str:
    """Authors and year."""
    return paper.split(",")[0]
