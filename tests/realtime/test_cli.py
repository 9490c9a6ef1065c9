"""`mmer-live` from the user's side: errors that explain themselves, results that can be trusted."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from moonshine_files import moonshine_files

from mmer.models.cards.card import weights_dir
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.commands import live
from mmer.realtime.demo import clip

COMMAND = [str(Path(sys.executable).with_name("mmer-live"))]
EMOTION_KEYS = {
    "v", "type", "t", "window", "label", "confidence", "probs", "final", "provisional", "revised",
    "utterance", "modalities", "why", "latency_ms", "valence", "arousal", "derived",
}  # fmt: skip


def mmer_live(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command in this process: exit status, standard output, standard error."""
    with pytest.raises(SystemExit) as stopped:
        live.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The message of a command that must end with 2 and no traceback."""
    status, out, err = mmer_live(capsys, *arguments, "--offline")
    assert status == 2
    assert "Traceback" not in out + err
    return " ".join(err.replace("│", " ").split())


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """One second of a tone, sound only."""
    return write_sound(tmp_path / "tone.wav")


def write_sound(
    path: Path, seconds: float = 1.0, rate: int = 16000, codec: str = "pcm_s16le"
) -> Path:
    t = np.arange(round(seconds * rate)) / rate
    wave = (8000 * np.sin(2 * np.pi * 220 * t)).astype(np.int16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


# --- what cannot be ------------------------------------------------------------------------------


def test_no_such_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "nowhere.mp4" in refused(capsys, tmp_path / "nowhere.mp4")


def test_a_directory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert str(tmp_path.name) in refused(capsys, tmp_path)


@pytest.mark.parametrize("content", [b"", b"this is a text\n" * 50])
def test_an_empty_or_text_file_called_mp4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert "clip.mp4" in refused(capsys, path)


def test_a_truncated_file_without_index(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip().read_bytes()[:300])
    assert "cut.mp4" in refused(capsys, path)


def test_modalities_misspelt(capsys: pytest.CaptureFixture[str], tone: Path) -> None:
    message = refused(capsys, tone, "--modalities", "speech,fase")
    assert "fase" in message
    assert "face" in message


def test_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "frobnicate" in refused(capsys, "--frobnicate")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--asr", "whisper"), ("--pace", "slow"), ("--hop-s", "0"), ("--hop-s", "nan"),
     ("--window-s", "-4"), ("--video-fps", "x")],
)  # fmt: skip
def test_a_wrong_value(
    capsys: pytest.CaptureFixture[str], tone: Path, option: str, value: str
) -> None:
    assert option.strip("-").replace("-", "") in refused(capsys, tone, option, value).replace(
        "-", ""
    )


def test_a_provider_that_cannot_run(capsys: pytest.CaptureFixture[str], tone: Path) -> None:
    assert "tensorrt" in refused(capsys, tone, "--provider", "tensorrt")


def test_vosk_that_is_not_there(
    capsys: pytest.CaptureFixture[str],
    tone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MMER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMER_MODELS", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "--fetch" in refused(capsys, tone, "--asr", "vosk")


@pytest.mark.parametrize("name", ["pocketsphinx", "whisper", ""])
def test_an_engine_that_is_none_is_one_line_that_names_them(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    status, out, err = mmer_live(capsys, "--demo", "--asr", name)
    assert (status, out) == (2, "")
    assert err == f"mmer-live: --asr {name!r} is unknown: use auto, moonshine, vosk, none\n"


def test_moonshine_that_is_nowhere_is_one_line_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MMER_MODELS", "")
    monkeypatch.setattr("mmer.models.store.store._in_package", lambda asset: None)
    status, out, err = mmer_live(capsys, "--demo", "--asr", "moonshine", "--offline")
    assert (status, out) == (2, "")
    assert err.startswith("mmer-live: the Moonshine speech model, encoder (tiny-en) is not on this")
    assert err.count("\n") == 1
    for remedy in ("mmer-live --fetch", "pip install 'moonshine-voice", "MMER_MODELS"):
        assert remedy in err


@pytest.mark.slow
@pytest.mark.parametrize("place", ["MMER_MODELS", "MMER_HOME"])
@pytest.mark.parametrize("harm", ["cut", "other"])
def test_a_damaged_file_of_moonshine_is_told_and_the_next_place_is_used(
    tone: Path, tmp_path: Path, place: str, harm: str
) -> None:
    whole = moonshine_files()[2]
    # what comes after the place of the damage: the package, or another folder before the cache
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        (folder / "moonshine-tiny-en").mkdir(parents=True)
    for path in moonshine_files():
        shutil.copyfile(path, good / "moonshine-tiny-en" / path.name)
    damaged = bad / "moonshine-tiny-en" / whole.name
    data = whole.read_bytes()
    damaged.write_bytes(data[:-1] if harm == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    folders = {"MMER_MODELS": str(bad), "MMER_HOME": str(good)}
    if place == "MMER_HOME":  # looked at last: the package is hidden, so nothing is left
        folders = {"MMER_MODELS": "", "MMER_HOME": str(bad)}
        shutil.copyfile(moonshine_files()[0], bad / "moonshine-tiny-en/encoder_model.ort")
        shutil.copyfile(moonshine_files()[1], bad / "moonshine-tiny-en/decoder_model_merged.ort")
    code = (
        "import mmer.models.store.store as store; store._in_package = lambda asset: None\n"
        "from mmer.realtime.commands.live import main; main()"
    )
    options = ["--pace", "max", "--modalities", "text", "--offline", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, tone, *options, "--asr", "moonshine"],
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        timeout=200,
    )
    lines = done.stderr.splitlines()
    told = f"mmer: {damaged} is not used: it is damaged or another version (wrong sha256)"
    assert [line for line in lines if str(damaged) in line] == [told]
    if place == "MMER_MODELS":
        assert (done.returncode, lines) == (0, [told])
    else:
        assert done.returncode == 2
        assert len(lines) == 2
        assert lines[1].startswith("mmer-live: the Moonshine speech model, vocabulary (tiny-en)")


@pytest.mark.parametrize("where", ["missing/out.jsonl", "."])
def test_an_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tone: Path, tmp_path: Path, where: str
) -> None:
    assert "cannot write" in refused(capsys, tone, "--output", tmp_path / where)
    assert not (tmp_path / "missing").exists()


def test_the_output_must_not_be_the_input(capsys: pytest.CaptureFixture[str], tone: Path) -> None:
    before = tone.read_bytes()
    refused(capsys, tone, "--output", tone)
    assert tone.read_bytes() == before


def test_a_model_cut_short(capsys: pytest.CaptureFixture[str], tone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(weights_dir(), folder, ignore=shutil.ignore_patterns("__*"))
    model = folder / "speech.onnx"
    model.write_bytes(model.read_bytes()[:1000])
    assert "speech.onnx" in refused(capsys, tone, "--weights", folder)


def test_weights_that_are_none(
    capsys: pytest.CaptureFixture[str], tone: Path, tmp_path: Path
) -> None:
    assert "card" in refused(capsys, tone, "--weights", tmp_path)
    assert "nowhere" in refused(capsys, tone, "--weights", tmp_path / "nowhere")


def test_a_window_without_a_display(
    capsys: pytest.CaptureFixture[str], tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems have no DISPLAY")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "display" in refused(capsys, tone, "--window").lower()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb: apt-get install xvfb")
def test_a_window_opens_and_the_session_ends(tmp_path: Path, brief_clip: Path) -> None:
    number = 90 + os.getpid() % 900
    screen = subprocess.Popen(["Xvfb", f":{number}", "-screen", "0", "900x700x24"])
    try:
        while not Path(f"/tmp/.X11-unix/X{number}").exists():
            assert screen.poll() is None
            time.sleep(0.05)
        out = tmp_path / "out.jsonl"
        options = "--offline --modalities face --window --pace max --quiet"
        done = subprocess.run(
            [*COMMAND, brief_clip, *options.split(), "--output", out],
            env={**os.environ, "DISPLAY": f":{number}"},
            capture_output=True,
            text=True,
            timeout=100,
        )
    finally:
        screen.kill()
        screen.wait()
    assert done.returncode == 0, done.stderr
    assert lines_of(out)[-1]["type"] == "end"


def test_output_and_overlay_must_differ(
    capsys: pytest.CaptureFixture[str], tone: Path, tmp_path: Path
) -> None:
    both = tmp_path / "x.mp4"
    assert "both" in refused(capsys, tone, "--overlay", both, "--output", both)


def test_a_run_leaves_nothing_in_a_fresh_home(tone: Path, tmp_path: Path) -> None:
    """ONNX Runtime would leave a device id and queued events there, and send them."""
    home = tmp_path / "home"
    home.mkdir()
    command = [*COMMAND, tone, *["--pace", "max", "--asr", "none", "--offline", "--quiet"]]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    subprocess.run(command, env={**environment, "HOME": str(home)}, check=True, timeout=60)
    assert [p.name for p in home.rglob("*") if p.is_file()] == []


def test_overlay_needs_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "--overlay" in refused(capsys, "--overlay", tmp_path / "x.mp4")


def test_devices_do_not_go_with_a_file(capsys: pytest.CaptureFixture[str], tone: Path) -> None:
    assert "--audio" in refused(capsys, tone, "--audio", "USB")


def test_no_such_camera(capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "--audio", "none", "--video", "/dev/video99")
    assert "/dev/video99" in message


def test_no_portaudio(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert "libportaudio2" in refused(capsys, "--video", "none")


# --- what works ----------------------------------------------------------------------------------


def test_sound_alone_gives_lines_with_every_key(
    capsys: pytest.CaptureFixture[str], tone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    status, _, err = mmer_live(
        capsys, tone, "--pace", "max", "--asr", "none", "--offline", "--output", out
    )
    assert (status, "Traceback" in err) == (0, False)
    lines = lines_of(out)
    assert [lines[0]["type"], lines[-1]["type"]] == ["session", "end"]
    emotions = [line for line in lines if line["type"] == "emotion"]
    assert emotions
    for line in emotions:
        assert set(line) == EMOTION_KEYS
        assert set(line["modalities"]) == set(MODALITIES)
        assert line["why"]["face"] == "no picture in the source"
        if line["label"] is None:
            assert line["probs"] is None
            assert line["why"]["label"]
        else:
            assert list(line["probs"]) == list(EMOTIONS)
            assert abs(sum(line["probs"].values()) - 1) < 1e-3


@pytest.mark.slow
def test_a_replay_is_the_same_to_the_byte_on_a_loaded_machine(
    tmp_path: Path, short_clip: Path
) -> None:
    moonshine_files()

    def replayed(name: str) -> bytes:
        options = ["--pace", "max", "--offline", "--quiet", "--output", str(tmp_path / name)]
        subprocess.run([*COMMAND, str(short_clip), *options], check=True, timeout=280)
        return (tmp_path / name).read_bytes()

    quiet = replayed("1.jsonl")
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        loaded = replayed("2.jsonl")
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert quiet == loaded
    transcripts = [line for line in quiet.splitlines() if b'"text":"' in line]
    assert len(transcripts) > 4  # partial ones and finals


def test_ctrl_c_finishes_what_is_open_and_leaves_whole_lines(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [*COMMAND, str(clip()), "--offline", "--output", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out.exists() and '"final":true' in out.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    lines = lines_of(out)
    assert lines[-1]["type"] == "end"
    heard = {line["id"] for line in lines if line["type"] in ("utterance", "partial")}
    assert heard == {line["id"] for line in lines if line["type"] == "utterance"}


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(
        [*COMMAND, str(clip()), "--pace", "max", "--offline", "--quiet", "--output", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "session"
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert b"Traceback" not in err


def in_shell(command: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell's command in ``tmp_path``, where {} is mmer-live on the clip, at once."""
    live_command = f"{shlex.quote(COMMAND[0])} {shlex.quote(str(clip()))} --pace max --offline"
    live_command += " --modalities speech"  # the quickest
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.format(live_command)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("view", "status"), [("| head -1", 0), (">&-", 0), (">/dev/null 2>&-", 0), (">/dev/full", 2)]
)
def test_losing_the_view_for_people_does_not_end_the_file_for_programs(
    tmp_path: Path, view: str, status: int
) -> None:
    done = in_shell("{} --output out.jsonl " + view, tmp_path)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    lines = lines_of(tmp_path / "out.jsonl")  # nothing but lines, whatever descriptors were free
    assert (lines[0]["type"], lines[-1]["type"]) == ("session", "end")
    assert lines[-1]["t"] > 20


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("output", ["", "--output -"])
def test_a_closed_standard_output_is_one_line(tmp_path: Path, output: str) -> None:
    done = in_shell("{} " + output + " >&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mmer-live: standard output is closed: name a file")
    assert len(done.stderr.splitlines()) == 1


OPENCV_THREADS = "import cv2; print(cv2.getNumThreads())"
OPENBLAS_THREADS = """import numpy, threadpoolctl
print(max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))"""


@pytest.mark.parametrize("asked", [OPENCV_THREADS, OPENBLAS_THREADS])
def test_a_library_has_one_thread_in_the_commands_own_process_alone(asked: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.endswith(("_THREADS", "_THREADS_NUM"))}

    def threads(before: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\n{asked}"],
            env=env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout.split()[-1])

    command = "import contextlib\nfrom mmer.realtime.commands.live import main"
    command += "\nwith contextlib.suppress(SystemExit): main(['--version'])"
    assert threads(command) == 1
    assert threads("import mmer.realtime.recognizer") == threads("pass")
