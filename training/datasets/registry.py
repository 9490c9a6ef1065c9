"""Reading of corpora by name: modality and split checked, then the entry's reader."""

from __future__ import annotations

from pathlib import Path

from mmer.models.errors import MmerError
from mmer.training.datasets.corpora import ALL, CORPORA, Corpus
from mmer.training.datasets.item import Reading


def corpus_names() -> tuple[str, ...]:
    """The corpora with labels; those of noise alone have no reader."""
    return tuple(name for name, corpus in CORPORA.items() if corpus.place)


def _corpus(name: str) -> Corpus:
    if name not in corpus_names():
        known = ", ".join(corpus_names())
        if name in CORPORA:
            raise MmerError(f"{name} is noise, without emotions to read; corpora are {known}")
        raise MmerError(f"no dataset {name!r}; known are {known}")
    return CORPORA[name]


def splits_of(name: str) -> tuple[str, ...]:
    """The splits that a corpus has by name, "all" last; a manifest has whatever it says.

    Raises:
        MmerError: no such corpus.
    """
    return (*(_corpus(name).splits or ()), ALL)


def default_split(name: str) -> str:
    """The official test split where there is one, else "all".

    Raises:
        MmerError: no such corpus.
    """
    return _corpus(name).default


def read(name: str, root: Path, modality: str, split: str | None = None) -> Reading:
    """The items of a corpus in its official layout below ``root`` (a manifest's CSV file).

    Args:
        name: one of ``corpus_names()``.
        root: its folder; splits and media that are not asked for may be absent.
        modality: speech, text, face or clip: items then have a recording with sound, a text, an
            image or video, or a video with sound.
        split: one of ``splits_of(name)``; None is the default.

    Raises:
        MmerError: an unknown name, modality or split; something asked for is missing; or nothing
            there has one of the seven emotions.
    """
    corpus = _corpus(name)
    if modality not in corpus.modalities:
        known = ", ".join(corpus.modalities)
        raise MmerError(f"{name} is not read for {modality}; it is for {known}")
    if split is None:
        return _read_default(name, root, modality)
    if corpus.splits is not None and split not in splits_of(name):
        raise MmerError(f"{name} has no split {split}; it has {', '.join(splits_of(name))}")
    reading: Reading = CORPORA.load(name)(Path(root), modality, split)
    if not reading.items:
        left_out = ", ".join(f"{reason} ({n})" for reason, n in reading.dropped.items())
        raise MmerError(
            f"nothing of {name} below {root} for {modality}, split {split}"
            + (f"; left out: {left_out}" if left_out else "")
        )
    return reading


def _read_default(name: str, root: Path, modality: str) -> Reading:
    split = default_split(name)
    try:
        return read(name, root, modality, split)
    except MmerError as error:
        others = [s for s in splits_of(name) if s != split]
        if split == ALL or not Path(root).exists():
            raise
        raise MmerError(
            f"{error} ({split} is what is read unless a split is named: {', '.join(others)})"
        ) from error
