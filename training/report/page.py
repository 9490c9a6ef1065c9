"""Report page of a training run: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.realtime.sinks.output import refuse_input
from mmer.training.evaluation.report import NAMES
from mmer.training.evaluation.result import Evaluation, evaluation_of
from mmer.training.metrics.bootstrap import METRICS, regroup
from mmer.training.metrics.figures import Figures, figures
from mmer.training.metrics.predictions import Predictions
from mmer.training.plotting import need_matplotlib
from mmer.training.report.plots import plots_of
from mmer.training.report.run import Run, read_run

REPORT: Final = "report.html"
_CAPTIONS: Final = {
    "curves": "losses, and figures on development data, by epoch",
    "confusion": "counts; rows are the true classes",
    "reliability": "how often answers of a confidence are right",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #ddd}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #eee;vertical-align:top}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}img{max-width:100%}figure{display:inline-block;margin:.5rem}"
    "figcaption,.small{color:#555;font-size:.9rem}"
)


def write_report(
    folder: Path,
    output: Path | None = None,
    plots: Path | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Path:
    """Write the report of the run in ``folder``; by default report.html in it.

    Args:
        folder: of the run, with any of NAME.json or figures.json, curves.csv, predictions.npz and
            attention.npz.
        output: the HTML file.
        plots: a folder for the plots as PNG files, too.
        resamples: draws of the intervals' bootstrap.
        seed: of the draws.

    Raises:
        MmerError: there is nothing to report, or it cannot be written.
    """
    need_matplotlib("a report")
    run = read_run(folder)
    path = written = output or folder / REPORT
    refuse_input(written, *(file for file in folder.iterdir() if file.suffix != ".html"))
    e = _evaluation(run.predictions, resamples, seed) if run.predictions is not None else None
    drawn = plots_of(run, e)
    try:
        written.write_text(_page(run, e, drawn), encoding="utf-8")
        if plots is not None:
            plots.mkdir(exist_ok=True)
            for name, png in drawn.items():
                path = plots / f"{name}.png"
                path.write_bytes(png)
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error
    return written


def _evaluation(p: Predictions, resamples: int, seed: int) -> Evaluation:
    groups, about = regroup(p.groups.tolist()), {"what": p.what}
    return evaluation_of(p.log_probs, p.labels, groups, about=about, resamples=resamples, seed=seed)


def _page(run: Run, e: Evaluation | None, drawn: Mapping[str, bytes]) -> str:
    sections = []
    if e is not None and run.predictions is not None:
        what = f"<p>{escape(run.predictions.what)}</p>"
        both = [
            _plot(drawn[name], caption) for name, caption in _CAPTIONS.items() if name != "curves"
        ]
        sections += [
            ("Figures", what + _intervals(e) + _folds(run.predictions)),
            ("Confusion and calibration", "".join(both)),
        ]
    if run.card:
        sections.append(("Figures of its card", _card_figures(run.card)))
    if run.curves:
        sections.append(("Training", _plot(drawn["curves"], _CAPTIONS["curves"])))
    if run.attention:
        sections.append(("What it looked at", _attention(run, drawn)))
    if run.about:
        sections += [
            ("Data", _data(run.about)),
            ("Recipe", _table(["setting", "value"], _flat(run.about["recipe"]))),
            ("Notes", _list([*run.about.get("notes", ()), *run.about.get("known_failures", ())])),
        ]
    if run.missing:
        sections.append(("Not in this folder", _list(run.missing)))
    body = "".join(f"<h2>{escape(title)}</h2>\n{html}\n" for title, html in sections if html)
    title = escape(run.name)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n{body}</body></html>\n"
    )


def _intervals(e: Evaluation) -> str:
    rows = [["always the commonest class", _percent(e.figures.floor_accuracy), ""]]
    for name in METRICS:
        low, high = e.interval[name]
        value = getattr(e.figures, name)
        rows.append([NAMES[name], _percent(value), f"{_percent(low)} .. {_percent(high)}"])
    g = e.groups
    drawn = f"items ({g.why})" if g.by == "item" else f"{g.n} speakers or dialogues"
    about = f"Intervals by bootstrap over {drawn}; means over the classes that occur."
    table = _table([f"of {e.figures.n} items", "", "95 %"], rows)
    return f'{table}<p class="small">{escape(about)}</p>'


def _folds(p: Predictions) -> str:
    """Mean and deviation over the folds of a cross-validation."""
    numbers = np.unique(p.fold)
    if len(numbers) < 2 or numbers[0] < 0:
        return ""
    each = [figures(p.log_probs[rows], p.labels[rows]) for rows in p.fold == numbers[:, None]]
    rows = []
    for name in ("floor_accuracy", *METRICS):
        values = np.array([getattr(f, name) for f in each])
        label = NAMES.get(name, "always the commonest class")
        rows.append([label, _percent(values.mean()), "± " + _percent(values.std(ddof=1))])
    return "<p></p>" + _table([f"over {len(each)} folds", "mean", "deviation"], rows)


def _card_figures(card: Mapping[str, Any]) -> str:
    names = [f.name for f in fields(Figures) if f.name != "n"]
    head = ["", "items", *(NAMES.get(name, "floor accuracy") for name in names)]
    shown = [card["development"], *card.get("conditions", ())]
    rows = [
        [d.get("data", ""), str(d.get("n", "")), *(_percent(d.get(name)) for name in names)]
        for d in shown
    ]
    return _table(head, rows)


def _data(card: Mapping[str, Any]) -> str:
    keys = ("corpus", "split", "items", "licence", "source")
    rows = [[str(one.get(key, "")) for key in keys] for one in card.get("training", ())]
    return _table(["trained on", *keys[1:]], rows) if rows else ""


def _flat(table: Mapping[str, Any], before: str = "") -> list[list[str]]:
    """Settings and values, those of tables in tables by dotted names."""
    rows: list[list[str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{before}{key}.")
        else:
            rows.append([f"{before}{key}", str(value)])
    return rows


def _list(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return "<ul>" + "".join(f"<li>{escape(str(line))}</li>" for line in lines) + "</ul>"


def _attention(run: Run, drawn: Mapping[str, bytes]) -> str:
    parts = []
    for k, example in enumerate(run.attention):
        parts.append(f"<h3>{escape(example.title)}</h3>")
        for name, png in drawn.items():
            if name.startswith(start := f"attention-{k}-"):
                parts.append(_plot(png, name.removeprefix(start).replace("-", " ")))
    return "".join(parts)


def _plot(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td{_kind(cell)}>{escape(cell)}</td>" for cell in row) + "</tr>\n"
        for row in rows
    )
    return f"<table><tr>{top}</tr>\n{body}</table>"


def _kind(cell: str) -> str:
    return ' class="n"' if cell[:1].isdigit() and cell.endswith("%") else ""


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
