"""Log-mel filter bank, the same in training and live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class LogMel:
    """A mel filter bank (Kaldi's, by kaldi-native-fbank) and how its output is normalised.

    The band leaves out what lossy codecs and small microphones cut. ``floor_db`` is how far below
    the mean power of the segment everything is the same silence: it hides the noise of a studio
    from the network, and digital silence with it.
    """

    bins: int = 64
    window_s: float = 0.025
    shift_s: float = 0.010
    low_hz: float = 50.0
    high_hz: float = 7600.0
    floor_db: float = 55.0

    def frames(self, n_samples: int) -> int:
        """How many frames ``n_samples`` give: whole windows only."""
        window, shift = round(self.window_s * SAMPLE_RATE), round(self.shift_s * SAMPLE_RATE)
        return max(0, 1 + (n_samples - window) // shift)

    def raw(self, samples: np.ndarray) -> np.ndarray:
        """Natural-log mel power of 16 kHz samples, int16 or float (n,): float32 (T, bins).

        The samples are brought to a root mean square of 1 first: the result does not depend on
        the gain. Silence gives the lowest value everywhere.
        """
        import kaldi_native_fbank as knf

        options = knf.FbankOptions()
        options.frame_opts.samp_freq = SAMPLE_RATE
        options.frame_opts.frame_length_ms = self.window_s * 1000
        options.frame_opts.frame_shift_ms = self.shift_s * 1000
        options.frame_opts.dither = 0.0
        options.frame_opts.preemph_coeff = 0.0
        options.mel_opts.num_bins = self.bins
        options.mel_opts.low_freq = self.low_hz
        options.mel_opts.high_freq = self.high_hz
        bank = knf.OnlineFbank(options)
        signal = samples.astype(np.float64)
        level = np.sqrt(np.mean(signal**2)) if len(signal) else 0.0
        if level > 0:
            signal /= level
        # a list: pybind11 converts it faster than an array
        bank.accept_waveform(SAMPLE_RATE, signal.tolist())
        bank.input_finished()
        rows = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
        return np.array(rows, dtype=np.float32).reshape(-1, self.bins)

    def normalise(self, raw: np.ndarray) -> np.ndarray:
        """Power relative to the segment's mean power, floored, about -2..3: float32 (T, bins)."""
        if not len(raw):
            return raw.astype(np.float32)
        power = np.exp(raw.astype(np.float64))
        relative = power / max(power.mean(), 1e-30)
        floored = np.log(relative + 10 ** (-self.floor_db / 10))
        return np.asarray((floored + 5.0) / 3.0, dtype=np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Normalised features of samples (n,): float32 (T, bins)."""
        return self.normalise(self.raw(samples))
