"""Page of the shipped models' cards: ``python -m mmer.models.cards.page > CARDS.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mmer.models.blazeface import FILE, SHA256
from mmer.models.cards.card import Card, Development, Measured, load_card, weights_dir
from mmer.models.face_baseline import NAME as FACE_BASELINE
from mmer.models.labels import EMOTIONS, MODALITIES

_HEAD: Final = """\
# Model cards

Written by `python -m mmer.models.cards.page` from the JSON cards in `weights/`, which also hold the
recipes and the preprocessing. Licence: `weights/LICENSE.md`.

How to read the figures: all are of the likeliest emotion for every item, none withheld. The floor
is the accuracy of always giving the commonest answer. Weighted F1 counts each item, macro F1 each
emotion; recall is the mean over the emotions. ece (expected calibration error, 15 bins) is how far
confidence is from accuracy. Development data took no part in the fitting of weights, but recipes
were chosen by it; its figures were measured at the export, on inputs as training prepares them.
`benchmarks/ACCURACY.md` measures the same items as they are prepared live, and can differ by one or
two. Other data are listed by their kind.
"""
_GENERATED: Final = """\
Development data of `fusion` are moments whose modalities are independent given the emotion, those
of `face-baseline` sequences made of single images: easier than people. For the clips of a person
see *On other data* of `fusion`."""
_BLAZEFACE: Final = f"""\
## blazeface

