"""Corpora: one registry entry each, with reader, splits, labels, licence and source.

CORPORA.md has what is behind the licences and sources. Users' own data are entries too: their
licence is not known here. A corpus from outside this project: ``CORPORA.add(name, Corpus(...))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmer.models.cards.parts import TrainingData
from mmer.models.labels import EMOTIONS
from mmer.models.registry import Entry, Registry
from mmer.training.datasets import fer2013, iemocap, image_folder, meld, mosei, named_corpora
from mmer.training.datasets.label_names import LABELS

ALL: Final = "all"
"""The split that holds everything found."""
OFFICIAL: Final = ("train", "dev", "test")
EVERY_MODALITY: Final = ("speech", "text", "face", "clip")
_READERS: Final = "mmer.training.datasets"


@dataclass(frozen=True)
class Corpus(Entry):
    """All facts of one corpus.

    ``place`` is the reader, a function of root, modality and split that returns a ``Reading``;
    empty for sounds without labels, which have no modalities and splits either. ``summary`` is the
    source: name, authors, year, and the address or repository.
    """

    licence: str = ""
    """Terms as cards repeat them; unknown where the authors state none."""
    modalities: tuple[str, ...] = ()
    splits: tuple[str, ...] | None = ()
    """Official ones, besides ``ALL``; None where each table has its own."""
    default: str = ALL
    """The official test split where there is one."""
    labels: Mapping[str, int | None] = field(default_factory=dict)
    """Its own labels, in the reader's spelling: index into EMOTIONS, or None for none of them."""


def _labels(names: Iterable[str]) -> dict[str, int | None]:
    return {name: LABELS[name] for name in names}


def _corpus(reader: str, source: str, licence: str, **facts: Any) -> Corpus:
    return Corpus(f"{_READERS}.{reader}", source, licence=licence, **facts)


def _named(layout: str, source: str, licence: str) -> Corpus:
    """A corpus of ``named_corpora``, where its file names say all that is needed."""
    files = getattr(named_corpora, layout)
    return _corpus(
        f"named_corpora:{layout}",
        source,
        licence,
        modalities=files.modalities,
        splits=tuple(files.folds),
        labels=_labels(files.codes.values()),
    )


def _text(reader: str, source: str, licence: str, splits: tuple[str, ...] = OFFICIAL) -> Corpus:
    """A corpus of ``text_corpora``, whose tables have one of the seven beside its own label."""
    return _corpus(
        f"text_corpora:{reader}",
        source,
        licence,
        modalities=("text",),
        splits=splits,
        default="test" if splits else ALL,
        labels=_labels(EMOTIONS),
    )


