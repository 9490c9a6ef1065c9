"""The study of CMU-MOSI as one page of Markdown: the tables, and what they can and cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, Final

SUBSETS: Final = (
    "speech+text+face",
    "text+face",
    "speech+text",
    "speech+face",
    "text",
    "face",
    "speech",
)
CALLED: Final = {"face": "video"}
"""What a modality is called here: the 3D-CNN saw whole frames, no faces."""


def render(found: Mapping[str, Any]) -> str:
    """The page of what ``mosi.study`` found."""
    lines = [*_head(found), *_networks(found), *_leak(found), *_verdict(found), *_RAVDESS]
    return "\n".join(line if line.startswith("|") else _wrapped(line) for line in lines)


def _head(found: Mapping[str, Any]) -> list[str]:
    return [
        "# Fusions on CMU-MOSI's ready features",
        "",
        "Written by `python -m mmer.training.studies.mosi --data DATA --output FOLDER`. Sentiment "
        f"of two classes, no emotions: {found['n']} training utterances of {found['videos']} "
        f"videos and as many speakers; {found['n_test']} test utterances of "
        f"{found['videos_test']} videos, without labels. Features of Poria et al. 2017 (ACL).",
        "",
        "**Read this first.** The networks that made the text and video features were fitted to "
        "the labels of these training utterances. Their figures below are no generalisation "
        "figures, and no order of the fusions follows from them. Only speech alone is honest.",
    ]


def _networks(found: Mapping[str, Any]) -> list[str]:
    return [
        "",
        f"## {found['folds']}-fold cross-validation inside the training videos",
        "",
        "Accuracy in percent. Folds share no video, and scaling is learned inside the fold; one "
        "fixed recipe and one seed, nothing tuned. Columns: what the one trained network was shown "
        "when judged (training hides modalities at random). In brackets 95 % intervals, videos "
        "drawn anew. *Gain*: all three less the network of text alone. *Context*: steps are the "
        "utterance and the three before it in the video; else one step.",
        "",
        "| network | " + " | ".join(map(_called, SUBSETS)) + " | gain |",
        "| --- |" + " ---: |" * (len(SUBSETS) + 1),
        _row("always the commonest class", {SUBSETS[0]: found["floor"]}),
        *(_row(_called(name), each) for name, each in found["networks"].items()),
        _row("*concat, labels shuffled*", found["labels_shuffled"]),
    ]


def _leak(found: Mapping[str, Any]) -> list[str]:
    lines = [
        "",
        "## The leak, shown without test labels",
        "",
        "Linear models. *Other half*: accuracy on the half of the training videos that the model "
        "was not fitted to. *Confidence*: mean probability of what it says, on those videos and on "
        "test videos (then fitted to all training videos): features that know no labels should "
        "look alike to it on both.",
        "",
        "| features | other half | confidence there | confidence on test videos |",
        "| --- | ---: | ---: | ---: |",
    ]
    for m, each in found["leak"]["single"].items():
        lines.append(
            f"| {_called(m)} | {_percent(each['halves'], each['interval'])} | "
            f"{_percent(each['confidence_train'])} | {_percent(each['confidence_test'])} |"
        )
    lines += [
        "",
        "*Agree*: how often two such models say the same. With two classes exactly one of two that "
        "disagree is right, so on any videos the mean of their accuracies is at most (1 + "
        "agreement) / 2, whatever the labels are.",
        "",
        "| features | agree on the other half | mean accuracy there | agree on test videos | "
        "mean accuracy on test videos |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for pair, each in found["leak"]["pairs"].items():
        lines.append(
            f"| {_called(pair)} | {_percent(each['agree_train'], each['interval_train'])} | "
            f"{_percent(each['mean_accuracy_train'])} | "
            f"{_percent(each['agree_test'], each['interval_test'])} | "
            f"at most {_percent(each['at_most_test'])} |"
        )
    return lines


def _verdict(found: Mapping[str, Any]) -> list[str]:
    both = found["leak"]["pairs"]["text+face"]
    speech = found["networks"]["speech alone"]["speech"]["accuracy"]
    gains = [each[SUBSETS[0]]["gain"] for each in found["networks"].values() if SUBSETS[0] in each]
    lowest = min(gain["interval"][0] for gain in gains)
    return [
        "",
        "## What this shows",
        "",
        "- Every fusion trains on real vectors of three kinds, answers for any choice of "
        "modalities from one set of weights, and with all three is at worst "
        f"{abs(100 * min(lowest, 0.0)):.1f} points below text alone (lowest end of the gains' "
        "intervals), although one of the three says nothing.",
        f"- Speech alone, {_percent(speech['value'], speech['interval'])}, is not told from "
        f"guessing (always the commonest class: {_cell(found['floor'])}). This figure is honest as "
        "far as can be known: its 73 descriptors were selected, by the authors' word "
        "(declare-lab/contextual-utterance-level-multimodal-sentiment-analysis, issue 1), nobody "
        "says how; had labels been used, it would flatter.",
        "- With shuffled labels (one shuffle) nothing is found: folds and scaling let no label "
        "through. Figures a little below one half are usual there, since a class that is rarer in "
        "the judged videos is commoner in the others. This control is blind to what features knew "
        "before they came here.",
        "",
        "## What it cannot show",
        "",
        "- How right text, video or any fusion of them is on new people. In the training videos "
        f"the linear text and video models are right {_percent(both['mean_accuracy_train'])} % of "
        "the time on average, though never fitted to those videos; on the test videos that "
        f"average can be no more than {_percent(both['at_most_test'])} %. The difference "
        "is the leak.",
        "- That one fusion beats another, or that a second modality helps. The gains are of "
        "adding one feature that knows the label to another that knows it: independent errors of "
        "two answer sheets cancel. Intervals say how the figures move with other videos *of the "
        "same leak*, and nothing else.",
        "- That context helps or hurts. An earlier utterance has little to add to one that already "
        "holds its label; and where the other modalities are hidden, cross-modal attention has "
        "nobody to look at, so four steps of one modality are averaged, three of them not the "
        "judged one.",
        "",
        "Honest figures need the test labels, or features from networks that were not fitted to "
        "the judged videos. They are not here.",
        "",
    ]


_RAVDESS: Final = (
    "## Voice and face of RAVDESS",
    "",
    "The other place for a fusion of real signals would be RAVDESS. Here its voices are complete, "
    "and its faces are those of Actor_01 alone: the speaker by whom voice and face together are "
    "judged, so nothing may be trained on him; nor can one speaker's face be cross-validated by "
    "speaker. So no fusion of voice and face was trained on it. Whoever has the videos has the "
    "recipes (`ravdess-descriptors-face-bert-gated`, `-attention`).",
)


def _wrapped(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return fill(line, 100, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _called(name: str) -> str:
    for modality, word in CALLED.items():
        name = name.replace(modality, word)
    return name.replace("+", " + ")


def _row(name: str, by_subset: Mapping[str, Any]) -> str:
    cells = [_cell(by_subset[s]) if s in by_subset else "" for s in SUBSETS]
    gain = by_subset.get(SUBSETS[0], {}).get("gain")
    if gain:
        low, high = (100 * edge for edge in gain["interval"])
        cells.append(f"{100 * gain['value']:+.1f} ({low:+.1f} to {high:+.1f})")
    else:
        cells.append("")
    return f"| {name} | " + " | ".join(cells) + " |"


def _cell(figures: Mapping[str, Any]) -> str:
    return _percent(figures["accuracy"]["value"], figures["accuracy"]["interval"])


def _percent(value: float, interval: tuple[float, float] | None = None) -> str:
    shown = f"{100 * value:.1f}"
    return f"{shown} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})" if interval else shown
