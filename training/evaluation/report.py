"""Report of an evaluation as text."""

from __future__ import annotations

from typing import Final

from mmer.models.labels import EMOTIONS
from mmer.training.evaluation.result import Evaluation
from mmer.training.metrics.bootstrap import METRICS

NAMES: Final = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "unweighted_recall": "unweighted recall",
    "ece": "calibration error",
}
"""Names of the figures."""


def render(e: Evaluation) -> str:
    """Figures with their intervals, the confusion matrix, what was left out."""
    about, f = e.about, e.figures
    weights = ", ".join(f"{name} {sha[:12]}" for name, sha in about.get("weights", {}).items())
    lines = [
        f"{about.get('modality')} on {about.get('dataset')}, split {about.get('split')}: "
        f"{f.n} items; weights {weights}",
        "",
        f"  {'always the commonest class':27s} {100 * f.floor_accuracy:5.1f} %",
    ]
    for name in METRICS:
        low, high = e.interval[name]
        value = getattr(f, name)
        lines.append(
            f"  {NAMES[name]:27s} {100 * value:5.1f} %   {100 * low:5.1f} .. {100 * high:5.1f}"
        )
    lines += [
        "",
        f"  intervals: 95 %, bootstrap over {e.groups}",
        "  means over the classes that occur",
    ]
    if parts := about.get("parts"):
        lines += ["", "  each modality alone, where it had evidence:"]
        for name, part in parts.items():
            lines.append(
                f"    {name:7s} accuracy {100 * part['accuracy']:5.1f} %, unweighted recall "
                f"{100 * part['unweighted_recall']:5.1f} % of {part['n']} clips"
            )
    if (chosen := about.get("selective")) and chosen["accuracy"] is not None:
        lines += [
            "",
            f"  with no answer below {chosen['threshold']:g}, the card's threshold: "
            f"{100 * chosen['coverage']:.1f} % answered, {100 * chosen['accuracy']:.1f} % of them "
            "rightly (the figures above are of all items)",
        ]
    lines += ["", *_matrix(e), "", *_counted(e)]
    return "\n".join(lines)


def _matrix(e: Evaluation) -> list[str]:
    """Rows are the true classes; the last column is the share found."""
    corner = "true, predicted"
    width = max(len(corner), *(len(name) for name in EMOTIONS))
    columns = [max(len(name), len(str(e.confusion[:, c].max()))) for c, name in enumerate(EMOTIONS)]
    head = " ".join(name.rjust(w) for name, w in zip(EMOTIONS, columns, strict=True))
    lines = [f"  {corner:{width}s} {head}   recall"]
    for name, row in zip(EMOTIONS, e.confusion, strict=True):
        cells = " ".join(str(n).rjust(w) for n, w in zip(row, columns, strict=True))
        recall = e.recall[name]
        share = "     -" if recall is None else f"{100 * recall:4.0f} %"
        lines.append(f"  {name:{width}s} {cells}   {share}")
    return lines


def _counted(e: Evaluation) -> list[str]:
    left_out = ", ".join(f"{reason} ({n})" for reason, n in e.dropped.items()) or "nothing"
    lines = [f"  left out: {left_out}"]
    if twins := e.about.get("twins"):
        option = "" if e.about["options"]["drop_twins"] else "; --drop-twins leaves them out"
        lines.append(f"  look-alikes of training data: {twins}{option}")
    if faceless := e.about.get("no_face"):
        lines.append(f"  images without a face, evaluated all the same: {faceless}")
    return lines
