import os
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.clips import (
    decode,
    development_clips,
    read_clips,
    training_clips,
    trim,
)
from mmer.training.datasets.corpora import CORPORA, data_dir, training_data
from mmer.training.recipe import load_recipe


def test_clips_are_read_by_corpus(corpora: Path) -> None:
    clips = read_clips(corpora, ["emodb"])
    assert [EMOTIONS[c.label] for c in clips] == list(EMOTIONS[:4])
    assert all(c.path.is_file() and c.corpus == "emodb" for c in clips)
    assert len(read_clips(corpora, ["emodb", "ravdess"])) == 4 + 4 * 8


def test_no_speaker_is_on_both_sides_and_the_held_out_actor_on_none(corpora: Path) -> None:
    clips = read_clips(corpora, ["emodb", "ravdess"])
    train = {(c.corpus, c.speaker) for c in training_clips(clips)}
    held = {(c.corpus, c.speaker) for c in development_clips(clips)}
    assert train == {("emodb", "03"), ("ravdess", "02")}
    assert held == {("ravdess", "17"), ("ravdess", "20")}
    assert all(c.label >= 0 for c in [*training_clips(clips), *development_clips(clips)])


@pytest.mark.parametrize("spelling", ["1", "01", "Actor_01", "Actor_1", "17", "Actor_17"])
def test_the_split_knows_each_spelling_of_a_speaker(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "audio").mkdir()
    index = tmp_path / "audio/index.csv"
    index.write_text(f"path,corpus,speaker,emotion,seconds\na.wav,ravdess,{spelling},joy,1\n")
    assert training_clips(read_clips(tmp_path, ["ravdess"])) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,emodb,03,glee,1", "line 2: .*glee"),
        ("a.wav,emodb,03,joy,long", "line 2"),
        ("a.wav,emodb", "line 2"),
        ("a.wav,nemo,03,joy,1", "no clips of emodb"),
    ],
)
def test_a_bad_index_is_told(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/index.csv").write_text(f"path,corpus,speaker,emotion,seconds\n{row}\n")
    with pytest.raises(MmerError, match=message):
        read_clips(tmp_path, ["emodb"])


def test_a_missing_index_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"index\.csv is missing"):
        read_clips(tmp_path, ["emodb"])


def test_a_clip_becomes_16_khz_mono(tmp_path: Path) -> None:
    import wave

    t = np.arange(44_100) / 44_100
    left = (8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(np.stack([left, left], axis=1).tobytes())
    samples = decode(tmp_path / "a.wav")
    assert samples.dtype == np.int16
    assert len(samples) == pytest.approx(16_000, abs=20)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 16_000 / len(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("content", [b"", b"not a sound", None])
def test_an_unreadable_clip_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.opus"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MmerError, match=r"cannot read .*a\.opus"):
        decode(path)


def test_silence_is_cut_off_both_ends() -> None:
    tone = (8000 * np.sin(np.arange(8000) * 0.2)).astype(np.int16)
    still = np.zeros(16_000, np.int16)
    trimmed = trim(np.concatenate([still, tone, still]))
    assert len(trimmed) == pytest.approx(8000 + 2 * 0.15 * 16_000, abs=640)
    assert len(trim(tone)) == len(tone)
    for odd in (np.zeros(0, np.int16), np.zeros(5000, np.int16), tone[:100]):
        assert len(trim(odd)) == len(odd)


def test_every_corpus_of_the_recipes_has_its_licence() -> None:
    for name in ("speech", "text"):
        for corpus in load_recipe(name).options["shares"]:
            licence, source = CORPORA[corpus]
            assert licence
            assert source
    assert training_data("emodb", "all", 3).items == 3


def test_the_data_folder_is_the_given_one_else_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMER_DATA", raising=False)
    with pytest.raises(MmerError, match="give --data DIR or set MMER_DATA"):
        data_dir(None)
    monkeypatch.setenv("MMER_DATA", str(tmp_path))
    assert data_dir(None) == tmp_path
    with pytest.raises(MmerError, match="does not exist"):
        data_dir(tmp_path / "no")


@pytest.mark.data
def test_the_real_split_holds() -> None:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    clips = read_clips(Path(os.environ["MMER_DATA"]), list(load_recipe("speech").options["shares"]))
    train, held = training_clips(clips), development_clips(clips)
    barred = {"Actor_01", *(f"Actor_{n}" for n in (17, 18, 19, 20))}
    assert not barred & {c.path.parent.name for c in train}
    assert {c.path.parent.name for c in held} == barred - {"Actor_01"}
    assert len(train) > 7000
    assert len(held) > 200
