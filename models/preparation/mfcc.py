"""MFCC preparation: mel-frequency cepstral coefficients over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Sound
from mmer.models.preparation.sound import WindowedPreparation, audible


@dataclass(frozen=True)
class Mfcc(WindowedPreparation):
    """MFCC (Davis and Mermelstein 1980) by kaldi-native-fbank, float32 (T, coefficients).

    100 frames a second, windows of 25 ms, ``coefficients`` mel bands and as many cepstra from the
    0th on; the mean over time is taken away, and with it gain and microphone. None where all is
    silent.
    """

    kind = "mfcc"
    title = "MFCC"
    names = ("mfcc",)

    coefficients: int = 40
    low_hz: float = 50.0
    high_hz: float = 7600.0
    longest_s: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.coefficients <= 80:
            raise MmerError(f"{self.kind}: coefficients is {self.coefficients}, expected 2 to 80")
        if not 0 <= self.low_hz < self.high_hz <= SAMPLE_RATE / 2:
            raise MmerError(
                f"{self.kind}: low_hz {self.low_hz:g} and high_hz {self.high_hz:g} are not a band "
                f"of 0 to {SAMPLE_RATE // 2} Hz"
            )

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(mfcc float32 (T, coefficients),) of 16 kHz samples int16."""
        import kaldi_native_fbank as knf

        samples = audible(raw, self.longest_s)
        if samples is None:
            return None
        options = knf.MfccOptions()
        options.frame_opts.samp_freq = SAMPLE_RATE
        options.frame_opts.dither = 0.0
        options.mel_opts.num_bins = self.coefficients
        options.mel_opts.low_freq = self.low_hz
        options.mel_opts.high_freq = self.high_hz
        options.num_ceps = self.coefficients
        options.use_energy = False
        bank = knf.OnlineMfcc(options)
        signal = samples.astype(np.float64)
        # a list: pybind11 converts it faster than an array
        bank.accept_waveform(SAMPLE_RATE, (signal / np.sqrt(np.mean(signal**2))).tolist())
        bank.input_finished()
        frames = np.array([bank.get_frame(i) for i in range(bank.num_frames_ready)])
        return ((frames - frames.mean(axis=0)).astype(np.float32),)
