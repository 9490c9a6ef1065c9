"""Table of all corpora: one entry each, with reader, splits, labels, licence and source.

CORPORA.md has what is behind the licences and sources. Users' own data are entries too: their
licence is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from mmer.models.cards.parts import TrainingData
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets import fer2013, iemocap, image_folder, meld, mosei
from mmer.training.datasets import named_corpora as named
from mmer.training.datasets.corpus import ALL, EVERY_MODALITY, Corpus
from mmer.training.datasets.item import Reading
from mmer.training.datasets.label_names import LABELS
from mmer.training.datasets.manifest import read_manifest
from mmer.training.datasets.named_files import NamedFiles, read_named_files
from mmer.training.datasets.text_corpora import TextCorpus, read_text_corpus

OFFICIAL: Final = ("train", "dev", "test")


def _labels(names: Iterable[str]) -> dict[str, int | None]:
    return {name: LABELS[name] for name in names}


def _named(name: str, names: NamedFiles, licence: str, source: str) -> Corpus:
    return Corpus(
        licence,
        source,
        partial(read_named_files, name, names),
        names.modalities,
        tuple(names.folds),
        labels=_labels(names.codes.values()),
    )


def _text(
    name: str,
    licence: str,
    source: str,
    *,
    folder: str = "",
    splits: tuple[str, ...] = OFFICIAL,
    several: bool = False,
) -> Corpus:
    kind = TextCorpus(folder or name, splits, several)

    def read(root: Path, modality: str, split: str) -> Reading:
        return read_text_corpus(name, kind, root, split)

    # the tables have one of the seven in a column beside the corpus' own label
    return Corpus(
        licence, source, read, ("text",), splits, "test" if splits else ALL, _labels(EMOTIONS)
    )


CORPORA: Final[Mapping[str, Corpus]] = {
    "ravdess": _named(
        "ravdess",
        named.RAVDESS,
        "CC BY-NC-SA 4.0",
        "RAVDESS speech, Livingstone & Russo 2018, Zenodo 1188976",
    ),
    "emodb": _named(
        "emodb",
        named.EMODB,
        "CC0-1.0 (as stated by audeering/emodb)",
        "EmoDB, Burkhardt et al. 2005",
    ),
    "tess": _named(
        "tess",
        named.TESS,
        "CC BY-NC-ND 4.0 (reported; a copy of it states CC BY-NC 4.0)",
        "TESS, Pichora-Fuller & Dupuis 2010, doi 10.5683/SP2/E8H2MF",
    ),
    "savee": _named(
        "savee",
        named.SAVEE,
        "unknown: handed out on registration, see its terms",
        "SAVEE, Jackson & Haq 2011, University of Surrey",
    ),
    "nemo": _named("nemo", named.NEMO, "CC BY-NC-SA 4.0", "nEMO, Christop 2024, amu-cai/nEMO"),
    "urdu": _named(
        "urdu",
        named.URDU,
        "its README: only for research purposes",
        "URDU-Dataset, Latif et al. 2018, siddiquelatif/URDU-Dataset",
    ),
    "emogator": _named(
        "emogator", named.EMOGATOR, "Apache-2.0", "EmoGator, Buhl 2023, fredbuhl/EmoGator"
    ),
    "cremad": _named(
        "cremad",
        named.CREMAD,
        "ODbL 1.0, contents DbCL 1.0",
        "CREMA-D, Cao et al. 2014, CheyneyComputerScience/CREMA-D",
    ),
    "grid": _named(
        "grid", named.GRID, "unknown: the copy used states none", "GRID, Cooke et al. 2006"
    ),
    "yalefaces": _named(
        "yalefaces",
        named.YALEFACES,
        "unknown: the copy used states none",
        "Yale Face Database, by leecarraher/pattern_recognition",
    ),
    "iemocap": Corpus(
        "USC's release form, on request; reported: neither it nor what is derived from it may be "
        "passed on",
        "IEMOCAP, Busso et al. 2008, sail.usc.edu/iemocap",
        iemocap.read_iemocap,
        ("speech", "text"),
        iemocap.SPLITS,
        labels={code: LABELS[name] for code, name in iemocap.CODES.items()},
    ),
    "meld": Corpus(
        "GPL-3.0 (repository); dialogue of a television series",
        "MELD, Poria et al. 2019",
        meld.read_meld,
        EVERY_MODALITY,
        meld.SPLITS,
        "test",
        _labels(EMOTIONS),
    ),
    "mosei": Corpus(
        "unknown: its makers state none; the videos are their uploaders'",
        "CMU-MOSEI, Zadeh et al. 2018, CMU-MultiComp-Lab/CMU-MultimodalSDK",
        mosei.read_mosei,
        EVERY_MODALITY,
        mosei.SPLITS,
        "test",
        _labels((*mosei.SIX, "neutral")),
    ),
    "fer2013": Corpus(
        "images unknown (web image search; Kaggle competition data), FER+ votes MIT",
        "FER2013, Goodfellow et al. 2013; FER+, Barsoum et al. 2016, microsoft/FERPlus",
        fer2013.read_fer2013,
        ("face",),
        fer2013.SPLITS,
        "private_test",
        {vote: LABELS.get(vote) for vote in fer2013.VOTES},
    ),
    "images": Corpus(
        "not known: the user's own pictures",
        "the user's own folders of pictures",
        image_folder.read_images,
        ("face",),
        image_folder.SPLITS,
        labels=LABELS,
    ),
    "muxspace": Corpus(
        "Apache-2.0 (repository); where the pictures are from is not stated",
        "muxspace/facial_expressions",
        image_folder.read_muxspace,
        ("face",),
        labels=LABELS,
    ),
    "emorynlp": _text(
        "emorynlp",
        "Apache-2.0; dialogue of a television series",
        "EmoryNLP emotion detection, Zahiri & Choi 2018",
    ),
    "dailydialog": _text(
        "dailydialog",
        "CC BY-NC-SA 4.0 (original corpus)",
        "DailyDialog, Li et al. 2017, by XDailyDialog and RECCON",
    ),
    "goemotions": _text(
        "goemotions", "Apache-2.0", "GoEmotions, Demszky et al. 2020", several=True
    ),
    "carer": _text(
        "carer",
        "its README: only for educational and research purposes",
        "CARER, Saravia et al. 2018, dair-ai/emotion_dataset",
    ),
    "tweeteval": _text(
        "tweeteval",
        "no restriction of its own; the task's and Twitter's may apply",
        "TweetEval emotion, Barbieri et al. 2020, cardiffnlp/tweeteval",
        folder="tweeteval_emotion",
    ),
    "isear": _text(
        "isear",
        "unknown: the copy used states none",
        "ISEAR, Scherer & Wallbott 1994",
        splits=(),  # its makers split nothing: all.tsv
    ),
    "manifest": Corpus(
        "not known: the user's own list",
        "the user's own CSV file",
        read_manifest,
        EVERY_MODALITY,
        None,
        labels=_labels(EMOTIONS),
    ),
    "esc10": Corpus("CC BY 3.0, clips CC0 or CC BY 3.0", "ESC-10, Piczak 2015, karoldvl/ESC-10"),
}


def corpus_of(name: str) -> Corpus:
    """The entry of a corpus.

    Raises:
        MmerError: no such corpus.
    """
    if name not in CORPORA:
        raise MmerError(f"no corpus {name!r}; known are {', '.join(CORPORA)}")
    return CORPORA[name]


def training_data(corpus: str, split: str, items: int) -> TrainingData:
    """The card's entry for ``items`` items of a corpus' split.

    Raises:
        MmerError: no such corpus.
    """
    entry = corpus_of(corpus)
    return TrainingData(corpus, split, items, entry.licence, entry.source)
