"""``mmer-compare A B [C ...]``: significance of differences on the same items."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag, parse
from mmer.realtime.sinks.output import check_output_path, refuse_input
from mmer.training.evaluation.report import NAMES
from mmer.training.metrics.bootstrap import Groups, check_draws, regroup
from mmer.training.metrics.figures import Figures, figures
from mmer.training.metrics.predictions import FILE, Predictions
from mmer.training.metrics.significance import (
    MEASURES,
    Difference,
    Folds,
    McNemar,
    differences,
    holm,
    mcnemar,
    over_folds,
)
from mmer.training.storage import write_json


@dataclass(frozen=True)
class Arguments:
    """Compare models by their predictions of the same items.

    By McNemar's exact test and by the bootstrap over speakers or dialogues; with several models p
    is also corrected by Holm's method.
    """

    reference: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """Reference: a file of predictions (mmer-evaluate --predictions), or
    the folder of a run that holds predictions.npz."""
    others: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="B [C ...]")]
    """One or more others."""
    common: Flag = False
    """Compare on the items that all have, where some have more."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here as JSON."""
    resamples: Annotated[int, tyro.conf.arg(metavar="N")] = 10_000
    """Draws of the bootstrap."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Of the draws."""


@dataclass(frozen=True)
class Versus:
    """One model and its difference from the reference; ``corrected`` has p after Holm."""

    name: str
    figures: Figures
    mcnemar: McNemar
    differences: dict[str, Difference]
    folds: dict[str, Folds] | None
    corrected: dict[str, float]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A reference and others; ``left_out`` counts the items that not all have."""

    name: str
    figures: Figures
    groups: Groups
    left_out: int
    others: tuple[Versus, ...]

    def for_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "reference": {"name": self.name, **asdict(self.figures)},
            "resampled_by": self.groups.by,
            "groups": self.groups.n,
            "left_out": self.left_out,
            "others": [asdict(versus) for versus in self.others],
        }


def compare(
    predictions: Sequence[Predictions],
    names: Sequence[str],
    *,
    common: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """The first compared with each of the others, two or more in all.

    Raises:
        MmerError: they are of different items, or do not agree on their labels.
    """
    check_draws(resamples, seed)
    matched, left_out = _matched(predictions, names, common)
    first = matched[0]
    groups = regroup(first.groups.tolist())
    right = [p.log_probs.argmax(axis=1) == first.labels for p in matched]
    tests = [mcnemar(right[0], r) for r in right[1:]]
    gaps = [
        differences(first.log_probs, p.log_probs, first.labels, groups.of, resamples, seed)
        for p in matched[1:]
    ]
    corrected = {"mcnemar": holm([test.p for test in tests])}
    for measure in MEASURES:
        corrected[measure] = holm([gap[measure].p for gap in gaps])
    rows = zip(names[1:], matched[1:], tests, gaps, strict=True)
    others = tuple(
        Versus(
            name,
            figures(p.log_probs, p.labels),
            test,
            gap,
            _folds(first, p),
            {measure: values[k] for measure, values in corrected.items()},
        )
        for k, (name, p, test, gap) in enumerate(rows)
    )
    return Comparison(names[0], figures(first.log_probs, first.labels), groups, left_out, others)


def _matched(
    predictions: Sequence[Predictions], names: Sequence[str], common: bool
) -> tuple[list[Predictions], int]:
    """Each with the items that all have, in the first's order; how many items are left out."""
    ids = [set(p.ids.tolist()) for p in predictions]
    shared, union = set.intersection(*ids), set.union(*ids)
    if not shared:
        raise MmerError("no item is in all of them: they are of different data")
    left_out = len(union) - len(shared)
    if left_out and not common:
        counts = ", ".join(f"{name} {len(one)}" for name, one in zip(names, ids, strict=True))
        raise MmerError(
            f"they are not of the same items ({counts}, in all of them {len(shared)}): "
            "--common compares on those that all have"
        )
    order = [name for name in predictions[0].ids.tolist() if name in shared]
    matched = []
    for p, name in zip(predictions, names, strict=True):
        row = {item: k for k, item in enumerate(p.ids.tolist())}
        matched.append(p.of([row[item] for item in order]))
        if (wrong := np.flatnonzero(matched[-1].labels != matched[0].labels)).size:
            raise MmerError(
                f"{names[0]} and {name} do not agree on what is right for {wrong.size} items, "
                f"first {order[wrong[0]]}: evaluate both on the same data"
            )
    return matched, left_out


def _folds(first: Predictions, second: Predictions) -> dict[str, Folds] | None:
    """Figures over the folds, where both have the same two or more for all items."""
    fold = first.fold
    if (fold < 0).any() or len(np.unique(fold)) < 2 or (fold != second.fold).any():
        return None
    return over_folds(first.log_probs, second.log_probs, first.labels, fold)


def render(c: Comparison) -> str:
    """The comparison as text; figures and differences in percent."""
    lines = [f"reference {c.name}: {c.figures.n} items, resampled by {c.groups}"]
    if c.left_out:
        lines.append(f"{c.left_out} items are left out that not all of them have")
    many = len(c.others) > 1
    for v in c.others:
        p_head = "       p    Holm" if many else "       p"
        lines += [
            "",
            f"{v.name}",
            f"  {'':18s} reference   this  difference        95 %     {p_head}",
        ]
        for measure in MEASURES:
            d = v.differences[measure]
            lines.append(
                f"  {NAMES[measure]:18s} {100 * getattr(c.figures, measure):9.1f} "
                f"{100 * getattr(v.figures, measure):6.1f} {100 * d.value:+11.1f} "
                f" {100 * d.low:+6.1f} .. {100 * d.high:+5.1f}  {d.p:7.4f}"
                + (f" {v.corrected[measure]:7.4f}" if many else "")
            )
        m = v.mcnemar
        holm_p = f", after Holm {v.corrected['mcnemar']:.4f}" if many else ""
        lines.append(
            f"  McNemar, exact: right where the other is wrong, reference {m.first}, this "
            f"{m.second}: p {m.p:.4f}{holm_p}"
        )
        for measure, f in (v.folds or {}).items():
            one, other, gap = (
                f"{100 * mean:.1f} (deviation {100 * spread:.1f})"
                for mean, spread in (f.first, f.second, f.difference)
            )
            lines.append(
                f"  {f.k} folds, {NAMES[measure]}: reference {one}, this {other}, difference {gap}"
            )
    return "\n".join(lines)


def _names(paths: Sequence[Path]) -> list[str]:
    """Paths as they were given; the same twice is a mistake."""
    names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise MmerError("the same predictions are named twice")
    return names


def _run(arguments: Arguments) -> None:
    paths = (arguments.reference, *arguments.others)
    if len(paths) < 2:
        raise MmerError("name two files of predictions or more: mmer-compare A B")
    names = _names(paths)
    if arguments.json is not None:
        check_output_path(arguments.json)
        refuse_input(arguments.json, *paths, *(path / FILE for path in paths))
    found = compare(
        [Predictions.load(path) for path in paths],
        names,
        common=arguments.common,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )
    if arguments.json is not None:
        write_json(arguments.json, found.for_json())
    print(render(found))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    given = sys.argv[1:] if argv is None else argv
    run_command("mmer-compare", lambda: _run(parse(Arguments, "mmer-compare", given)))


if __name__ == "__main__":
    main()
