"""Networks loaded once, and recognizers that share them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixed_words import FixedWords
from sounds import voice

import mmer
from mmer.models.encoder import SpeechModel, TextModel
from mmer.realtime.asr.registry import ENGINES, AsrEngine
from mmer.realtime.asr.selection import Selection
from mmer.realtime.choose import Choice
from mmer.realtime.demo import clip
from mmer.realtime.messages import Notice, Transcript


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


@pytest.mark.slow
def test_recognizers_share_the_networks_and_nothing_else(short_clip: Path) -> None:
    models = mmer.SharedModels()
    pair = [mmer.Recognizer(short_clip, asr="none", pace="max", models=models) for _ in range(2)]
    alone = mmer.Recognizer(short_clip, asr="none", pace="max")
    found = []
    for recognizer in (*pair, alone):
        with recognizer:
            found.append([(e.t, e.label, rounded(e.probs)) for e in recognizer])
    assert found[0] == found[1] == found[2]
    assert models.encoder("face", None) is models.encoder("face", None)
    assert models.encoder("face", None).engine.runs > 50
    assert len({str(probs) for _, _, probs in found[0]}) > 10  # they do not stand still


class Loads:
    """In place of ``selection.load``: what was loaded, slowly; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.selections: list[Selection] = []

    def __call__(self, selection: Selection, load_one: object) -> Choice[Any]:
        self.selections.append(selection)
        time.sleep(0.05)
        if len(self.selections) <= self.failures:
            raise mmer.MmerError("damaged")
        notice = Notice(0.0, "info", "words", "another engine is not here")
        return Choice(FixedWords("hello"), selection.asr, (notice,))


def test_threads_that_ask_at_once_share_one_speech_recognizer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads = Loads()
    monkeypatch.setattr("mmer.realtime.asr.selection.load", loads)
    models = mmer.SharedModels()
    wanted = [Selection(asr, ()) for asr in ("auto", "moonshine") for _ in range(8)]
    with ThreadPoolExecutor(16) as pool:
        choices = list(pool.map(models.asr, wanted))
    assert sorted(s.asr for s in loads.selections) == ["auto", "moonshine"]
    assert len({id(c.made) for c in choices[:8]}) == len({id(c.made) for c in choices[8:]}) == 1
    assert choices[0].made is not choices[8].made
    assert all(len(c.notices) == 1 for c in choices)  # each recognizer says what it lacks


def test_an_engine_of_several_selections_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(self: AsrEngine, paths: tuple[Path, ...]) -> FixedWords:
        loaded.append(self.name)
        return FixedWords("hello")

    monkeypatch.setattr(AsrEngine, "load", load)
    models = mmer.SharedModels()
    both = tuple((ENGINES[name], (Path(name),)) for name in ("moonshine", "vosk"))
    models.asr(Selection("auto", both))
    named = [models.asr(Selection(engine.name, ((engine, paths),))).made for engine, paths in both]
    assert loaded == ["moonshine", "vosk"]
    assert named[0] is models.asr(Selection("auto", both[:1])).made
    models.asr(Selection("vosk", ((ENGINES["vosk"], (Path("another model"),)),)))
    assert loaded == ["moonshine", "vosk", "vosk"]


def test_a_speech_recognizer_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(failures=1)
    monkeypatch.setattr("mmer.realtime.asr.selection.load", loads)
    models = mmer.SharedModels()
    with pytest.raises(mmer.MmerError, match="damaged"):
        models.asr(Selection("moonshine", ()))
    assert models.asr(Selection("moonshine", ())).name == "moonshine"
    assert len(loads.selections) == 2


def test_recognizers_share_one_speech_recognizer_and_no_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    streams: list[object] = []

    class Counted(FixedWords):
        def __init__(self, *paths: Path) -> None:
            super().__init__("hello again")
            made.append(self)

        def stream(self) -> FixedWords:
            streams.append(opened := FixedWords("hello again"))
            return opened

    monkeypatch.setattr(AsrEngine, "load", lambda self, paths: Counted(*paths))
    monkeypatch.setattr(AsrEngine, "get", lambda self, store: ())
    models = mmer.SharedModels()
    options = {"asr": "moonshine", "modalities": ("text",), "pace": "max", "offline": True}
    found = []
    for _ in range(2):
        with mmer.Recognizer(clip(), models=models, **options) as recognizer:
            found.append([e.text for e in recognizer.events() if isinstance(e, Transcript)])
    assert len(made) == 1
    assert len(streams) == 2
    assert found[0] == found[1]
    assert "hello again" in found[0]


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
