"""``mmer-export RUN``: a trained run as ONNX files and cards, ready for mmer-live."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import tyro

from mmer.models.cards.card import Card
from mmer.models.checksum import sha256_of
from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import parse
from mmer.training.datasets.data_folder import data_dir
from mmer.training.recipes.recipe import need_torch
from mmer.training.storage import make_folder

LICENCE = (
    "Trained by its user: the licences of the corpus and of the pretrained encoders apply, which "
    "may forbid to pass the weights on."
)


@dataclass(frozen=True)
class Arguments:
    """Export a multimodal run: one ONNX file and card per modality, and one for the fusion.

    What is written answers as the trained network does on up to 500 development items, or nothing
    is written. Then: mmer-live --weights DIR, mmer-evaluate speech --weights DIR.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run: mmer-train's --output."""
    output: Path | None = None
    """Folder for the files; by default RUN/export."""
    data: Path | None = None
    """Folder of the corpora, for the development items; by default what MMER_DATA names."""


def export_run(run: Path, data: Path, output: Path) -> list[Card]:
    """Export a run; returns the cards written.

    Raises:
        MmerError: there is no run, its corpus is missing, or the exported network does not answer
            as the trained one does; nothing is written then.
    """
    need_torch()
    from mmer.training.export.card import make_card
    from mmer.training.export.parts import write_all
    from mmer.training.multimodal.run import open_run

    task, network = open_run(run, data, None, rows=False)
    make_folder(output)
    if others := sorted(p.name for p in output.glob("*.json")):
        raise MmerError(
            f"{output} holds {', '.join(others)}: an older export could be taken for this one; "
            "choose another --output, or remove it"
        )
    models = [str(c.options.get("model", "")) for c in task.options.encoders.values()]
    with TemporaryDirectory(dir=output) as made:
        written = write_all(task, network, Path(made))
        cards = [
            make_card(
                one.path,
                task.recipe,
                task,
                one.answers,
                one.parity,
                one.latency_ms,
                f"{len(one.answers.labels)} development items, spread evenly. ece is cross-fitted: "
                "each half of the items is evaluated with a temperature of the other half.",
                modality=one.name,
                preprocessing=task.preprocessing()[one.name],
                licence=LICENCE,
                notes=(f"{one.name} of the recipe {task.recipe.name}.", *task.notes()),
                starting_point=", ".join(dict.fromkeys(m for m in models if m)),
            )
            for one in written
        ]
        for one in written:
            one.path.replace(output / one.path.name)
            for name, content in one.files.items():
                (output / name).write_bytes(content)
    for card in cards:
        task.seen().save(output / card.seen)
    cards = [replace(card, seen_sha256=sha256_of(output / card.seen)) for card in cards]
    for card in cards:
        card.save(output / f"{card.name}.json")
    return cards


def main() -> None:
    """The command; a user's mistake is one line, with exit status 2."""
    run_command("mmer-export", _export, "stopped; nothing was written")


def _export() -> None:
    arguments = parse(Arguments, "mmer-export", sys.argv[1:])
    output = arguments.output or arguments.run / "export"
    cards = export_run(arguments.run, data_dir(arguments.data), output)
    for card in cards:
        parity = card.parity
        assert parity is not None
        size = (output / card.file).stat().st_size / 1e6
        print(
            f"{output / card.file}: {size:.1f} MB, {card.latency_ms} ms an item; on {parity.items} "
            "items probabilities differ by at most "
            f"{parity.float32_probability:.1g}, {100 * parity.float32_agreement:.1f} % of the "
            "labels agree"
        )
    print(f"mmer-live --weights {output}")


if __name__ == "__main__":
    main()
