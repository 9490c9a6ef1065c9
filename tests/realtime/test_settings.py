"""Settings from the command line, the environment and a config file, and mistakes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmer.models.errors import MmerError, brief
from mmer.realtime.commands import live_command, serve_command
from mmer.realtime.commands.command_line import parse
from mmer.realtime.commands.live_command import Arguments
from mmer.realtime.commands.settings import ACTIONS, settings_of, write_config

LARGE = f"1{'0' * 400}"
"""A whole number beyond any float."""


def parsed(*argv: str) -> Arguments:
    return parse(Arguments, "mmer-live", argv)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mmer.toml"


def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('video-fps = 11\nhop_s = 1\nwindow-s = 5\nasr = "vosk"\n')
    monkeypatch.setenv("MMER_HOP_S", "2")
    monkeypatch.setenv("MMER_WINDOW_S", "6")
    got = parsed("--config", str(file), "--window-s", "4", "--asr", "auto")
    assert (got.video_fps, got.hop_s, got.window_s) == (11.0, 2.0, 4.0)
    assert got.asr == "auto"  # also where the command line names the default
    assert got.detector == "auto"


def test_every_kind_of_value(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(
        'output = ["a.jsonl", "b.jsonl"]\nlsl = true\nosc = "h:1"\nreconnect = false\n'
        'weights = "nets"\nwindow = true\nosc-format = "vmc"\n'
    )
    monkeypatch.setenv("MMER_CONFIG", str(file))
    monkeypatch.setenv("MMER_TRANSCRIPT", "yes")
    got = parsed()
    assert got.output == ("a.jsonl", "b.jsonl")
    assert got.weights == Path("nets")
    assert (got.reconnect, got.window) == (False, True)
    assert (got.outputs.lsl, got.outputs.osc, got.outputs.osc_format) == ((), ("h:1",), "vmc")
    assert got.outputs.transcript is True
    assert parsed("--reconnect", "--output", "c").output == ("c",)  # in place of the file's
    assert parsed("--reconnect").reconnect is True
    monkeypatch.setenv("MMER_OUTPUT", "d")
    assert parsed().output == ("d",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vdeo-fps = 3", "no setting 'vdeo-fps': do you mean video-fps?"),
        ("zzz = 3", "no setting 'zzz'; mmer-live --help lists them"),
        ("check = true", "no setting 'check'"),
        ("[live]\nasr = 'none'", "no setting 'live'"),
        ("video-fps = '3'", "video-fps is '3', expected a number"),
        ("window = 1", "window is 1, expected true or false"),
        ("asr = 3", "asr is 3, expected a text"),
        ("output = [1]", "expected a text or a list of texts"),
        ("pace = 'slow'", "pace 'slow' is unknown: use real, max"),
        ("video-fps = true", "expected a number"),
        ("x = ", "is no TOML file"),
        ("\xff", "is no TOML file"),
        (f"video-fps = {LARGE}", "expected a number below 1e308"),
        (f"video-fps = 1{'0' * 5000}", ""),
        (f"x = {'[' * 5000}", ""),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(file: Path, text: str, says: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(MmerError) as wrong:
        parsed("--config", str(file))
    assert says in str(wrong.value)
    assert str(file) in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"cannot read .*nowhere\.toml: No such file"):
        parsed("--config", str(tmp_path / "nowhere.toml"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MMER_POLCY", "no-store", "no setting MMER_POLCY: do you mean MMER_POLICY?"),
        ("MMER_VIDEO_FPS", "fast", "MMER_VIDEO_FPS: video-fps is 'fast', expected a number"),
        (
            "MMER_VIDEO_FPS",
            LARGE,
            f"MMER_VIDEO_FPS: video-fps is {brief(LARGE)}, expected a number below 1e308",
        ),
        ("MMER_WINDOW", "maybe", "MMER_WINDOW: window is 'maybe', expected true or false"),
    ],
)
def test_a_wrong_variable_is_one_line(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(MmerError) as wrong:
        parsed()
    assert str(wrong.value) == says


def test_variables_of_other_parts_and_empty_ones_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("MMER_MODELS", "/x"), ("MMER_SOMETHING", "1"), ("MMER_AUDIO", "")):
        monkeypatch.setenv(name, value)
    assert parsed() == Arguments()


def test_the_policy_of_a_file_holds(file: Path) -> None:
    file.write_text('policy = "no-store"\n')
    with pytest.raises(MmerError, match="leave out --output x"):
        live_command.run(["--demo", "--config", str(file), "--output", "x"])


def test_write_config_writes_what_was_chosen_and_reads_as_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = ["--video-fps", "10", "--output", 'ä"b.jsonl', "--lsl", "--no-reconnect"]
    assert live_command.run(["--write-config", *chosen]) == 0
    text = Path("mmer.toml").read_text(encoding="utf-8")
    assert "# Most frames analysed a second.\nvideo-fps = 10.0\n" in text
    assert parsed("--config", "mmer.toml", *chosen) == parsed("--config", "mmer.toml")
    assert parsed("--config", "mmer.toml").outputs.lsl == ()
    for setting in settings_of(Arguments):
        assert (f"\n# {setting.name} = " in text or f"\n{setting.name} = " in text) == (
            setting.name not in ACTIONS
        )
    with pytest.raises(MmerError, match="is there already"):
        live_command.run(["--write-config"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--people", "all", "--osc", "127.0.0.1:9", "--lsl"], "cannot tell people apart"),
        (["--policy", "no-store", "--output", "a.jsonl"], "stores nothing"),
        (["--output", "a.jsonl", "--output", "a.jsonl"], "two outputs name"),
        (["--output", "m.toml", "--config", "m.toml"], "the input itself"),
    ],
)
def test_write_config_writes_no_outputs_that_a_run_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.toml").touch()
    with pytest.raises(MmerError, match=says):
        live_command.run(["--write-config", *options])
    assert not Path("mmer.toml").exists()


def test_what_is_written_as_comments_can_be_used(tmp_path: Path) -> None:
    """A user who takes away a # gets a setting, with the default's value where it has one."""
    write_config(Arguments(), tmp_path / "mmer.toml")
    lines = (tmp_path / "mmer.toml").read_text().splitlines()
    names = {s.name for s in settings_of(Arguments)}
    commented = [line[2:] for line in lines if line[2:].partition(" = ")[0] in names]
    assert len(commented) == len(names - ACTIONS)
    for line in commented:
        assert not line.endswith(('""', "null"))
        (tmp_path / "one.toml").write_text(line + "\n")
        parsed("--config", str(tmp_path / "one.toml"))
    assert {"keep-days = 90.0", 'pace = "real"', 'record = "runs/p07"'} <= set(commented)


