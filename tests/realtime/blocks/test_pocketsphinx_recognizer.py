import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sounds import Sound, decoded, noise, silence, voice

from mmer.models.errors import MmerError
from mmer.realtime.blocks.pocketsphinx_recognizer import PocketsphinxRecognizer
from mmer.realtime.blocks.recognizer import Hypothesis

pytest.importorskip("pocketsphinx")
SENTENCE = "please call me when you get home tonight"


@pytest.fixture(scope="module")
def recognizer() -> PocketsphinxRecognizer:
    return PocketsphinxRecognizer()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    path: Path = tmp_path_factory.mktemp("flite") / "speech.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", SENTENCE, "-o", str(path)], check=True)
    return decoded(path)


def feed(recognizer: PocketsphinxRecognizer, sound: Sound, step: int = 1600) -> list[Hypothesis]:
    """The partial hypotheses, and the final one last."""
    partial = [recognizer.accept(sound[i : i + step]) for i in range(0, len(sound), step)]
    return [*partial, recognizer.finish()]


def test_a_spoken_sentence(recognizer: PocketsphinxRecognizer, spoken: Sound) -> None:
    recognizer.reset()
    *partials, final = feed(recognizer, spoken)
    right = set(SENTENCE.split()) & set(final.text.split())
    assert len(right) >= 6, final.text
    assert any(p.text and set(p.text.split()) <= set(SENTENCE.split()) for p in partials)
    assert all(p.confidence is None for p in partials)
    assert final.text == " ".join(w.text for w in final.words)
    assert "(" not in final.text
    assert "<" not in final.text
    spans = [(w.start, w.end) for w in final.words]
    assert spans == sorted(spans)
    assert spans[-1][1] <= len(spoken) + 160
    assert all(w.confidence is not None and 0 <= w.confidence <= 1 for w in final.words)
    assert final.confidence is not None
    assert final.confidence > 0.5


def test_a_quiet_sentence_is_understood_as_well(
    recognizer: PocketsphinxRecognizer, spoken: Sound
) -> None:
    recognizer.reset()
    final = feed(recognizer, (spoken // 30).astype(np.int16))[-1]
    assert len(set(SENTENCE.split()) & set(final.text.split())) >= 5, final.text


def test_reset_makes_it_as_new(recognizer: PocketsphinxRecognizer, spoken: Sound) -> None:
    recognizer.reset()
    first = feed(recognizer, spoken)
    feed(recognizer, noise(1, -15))
    recognizer.accept(voice(0.5))  # an utterance that is left open
    recognizer.reset()
    assert feed(recognizer, spoken) == first


def test_silence_and_scraps_hold_no_words(recognizer: PocketsphinxRecognizer) -> None:
    assert recognizer.finish() == Hypothesis()
    assert recognizer.accept(silence(0)).words == ()
    assert recognizer.finish() == Hypothesis()
    for samples in (1, 159, 160, 800, 16000):
        assert recognizer.accept(np.zeros(samples, np.int16)).words == ()
        assert recognizer.finish() == Hypothesis()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pocketsphinx", None)
    with pytest.raises(MmerError, match="pip install pocketsphinx"):
        PocketsphinxRecognizer()
