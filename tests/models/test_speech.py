import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.encoder import SpeechModel
from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE

LOW = [0.1345, 0.1420, 0.1059, 0.1138, 0.2742, 0.1109, 0.1186]
HIGH = [0.0771, 0.1991, 0.1277, 0.1555, 0.0908, 0.0718, 0.2781]
"""The same an octave higher and twice as fast."""


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return SpeechModel.load(provider="cpu")


def voice(seconds: float) -> np.ndarray:
    """Like a vowel with a melody: harmonics of 120-180 Hz under a slow envelope."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(150 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)
    return (4000 * envelope * harmonics).astype(np.int16)


@pytest.mark.parametrize(("step", "expected"), [(1, LOW), (2, HIGH)])
def test_stored_predictions_are_reproduced(
    model: SpeechModel, step: int, expected: list[float]
) -> None:
    prediction = model.predict(voice(2.0 * step)[::step])
    # 8-bit activations round to either side where another processor's sums differ in a last bit
    assert prediction.probs == pytest.approx(expected, abs=2e-2)
    assert prediction.embedding is not None
    assert prediction.embedding.dtype == np.float32


def test_it_says_on_what_it_runs_and_what_it_needs(model: SpeechModel) -> None:
    assert model.provider == "cpu"
    assert model.card.modality == "speech"
    assert 0.1 <= model.min_s <= 1.0


def test_the_gain_does_not_matter(model: SpeechModel) -> None:
    loud = voice(1.5)
    quiet = (loud // 10).astype(np.int16)
    assert model.predict(loud).probs == pytest.approx(model.predict(quiet).probs, abs=0.02)


@pytest.mark.parametrize("n", [0, 1, 399, 400, 7999])
def test_short_sound_gives_probabilities(model: SpeechModel, n: int) -> None:
    prediction = model.predict(voice(1.0)[200 : 200 + n])
    assert np.isfinite(prediction.log_probs).all()
    assert prediction.probs.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", [0, 10, 16_000])
def test_digital_silence_prefers_nothing(model: SpeechModel, n: int) -> None:
    prediction = model.predict(np.zeros(n, np.int16))
    assert prediction.probs == pytest.approx(np.full(7, 1 / 7))
    assert prediction.usable == 0.0


def test_how_much_of_the_shortest_sound_is_there_is_how_usable_it_is(model: SpeechModel) -> None:
    least = round(model.min_s * SAMPLE_RATE)
    assert model.predict(voice(1.0)[: least // 4]).usable == pytest.approx(0.25)
    assert model.predict(voice(1.0)).usable == 1.0


def test_extreme_samples_are_finite(model: SpeechModel) -> None:
    for value in (-32_768, 32_767, 1):
        assert np.isfinite(model.predict(np.full(9000, value, np.int16)).log_probs).all()


def test_of_a_long_sound_the_last_seconds_count(model: SpeechModel) -> None:
    tail = voice(model.max_s)
    before = np.random.default_rng(0).integers(-9000, 9000, SAMPLE_RATE * 3).astype(np.int16)
    long = model.predict(np.concatenate([before, tail]))
    assert long.log_probs == pytest.approx(model.predict(tail).log_probs, abs=1e-6)


@pytest.mark.parametrize(
    "samples", [np.zeros(100, np.float32), np.zeros((2, 100), np.int16), np.zeros(9, np.int32)]
)
def test_other_samples_are_refused(model: SpeechModel, samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected samples int16 \(n,\), got"):
        model.predict(samples)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": {"kind": "whisper-log-mel", "bones": 64}}, "has no bones"),
        ({"input": 64}, "input must be a table"),
        ({"min_s": "long"}, "min_s is 'long'"),
    ],
)
def test_a_card_that_it_does_not_understand_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    shutil.copy(weights_dir() / "speech.onnx", tmp_path)
    card = json.loads((weights_dir() / "speech.json").read_text(encoding="utf-8"))
    card["preprocessing"] |= change
    (tmp_path / "speech.json").write_text(json.dumps(card))
    with pytest.raises(MmerError, match=message):
        SpeechModel.load(tmp_path)
