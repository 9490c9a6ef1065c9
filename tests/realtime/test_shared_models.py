"""Networks loaded once, and recognizers that share them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sounds import voice

import mmer
from mmer.models.speech import SpeechModel
from mmer.models.text import TextModel
from mmer.realtime.demo import clip


def rounded(probs: np.ndarray | None) -> list[float] | None:
    return None if probs is None else probs.round(4).tolist()


def test_threads_that_share_a_model_get_what_one_alone_would_get() -> None:
    shared = mmer.SharedModels().encoder("speech", None)
    alone = SpeechModel.load()
    sounds = [voice(0.8 + 0.1 * (k % 4), pitch_hz=100 + 10 * k) for k in range(12)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(shared.predict, sounds))
    for sound, prediction in zip(sounds, together, strict=True):
        assert np.allclose(prediction.log_probs, alone.predict(sound).log_probs, atol=1e-3)


def test_words_too() -> None:
    shared = mmer.SharedModels().encoder("text", None)
    alone = TextModel.load()
    said = ["i am so happy", "what", "i am so sorry", "go away", "oh my god"] * 4
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(shared.predict, said))
    for text, prediction in zip(said, together, strict=True):
        assert np.array_equal(prediction.log_probs, alone.predict(text).log_probs), text


def test_recognizers_share_the_networks_and_nothing_else() -> None:
    models = mmer.SharedModels()
    pair = [mmer.Recognizer(clip(), asr="none", pace="max", models=models) for _ in range(2)]
    alone = mmer.Recognizer(clip(), asr="none", pace="max")
    found = []
    for recognizer in (*pair, alone):
        with recognizer:
            found.append([(e.t, e.label, rounded(e.probs)) for e in recognizer])
    assert found[0] == found[1] == found[2]
    assert models.encoder("face", None) is models.encoder("face", None)
    assert models.encoder("face", None).engine.runs > 50
    assert len({n for f in found for _, n, _ in f}) > 1


def test_models_come_with_their_weights_and_provider() -> None:
    models = mmer.SharedModels(provider="cpu")
    with pytest.raises(mmer.MmerError, match="leave those two out"):
        mmer.Recognizer(clip(), models=models, weights="elsewhere")
    with pytest.raises(mmer.MmerError, match="leave those two out"):
        mmer.Recognizer(clip(), models=models, provider="cuda")
    assert mmer.Recognizer(clip(), models=models).options.provider == "cpu"


def test_a_folder_that_is_not_there_is_told() -> None:
    models = mmer.SharedModels(weights="nowhere")
    with pytest.raises(mmer.MmerError, match="nowhere"):
        mmer.Recognizer(clip(), pace="max", models=models).prepare()
