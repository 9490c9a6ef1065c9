"""Registry of the fusions that recipes name; importing it needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.models.registry import Entry, Registry

if TYPE_CHECKING:
    from mmer.models.networks.fusions.fusion import Fusion


FUSIONS: Final = Registry(
    "fusion",
    {
        "concat": Entry(
            f"{__name__}.embeddings:Concatenation",
            "embeddings side by side, then a network with one hidden layer",
            "Ngiam et al. 2011, Multimodal deep learning, ICML",
        ),
        "gated": Entry(
            f"{__name__}.embeddings:Gated",
            "gates choose unit by unit whom to believe",
            "Arevalo et al. 2017, Gated multimodal units for information fusion, ICLR workshop",
        ),
        "attention": Entry(
            f"{__name__}.embeddings:Attention",
            "the mean of the embeddings, weighed by attention",
            "Poria et al. 2017, Multi-level multiple attentions for contextual multimodal "
            "sentiment analysis, ICDM",
        ),
        "cross-modal": Entry(
            f"{__name__}.cross_modal:CrossModal",
            "every step of a modality attends to the steps of the others",
            "Tsai et al. 2019, Multimodal transformer for unaligned multimodal language sequences, "
            "ACL",
        ),
        "mean": Entry(
            f"{__name__}.posteriors:Mean",
            "the mean of each modality's own probabilities; nothing to learn",
            "Kittler et al. 1998, On combining classifiers, IEEE TPAMI 20(3)",
        ),
        "product": Entry(
            f"{__name__}.posteriors:Product",
            "the product of each modality's own probabilities; nothing to learn",
            "Hinton 2002, Training products of experts by minimizing contrastive divergence, "
            "Neural Computation 14(8)",
        ),
        "learned": Entry(
            f"{__name__}.posteriors:Learned",
            "the embedded fusion: a product in which each modality's errors are learned",
            "Mercier et al. 2008, Refined modeling of sensor reliability in the belief function "
            "framework using contextual discounting, Information Fusion 9(2)",
        ),
    },
)


def build_fusion(
    kind: str, modalities: Sequence[str], width: int, classes: int, where: str
) -> Fusion:
    """A fusion by its name in ``FUSIONS``.

    Args:
        kind: the name.
        modalities: one or more of MODALITIES, in the order of the parts.
        width: of the parts' embeddings and tokens.
        classes: how many there are to tell apart.
        where: what an error begins with ("recipe x: fusion").

    Raises:
        MmerError: no such fusion, or no such modalities.
    """
    if kind not in FUSIONS:
        raise MmerError(f"{where}: no fusion {kind!r}; known are {', '.join(FUSIONS)}")
    if not modalities or len(set(modalities)) < len(modalities) or set(modalities) - {*MODALITIES}:
        raise MmerError(
            f"{where}: cannot fuse {', '.join(modalities) or 'nothing'}: name one or more of "
            f"{', '.join(MODALITIES)}, each once"
        )
    fusion: Fusion = FUSIONS.load(kind)(modalities, width, classes)
    return fusion
