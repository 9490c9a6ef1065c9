"""Face rows: FER+, the same images degraded, and other collections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.accuracy.row import Kind, Row, evaluated

FER: Final = "face/fer2013"
SIDE: Final = 48  # pixels of FER2013's images

Image = NDArray[np.uint8]


def blurred(sigma: float, image: Image) -> Image:
    """Out of focus: a Gaussian of ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def small(side: int, image: Image) -> Image:
    """Far away: shrunk to ``side`` pixels and enlarged again."""
    tiny = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    back = cv2.resize(tiny, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, np.uint8)


def dark(share: float, image: Image) -> Image:
    """With only ``share`` of the light, rounded to whole grey levels."""
    return np.asarray(image * share, np.uint8)


def _fer(
    name: str, condition: str, change: Callable[[Image], Image] | None = None, *, note: str = ""
) -> Row:
    command = (
        "mmer-evaluate face --dataset fer2013 --root DATA/face/fer2013 --split public_test "
        "--cropped --drop-twins"
    )
    return Row(
        key=f"face.ferplus.{name}",
        group="face",
        data="FER+ public test",
        condition=condition,
        kind="development",
        headline="accuracy",
        measure=evaluated(
            "face", "fer2013", FER, "public_test", change, cropped=True, drop_twins=True
        ),
        needs=(f"{FER}/public_test.npz",),
        command=command if change is None else "",
        anchors="face.ferplus" if name == "clean" else "",
        in_readme=name in ("clean", "small_16"),
        note=note,
    )


def _other(dataset: str, place: str, data: str, kind: Kind, cropped: bool, note: str) -> Row:
    return Row(
        key=f"face.{dataset}.clean",
        group="face",
        data=data,
        condition="cropped as they are" if cropped else "faces found by the detector",
        kind=kind,
        headline="unweighted_recall",
        measure=evaluated("face", dataset, place, "all", cropped=cropped),
        needs=(place,),
        command=f"mmer-evaluate face --dataset {dataset} --root DATA/{place}"
        + (" --cropped" if cropped else ""),
        in_readme=True,
        note=note,
    )


FACE_ROWS: Final = (
    _fer(
        "clean",
        "as it is; what resembles it was kept out of training",
        note="majority label of the crowd, one of the seven",
    ),
    *(_fer(f"blur_{s}", f"blurred, sigma {s} px of {SIDE}", partial(blurred, s)) for s in (1, 2)),
    *(_fer(f"small_{s}", f"from {s} px of {SIDE}", partial(small, s)) for s in (24, 16)),
    *(_fer(f"dark_{n}", f"{n} % of the light", partial(dark, n / 100)) for n in (30, 10)),
    _other(
        "muxspace", "face/muxspace", "muxspace", "out of domain", False,
        "noisy labels; its rare classes come from a few films",
    ),
    _other(
        "yalefaces", "face/yalefaces", "Yale faces", "out of domain", False,
        "15 people, posed: neutral, joy, sadness, surprise",
    ),
)  # fmt: skip