CORPORA: Final[Registry[Corpus]] = Registry(
    "corpus",
    {
        "ravdess": _named(
            "RAVDESS", "RAVDESS speech, Livingstone & Russo 2018, Zenodo 1188976", "CC BY-NC-SA 4.0"
        ),
        "emodb": _named(
            "EMODB", "EmoDB, Burkhardt et al. 2005", "CC0-1.0 (as stated by audeering/emodb)"
        ),
        "tess": _named(
            "TESS",
            "TESS, Pichora-Fuller & Dupuis 2010, doi 10.5683/SP2/E8H2MF",
            "CC BY-NC-ND 4.0 (reported; a copy of it states CC BY-NC 4.0)",
        ),
        "savee": _named(
            "SAVEE",
            "SAVEE, Jackson & Haq 2011, University of Surrey",
            "unknown: handed out on registration, see its terms",
        ),
        "nemo": _named("NEMO", "nEMO, Christop 2024, amu-cai/nEMO", "CC BY-NC-SA 4.0"),
        "urdu": _named(
            "URDU",
            "URDU-Dataset, Latif et al. 2018, siddiquelatif/URDU-Dataset",
            "its README: only for research purposes",
        ),
        "emogator": _named("EMOGATOR", "EmoGator, Buhl 2023, fredbuhl/EmoGator", "Apache-2.0"),
        "cremad": _named(
            "CREMAD",
            "CREMA-D, Cao et al. 2014, CheyneyComputerScience/CREMA-D",
            "ODbL 1.0, contents DbCL 1.0",
        ),
        "grid": _named("GRID", "GRID, Cooke et al. 2006", "unknown: the copy used states none"),
        "yalefaces": _named(
            "YALEFACES",
            "Yale Face Database, by leecarraher/pattern_recognition",
            "unknown: the copy used states none",
        ),
        "iemocap": _corpus(
            "iemocap:read_iemocap",
            "IEMOCAP, Busso et al. 2008, sail.usc.edu/iemocap",
            "USC's release form, on request; reported: neither it nor what is derived from it may "
            "be passed on",
            modalities=("speech", "text"),
            splits=iemocap.SPLITS,
            labels={code: LABELS[name] for code, name in iemocap.CODES.items()},
        ),
        "meld": _corpus(
            "meld:read_meld",
            "MELD, Poria et al. 2019",
            "GPL-3.0 (repository); dialogue of a television series",
            modalities=EVERY_MODALITY,
            splits=meld.SPLITS,
            default="test",
            labels=_labels(EMOTIONS),
        ),
        "mosei": _corpus(
            "mosei:read_mosei",
            "CMU-MOSEI, Zadeh et al. 2018, CMU-MultiComp-Lab/CMU-MultimodalSDK",
            "unknown: its makers state none; the videos are their uploaders'",
            modalities=EVERY_MODALITY,
            splits=mosei.SPLITS,
            default="test",
            labels=_labels((*mosei.SIX, "neutral")),
        ),
        "fer2013": _corpus(
            "fer2013:read_fer2013",
            "FER2013, Goodfellow et al. 2013; FER+, Barsoum et al. 2016, microsoft/FERPlus",
            "images unknown (web image search; Kaggle competition data), FER+ votes MIT",
            modalities=("face",),
            splits=fer2013.SPLITS,
            default="private_test",
            labels={vote: LABELS.get(vote) for vote in fer2013.VOTES},
        ),
        "images": _corpus(
            "image_folder:read_images",
            "the user's own folders of pictures",
            "not known: the user's own pictures",
            modalities=("face",),
            splits=image_folder.SPLITS,
            labels=LABELS,
        ),
        "muxspace": _corpus(
            "image_folder:read_muxspace",
            "muxspace/facial_expressions",
            "Apache-2.0 (repository); where the pictures are from is not stated",
            modalities=("face",),
            labels=LABELS,
        ),
        "emorynlp": _text(
            "EMORYNLP",
            "EmoryNLP emotion detection, Zahiri & Choi 2018",
            "Apache-2.0; dialogue of a television series",
        ),
        "dailydialog": _text(
            "DAILYDIALOG",
            "DailyDialog, Li et al. 2017, by XDailyDialog and RECCON",
            "CC BY-NC-SA 4.0 (original corpus)",
        ),
        "goemotions": _text("GOEMOTIONS", "GoEmotions, Demszky et al. 2020", "Apache-2.0"),
        "carer": _text(
            "CARER",
            "CARER, Saravia et al. 2018, dair-ai/emotion_dataset",
            "its README: only for educational and research purposes",
        ),
        "tweeteval": _text(
            "TWEETEVAL",
            "TweetEval emotion, Barbieri et al. 2020, cardiffnlp/tweeteval",
            "no restriction of its own; the task's and Twitter's may apply",
        ),
        "isear": _text(
            "ISEAR", "ISEAR, Scherer & Wallbott 1994", "unknown: the copy used states none", ()
        ),
        "manifest": _corpus(
            "manifest:read_manifest",
            "the user's own CSV file",
            "not known: the user's own list",
            modalities=EVERY_MODALITY,
            splits=None,
            labels=_labels(EMOTIONS),
        ),
        "esc10": Corpus(
            "", "ESC-10, Piczak 2015, karoldvl/ESC-10", licence="CC BY 3.0, clips CC0 or CC BY 3.0"
        ),
    },
)


def training_data(corpus: str, split: str, items: int) -> TrainingData:
    """The card's entry for ``items`` items of a corpus' split.

    Raises:
        MmerError: no such corpus.
    """
    entry = CORPORA[corpus]
    return TrainingData(corpus, split, items, entry.licence, entry.summary)