def test_write_config_says_that_the_source_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert live_command.run(["--write-config", "talk.mp4"]) == 0
    assert capsys.readouterr().err == (
        "mmer-live: wrote mmer.toml, without the source (talk.mp4); use it by mmer-live "
        "talk.mp4 --config mmer.toml\n"
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--provder", "cpu"], "no option --provder: do you mean --provider?; see mmer-live"),
        (["--frobnicate"], "no option --frobnicate; see mmer-live --help"),
        (["--asr"], "xpected 1"),
        (["--video-fps", "x"], "--video-fps is 'x', expected a number; see mmer-live --help"),
        (["--hangover_s=x"], "--hangover-s is 'x', expected a number"),
        (["a.mp4", "b.wav"], "one SOURCE at a time; for several files: mmer-batch FILES"),
        (["--quiet", "a.mp4", "--asr", "none", "b.wav"], "one SOURCE at a time"),
        ([""], "the source is empty"),
        (["--pace", "slow"], "--pace 'slow' is unknown: use real, max; see mmer-live --help"),
        # in the lowest version: "the following arguments are required"
        (["export"], "RUN.jsonl; see mmer-live export --help"),
        (["a.mp4", "-o", "out.jsonl"], "-o"),  # last: the lowest tyro remembers it
    ],
)
def test_a_wrong_command_line_is_one_line(argv: list[str], says: str) -> None:
    with pytest.raises(MmerError) as wrong:
        live_command.run(argv)
    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert not set("╭│╰") & set(str(wrong.value))


def test_the_server_has_a_file_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    pytest.importorskip("starlette", reason="needs the extra serve")
    monkeypatch.setattr(
        "mmer.realtime.serve.server.run", lambda options, opens: seen.append(options) or 0
    )
    file.write_text('port = 9\nmax-sessions = 2\nname = ["a.local"]\npolicy = "no-store"\n')
    monkeypatch.setenv("MMER_TOKEN", "of-the-environment")
    assert serve_command.run(["--config", str(file)]) == 0
    (options,) = seen
    assert (options.port, options.limits.max_sessions, options.names) == (9, 2, ("a.local",))
    assert options.token == "of-the-environment"
    assert options.defaults["policy"] == "no-store"


@pytest.mark.parametrize("run", [live_command.run, serve_command.run])
def test_an_unknown_setting_names_the_help_that_lists_it(
    run: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("zzz = 1\n")
    with pytest.raises(MmerError) as wrong:
        run(["--config", str(file)])
    command, option = str(wrong.value).rpartition("; ")[2].split()[:2]
    with pytest.raises(SystemExit):
        run([option])
    assert f"usage: {command}" in capsys.readouterr().out
