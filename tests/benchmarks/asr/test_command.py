"""The rows of `mmer-bench asr`, on made-up data with a double, and on real data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sounds
from asr_doubles import CountingModel

from mmer.benchmarks import cli
from mmer.benchmarks.asr import command as asr_run
from mmer.benchmarks.asr.clips import ravdess
from mmer.benchmarks.asr.command import (
    DECODERS,
    Material,
    SpeechRecognition,
    cost_row,
    engine_rows,
    error_row,
    missing_row,
    reference_row,
)
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.errors import MmerError
from mmer.models.store.catalogue import Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr.registry import ENGINES, AsrEngine

SPOKEN = sounds.joined(sounds.silence(0.5), sounds.voice(1.5), sounds.silence(0.5))


def material(text: str = "Kids are talking by the door") -> Material:
    clips = [Utterance(f"03-01-01-01-01-0{k}-17", SPOKEN, text=text) for k in (1, 2)]
    return Material({"RAVDESS": clips, "GRID": clips[:1]}, [sounds.noise(1.0), sounds.silence(1.0)])


def rows_of(model: CountingModel, **options: CountingModel) -> dict[str, asr_run.Row]:
    rows = engine_rows(model, material(), lambda line: None, options.get("open_model"))
    return {row.key: row for row in rows}


def test_the_study_of_another_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="measures moonshine: leave out --asr vosk"):
        SpeechRecognition(data=tmp_path, asr="vosk", threshold_study=True).check()
    for asr in ("auto", "moonshine"):
        SpeechRecognition(data=tmp_path, asr=asr, threshold_study=True).check()


def test_a_recognizer_without_errors_passes() -> None:
    rows = rows_of(CountingModel("Kids are talking by the door."))
    evaluated = rows["double_wer_ravdess_live"]
    assert (evaluated.measured, evaluated.passed) == ("0.0%", True)
    assert evaluated.values["words"] == 12
    assert rows["double_wer_ravdess_whole_clip"].verdict == ""
    assert rows["double_real_time_factor_live"].values["sound_s"] == pytest.approx(3, abs=0.8)
    assert rows["double_real_time_factor_whole_clip"].values["sound_s"] == 5
    assert rows["double_final_cpu_ms"].values["n"] == 2
    assert rows["double_long_utterance"].values["cpu_s_per_s"] >= 0


def test_errors_are_pooled_and_miss_the_target() -> None:
    rows = rows_of(CountingModel("Kids are walking by door"))
    evaluated = rows["double_wer_ravdess_live"]
    assert (evaluated.measured, evaluated.verdict) == ("33.3%", "miss")
    assert "2 substituted, 2 deleted, 0 inserted; 0 of 2 clips without text" in evaluated.note
    silent = rows_of(CountingModel(""))["double_wer_grid_live"]
    assert (silent.values["rate"], silent.values["clips_without_text"]) == (1.0, 1)


def test_text_on_sounds_without_speech_is_counted_with_and_without_the_threshold() -> None:
    def loud(sound: np.ndarray) -> str:
        return "You" if sound.any() else ""

    row = rows_of(CountingModel(""), open_model=CountingModel(loud))["double_no_speech_whole_clip"]
    assert row.measured == "0 of 2 (1 without the threshold)"
    row = rows_of(CountingModel(loud))["double_no_speech_whole_clip"]
    assert row.measured == "1 of 2"
    assert row.note == '"You"'


def test_an_engine_that_is_not_here_says_so() -> None:
    row = missing_row("vosk", "the model is not on this machine")
    assert (row.measured, row.verdict) == ("not measured", "")


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="parrot"):
        SpeechRecognition(data=tmp_path, asr="parrot").check()
    with pytest.raises(MmerError, match="none"):
        SpeechRecognition(data=tmp_path, asr="none").check()


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(self: AsrEngine, store: Store) -> tuple[Path, ...]:
        raise Unavailable(f"no files of {self.name}")

    monkeypatch.setattr(AsrEngine, "find", find)


def test_an_engine_whose_files_are_damaged_is_a_row_where_it_was_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load(self: AsrEngine, paths: tuple[Path, ...]) -> CountingModel:
        raise MmerError(f"{self.name} is damaged")

    monkeypatch.setattr(AsrEngine, "find", lambda self, store: ())
    monkeypatch.setattr(AsrEngine, "load", load)
    monkeypatch.setattr(Material, "read", lambda data: material())
    rows = SpeechRecognition(data=tmp_path).run(lambda line: None).rows
    assert [row.note for row in rows] == [f"{name} is damaged" for name in ENGINES]
    with pytest.raises(MmerError, match="vosk is damaged"):
        SpeechRecognition(data=tmp_path, asr="vosk").run(lambda line: None)


@pytest.mark.usefixtures("no_engine")
def test_the_command_without_any_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Material, "read", lambda data: material())
    found = tmp_path / "found.json"
    cli.main(["asr", "--data", str(tmp_path), "--json", str(found)])
    rows = json.loads(found.read_text())["rows"]
    assert [(row["key"], row["note"]) for row in rows] == [
        (name, f"no files of {name}") for name in ENGINES
    ]
    for more in (["--asr", "vosk"], ["--threshold-study"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["asr", "--data", str(tmp_path), *more])
        assert stopped.value.code == 2
        assert "no files of" in capsys.readouterr().err


def test_every_engine_on_this_machine_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(self: AsrEngine, paths: tuple[Path, ...]) -> CountingModel:
        model = CountingModel("Kids are talking by the door")
        model.name = self.name
        return model

    monkeypatch.setattr(AsrEngine, "find", lambda self, store: ())
    monkeypatch.setattr(AsrEngine, "load", load)
    monkeypatch.setattr(asr_run, "unthresholded", lambda: CountingModel("You"))
    monkeypatch.setattr(asr_run, "reference_row", lambda clips: missing_row("theirs", "no package"))
    monkeypatch.setattr(Material, "read", lambda data: material())
    report = SpeechRecognition(data=tmp_path).run(lambda line: None)
    rows = {row.key: row for row in report.rows}
    for name in ENGINES:
        assert rows[f"{name}_wer_ravdess_live"].passed
        assert report.models[name] == "a double"
    assert "without the threshold" in rows["moonshine_no_speech_live"].measured
    assert "without the threshold" not in rows["vosk_no_speech_live"].measured


def test_the_makers_own_library_is_measured_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = material().spoken["RAVDESS"]
    monkeypatch.setattr(AsrEngine, "find", lambda self, store: (Path("folder/encoder.ort"),))
    monkeypatch.setitem(sys.modules, "moonshine_voice", None)  # as where there is no wheel
    row = reference_row(clips)
    assert row.measured == "not measured"
    assert "moonshine_voice cannot be loaded" in row.note
    made = []

    class Transcriber:
        def __init__(self, folder: str, arch: str, options: dict[str, str]) -> None:
            made.append((folder, arch, options))

        def transcribe_without_streaming(self, wave: list[float], rate: int) -> SimpleNamespace:
            assert max(map(abs, wave)) < 1
            assert (len(wave), rate) == (len(SPOKEN), 16_000)
            lines = [
                SimpleNamespace(text="Kids are"),
                SimpleNamespace(text=" walking by the door."),
            ]
            return SimpleNamespace(lines=lines)

    theirs = SimpleNamespace(Transcriber=Transcriber, ModelArch=SimpleNamespace(TINY="tiny"))
    monkeypatch.setitem(sys.modules, "moonshine_voice", theirs)
    row = reference_row(clips)
    assert (row.key, row.measured) == ("moonshine_voice_wer_ravdess_whole_clip", "16.7%")
    assert row.passed is None
    assert made == [("folder", "tiny", {"vad_threshold": "0.0"})]


@pytest.mark.data
def test_moonshine_on_real_clips(data: Path) -> None:
    try:
        paths = ENGINES["moonshine"].find(Store(offline=True))
    except MmerError as problem:
        pytest.skip(str(problem))
    model = ENGINES["moonshine"].load(paths)
    clips = [clip for clip in ravdess(data, [17]) if clip.name.startswith("03-01-01")]
    for path, decode in DECODERS.items():
        found = [decode(clip.samples, model) for clip in clips]
        assert error_row("moonshine", path, "RAVDESS", clips, found).values["rate"] < 0.1
        assert 0 < (cost_row("moonshine", path, found).values["factor"] or 0) < 1
