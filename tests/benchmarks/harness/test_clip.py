"""The annotated clip: what the annotation says is what the file holds."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from mmer.benchmarks.harness import clip as clips
from mmer.benchmarks.harness.clip import AnnotatedClip, lay_out, make_clip, mix, repeated
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.errors import MmerError

SECONDS = 15


def spoken(seconds: float, name: str = "word") -> Utterance:
    return Utterance(name, np.full(round(seconds * 16000), 9000, np.int16))


UTTERANCES = [spoken(1.4, "one"), spoken(1.0003, "two"), spoken(2.1, "three")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedClip:
    return make_clip(UTTERANCES, SECONDS, folder=tmp_path_factory.mktemp("clips"))


def test_about_half_of_it_is_speech_and_every_pause_is_long() -> None:
    spans = lay_out(UTTERANCES, 60)
    speech = sum(s.end - s.begin for s in spans) / 16000
    assert abs(speech - 30) < 1.1
    edges = [0, *(edge for s in spans for edge in (s.begin, s.end)), 60 * 16000]
    pauses = np.diff(edges)[::2]
    assert pauses.min() >= 0.8 * 16000
    assert pauses.max() > 1.2 * pauses.min()  # no rhythm
    assert [s.name for s in spans[:4]] == ["one", "two", "three", "one"]


def test_a_layout_without_room_for_pauses_is_refused() -> None:
    with pytest.raises(MmerError, match="longer"):
        lay_out([spoken(0.3)], 20)


def test_the_noise_has_its_level_and_never_stops() -> None:
    sound = mix([], [], 5, noise_db=-60).astype(float)
    level = 20 * np.log10(np.sqrt((sound**2).mean()) / 32768)
    assert level == pytest.approx(-60, abs=0.1)
    assert not (sound[:-200].reshape(-1, 200) == 0).all(axis=1).any()


@pytest.mark.slow
def test_sound_of_the_file_is_the_mix_to_the_sample(made: AnnotatedClip) -> None:
    heard = read_sound(made.path)
    assert np.array_equal(heard, mix(made.spans, UTTERANCES, SECONDS, -60.0))
    for span in made.spans:
        assert heard[span.begin : span.end].min() > 8000
        assert abs(int(heard[span.begin - 1])) < 1000
        assert abs(int(heard[span.end])) < 1000


@pytest.mark.slow
def test_pictures_are_there_all_the_time(made: AnnotatedClip) -> None:
    with av.open(str(made.path)) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height, stream.codec.name) == (640, 480, "h264")
        times = [frame.time for frame in file.decode(video=0)]
    assert len(times) == SECONDS * 25
    assert np.allclose(times, np.arange(SECONDS * 25) / 25)


@pytest.mark.slow
def test_the_truth_lies_beside_it(made: AnnotatedClip) -> None:
    truth = json.loads(made.path.with_suffix(".json").read_text())
    assert [(u["begin"], u["end"]) for u in truth["utterances"]] == [
        (s.begin, s.end) for s in made.spans
    ]
    assert truth["speech_s"] == pytest.approx(made.speech_s, abs=1e-4)


@pytest.mark.slow
def test_it_is_made_once_and_the_same_each_time(made: AnnotatedClip, tmp_path: Path) -> None:
    written = made.path.stat().st_mtime_ns
    assert make_clip(UTTERANCES, SECONDS, folder=made.path.parent) == made
    assert made.path.stat().st_mtime_ns == written
    again = make_clip(UTTERANCES, SECONDS, folder=tmp_path)
    assert again.path.name == made.path.name
    assert again.path.read_bytes() == made.path.read_bytes()


def test_a_clip_that_cannot_be_encoded_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("the encoder failed")

    monkeypatch.setattr(clips, "_write", broken)
    with pytest.raises(RuntimeError):
        make_clip(UTTERANCES, SECONDS, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_other_sound_is_another_clip(
    made: AnnotatedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "_write", lambda path, *_: path.touch())
    other = make_clip(UTTERANCES, SECONDS, noise_db=-50, folder=tmp_path)
    assert other.path.name != made.path.name


@pytest.mark.slow
def test_repeated_holds_the_clip_end_to_end(made: AnnotatedClip) -> None:
    long = repeated(made, 3)
    assert long.seconds == 3 * SECONDS
    assert np.array_equal(read_sound(long.path), np.tile(read_sound(made.path), 3))
    n = len(made.spans)
    assert long.spans[n].begin == made.spans[0].begin + SECONDS * 16000
    with av.open(str(long.path)) as file:
        times = [frame.time for frame in file.decode(video=0)]
    assert np.allclose(times, np.arange(3 * SECONDS * 25) / 25)
    assert repeated(made, 1) is made


@pytest.mark.slow
def test_a_sentences_own_pictures_are_there_while_it_is_spoken(tmp_path: Path) -> None:
    def own(seconds: float, luma: int) -> Utterance:
        shown = [np.full((720, 640), 128, np.uint8) for _ in range(round(seconds * 25))]
        for n, picture in enumerate(shown):
            picture[:480] = luma + n
        return Utterance(str(luma), spoken(seconds).samples, "joy", tuple(shown))

    clip = make_clip([own(1.6, 40), own(2.0, 140)], SECONDS, folder=tmp_path)
    with av.open(str(clip.path)) as file:
        luma = [frame.to_ndarray()[:480].mean() for frame in file.decode(video=0)]
    for n, span in enumerate(clip.spans):
        first = (40, 140)[n % 2]
        begin, end = span.begin // 640, span.end // 640
        assert luma[begin + 10] == pytest.approx(first + 10, abs=2)
        assert luma[begin - 5] == pytest.approx(first, abs=2)  # still, before it
        assert luma[end + 5] == pytest.approx(first + (39, 49)[n % 2], abs=2)  # and after it
        assert span.emotion == "joy"
