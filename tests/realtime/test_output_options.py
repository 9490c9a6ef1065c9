"""Options of the outputs: made from the registry, the same by ``--NAME`` and ``--output``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.commands import live, live_command
from mmer.realtime.commands.show import Views
from mmer.realtime.exports.run import Run
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.registry import OUTPUTS


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command line asks for."""

    def asked(*arguments: str) -> Views:
        got: list[Views] = []
        monkeypatch.setattr(
            "mmer.realtime.commands.show.show", lambda options, given: got.append(given) or 0
        )
        assert live_command.run(arguments) == 0
        return got[0]

    return asked


def test_every_output_has_an_option_of_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        live_command.run(["--help"])
    text = capsys.readouterr().out
    for name, entry in OUTPUTS.items():
        if name != "jsonl":
            assert f"--{name}" in text
            assert all(f"--{name}-{setting}" in text for setting in entry.settings)


def test_options_and_output_name_the_same(views: Any) -> None:
    short = views("x.mp4", "--export", "a.eaf", "--export", "b.vtt", "--osc", "h:1")
    long = views(
        "x.mp4", "--output", "export:a.eaf", "--output", "export:b.vtt", "--output", "osc:h:1"
    )
    expected = (("export", "a.eaf"), ("export", "b.vtt"), ("osc", "h:1"))
    assert short.outputs == long.outputs == expected
    assert views("x.mp4", "--output", "a.jsonl", "--output", "-").outputs == (
        ("jsonl", "a.jsonl"),
        ("jsonl", "-"),
    )
    vmc = views("x.mp4", "--osc", "h:1", "--osc-format", "vmc")
    assert vmc.settings["osc"] == {"format": "vmc"}
    assert views("x.mp4", "--udp-events", "h:1").outputs == (("udp-events", "h:1"),)


def test_options_that_may_go_without_a_value(views: Any) -> None:
    assert views("x.mp4", "--lsl").outputs == (("lsl", "mmer"),)
    assert views("x.mp4", "--lsl", "lab 2").outputs == (("lsl", "lab 2"),)
    assert views("x.mp4", "--transcript").outputs == (("transcript", "-"),)
    assert views("x.mp4").outputs == ()


