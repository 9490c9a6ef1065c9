"""eGeMAPS functionals (extended Geneva minimalistic acoustic parameter set) by openSMILE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Sound
from mmer.models.preparation.sound import SoundPreparation, audible

VALUES: Final = 88


@dataclass(frozen=True)
class Egemaps(SoundPreparation):
    """The 88 functionals of eGeMAPSv02, float32 (1, 88), in openSMILE's order and units.

    Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research
    and Affective Computing". What openSMILE leaves undefined (jitter of what has no voice) is 0.
    None where all is silent. The package ``opensmile`` is free for research alone.
    """

    kind = "egemaps"
    title = "eGeMAPS"
    names = ("egemaps",)

    longest_s: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _smile()

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(egemaps float32 (1, 88),) of 16 kHz samples int16."""
        samples = audible(raw, self.longest_s, least=SAMPLE_RATE // 4)
        if samples is None:
            return None
        table = _smile().process_signal(samples.astype(np.float32) / 32768, SAMPLE_RATE)
        return (np.nan_to_num(table.to_numpy(np.float32)),)


@cache
def _smile() -> Any:
    try:
        import opensmile
    except ImportError as error:
        raise MmerError("eGeMAPS need openSMILE: pip install opensmile") from error
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
