"""Files that a command reads are no outputs: every output refuses them and changes none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mmer
from mmer.models.cards.card import weights_dir
from mmer.models.cards.card_files import model_files
from mmer.models.errors import MmerError
from mmer.realtime.commands import live, live_command
from mmer.realtime.inputs import files_read
from mmer.realtime.options import Options
from mmer.realtime.recordings import LINES, MEDIA
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.transcript import TranscriptLines

HEADER = {"v": 1, "type": "session", "config": {}, "recording": {"consent": "P07"}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the working one, with one of each kind of input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / MEDIA).touch()
    (tmp_path / "rec" / LINES).write_text(json.dumps(HEADER) + "\n")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "m.toml").write_text("video-fps = 10\n")
    (tmp_path / "w").mkdir()
    for name in ("text.json", "text.onnx", "text-tokenizer.json", "text.seen.npz"):
        shutil.copy(weights_dir() / name, tmp_path / "w" / name)
    (tmp_path / "w" / "speech.json").write_text("{")
    (tmp_path / "link").symlink_to("b.json")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


INPUTS = [
    (["rec"], f"rec/{LINES}"),
    ([f"rec/{MEDIA}"], f"rec/{LINES}"),
    (["rec"], f"rec/{MEDIA}"),
    (["none.mp4", "--baseline", "b.json"], "b.json"),
    (["none.mp4", "--baseline", "b.json"], "link"),
    (["none.mp4", "--config", "m.toml"], "m.toml"),
    (["none.mp4", "--config", "m.toml"], "rec/../m.toml"),
    (["--video", "b.json"], "b.json"),
    *(
        (["none.mp4", "--weights", "w"], f"w/{name}")
        for name in ("text.json", "text.onnx", "text-tokenizer.json", "speech.json")
    ),
]


@pytest.mark.parametrize(
    ("output", "reads", "path"),
    [
        (output, reads, path)
        for output in ("--output {}", "--output transcript:{}", "--calibrate {}")
        for reads, path in INPUTS
        if output != "--calibrate {}" or "--baseline" not in reads  # an older one is not read
    ],
)
def test_an_input_is_no_output(
    place: Path, capsys: pytest.CaptureFixture[str], output: str, reads: list[str], path: str
) -> None:
    before = contents(place)
    with pytest.raises(SystemExit) as stopped:
        live.main([*reads, *output.format(path).split()])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"mmer-live: cannot write {Path(path)}: it is the input itself; choose another name\n"
    )
    assert contents(place) == before


def test_settings_of_the_environment_are_no_output(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMER_CONFIG", "m.toml")
    with pytest.raises(MmerError, match=r"m\.toml: it is the input itself"):
        live_command.run(["none.mp4", "--output", "m.toml"])


def test_the_second_file_of_an_export_is_no_input(place: Path) -> None:
    shutil.copy("m.toml", "z.utterances.csv")
    with pytest.raises(MmerError, match=r"z\.utterances\.csv: it is the input itself"):
        live_command.run(["none.mp4", "--config", "z.utterances.csv", "--export", "z.csv"])


def test_a_baseline_can_be_made_anew(place: Path) -> None:
    with pytest.raises(MmerError, match=r"none\.mp4"):
        live_command.run(["none.mp4", "--baseline", "b.json", "--calibrate", "b.json"])


def test_a_recording_is_no_output_of_its_replay(brief_clip: Path, tmp_path: Path) -> None:
    options = {"modalities": ("face",), "offline": True, "pace": "max"}
    folder = tmp_path / "rec"
    mmer.Recognizer(brief_clip, record=folder, **options).run()  # type: ignore[arg-type]
    before = contents(folder)
    lines = str(folder / LINES)
    for output in (lines, folder / LINES, JsonLines(lines), TranscriptLines(lines)):
        with pytest.raises(MmerError, match="it is the input itself"):
            mmer.Recognizer(folder, **options).run(outputs=[output])  # type: ignore[arg-type]
        assert contents(folder) == before


def test_what_is_no_file_is_passed_over() -> None:
    read = files_read(Options(video="rtsp://camera/1", baseline="session"))
    assert read == (Path("rtsp:/camera/1"), *model_files(None))
    shipped = {path.name for path in model_files(None)}
    assert {
        "face-baseline.onnx",
        "text-tokenizer.json",
        "fusion.seen.npz",
        "blazeface.onnx",
    } <= shipped
    names = {"text.json", "text.onnx", "text-tokenizer.json", "text.seen.npz"}
    assert {path.name for path in model_files(weights_dir() / "text.onnx")} == names
