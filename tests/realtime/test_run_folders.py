"""Folders of ``mmer-export`` in the whole recognizer: what is there runs, what is not is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import generated_corpora as corpora
import numpy as np
import pytest
from fixed_words import always_hear
from moonshine_files import moonshine_files, spoken
from run_folders import edit, write_run

import mmer
from mmer.models.errors import MmerError
from mmer.models.fusion import USES
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Message,
    Missing,
    VideoFrame,
)

OPTIONS = {"asr": "auto", "detector": "haar", "offline": True, "provider": "cpu"}


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    always_hear(monkeypatch, "happy door")  # words of the runs' vocabulary


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of vowels and a face."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    corpora.write_clip(path, corpora.voice(random, "joy", 180.0), corpora.pictures(random, "joy"))
    return path


def events(media: Path, run: Path, **options: object) -> list[Message]:
    given = {**OPTIONS, "pace": "max", **options}
    with mmer.Recognizer(media, weights=run, **given) as recognizer:
        return list(recognizer.events())


def estimates(heard: list[Message]) -> list[EmotionEstimate]:
    return [event for event in heard if isinstance(event, EmotionEstimate)]


def final(heard: list[Message]) -> EmotionEstimate:
    (one,) = [event for event in estimates(heard) if event.final]
    return one


def present(estimate: EmotionEstimate) -> set[str]:
    return {m for m, said in estimate.modalities.items() if said is not None}


@pytest.mark.parametrize("uses", USES)
def test_a_fused_run_hears_reads_and_sees(media: Path, tmp_path: Path, uses: str) -> None:
    heard = events(media, write_run(tmp_path, MODALITIES, uses))
    last = final(heard)
    assert present(last) == set(MODALITIES)
    assert last.label in EMOTIONS
    for said in last.modalities.values():
        assert said is not None
        assert said.weight == pytest.approx(1 / 3)
    shape = 2 if uses == "tokens" else 1
    evaluated = [event for event in heard if isinstance(event, Evidence)]
    assert {e.modality for e in evaluated} == set(MODALITIES)
    assert all(e.embedding is not None and e.embedding.ndim == shape for e in evaluated)
    assert not [event for event in heard if type(event).__name__ in ("Clip", "Notice")]


def test_what_the_folder_lacks_is_off_and_told(media: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "text"), "embedding")
    last = final(events(media, run))
    assert present(last) == {"speech", "text"}
    assert last.why == {"face": f"no face model in {run}"}


@pytest.mark.parametrize("alone", MODALITIES)
def test_of_a_fused_run_one_modality_is_enough(media: Path, tmp_path: Path, alone: str) -> None:
    run = write_run(tmp_path, MODALITIES, "embedding")
    answered = [e for e in estimates(events(media, run, modalities=(alone,))) if e.label]
    assert answered
    for estimate in answered:
        assert present(estimate) == {alone}
        assert estimate.modalities[alone].weight == 1.0
        assert {m: estimate.why[m] for m in MODALITIES if m != alone} == dict.fromkeys(
            set(MODALITIES) - {alone}, "off"
        )


def test_the_answer_of_a_run_of_one_modality_is_the_answer(media: Path, tmp_path: Path) -> None:
    heard = events(media, write_run(tmp_path, ("speech",)))
    last = final(heard)
    said = last.modalities["speech"]
    assert said is not None
    np.testing.assert_array_equal(last.probs, said.probs)
    assert said.weight == 1.0
    assert last.why == {m: f"no {m} model in {tmp_path}" for m in ("text", "face")}
    assert not [event for event in heard if type(event).__name__ == "Notice"]


def test_a_clip_of_the_face_is_of_the_utterance(media: Path, tmp_path: Path) -> None:
    heard = events(media, write_run(tmp_path, ("speech", "face"), "logits"))
    seen = [e for e in heard if isinstance(e, Evidence) and e.modality == "face"]
    (whole,) = [e for e in seen if not e.partial]
    said = final(heard)
    assert said.window[0] <= whole.t0 < whole.t1 <= said.window[1]
    assert 0 < whole.quality <= 1
    assert len(seen) <= 2 * 1.6 / 0.5  # every half second, and the utterance


def test_whole_frames_need_no_face(media: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "face"), "embedding", sees="frames")
    with mmer.Recognizer(media, weights=run, pace="max", **OPTIONS) as recognizer:
        heard = list(recognizer.events())
        assert "detector" not in recognizer.info.models
    assert present(final(heard)) == {"speech", "face"}
    assert not [event for event in heard if isinstance(event, FaceObservation | Missing)]


def test_a_face_that_is_not_there_is_told(tmp_path: Path) -> None:
    clip = tmp_path / "grey.mp4"
    corpora.write_clip(clip, None, [np.full((96, 128, 3), 90, np.uint8)] * 12)
    heard = events(clip, write_run(tmp_path / "run", ("face",)))
    assert {e.why["face"] for e in estimates(heard)} == {"no face"}
    assert all(e.label is None for e in estimates(heard))


def test_in_threads_it_says_the_same_of_the_utterance(media: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "face"), "tokens", sees="frames")
    given = {**OPTIONS, "modalities": ("speech", "face"), "pace": "real"}
    with mmer.Recognizer(media, weights=run, **given) as recognizer:
        heard = list(recognizer.events(pictures=True))
    assert present(final(heard)) == {"speech", "face"}
    pictures = [event.t for event in heard if isinstance(event, VideoFrame)]
    assert pictures == sorted(pictures)
    assert len(pictures) > 2


@pytest.mark.slow
def test_the_command_writes_sound_lines_and_the_same_twice(tmp_path: Path) -> None:
    moonshine_files()
    media = tmp_path / "spoken.mp4"
    faces = corpora.pictures(np.random.default_rng(0), "joy")
    corpora.write_clip(media, spoken("I am so happy."), faces)
    run = write_run(tmp_path / "run", MODALITIES, "tokens")
    command = [
        str(Path(sys.executable).with_name("mmer-live")),
        *(str(media), "--weights", str(run), "--pace", "max", "--quiet", "--offline"),
        *("--asr", "moonshine", "--detector", "haar", "--provider", "cpu", "--output"),
    ]
    outputs = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for output in outputs:
        done = subprocess.run([*command, output], capture_output=True, text=True, timeout=200)
        assert (done.returncode, done.stderr) == (0, "")
    first, second = (output.read_bytes() for output in outputs)
    assert first == second
    lines = [json.loads(line) for line in first.decode().splitlines()]
    assert {m: lines[0]["models"][m] for m in (*MODALITIES, "fusion")} == {
        m: f"{m}.onnx" for m in (*MODALITIES, "fusion")
    }
    emotions = [line for line in lines if line["type"] == "emotion"]
    (whole,) = [line for line in emotions if line["final"]]
    assert whole["label"] in EMOTIONS
    (utterance,) = [line for line in lines if line["type"] == "utterance"]
    assert (utterance["text"], utterance["asr"]) == ("I am so happy.", "moonshine")
    assert set(whole["modalities"]) == set(MODALITIES)
    assert all(whole["modalities"].values())


@pytest.mark.parametrize(
    ("spoil", "options", "told"),
    [
        (lambda run: (run / "text.json").unlink(), {}, r"text\.json is not there"),
        (lambda run: None, {"modalities": ("face",)}, "for face, but for speech, text"),
        (lambda run: edit(run, "fusion", uses="tokens"), {}, "takes"),
    ],
)
def test_a_folder_that_cannot_run_is_told(
    media: Path, tmp_path: Path, spoil, options: dict[str, object], told: str
) -> None:
    run = write_run(tmp_path, ("speech", "text"), "embedding")
    spoil(run)
    with pytest.raises(MmerError, match=told):
        events(media, run, **options)


def test_models_that_do_not_give_what_the_fusion_looks_at_are_told(
    media: Path, tmp_path: Path
) -> None:
    run = write_run(tmp_path, ("speech", "text"), "tokens")
    write_run(tmp_path, ("text",))
    with pytest.raises(MmerError, match=r"uses the tokens of text, but text\.onnx outputs its"):
        events(media, run)