Where faces are in an image. `{FILE}`, sha256 `{SHA256[:16]}...`. Not trained by us, and without a
card: BlazeFace short range by Bazarevsky et al. 2019 (Google), Apache-2.0, converted from
MediaPipe's `face_detection_short_range.tflite` (`weights/LICENSE.md`). Its makers' card:
https://storage.googleapis.com/mediapipe-assets/MediaPipe%20BlazeFace%20Model%20Card%20(Short%20Range).pdf
"""
KINDS: Final = {
    "development": "Development data: not trained on, but recipes, temperatures and thresholds "
    "were chosen by them; expect less elsewhere.",
    "in domain": "In domain: other items of corpora that were trained on.",
    "out of domain": "Out of domain: nothing of the corpus was trained on, nothing was tuned on "
    "these items.",
    "": "The card does not say which of these took part in training or tuning.",
}
"""What the kinds of measured data took part in."""
_ABOUT: Final = {
    "speech": "Emotion from the voice: log-mel spectrogram of the last seconds.",
    "text": "Emotion from the transcript: word pieces of an utterance and those before it.",
    "face": "Emotion from the expression: a face crop aligned by the eyes.",
    "fusion": "Fusion of speech, text and face, from the predictions of their models.",
    FACE_BASELINE: "The face's answer relative to what the person showed before.",
}
_FIGURES: Final = ("accuracy", "floor", "weighted F1", "macro F1", "recall", "ece", "n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:], ""]


def _bullets(title: str, texts: Iterable[str]) -> list[str]:
    lines = [f"- {text}" for text in texts]
    return [title, "", *lines, ""] if lines else []


def _figures(d: Development | Measured) -> list[str]:
    shown = (d.accuracy, d.floor_accuracy, d.weighted_f1, d.macro_f1, d.unweighted_recall, d.ece)
    return [*(f"{value:.3f}" for value in shown), str(d.n)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _size(card: Card, folder: Path) -> str:
    return f"{(folder / card.file).stat().st_size / 1e6:.2f} MB"


def _speed(card: Card) -> str:
    return "-" if card.latency_ms is None else f"{card.latency_ms:.1f} ms"


def _development(card: Card) -> list[str]:
    d = card.development
    states = [["as it is", *_figures(d)], *([c.data, *_figures(c)] for c in card.conditions)]
    lines = [
        "### On development data",
        "",
        f"{d.data}.",
        "",
        *_table(("state of the data", *_FIGURES), states),
    ]
    if d.recall:
        found = [_share(d.recall.get(emotion)) for emotion in EMOTIONS]
        lines += ["Share found of each emotion:", "", *_table(EMOTIONS, [found])]
    return [*lines, *([d.note, ""] if d.note else [])]


def _trust(card: Card) -> list[str]:
    """Parity, temperature, and when to answer nothing."""
    lines = ["### How far to trust its confidence", "", f"Temperature {card.temperature:g}."]
    if card.coverage:
        rows = [
            [
                f"**{c.threshold:g}**" if c.threshold == card.abstain_below else f"{c.threshold:g}",
                f"{c.coverage:.3f}",
                _share(c.accuracy),
                _share(c.withheld_accuracy),
            ]
            for c in card.coverage
        ]
        head = ("no answer below", "answered", "accuracy of these", "accuracy of those withheld")
        lines += [
            f"Withhold answers below a confidence of {card.abstain_below:g}. {card.abstention}",
            "",
            *_table(head, rows),
        ]
    else:
        lines.append("")
    if p := card.parity:
        lines += [
            f"Against the trained network, on {p.items} development items: in float32 the largest "
            f"difference of a logit is {p.float32_logit:g}, of a probability "
            f"{p.float32_probability:g}, and {p.float32_agreement:.1%} of the labels agree; as "
            f"shipped ({card.precision}) {p.shipped_logit:g}, {p.shipped_probability:g} and "
            f"{p.shipped_agreement:.1%}.",
            "",
        ]
    return lines


def _other_data(card: Card) -> list[str]:
    """A table of the measured figures of each kind of data."""
    if not card.measured:
        return []
    lines = ["### On other data", "", "In brackets: the 95 % bootstrap interval.", ""]
    for kind, about in KINDS.items():
        some = [m for m in card.measured if (m.kind if m.kind in KINDS else "") == kind]
        if not some:
            continue
        lines += [about, ""]
        rows = [[m.dataset, m.condition or "-", _accuracy(m), *_figures(m)[1:]] for m in some]
        lines += _table(("data", "state", *_FIGURES), rows)
    commands = dict.fromkeys(m.command for m in card.measured if m.command)
    return [*lines, *(["```", *commands, "```", ""] if commands else [])]


def _accuracy(m: Measured) -> str:
    if "accuracy" not in m.interval:
        return f"{m.accuracy:.3f}"
    low, high = m.interval["accuracy"]
    return f"{m.accuracy:.3f} ({low:.3f} to {high:.3f})"


def _section(card: Card, folder: Path) -> str:
    speed = ""
    if card.latency_ms is not None:
        speed = f"; {card.latency_ms:g} ms a development item (median) on one thread of "
        speed += f"{card.machine}"
    start = f"Starting point: {card.starting_point}." if card.starting_point else ""
    about = _ABOUT.get(card.name, _ABOUT[card.modality])
    lines = [
        f"## {card.name}",
        "",
        f"{about} `{card.file}`, sha256 `{card.sha256[:16]}...`; {card.precision}, "
        f"{_size(card, folder)}{speed}. {start}".rstrip(),
        "",
        *_bullets("Made for:", card.intended_use),
        *_bullets("Not made for:", card.unintended_use),
        "### Trained on",
        "",
        *_table(
            ("data", "items", "split", "licence"),
            ([t.source, str(t.items), t.split, t.licence] for t in card.training),
        ),
        *_development(card),
        *_trust(card),
        *_bullets("### Known failures", card.known_failures),
        *_other_data(card),
        *_bullets("### Notes", card.notes),
    ]
    return "\n".join(lines)


def render(folder: Path) -> str:
    """The page for the models in ``folder``, in Markdown.

    Fusion, face baseline and face detector are on it where they are there.

    Raises:
        MmerError: a card is missing or not valid.
    """
    others = (n for n in ("fusion", FACE_BASELINE) if (folder / f"{n}.json").exists())
    names = [*MODALITIES, *others]
    cards = [load_card(folder / f"{name}.json") for name in names]
    rows = [
        [f"[{c.name}](#{c.name})", *_figures(c.development), _size(c, folder), _speed(c)]
        for c in cards
    ]
    overview = _table(("model", *_FIGURES, "size", "one item"), rows)
    made = [_GENERATED, ""] if len(names) > len(MODALITIES) else []
    sections = [_section(card, folder) for card in cards]
    if (folder / FILE).is_file():
        sections.append(_BLAZEFACE)
    return "\n".join([_HEAD, *overview, *made, *sections])


if __name__ == "__main__":
    print(render(weights_dir()), end="")
