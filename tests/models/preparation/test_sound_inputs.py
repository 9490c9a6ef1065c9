import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.descriptors import NAMES, Descriptors
from mmer.models.preparation.egemaps import VALUES, Egemaps
from mmer.models.preparation.logmel_frames import LogMelFrames
from mmer.models.preparation.mfcc import Mfcc
from mmer.models.preparation.opening import PREPARATIONS, open_preparation
from mmer.models.preparation.waveform import Waveform

RATE = 16_000


def tone(seconds: float, hz: float = 150.0, gain: float = 3000.0) -> NDArray[np.int16]:
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).normal(0, 0.02, len(t))
    return (gain * (np.sin(2 * np.pi * hz * t) + noise)).astype(np.int16)


def made(kind: str) -> Any:
    if kind == "descriptors":
        pytest.importorskip("librosa")
        return Descriptors(longest_s=1.0)
    if kind == "egemaps":
        pytest.importorskip("opensmile")
        return Egemaps(longest_s=1.0)
    classes = {"waveform": Waveform, "mfcc": Mfcc, "log-mel": LogMelFrames}
    return classes[kind](longest_s=1.0)


SHAPES = {
    "waveform": (RATE,),
    "mfcc": (98, 40),
    "log-mel": (98, 64),
    "descriptors": (1, len(NAMES)),
    "egemaps": (1, VALUES),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_lengths_and_silence(kind: str) -> None:
    prepare = made(kind)
    assert prepare.kind == kind
    long = tone(3.0)
    before = long.copy()
    (array,) = prepare(long)
    assert array.dtype == np.float32
    assert array.shape == SHAPES[kind]
    assert np.isfinite(array).all()
    np.testing.assert_array_equal(long, before)
    np.testing.assert_array_equal(array, prepare(long[-RATE:])[0])  # the end counts
    (short,) = prepare(tone(0.01))
    assert len(short) >= 1
    assert np.isfinite(short).all()
    flicker = np.random.default_rng(0).integers(-1, 2, RATE).astype(np.int16)
    for silent in (long[:0], np.zeros(RATE, np.int16), np.full(RATE, 900, np.int16), flicker):
        assert prepare(silent) is None


@pytest.mark.parametrize("kind", SHAPES)
def test_it_is_made_again_from_json(kind: str, tmp_path: Path) -> None:
    prepare = made(kind)
    settings = json.loads(json.dumps(prepare.settings()))
    assert open_preparation(settings, tmp_path) == prepare
    assert prepare.files() == {}
    for wrong, message in (
        ({**settings, "longest_s": 0}, "longest_s is 0"),
        ({**settings, "longest_s": "ten"}, "longest_s is 'ten', expected float"),
        ({**settings, "warmth": 3}, "has no warmth; known are"),
        ({"kind": kind}, "lacks .*longest_s"),
    ):
        with pytest.raises(MmerError, match=message):
            open_preparation(wrong, tmp_path)


def test_an_unknown_kind(tmp_path: Path) -> None:
    for kind in ("smell", None):
        with pytest.raises(MmerError, match=f"no preparation {kind!r}; known are text-tokens"):
            open_preparation({"kind": kind}, tmp_path)
    assert set(SHAPES) < set(PREPARATIONS)


def test_a_waveform_is_normalised_as_its_encoder_learnt_it() -> None:
    sound = tone(0.5) + np.int16(500)
    (normal,) = Waveform()(sound)
    assert abs(normal.mean()) < 1e-5
    assert normal.std() == pytest.approx(1, abs=1e-3)
    (plain,) = Waveform(normalise=False)(sound)
    np.testing.assert_allclose(plain, sound / 32768, atol=1e-6)
    (padded,) = Waveform(least=400)(sound[:90])
    assert padded.shape == (400,)
    assert not padded[90:].any()


@pytest.mark.parametrize("kind", ["mfcc", "log-mel", "descriptors"])
def test_gain_does_not_count(kind: str) -> None:
    (loud,), (soft,) = (made(kind)(tone(1.0, gain=gain)) for gain in (20_000.0, 2_000.0))
    np.testing.assert_allclose(loud, soft, rtol=0.02, atol=0.6)


def test_mfcc_have_no_mean() -> None:
    (frames,) = Mfcc(coefficients=13)(tone(1.0))
    assert frames.shape[1] == 13
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    for options in ({"coefficients": 1}, {"low_hz": 9000.0}):
        with pytest.raises(MmerError, match="mfcc"):
            Mfcc(**options)


def test_descriptors_find_the_pitch() -> None:
    pytest.importorskip("librosa")
    for hz in (110.0, 220.0):
        (vector,) = Descriptors()(tone(1.0, hz))
        named = dict(zip(NAMES, vector[0], strict=True))
        assert named["pitch_log2_hz_mean"] == pytest.approx(np.log2(hz), abs=0.1)
        assert named["rms_mean"] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("package", "made", "install"),
    [
        ("librosa", Descriptors, r"pip install 'mmer-live\[train\]'"),
        ("opensmile", Egemaps, "pip install opensmile"),
    ],
)
def test_an_optional_package_is_named(
    package: str, made: Any, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmer.models.preparation import egemaps

    egemaps._smile.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MmerError, match=install):
        made()
