"""All corpora by name: what they can be read for, which splits they have, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.training.datasets import fer2013, iemocap, image_folder, meld, mosei
from mmer.training.datasets.item import Reading
from mmer.training.datasets.manifest import read_manifest
from mmer.training.datasets.named_corpora import NAMED_FILES
from mmer.training.datasets.named_files import NamedFiles, read_named_files
from mmer.training.datasets.text_corpora import TEXT_CORPORA, read_text_corpus

ALL: Final = "all"
"""The split that takes everything found."""
EVERY_MODALITY: Final = ("speech", "text", "face", "clip")


@dataclass(frozen=True)
class Corpus:
    """``read(root, modality, split)``; ``splits`` None where each table has its own."""

    read: Callable[[Path, str, str], Reading]
    modalities: tuple[str, ...]
    splits: tuple[str, ...] | None = ()
    default: str = ALL


def _named(corpus: str, names: NamedFiles) -> Corpus:
    return Corpus(partial(read_named_files, corpus, names), names.modalities, tuple(names.folds))


def _text(corpus: str) -> Corpus:
    def read(root: Path, modality: str, split: str) -> Reading:
        return read_text_corpus(corpus, root, split)

    splits = TEXT_CORPORA[corpus].splits
    return Corpus(read, ("text",), splits, "test" if splits else ALL)


CORPORA: Final[Mapping[str, Corpus]] = {
    **{name: _named(name, names) for name, names in NAMED_FILES.items()},
    "iemocap": Corpus(iemocap.read_iemocap, ("speech", "text"), iemocap.SPLITS),
    "meld": Corpus(meld.read_meld, EVERY_MODALITY, meld.SPLITS, "test"),
    "mosei": Corpus(mosei.read_mosei, EVERY_MODALITY, mosei.SPLITS, "test"),
    "fer2013": Corpus(fer2013.read_fer2013, ("face",), fer2013.SPLITS, "private_test"),
    "images": Corpus(image_folder.read_images, ("face",), image_folder.SPLITS),
    "muxspace": Corpus(image_folder.read_muxspace, ("face",)),
    **{name: _text(name) for name in TEXT_CORPORA},
    "manifest": Corpus(read_manifest, EVERY_MODALITY, None),
}
NAMES: Final = tuple(CORPORA)


def _corpus(name: str) -> Corpus:
    if name not in CORPORA:
        raise MmerError(f"no dataset {name!r}; known are {', '.join(NAMES)}")
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
        name: one of ``NAMES``.
        root: its folder; splits and media that are not asked for may be absent.
        modality: speech, text, face or clip: items then have a recording with sound, a text, a
            picture or video, or a video with sound.
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
    reading = corpus.read(Path(root), modality, split)
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
