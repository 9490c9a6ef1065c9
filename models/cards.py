"""The shipped models' cards as one page to read: ``python -m mmer.models.cards > CARDS.md``."""

from __future__ import annotations

from pathlib import Path

from mmer.models.card import Card, load_card, weights_dir
from mmer.models.labels import MODALITIES

_HEAD = """\
# Model cards

Written by `python -m mmer.models.cards` from the JSON cards in `weights/`, which say more (the
recipe, the preprocessing). Licence: `weights/LICENSE.md`. All figures are on development data:
the weights were not fitted to it, but the recipes were judged by it. The floor is the accuracy of
always giving the commonest answer; recall is the mean over classes; ece is how far confidence is
from accuracy.

| model | accuracy | floor | weighted F1 | macro F1 | recall | ece | n | size |
|---|---|---|---|---|---|---|---|---|
"""


def _row(card: Card, folder: Path) -> str:
    d = card.development
    kilobytes = (folder / card.file).stat().st_size / 1000
    shown = (d.accuracy, d.floor_accuracy, d.weighted_f1, d.macro_f1, d.unweighted_recall, d.ece)
    figures = " | ".join(f"{value:.3f}" for value in shown)
    return f"| {card.name} | {figures} | {d.n} | {kilobytes:.0f} kB |"


def _section(card: Card) -> str:
    lines = [
        f"## {card.name}",
        "",
        f"`{card.file}`, sha256 `{card.sha256[:16]}...`; temperature {card.temperature:g}.",
        f"Measured on: {card.development.data}.",
        "",
        "| trained on | items | split | licence |",
        "|---|---|---|---|",
        *(f"| {t.source} | {t.items} | {t.split} | {t.licence} |" for t in card.training),
        "",
        *(f"- {note}" for note in (*card.notes, card.development.note) if note),
    ]
    return "\n".join(lines)


def render(folder: Path) -> str:
    """The page for the models in ``folder``, in Markdown.

    Raises:
        MmerError: a card is missing or not sound.
    """
    cards = [load_card(folder / f"{modality}.json") for modality in MODALITIES]
    table = "\n".join(_row(card, folder) for card in cards)
    return _HEAD + table + "\n\n" + "\n\n".join(_section(card) for card in cards) + "\n"


if __name__ == "__main__":
    print(render(weights_dir()), end="")
