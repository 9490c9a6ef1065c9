"""Round trip of texts through speech: what is drawn, kept and taken up again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from moonshine_files import moonshine
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.asr.interface import Hypothesis
from mmer.training.augment import spoken_texts
from mmer.training.augment.spoken_texts import FILE, Arguments, load, make, speak, transcripts

NOISES = [np.random.default_rng(k).normal(0, 1000, 8000).astype(np.int16) for k in range(3)]
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite")


class Counts:
    """Transcribes an utterance as the number of its samples; ``heard`` holds each."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []

    def stream(self) -> Counts:
        return self

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        assert samples.dtype == np.int16
        self.heard.append(samples)
        return Hypothesis("counts")

    def finish(self) -> Hypothesis:
        return Hypothesis("counts", f"{len(self.heard[-1])} samples.")


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, float]]:
    """No flite: a tone as long as the text; the list has what was spoken."""
    calls: list[tuple[str, str, float]] = []

    def tone(text: str, voice: str, stretch: float) -> NDArray[np.int16]:
        calls.append((text, voice, stretch))
        return (9000 * np.sin(np.arange(1000 * len(text)) / 9)).astype(np.int16)

    monkeypatch.setattr(spoken_texts, "speak", tone)
    return calls


def test_what_is_drawn_for_a_text_depends_on_it_alone(
    spoken: list[tuple[str, str, float]],
) -> None:
    texts = [f"text number {k}" for k in range(40)]
    rows = list(transcripts(texts, Counts(), NOISES))
    again = list(transcripts(reversed(texts), Counts(), NOISES))
    assert again == rows[::-1]
    assert {row["voice"] for row in rows} == set(spoken_texts.VOICES)
    snr = [float(row["snr_db"]) for row in rows]
    assert 5 <= min(snr) < 10
    assert 25 < max(snr) <= 30
    stretches = [stretch for *_, stretch in spoken]
    assert 0.8 <= min(stretches) < 0.9
    assert 1.1 < max(stretches) <= 1.2
    assert rows[0]["transcript"] == f"{1000 * len(texts[0])} samples."


def test_the_noise_is_heard_and_nothing_is_clipped(spoken: list[tuple[str, str, float]]) -> None:
    model = Counts()
    list(transcripts(["a", "b"], model, NOISES))
    for heard in model.heard:
        clean = 9000 * np.sin(np.arange(len(heard)) / 9)
        assert np.abs(heard - clean).max() > 100
        assert np.abs(heard).max() < 32768


def test_an_interrupted_run_goes_on(
    corpora: Path, tmp_path: Path, spoken: list[tuple[str, str, float]]
) -> None:
    arguments = Arguments(corpora, tmp_path / "cache", ("meld", "emorynlp"))
    make(arguments, Counts())
    path = tmp_path / "cache" / FILE
    whole = path.read_text()
    rows = [json.loads(line) for line in whole.splitlines()]
    assert len(rows) == len({row["text"] for row in rows}) > 100
    assert load(tmp_path / "cache") == {row["text"]: row["transcript"] for row in rows}
    spoken.clear()
    make(arguments, Counts())
    assert (spoken, path.read_text()) == ([], whole)

    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:-3]) + lines[-3][:20])  # stopped amid a line
    assert len(load(tmp_path / "cache")) == len(rows) - 3
    make(arguments, Counts())
    assert [text for text, *_ in spoken] == [row["text"] for row in rows[-3:]]
    assert load(tmp_path / "cache") == {row["text"]: row["transcript"] for row in rows}


def test_a_line_that_ends_amid_a_character_is_left_out(tmp_path: Path) -> None:
    whole = json.dumps({"text": "Café…", "transcript": "Cafe."}, ensure_ascii=False).encode()
    for cut in range(1, len(whole)):
        (tmp_path / FILE).write_bytes(b'{"text": "a", "transcript": "b"}\n' + whole[:cut])
        assert load(tmp_path) == {"a": "b"}
    (tmp_path / FILE).write_bytes(whole[:14] + b"\n" + whole + b"\n")  # a run that went on
    assert load(tmp_path) == {"Café…": "Cafe."}


def test_nothing_made_yet(tmp_path: Path) -> None:
    assert load(tmp_path) == {}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1]", b"12", b"no JSON", b'{"text": "a"}'])
def test_a_file_of_another_kind_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(MmerError, match="cannot read"):
        load(tmp_path)


def test_a_cache_that_cannot_be_written_is_told(
    corpora: Path, tmp_path: Path, spoken: list[tuple[str, str, float]]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MmerError, match="cannot write into"):
        make(Arguments(corpora, tmp_path / "file" / "cache"), Counts())


def test_a_corpus_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="meld"):
        make(Arguments(tmp_path, tmp_path / "cache"), Counts())


def test_without_flite_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MmerError, match="apt-get install -y flite"):
        speak("hello", "slt", 1.0)


def test_a_flite_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, 60.0)

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(MmerError, match="flite takes more than 60 s for 'hello'"):
        speak("hello", "slt", 1.0)


@needs_flite
def test_a_voice_is_slower_when_stretched() -> None:
    lengths = {voice: len(speak("Hello there.", voice, 1.0)) for voice in spoken_texts.VOICES}
    assert all(8_000 < n < 32_000 for n in lengths.values())
    assert len(speak("Hello there.", "slt", 1.2)) > 1.1 * len(speak("Hello there.", "slt", 0.9))


@needs_flite
@pytest.mark.parametrize("text", ["...", "?!", "-h", "", "日本語"])
def test_odd_texts_do_no_harm(text: str) -> None:
    model = Counts()
    (row,) = transcripts([text], model, NOISES)
    assert row["text"] == text
    assert len(model.heard[0]) > 1000


@needs_flite
def test_the_round_trip_gives_a_cased_text() -> None:
    (row,) = transcripts(["I am so happy to see you again!"], moonshine(), NOISES[:1])
    assert str(row["transcript"]).startswith("I am so happy")
