"""The baseline in a whole session: on and off, from a file, repeatable, in the health lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sounds import voice

import mmer
from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.store.store import Store
from mmer.realtime.assemble import assemble
from mmer.realtime.baseline_file import network_hashes, save_baseline
from mmer.realtime.blocks.baseline import READING, Baselined, Offset
from mmer.realtime.commands.live_command import run
from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Health,
    SpeechState,
    SpeechUpdate,
)
from mmer.realtime.options import Options
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.jsonl import line_for


@pytest.fixture(scope="module")
def models() -> SharedModels:
    return mmer.SharedModels()


def pipeline(models: SharedModels, baseline: str):  # type: ignore[no-untyped-def]
    options = Options(
        source="clip", modalities=("speech",), asr="none", offline=True, baseline=baseline
    )
    made = assemble(options, frozenset({"audio"}), Store(offline=True), shared=models)
    return made.pipeline


def utterances(count: int) -> list[SpeechUpdate]:
    said = []
    for k in range(count):
        samples = voice(1.0, pitch_hz=100 + 15 * k)
        t0 = 2.0 * k
        said.append(SpeechUpdate(k, t0, t0 + 1.0, SpeechState.ENDED, samples, t0 + 1.2))
    return said


def pushed(models: SharedModels, baseline: str) -> tuple[list[np.ndarray], dict[str, int]]:
    made = pipeline(models, baseline)
    out = [e for u in utterances(4) for e in made.push(u) if isinstance(e, Evidence)]
    return [e.log_probs for e in out], made.guarded().baseline()


def test_a_session_without_a_baseline_has_no_block_for_it(models: SharedModels) -> None:
    plain, counts = pushed(models, "none")
    assert counts == {}
    assert not any(isinstance(s.block, Baselined) for s in pipeline(models, "none").stages)
    assert len(plain) == 4


def test_a_session_learns_and_does_it_the_same_way_again(models: SharedModels) -> None:
    plain, _ = pushed(models, "none")
    first, counts = pushed(models, "session")
    again, _ = pushed(models, "session")
    np.testing.assert_array_equal(first, again)
    assert counts["speech"] >= 1
    assert np.abs(np.array(first) - np.array(plain)).max() > 0.05


def test_the_shipped_face_network_has_a_learned_baseline_that_starts_with_each_session(
    models: SharedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(model: FaceModel, crop: np.ndarray) -> Prediction:
        logits = 3 * np.random.default_rng(int(crop[0, 0, 0])).standard_normal(7)
        return Prediction.from_logits(logits.astype(np.float32), 1.0, None)

    monkeypatch.setattr(FaceModel, "predict", predict)

    def answers(baseline: str) -> list[np.ndarray]:
        options = Options(
            source="clip", modalities=("face",), offline=True, detector="haar", baseline=baseline
        )
        made = assemble(options, frozenset({"video"}), Store(offline=True), shared=models)
        (face,) = (s.block for s in made.pipeline.stages if s.name == "face")
        out = []
        for k in range(20):
            crop = np.full((48, 48, 3), k, np.uint8)
            seen = FaceObservation(0.5 * k, 1, (0.0, 0.0, 48.0, 48.0), None, crop, 1.0)
            out += [e.log_probs for e in face.push(seen) if isinstance(e, Evidence)]
        return out

    plain, first, again = (answers(b) for b in ("none", "session", "session"))
    np.testing.assert_array_equal(first, again)
    assert len(first) == len(plain) == 20
    assert first[0].argmax() == plain[0].argmax()
    assert max(np.abs(np.exp(a) - np.exp(b)).max() for a, b in zip(first, plain, strict=True)) > 0.1


def test_of_several_people_faces_are_corrected_by_track_and_voices_by_speaker(
    models: SharedModels,
) -> None:
    options = Options(source="clip", asr="none", offline=True, baseline="session", people="all")
    streams = frozenset({"audio", "video"})
    made = assemble(options, streams, Store(offline=True), shared=models).pipeline  # type: ignore[arg-type]
    corrected = {s.name for s in made.stages if isinstance(s.block, Baselined)}
    assert corrected == {"face"}  # of a voice nobody knows yet whose it is
    plain = [e for u in utterances(4) for e in pipeline(models, "none").push(u)]
    several = [e for u in utterances(4) for e in made.push(u)]
    of_voice = [[e for e in m if isinstance(e, Evidence)] for m in (plain, several)]
    for before, after in zip(*of_voice, strict=True):
        np.testing.assert_array_equal(before.log_probs, after.log_probs)
    counts = made.guarded().baseline()
    assert set(counts) == {"speech", "face"}
    assert counts["speech"] >= 1  # the voice to which no mouth moves


@pytest.mark.parametrize("people", ["largest", "all"])
def test_a_voice_that_is_not_recognized_has_no_baseline(models: SharedModels, people: str) -> None:
    options = Options(
        source="clip", modalities=("face",), offline=True, baseline="session", people=people
    )
    made = assemble(options, frozenset({"video"}), Store(offline=True), shared=models)
    assert set(made.pipeline.guarded().baseline()) == {"face"}


def test_a_file_is_used_from_the_first_word_on(models: SharedModels, tmp_path: Path) -> None:
    offset = Offset(READING["speech"], neutral=True)
    plain, _ = pushed(models, "none")
    for _ in range(14):
        offset.add(plain[0])
    path = tmp_path / "me.json"
    save_baseline(path, {"speech": offset}, network_hashes(None))
    found, counts = pushed(models, str(path))
    assert counts == {"speech": 14}
    moved = np.array(found) - np.array(plain)
    moved -= moved.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(moved, np.tile(-offset.value, (4, 1)), atol=2e-3)


def test_a_file_of_other_networks_ends_with_one_line(models: SharedModels, tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    save_baseline(path, {"speech": Offset(READING["speech"])}, {"speech": "0" * 64})
    with pytest.raises(MmerError, match="another network"):
        pipeline(models, str(path))


def test_health_lines_have_the_counts_only_where_there_is_a_baseline() -> None:
    plain = line_for(Health(1.0, {}, {}, 0.0), None)
    assert plain is not None
    assert "baseline" not in plain
    with_counts = line_for(Health(1.0, {}, {}, 0.0, {}, {"speech": 12, "face": 40}), None)
    assert with_counts is not None
    assert with_counts["baseline"] == {"speech": 12, "face": 40}


def test_calibration_of_too_little_writes_nothing(
    tmp_path: Path, short_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "me.json"
    with pytest.raises(MmerError, match="nothing was written"):
        run([str(short_clip), "--modalities", "speech", "--calibrate", str(path)])
    assert not path.exists()


@pytest.mark.slow
def test_the_demo_clip_makes_a_baseline_that_a_session_uses(tmp_path: Path) -> None:
    from mmer.realtime.demo import clip

    path = tmp_path / "me.json"
    options = ["--modalities", "speech", "--pace", "max", "--offline"]
    assert run([str(clip()), *options, "--calibrate", str(path)]) == 0
    assert set(json.loads(path.read_text())) == {"v", "type", "networks", "speech"}
    with mmer.Recognizer(
        clip(), modalities=("speech",), pace="max", offline=True, baseline=path
    ) as recognizer:
        events = list(recognizer.events())
    counts = [e.baseline for e in events if isinstance(e, Health)]
    assert counts
    assert all(found == counts[0] for found in counts)
    assert any(isinstance(e, EmotionEstimate) and e.final for e in events)