def test_a_source_behind_an_option_without_a_value_is_not_its_value(
    views: Any, tmp_path: Path
) -> None:
    (tmp_path / "talk.mp4").touch()
    for source in (str(tmp_path / "talk.mp4"), "http://x/y"):
        with pytest.raises(MmerError, match="put the source first"):
            views("--lsl", source)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--osc", "nowhere"], "--osc 'nowhere': expected HOST:PORT"),
        (["--mqtt", "localhost"], "--mqtt: expected mqtt://HOST"),
        (["--udp-events", "x:"], "--udp-events 'x:': expected HOST:PORT"),
        (["--export", "run.docx"], "cannot export run.docx: its name must end in .eaf"),
        (["--export", "missing/run.csv"], "there is no folder missing"),
        (["--output", "-", "--transcript"], "two outputs name standard output"),
        (["--output", "a.csv", "--export", "a.csv"], "two outputs name"),
        (["--export", "z.csv", "--output", "z.utterances.csv"], "two outputs name"),
        (["--export", "z.parquet", "--output", "z.arrows"], "two outputs name"),
        (["--output", "a.csv", "--output", "../{}/a.csv"], "two outputs name"),
        (["--record", "rec", "--output", "rec/lines.jsonl"], "two outputs name"),
        (["--export", ""], "its name must end in .eaf"),
        (["--output", "export:"], "its name must end in .eaf"),
        (["--output", ""], "it is a folder"),
        (["--output", "transcript:"], "it is a folder"),
        (["--output", "osc:"], "expected HOST:PORT"),
        (["--output", "lsl:"], "--lsl '': name the outlets"),
        (["--lsl", ""], "--lsl '': name the outlets"),
        (["--lsl", "a\nb"], "name the outlets"),
        (["--output", "a\0b"], "no name holds a NUL"),
        (["--calibrate", "c.json", "--output", "c.jsonl"], "--calibrate writes c.json alone"),
        (["--calibrate", "c.json", "--export", "c.vtt"], "--calibrate writes c.json alone"),
        (["--calibrate", "c.json", "--transcript"], "--calibrate writes c.json alone"),
        (["--calibrate", "c.json", "--overlay", "c.mp4"], "--calibrate writes c.json alone"),
        (["--calibrate", "c.json", "--window"], "--calibrate writes c.json alone"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_opens(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec").mkdir()
    options = [option.format(tmp_path.name) for option in options]
    for name, package in (("osc", "pythonosc"), ("mqtt", "paho.mqtt")):
        if {f"--{name}", f"{name}:"} & set(options):
            pytest.importorskip(package, reason=f"needs the extra {name}")
    with pytest.raises(SystemExit) as stopped:
        live.main([str(tmp_path / "none.mp4"), *options])
    err = capsys.readouterr().err
    assert stopped.value.code == 2
    assert text in err
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*")) == [tmp_path / "rec"]


OPTIONS = {"modalities": ("face",), "offline": True, "pace": "max"}


def test_outputs_of_the_api_and_an_export_afterwards_are_the_same(
    brief_clip: Path, tmp_path: Path
) -> None:
    lines, table = tmp_path / "run.jsonl", tmp_path / "run.csv"
    events: list[mmer.Message] = []
    recognizer = mmer.Recognizer(brief_clip, **OPTIONS)  # type: ignore[arg-type]
    recognizer.run(on_event=events.append, outputs=[str(lines), f"export:{table}"])
    assert isinstance(events[-1], mmer.SessionEnd)
    first, *_, last = map(json.loads, lines.read_text().splitlines())
    assert (first["type"], last["type"]) == ("session", "end")
    while_it_ran = table.read_bytes()
    with pytest.raises(SystemExit) as stopped:
        live.main(["export", str(lines), str(table)])
    assert stopped.value.code == 0
    assert table.read_bytes() == while_it_ran
    assert len(list(Run(lines).estimates())) == while_it_ran.count(b"\n") - 1 > 4


@pytest.mark.slow
def test_several_outputs_of_the_command(brief_clip: Path, tmp_path: Path) -> None:
    lines, table, words = (tmp_path / name for name in ("run.jsonl", "run.csv", "run.txt"))
    options = ["--modalities", "face", "--pace", "max", "--offline", "--quiet"]
    outputs = ["--output", str(lines), "--export", str(table), "--output", f"transcript:{words}"]
    with pytest.raises(SystemExit) as stopped:
        live.main([str(brief_clip), *options, *outputs])
    assert stopped.value.code == 0
    assert len(list(Run(lines).estimates())) == table.read_bytes().count(b"\n") - 1 > 4
    assert words.read_text() == ""  # no sound was asked for


def test_outputs_of_the_api_are_texts_paths_and_sinks_of_any_iterable(
    brief_clip: Path, tmp_path: Path
) -> None:
    text, path, of_sink = (tmp_path / name for name in ("a.jsonl", "export:b.csv", "c.jsonl"))
    outputs = (o for o in (str(text), path, JsonLines(str(of_sink))))
    recognizer = mmer.Recognizer(brief_clip, **OPTIONS)  # type: ignore[arg-type]
    recognizer.run(outputs=outputs)
    assert text.read_bytes() == path.read_bytes() == of_sink.read_bytes()
    types = [json.loads(line)["type"] for line in text.read_text().splitlines()]
    assert (types[0], types.count("session"), types[-1]) == ("session", 1, "end")


SINK = JsonLines("-")


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        (None, "outputs is None, expected a sequence"),
        (3, "outputs is 3, expected a sequence"),
        (Path("a.jsonl"), "outputs is a sequence"),
        (b"a.jsonl", "outputs is a sequence"),
        ([3], "an output is 3, expected"),
        ([None], "an output is None, expected"),
        ([b"a.jsonl"], "an output is b'a.jsonl', expected"),
        ([mmer.Sink], "an output is <class .*, expected"),
        ([object()], "an output is <object .*, expected"),
        (["a.jsonl", "a.jsonl"], "two outputs name"),
        (["a.jsonl", Path("./a.jsonl")], "two outputs name"),
        (["export:a.csv", "a.utterances.csv"], "two outputs name"),
        (["-", "transcript:-"], "two outputs name standard output"),
        ([SINK, SINK], "one sink twice"),
        (["export:"], "must end in"),
        (["a\0b"], "NUL"),
    ],
)
def test_api_outputs_that_cannot_be_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MmerError, match=says) as wrong:
        mmer.Recognizer("none.mp4", **OPTIONS).run(outputs=outputs)  # type: ignore[arg-type]
    assert "\n" not in str(wrong.value)
    assert not list(tmp_path.iterdir())


def test_an_export_afterwards_does_not_write_one_file_twice(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("{}\n")
    names = [str(tmp_path / name) for name in ("run.jsonl", "z.csv", "z.utterances.csv")]
    with pytest.raises(MmerError, match="two outputs name"):
        live_command.run(["export", *names])


def test_an_api_output_that_cannot_be_is_said_before_anything_opens(tmp_path: Path) -> None:
    recognizer = mmer.Recognizer(tmp_path / "none.mp4", **OPTIONS)  # type: ignore[arg-type]
    with pytest.raises(MmerError, match="must end in"):
        recognizer.run(outputs=["export:run.docx"])
    with pytest.raises(MmerError, match="outputs is a sequence"):
        recognizer.run(outputs="run.jsonl")
