import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis
from mmer.realtime.blocks.vosk_recognizer import VoskRecognizer

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
def recognizer(monkeypatch: pytest.MonkeyPatch) -> VoskRecognizer:
    fake = SimpleNamespace(KaldiRecognizer=FakeKaldiRecognizer, SetLogLevel=lambda level: None)
    monkeypatch.setitem(sys.modules, "vosk", fake)
    return VoskRecognizer(object())


def spans(hypothesis: Hypothesis) -> list[tuple[str, float, float]]:
    return [(w.text, w.start / RATE, w.end / RATE) for w in hypothesis.words]


def test_partials_and_the_final(recognizer: VoskRecognizer) -> None:
    assert recognizer.accept(SECOND) == Hypothesis("w0")
    assert recognizer.accept(SECOND[:8000]) == Hypothesis("w0 w1")
    final = recognizer.finish()
    assert final.words == (
        HeardWord("w0", 0, 16000, 0.75),
        HeardWord("w1", 16000, 24000, 0.75),
    )
    assert (final.text, final.confidence) == ("w0 w1", 0.75)


def test_times_begin_anew_with_each_utterance(recognizer: VoskRecognizer) -> None:
    for seconds in (1, 3, 2):
        for _ in range(seconds):
            recognizer.accept(SECOND)
        final = recognizer.finish()
        assert spans(final) == [(f"w{i}", i, i + 1) for i in range(seconds)]


def test_an_endpoint_amid_the_utterance_loses_nothing(recognizer: VoskRecognizer) -> None:
    recognizer.accept(SECOND)
    assert recognizer.accept(QUIET).text == "w0"
    assert recognizer.accept(SECOND).text == "w0 w0"  # what was kept, and the new partial
    final = recognizer.finish()
    assert spans(final) == [("w0", 0, 1), ("w0", 2, 3)]
    recognizer.accept(SECOND)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_an_endpoint_at_the_very_end(recognizer: VoskRecognizer) -> None:
    recognizer.accept(SECOND)
    recognizer.accept(QUIET)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_no_sound_and_no_words(recognizer: VoskRecognizer) -> None:
    assert recognizer.finish() == Hypothesis()
    assert recognizer.accept(SECOND[:0]) == Hypothesis()
    assert recognizer.accept(QUIET) == Hypothesis()
    assert recognizer.finish() == Hypothesis()


def test_reset_forgets_the_utterance_but_not_the_count(recognizer: VoskRecognizer) -> None:
    recognizer.accept(SECOND)
    recognizer.reset()
    recognizer.accept(SECOND)
    assert spans(recognizer.finish()) == [("w0", 0, 1)]


def test_sounds_that_are_no_words_are_left_out(
    recognizer: VoskRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = {"result": [{"word": "[unk]", "start": 0.0, "end": 0.5, "conf": 0.2}], "text": "[unk]"}
    monkeypatch.setattr(FakeKaldiRecognizer, "PartialResult", lambda self: '{"partial": "[unk]"}')
    monkeypatch.setattr(FakeKaldiRecognizer, "FinalResult", lambda self: json.dumps(result))
    assert recognizer.accept(SECOND) == Hypothesis()
    assert recognizer.finish() == Hypothesis()


def test_the_real_package_without_a_model(tmp_path: Path) -> None:
    pytest.importorskip("vosk")
    with pytest.raises(MmerError, match="no Vosk model at"):
        VoskRecognizer(tmp_path / "missing")
    with pytest.raises(MmerError, match="not a Vosk model"):
        VoskRecognizer(tmp_path)
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").write_bytes(b"cut short")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mfcc.conf").write_text("")
    with pytest.raises(MmerError, match="not a Vosk model"):
        VoskRecognizer(tmp_path)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vosk", None)
    with pytest.raises(MmerError, match="pip install vosk"):
        VoskRecognizer(object())
