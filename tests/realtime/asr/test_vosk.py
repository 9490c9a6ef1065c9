import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.asr.interface import Hypothesis, TimedWord
from mmer.realtime.asr.vosk import VoskModel, VoskStream

RATE = 16000
SECOND = np.full(RATE, 7, np.int16)
QUIET = np.zeros(RATE, np.int16)


class FakeKaldiRecognizer:
    """Hears "w0 w1 ..." in each second that is not silent, and an endpoint in a silent one.

    As the real one: JSON strings; times count the samples fed since it was made; after Result or
    FinalResult, asking again gives {"text": ""} even of PartialResult; Result is only called when
    AcceptWaveform returned 1.
    """

    def __init__(self, model: Any, rate: float) -> None:
        self.model, self.rate = model, rate
        self.fed = 0
        self.words: list[dict[str, Any]] = []
        self.running = False
        self.with_words = False

    def SetWords(self, on: bool) -> None:
        self.with_words = on

    def AcceptWaveform(self, data: bytes) -> int:
        samples = np.frombuffer(data, np.int16)
        self.running = True
        self.fed += len(samples)
        if not samples.any():
            return 1
        start = (self.fed - len(samples)) / self.rate
        word = {"word": f"w{len(self.words)}", "start": start, "end": self.fed / self.rate}
        self.words.append({**word, "conf": 0.75})
        return 0

    def PartialResult(self) -> str:
        if not self.running:
            return '{"text": ""}'
        return json.dumps({"partial": " ".join(w["word"] for w in self.words)})

    def Result(self) -> str:
        if not self.running or not self.words:
            self.running = False
            return '{"text": ""}'
        result: dict[str, Any] = {"text": " ".join(w["word"] for w in self.words)}
        if self.with_words:
            result["result"] = self.words
        self.running, self.words = False, []
        return json.dumps(result)

    FinalResult = Result


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VoskModel:
    fake = SimpleNamespace(
        KaldiRecognizer=FakeKaldiRecognizer,
        SetLogLevel=lambda level: None,
        Model=lambda folder: SimpleNamespace(folder=folder),
    )
    monkeypatch.setitem(sys.modules, "vosk", fake)
    (tmp_path / "vosk-model-tiny").mkdir()
    return VoskModel(tmp_path / "vosk-model-tiny")


@pytest.fixture
def recognizer(model: VoskModel) -> VoskStream:
    return model.stream()


def of(text: str = "", words: tuple[TimedWord, ...] = (), confidence=None) -> Hypothesis:
    return Hypothesis("vosk", text, words, confidence, style="bare")


def spans(hypothesis: Hypothesis) -> list[tuple[str, float, float]]:
    return [(w.text, w.start / RATE, w.end / RATE) for w in hypothesis.words]


def test_partials_and_the_final(recognizer: VoskStream) -> None:
    assert recognizer.accept(SECOND) == of("w0")
    assert recognizer.accept(SECOND[:8000]) == of("w0 w1")
    final = recognizer.finish()
    assert final.words == (
        TimedWord("w0", 0, 16000, 0.75),
        TimedWord("w1", 16000, 24000, 0.75),
    )
    assert (final.text, final.confidence) == ("w0 w1", 0.75)


def test_times_begin_anew_with_each_utterance(recognizer: VoskStream) -> None:
    for seconds in (1, 3, 2):
        for _ in range(seconds):
            recognizer.accept(SECOND)
        final = recognizer.finish()
        assert spans(final) == [(f"w{i}", i, i + 1) for i in range(seconds)]


def test_an_endpoint_amid_the_utterance_loses_nothing(recognizer: VoskStream) -> None:
    recognizer.accept(SECOND)
    assert recognizer.accept(QUIET).text == "w0"
    assert recognizer.accept(SECOND).text == "w0 w0"  # what was kept, and the new partial
    final = recognizer.finish()
    assert spans(final) == [("w0", 0, 1), ("w0", 2, 3)]
    recognizer.accept(SECOND)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_an_endpoint_at_the_very_end(recognizer: VoskStream) -> None:
    recognizer.accept(SECOND)
    recognizer.accept(QUIET)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_no_sound_and_no_words(recognizer: VoskStream) -> None:
    assert recognizer.finish() == of()
    assert recognizer.accept(SECOND[:0]) == of()
    assert recognizer.accept(QUIET) == of()
    assert recognizer.finish() == of()


def test_reset_forgets_the_utterance_but_not_the_count(recognizer: VoskStream) -> None:
    recognizer.accept(SECOND)
    recognizer.reset()
    recognizer.accept(SECOND)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_words_of_an_utterance_that_failed_are_not_in_the_next(
    recognizer: VoskStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeKaldiRecognizer) -> str:
        raise RuntimeError("out of memory")

    recognizer.accept(SECOND)
    recognizer.accept(QUIET)  # an endpoint: these words are settled
    with monkeypatch.context() as patch:
        patch.setattr(FakeKaldiRecognizer, "FinalResult", fail)
        with pytest.raises(RuntimeError):
            recognizer.reset()
    recognizer.accept(SECOND)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_sounds_that_are_no_words_are_left_out(
    recognizer: VoskStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = {"result": [{"word": "[unk]", "start": 0.0, "end": 0.5, "conf": 0.2}], "text": "[unk]"}
    monkeypatch.setattr(FakeKaldiRecognizer, "PartialResult", lambda self: '{"partial": "[unk]"}')
    monkeypatch.setattr(FakeKaldiRecognizer, "FinalResult", lambda self: json.dumps(result))
    assert recognizer.accept(SECOND) == of()
    assert recognizer.finish() == of()


def test_the_real_package_without_a_model(tmp_path: Path) -> None:
    pytest.importorskip("vosk")
    with pytest.raises(MmerError, match="no Vosk model at"):
        VoskModel(tmp_path / "missing")
    with pytest.raises(MmerError, match="not a Vosk model"):
        VoskModel(tmp_path)
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").write_bytes(b"cut short")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mfcc.conf").write_text("")
    with pytest.raises(MmerError, match="not a Vosk model"):
        VoskModel(tmp_path)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vosk", None)
    with pytest.raises(MmerError, match="pip install vosk"):
        VoskModel(tmp_path)


def test_a_package_whose_library_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "vosk.py").write_text("raise OSError('libvosk.so: cannot open shared object')")
    monkeypatch.delitem(sys.modules, "vosk", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MmerError, match=r"Vosk cannot be loaded: libvosk\.so"):
        VoskModel(tmp_path)


def test_a_model_opens_streams_with_a_state_of_their_own(model: VoskModel, tmp_path: Path) -> None:
    assert (model.name, model.description) == ("vosk", "vosk (vosk-model-tiny)")
    one, other = model.stream(), model.stream()
    one.accept(SECOND)
    one.accept(SECOND)
    other.accept(SECOND)
    assert spans(one.finish()) == [("w0", 0, 1), ("w1", 1, 2)]
    assert spans(other.finish()) == [("w0", 0, 1)]
    kaldi = one._recognizer
    assert (kaldi.model.folder, kaldi.rate) == (str(tmp_path / "vosk-model-tiny"), RATE)
    assert kaldi.model is other._recognizer.model


def test_a_pause_changes_nothing(recognizer: VoskStream) -> None:
    assert recognizer.accept(SECOND, pause=True) == of("w0")
    assert recognizer.accept(SECOND[:0], pause=True) == of("w0")  # no new sound: no change
    assert recognizer.finish().text == "w0"
