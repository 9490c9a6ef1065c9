"""Every fusion on CMU-MOSI's features, cross-validated, and why most of it is no generalisation.

``python -m mmer.training.studies.mosi [--data DATA] [--output FOLDER]`` prints the tables, and
writes them as mosi.md and mosi.json. The features are those of Poria et al. 2017, "Context-
dependent sentiment analysis in user-generated videos", ACL; their test labels are absent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.networks.fusions import FUSIONS
from mmer.training.datasets.data_folder import data_dir
from mmer.training.evaluation.bootstrap import intervals, scores, tallies
from mmer.training.significance import differences
from mmer.training.studies.mosi_features import Features, read_features
from mmer.training.studies.mosi_leak import leak, padded
from mmer.training.studies.mosi_network import Arm, Fitted
from mmer.training.studies.mosi_page import render

FOLDS: Final = 5
CONTEXT: Final = 4
"""Utterances in the context variant's windows, the judged one among them."""
SEED: Final = 0
Said = dict[str, NDArray[np.float64]]
"""Log-probabilities (N, 2) by what was shown, "speech+text"."""


def arms() -> dict[str, Arm]:
    """The networks of the table by name: each modality alone, and each fusion of all three."""
    found = {f"{m} alone": Arm((m,)) for m in MODALITIES}
    found |= {name: Arm(MODALITIES, name) for name in FUSIONS}
    found["cross-modal, context"] = Arm(MODALITIES, "cross-modal", CONTEXT)
    return found


def folds_of(
    features: Features, folds: int = FOLDS
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to train on and rows to judge, of different videos.

    Raises:
        MmerError: there are fewer videos than folds.
    """
    n = len(np.unique(features.videos))
    if n < folds:
        raise MmerError(f"{n} training videos are too few for {folds} folds")
    return list(GroupKFold(folds).split(features.labels, groups=features.videos))


def cross_validate(features: Features, arm: Arm, seed: int = SEED) -> Said:
    """What networks say of the videos they were not fitted to, for any choice of modalities."""
    shown = [s for k in range(1, len(arm.modalities) + 1) for s in combinations(arm.modalities, k)]
    said: Said = {"+".join(s): np.zeros((len(features.labels), 2)) for s in shown}
    for k, (train, judged) in enumerate(folds_of(features)):
        fitted = Fitted(arm, features, train, seed + k)
        for some in shown:
            said["+".join(some)][judged] = fitted.log_probs(judged, some)
    return said


def judge(
    said: NDArray[np.float64], features: Features, than: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """Accuracy and macro F1 with intervals over videos; ``than``: what is gained over these."""
    groups = np.unique(features.videos, return_inverse=True)[1]
    ranges = intervals(padded(said), features.labels, groups)
    values = scores(tallies(padded(said), features.labels, groups).sum(axis=0)[None])
    found: dict[str, Any] = {
        key: {"value": float(values[key][0]), "interval": ranges[key]}
        for key in ("accuracy", "macro_f1")
    }
    if than is not None:
        gain = differences(padded(than), padded(said), features.labels, groups)["accuracy"]
        found["gain"] = {"value": gain.value, "interval": (gain.low, gain.high)}
    return found


def study(train: Features, test: Features) -> dict[str, Any]:
    """All figures: the floor, every arm by what it was shown, the control, and the leak."""
    everything = "+".join(MODALITIES)
    said = {name: cross_validate(train, arm) for name, arm in arms().items()}
    best = said["text alone"]["text"]
    networks: dict[str, Mapping[str, Any]] = {}
    for name, each in said.items():
        networks[name] = {
            shown: judge(log_probs, train, best if shown == everything else None)
            for shown, log_probs in each.items()
        }
    shuffled = Features(
        train.vectors, np.random.default_rng(SEED).permutation(train.labels), train.videos
    )
    control = cross_validate(shuffled, arms()["concat"])
    commonest = np.bincount(train.labels, minlength=2).argmax()
    floor = np.log(np.tile(np.eye(2)[commonest] + 1e-12, (len(train.labels), 1)))
    return {
        "n": len(train.labels),
        "videos": len(np.unique(train.videos)),
        "n_test": len(test.labels),
        "videos_test": len(np.unique(test.videos)),
        "folds": FOLDS,
        "floor": judge(floor, train),
        "networks": networks,
        "labels_shuffled": {key: judge(each, shuffled) for key, each in control.items()},
        "leak": leak(train, test),
    }


@dataclass(frozen=True)
class Arguments:
    """Cross-validate every fusion on CMU-MOSI's features, and show what that cannot show."""

    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    output: Path | None = None
    """Folder for mosi.md and mosi.json."""


def main() -> None:
    """Print the tables; a user's mistake is told in one line, with exit status 2."""
    arguments = tyro.cli(Arguments, prog="python -m mmer.training.studies.mosi")
    try:
        if arguments.output is not None and not arguments.output.is_dir():
            raise MmerError(f"the folder {arguments.output} does not exist: make it first")
        found = study(*read_features(data_dir(arguments.data)))
        page = render(found)
        print(page)
        if arguments.output is not None:
            _write(arguments.output / "mosi.md", page + "\n")
            _write(arguments.output / "mosi.json", json.dumps(found, indent=1) + "\n")
    except MmerError as error:
        print(f"mosi: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("mosi: stopped", file=sys.stderr)
        raise SystemExit(130) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


if __name__ == "__main__":
    main()
