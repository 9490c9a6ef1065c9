"""What a card must say of each corpus: where it is from and what its makers allow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mmer.models.card import TrainingData
from mmer.models.errors import MmerError

# name: (licence, source)
CORPORA: Final[Mapping[str, tuple[str, str]]] = {
    "ravdess": (
        "CC BY-NC-SA 4.0",
        "RAVDESS speech, Livingstone & Russo 2018, Zenodo 1188976",
    ),
    "emodb": ("CC0-1.0 (as stated by audeering/emodb)", "EmoDB, Burkhardt et al. 2005"),
    "nemo": ("CC BY-NC-SA 4.0", "nEMO, Christop 2024, amu-cai/nEMO"),
    "urdu": (
        "its README: only for research purposes",
        "URDU-Dataset, Latif et al. 2018, siddiquelatif/URDU-Dataset",
    ),
    "emogator": ("Apache-2.0", "EmoGator, Buhl 2023, fredbuhl/EmoGator"),
    "esc10": ("CC BY 3.0, clips CC0 or CC BY 3.0", "ESC-10, Piczak 2015, karoldvl/ESC-10"),
    "fer2013": (
        "images unknown (web image search; Kaggle competition data), FER+ votes MIT",
        "FER2013, Goodfellow et al. 2013; FER+, Barsoum et al. 2016, microsoft/FERPlus",
    ),
    "meld": ("GPL-3.0 (repository); dialogue of a television series", "MELD, Poria et al. 2019"),
    "emorynlp": (
        "Apache-2.0; dialogue of a television series",
        "EmoryNLP emotion detection, Zahiri & Choi 2018",
    ),
    "dailydialog": (
        "CC BY-NC-SA 4.0 (original corpus)",
        "DailyDialog, Li et al. 2017, by XDailyDialog and RECCON",
    ),
    "goemotions": ("Apache-2.0", "GoEmotions, Demszky et al. 2020"),
}


def training_data(corpus: str, split: str, items: int) -> TrainingData:
    """The card's entry for ``items`` items of a corpus' split."""
    licence, source = CORPORA[corpus]
    return TrainingData(corpus, split, items, licence, source)


def data_dir(given: Path | None) -> Path:
    """The folder of the corpora: what was given, else what ``MMER_DATA`` names.

    Raises:
        MmerError: neither is set, or there is no such folder.
    """
    named = given or (Path(os.environ["MMER_DATA"]) if os.environ.get("MMER_DATA") else None)
    if named is None:
        raise MmerError("no data folder: give --data DIR or set MMER_DATA")
    if not named.is_dir():
        raise MmerError(f"the data folder {named} does not exist")
    return named


def need(path: Path) -> Path:
    """The path, if it is there.

    Raises:
        MmerError: it is not.
    """
    if not path.exists():
        raise MmerError(f"{path} is missing: is this the data folder that training expects?")
    return path
