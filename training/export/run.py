"""``mmer-export RUN``: a trained combination as ONNX files and cards, ready for mmer-live."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from mmer.models.cards.card import Card, Parity
from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.machine import cpu_name
from mmer.training.datasets.data_folder import data_dir
from mmer.training.metrics.calibration import (
    ABSTENTION,
    choose_threshold,
    coverage_curve,
    cross_fitted,
)
from mmer.training.metrics.figures import fit_temperature, log_softmax
from mmer.training.recipes.recipe import need_torch

if TYPE_CHECKING:
    from mmer.training.export.run_networks import Exported
    from mmer.training.multimodal.task import MultimodalTask

MIN_S = 0.5
"""The voice is judged from so many seconds of an utterance on."""
LONGEST_S = 10.0
LICENCE = (
    "Trained by its user: the licences of the corpus and of the pretrained encoders apply, which "
    "may forbid to pass the weights on."
)


@dataclass(frozen=True)
class Arguments:
    """Write a run of the field's models as one ONNX file and card a modality, and their fusion.

    What is written answers as the trained network does on up to 500 development items, or nothing
    is written. Then: mmer-live --weights DIR, mmer-evaluate speech --weights DIR.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run: mmer-train's --output."""
    output: Path | None = None
    """Folder for the files; by default RUN/export."""
    data: Path | None = None
    """Folder of the corpora, for the development items; by default what MMER_DATA names."""
    cache: Path | None = None
    """Folder of what frozen encoders say: see mmer-features."""


def export_run(run: Path, data: Path, output: Path, cache: Path | None) -> list[Card]:
    """Export a run; returns the cards written.

    Raises:
        MmerError: there is no run, its corpus is missing, or the exported network does not answer
            as the trained one does; nothing is written then.
    """
    need_torch()
    from mmer.training.export.run_networks import write_all
    from mmer.training.multimodal.run import open_run

    task, network = open_run(run, data, cache, rows=False)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MmerError(f"cannot make the folder {output}: {error.strerror}") from error
    if others := sorted(p.name for p in output.glob("*.json")):
        raise MmerError(
            f"{output} holds {', '.join(others)}: an older export could be taken for this one; "
            "choose another --output, or remove it"
        )
    with TemporaryDirectory(dir=output) as made:
        written = write_all(task, network, Path(made))
        cards = [_card(one, task) for one in written]
        for one in written:
            one.path.replace(output / one.path.name)
            for name, content in one.files.items():
                (output / name).write_bytes(content)
    for card in cards:
        task.seen().save(output / card.seen)
        card.save(output / f"{card.name}.json")
    return cards


def _card(one: Exported, task: MultimodalTask) -> Card:
    from mmer.training.export.encoder import development_figures, shown_failures

    recipe = task.recipe
    temperature = fit_temperature(one.logits, one.labels)
    (scaled,) = cross_fitted([one.logits], one.labels, one.groups, 1)
    curve = coverage_curve(scaled, one.labels)
    note = (
        f"{len(one.labels)} development items, spread evenly. ece is cross-fitted: each half of "
        "the items is judged by a temperature of the other half."
    )
    choices = task.options.encoders
    models = [str(c.options.get("model", "")) for c in choices.values()]
    return Card(
        name=one.name,
        modality=one.name,
        file=one.path.name,
        sha256=sha256_of(one.path),
        labels=EMOTIONS,
        preprocessing=preprocessing(one.name, task),
        temperature=round(temperature, 4),
        training=task.training_data(),
        recipe=recipe.as_dict(),
        development=development_figures(task.development_data, scaled, one.labels, note),
        licence=LICENCE,
        notes=(f"{one.name} of the recipe {recipe.name}.", *task.notes()),
        intended_use=task.intended_use,
        unintended_use=task.unintended_use,
        known_failures=shown_failures(scaled, one.labels, one.groups),
        starting_point=", ".join(dict.fromkeys(m for m in models if m)),
        seen=f"{one.name}.seen.npz",
        latency_ms=round(one.latency_ms, 2),
        machine=cpu_name(),
        parity=one.parity,
        coverage=curve,
        abstain_below=choose_threshold(curve),
        abstention=ABSTENTION,
    )


def preprocessing(name: str, task: MultimodalTask) -> dict[str, Any]:
    """What the live wrapper must know: see ``mmer.models.prepared``."""
    options = task.options
    if name == "fusion":
        uses = task.fusion_uses()
        return {"modalities": list(options.modalities), "uses": uses, "kind": options.fusion}
    encoder = task.encoders[name]
    settings = encoder.preparation.settings()
    table: dict[str, Any] = {"input": settings}
    if name == "speech":
        table |= {"min_s": MIN_S, "max_s": settings.get("longest_s", LONGEST_S)}
    elif name == "text":
        table |= {"past_utterances": settings.get("past", 0)}
    else:
        table |= {"sees": encoder.sees, "count": settings["count"]}
    return table


def compared(torch_logits: np.ndarray, onnx_logits: np.ndarray, what: str) -> Parity:
    """Parity of float32 logits (N, 7).

    Raises:
        MmerError: a probability differs by more than a thousandth.
    """
    gap = float(np.abs(torch_logits - onnx_logits).max())
    ours, theirs = log_softmax(torch_logits), log_softmax(onnx_logits)
    probability = float(np.abs(np.exp(ours) - np.exp(theirs)).max())
    agreement = float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean())
    if probability > 1e-3:
        raise MmerError(f"{what}: exported probabilities differ from torch's by {probability:.2g}")
    n = len(ours)
    return Parity(n, probability, gap, agreement, probability, gap, agreement)


def main() -> None:
    """The command; a user's mistake is told in one line, with exit status 2."""
    arguments = tyro.cli(Arguments, prog="mmer-export")
    output = arguments.output or arguments.run / "export"
    try:
        cards = export_run(arguments.run, data_dir(arguments.data), output, arguments.cache)
    except MmerError as error:
        print(f"mmer-export: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("mmer-export: stopped; nothing was written", file=sys.stderr)
        raise SystemExit(130) from None
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
