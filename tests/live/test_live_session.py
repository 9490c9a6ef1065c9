"""The real program on a virtual microphone and camera: the whole way from device to JSON lines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from moonshine_files import moonshine_files
from numpy.typing import NDArray
from rig import LiveProgram, MjpegCamera, VirtualMicrophone, sound_of, write_wav

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.demo import clip

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

RATE: Final = 16_000
KEYS: Final = {
    "session": {"utc", "source", "models", "provider", "config", "policy"},
    "partial": {"id", "t", "text"},
    "utterance": {"id", "t0", "t1", "text", "asr", "confidence"},
    "emotion": {
        *("t", "window", "label", "confidence", "probs", "final", "provisional", "revised"),
        "utterance",
        *("modalities", "why", "latency_ms", "valence", "arousal", "derived"),
    },
    "notice": {"t", "level", "about", "text"},
    "health": {"t", "drops", "queue", "gap_s", "latency_ms"},
    "end": {"t", "utterances", "emotions", "drops"},
}

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def sentences() -> list[tuple[str, NDArray[np.int16]]]:
    """The demo's sentences: text and sound, with a breath before and after."""
    sound, around = sound_of(clip()), round(0.1 * RATE)
    known = json.loads(clip().with_suffix(".json").read_text())["sentences"]
    spans = [(round(s["t0"] * RATE) - around, round(s["t1"] * RATE) + around) for s in known]
    return [(s["text"], sound[a:b]) for s, (a, b) in zip(known, spans, strict=True)]


def wav(path: Path, parts: Sequence[NDArray[np.int16]], pause_s: float, tail_s: float) -> Path:
    """``parts`` with pauses between, and silence at the end."""
    pause, tail = (
        np.zeros(round(pause_s * RATE), np.int16),
        np.zeros(round(tail_s * RATE), np.int16),
    )
    joined = [piece for part in parts for piece in (pause, part)]
    write_wav(path, np.concatenate([*joined, tail]))
    return path


def of(lines: Lines, kind: str) -> Lines:
    return [line for line in lines if line["type"] == kind]


def finals(lines: Lines) -> Lines:
    return [line for line in of(lines, "emotion") if line["final"]]


def uses(lines: Lines, modality: str) -> bool:
    return any(line["modalities"][modality] for line in of(lines, "emotion"))


def by_face_alone(line: dict[str, Any]) -> bool:
    """Whether this is an estimate that has the face and no voice."""
    return (
        line["type"] == "emotion"
        and line["modalities"]["face"] is not None
        and line["modalities"]["speech"] is None
    )


def check_contract(lines: Lines) -> None:
    """What every complete output must be, whatever was seen and heard."""
    assert lines[0]["type"] == "session"
    assert lines[0]["utc"]
    assert lines[-1]["type"] == "end"
    for line in lines:
        assert line["v"] == 1
        assert set(line) == KEYS[line["type"]] | {"v", "type"}
    assert [line["type"] for line in lines].count("end") == 1
    times = [line["t"] for line in lines if "t" in line]
    assert times == sorted(times)

    for line in of(lines, "emotion"):
        assert list(line["modalities"]) == list(MODALITIES)
        present = {n: c for n, c in line["modalities"].items() if c is not None}
        assert all(line["why"][n] for n in MODALITIES if n not in present)
        if line["label"] is None:
            assert line["probs"] is None
            assert line["confidence"] is None
            assert line["why"]["label"]
        else:
            assert list(line["probs"]) == list(EMOTIONS)
            assert sum(line["probs"].values()) == pytest.approx(1, abs=0.002)
            assert line["probs"][line["label"]] == max(line["probs"].values())
            assert 0 <= line["confidence"] <= 1
            assert sum(c["weight"] for c in present.values()) == pytest.approx(1, abs=0.002)
            assert line["latency_ms"] >= 0
        assert line["window"][0] <= line["window"][1]

    # every utterance is told of once, and evaluated
    heard = [line["id"] for line in of(lines, "utterance")]
    assert heard == sorted(set(heard))
    assert {line["id"] for line in of(lines, "partial")} <= set(heard)
    assert [line["utterance"] for line in finals(lines)] == heard
    windows = {line["utterance"]: line["window"] for line in finals(lines)}
    for line in of(lines, "utterance"):
        assert windows[line["id"]] == pytest.approx([line["t0"], line["t1"]], abs=0.002)
    assert lines[-1]["utterances"] == len(heard)
    assert lines[-1]["emotions"] == len(of(lines, "emotion"))

    assert of(lines, "health")
    for line in [*of(lines, "health"), lines[-1]]:
        assert line["drops"].get("audio", 0) == 0


def share_heard(lines: Lines, said: Sequence[str]) -> float:
    """Which part of the words said is in the transcript."""

    def words(texts: Iterable[str]) -> set[str]:
        return {word.strip(".,?!") for text in texts for word in text.lower().split()}

    heard = words(line["text"] for line in of(lines, "utterance"))
    return len(words(said) & heard) / len(words(said))


def test_microphone_and_camera_until_ctrl_c_in_the_middle_of_a_sentence(
    microphone: VirtualMicrophone,
    camera: MjpegCamera,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    moonshine_files()
    # 0.8 s apart: utterances of their own; 0.05 s apart: one that goes on and on
    apart = wav(tmp_path / "apart.wav", [s for _, s in sentences[:3]], 0.8, 0.8)
    endless = wav(tmp_path / "endless.wav", [s for _, s in sentences], 0.0, 0.8)
    arguments = ["--video", camera.url, "--offline"]
    with LiveProgram(arguments, tmp_path / "out.jsonl", microphone.env) as live:
        live.wait_for("session", lambda lines: of(lines, "session"))
        live.wait_for("label by the face", lambda lines: uses(lines, "face"))
        microphone.play(apart)
        lines = live.wait_for("three finals", lambda lines: len(finals(lines)) >= 3)
        done = len(finals(lines))
        microphone.play(endless)
        live.wait_for(
            "partial of the open utterance",
            lambda lines: any(p["id"] > done and p["text"] for p in of(lines, "partial")),
        )
        assert len(finals(live.lines())) == done  # still being spoken
        lines = live.end(signal.SIGINT)

    check_contract(lines)
    assert len(finals(lines)) == done + 1  # the open one was finished
    assert of(lines, "utterance")[-1]["id"] == done + 1
    # cut in the middle of a word, it has a text or the reason why not
    reasons = ("no speech", "unsure words", "no words")
    assert of(lines, "utterance")[-1]["text"] or finals(lines)[-1]["why"]["text"] in reasons
    assert share_heard(lines, [text for text, _ in sentences[:3]]) >= 0.8
    for modality in MODALITIES:
        assert any(line["modalities"][modality] for line in finals(lines)), modality
    assert lines[0]["models"]
    assert max(line["gap_s"] for line in of(lines, "health")) < 1


def test_a_camera_that_dies_is_told_and_the_voice_goes_on(
    microphone: VirtualMicrophone,
    camera: MjpegCamera,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    speech = wav(tmp_path / "speech.wav", [sentences[1][1], sentences[4][1]], 0.8, 0.8)
    with LiveProgram(
        ["--video", camera.url, "--offline"], tmp_path / "out.jsonl", microphone.env
    ) as live:
        live.wait_for("label by the face", lambda lines: uses(lines, "face"))
        camera.stop_frames()
        live.wait_for(
            "notice of the camera",
            lambda lines: [
                n for n in of(lines, "notice") if n["about"] == "camera" and n["level"] != "info"
            ],
        )
        microphone.play(speech)
        live.wait_for("two finals", lambda lines: len(finals(lines)) >= 2)
        lines = live.end(signal.SIGINT)
    check_contract(lines)
    assert finals(lines)[-1]["modalities"]["face"] is None
    assert "camera" in finals(lines)[-1]["why"]["face"]
    assert finals(lines)[-1]["modalities"]["speech"] is not None


def test_a_microphone_that_dies_is_told_and_the_face_goes_on(
    microphone: VirtualMicrophone,
    camera: MjpegCamera,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    moonshine_files()
    endless = wav(tmp_path / "endless.wav", [s for _, s in sentences], 0.0, 0.8)
    with LiveProgram(
        ["--video", camera.url, "--offline"], tmp_path / "out.jsonl", microphone.env
    ) as live:
        live.wait_for("label by the face", lambda lines: uses(lines, "face"))
        microphone.play(endless)
        live.wait_for("words", lambda lines: any(p["text"] for p in of(lines, "partial")))
        microphone.unplug()
        live.wait_for(
            "notice of the microphone",
            lambda lines: [
                n
                for n in of(lines, "notice")
                if n["about"] == "microphone" and n["level"] != "info"
            ],
        )
        live.wait_for("final of the cut utterance", finals)
        live.wait_for("label by the face alone", lambda lines: any(map(by_face_alone, lines[-4:])))
        lines = live.end(signal.SIGINT)
    check_contract(lines)
    assert len(finals(lines)) == 1
    alone = [line for line in of(lines, "emotion") if by_face_alone(line)][-1]
    assert "microphone" in alone["why"]["speech"]


def test_the_microphone_alone_until_sigterm(
    microphone: VirtualMicrophone,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    moonshine_files()
    speech = wav(tmp_path / "speech.wav", [sentences[0][1], sentences[6][1]], 0.8, 0.8)
    with LiveProgram(
        ["--video", "none", "--offline"], tmp_path / "out.jsonl", microphone.env
    ) as live:
        live.wait_for("label's absence", lambda lines: of(lines, "emotion"))
        microphone.play(speech)
        live.wait_for("two finals", lambda lines: len(finals(lines)) >= 2)
        lines = live.end(signal.SIGTERM)
    check_contract(lines)
    assert not uses(lines, "face")
    assert uses(lines, "speech")
    assert share_heard(lines, [sentences[0][0], sentences[6][0]]) >= 0.8
    silent = of(lines, "emotion")[0]  # before anything was said
    assert silent["label"] is None


def test_a_microphone_that_is_plugged_in_again_is_used_again(
    microphone: VirtualMicrophone,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    speech = wav(tmp_path / "speech.wav", [sentences[1][1]], 0.8, 0.8)
    moonshine_files()
    arguments = ["--video", "none", "--offline"]
    with LiveProgram(arguments, tmp_path / "out.jsonl", microphone.env) as live:
        live.wait_for("an estimate", lambda lines: of(lines, "emotion"))
        microphone.unplug()
        live.wait_for("its loss", lambda lines: "waiting for it" in notices(lines))
        microphone.plug_in()
        live.wait_for("its return", lambda lines: "is back" in notices(lines))
        live.wait_for("the gap", lambda lines: "the microphone was away" in notices(lines))
        microphone.play(speech)
        live.wait_for("a final", finals)
        lines = live.end(signal.SIGINT)
    check_contract(lines)
    assert uses(lines, "speech")
    assert of(lines, "health")[-1]["gap_s"] > 1.0


TWO_MICROPHONES = """
import sys, threading
from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import Notice
from mmer.realtime.sources.microphone import Microphone

sources = [Microphone(patience_s=60.0) for _ in range(2)]

def listen(number, source):
    for message in source.messages():
        if isinstance(message, Notice):
            print(number, message.text, flush=True)

for source in sources:
    source.open(SessionClock())
threads = [threading.Thread(target=listen, args=each) for each in enumerate(sources)]
for thread in threads:
    thread.start()
sys.stdin.readline()
for thread, source in zip(threads, sources):
    source.stop()
    thread.join()
    source.close()
"""


def test_two_microphones_of_one_process_come_back_together(
    microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    said = tmp_path / "said.txt"

    def wait_for(text: str, times: int) -> None:
        until = time.monotonic() + 30
        while said.read_text().count(text) < times:
            assert child.poll() is None, child.returncode
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.05)

    with (
        said.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-c", TWO_MICROPHONES],
            env=microphone.env,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.DEVNULL,
        ) as child,
    ):
        try:
            wait_for("nothing but zeros", 2)  # both have sound
            for back in (1, 2):
                microphone.unplug()
                wait_for("waiting for it", 2 * back)
                time.sleep(1.5)  # both try again, side by side
                microphone.plug_in()
                wait_for("is back", 2 * back)
            child.communicate(b"\n", timeout=10)
            assert child.returncode == 0
        finally:
            child.kill()


def test_another_default_microphone_is_followed(
    microphone: VirtualMicrophone,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    """The sound server moves the stream of "default": PortAudio cannot tell."""
    speech = wav(tmp_path / "speech.wav", [sentences[1][1]], 0.8, 0.8)
    moonshine_files()
    arguments = ["--video", "none", "--offline"]
    with LiveProgram(arguments, tmp_path / "out.jsonl", microphone.env) as live:
        live.wait_for("an estimate", lambda lines: of(lines, "emotion"))
        microphone.choose_another()
        time.sleep(1.0)
        microphone.play(speech)
        live.wait_for("a final", finals, 15.0)
        lines = live.end(signal.SIGINT)
    check_contract(lines)
    assert share_heard(lines, [sentences[1][0]]) >= 0.5


def test_a_stereo_microphone_whose_channels_cancel_each_other_is_heard(
    microphone: VirtualMicrophone,
    sentences: list[tuple[str, NDArray[np.int16]]],
    tmp_path: Path,
) -> None:
    said = [sentences[i][0] for i in (0, 6)]
    speech = sound_of(wav(tmp_path / "one.wav", [sentences[i][1] for i in (0, 6)], 0.8, 0.8))
    write_wav(tmp_path / "two.wav", np.stack([speech, -speech], axis=1))
    moonshine_files()
    arguments = ["--video", "none", "--offline"]
    with LiveProgram(arguments, tmp_path / "out.jsonl", microphone.env) as live:
        live.wait_for("an estimate", lambda lines: of(lines, "emotion"))
        microphone.play(tmp_path / "two.wav")
        live.wait_for("a final", finals, 15.0)
        live.wait_for("the last sentence", lambda lines: share_heard(lines, said) >= 0.5, 15.0)
        lines = live.end(signal.SIGINT)
    check_contract(lines)
    assert "cancel each other" in notices(lines)


def notices(lines: list[dict[str, Any]]) -> str:
    return "; ".join(line["text"] for line in of(lines, "notice"))


def test_when_the_only_device_hangs_up_all_is_finished_and_the_status_is_2(
    camera: MjpegCamera, microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    with LiveProgram(
        ["--audio", "none", "--video", camera.url, "--no-reconnect", "--offline"],
        tmp_path / "out.jsonl",
        microphone.env,
    ) as live:
        live.wait_for("label by the face", lambda lines: uses(lines, "face"))
        camera.close_connections()
        assert live.process.wait(60) == 2
        check_contract(live.lines())
        assert "stopped" in live.errors()
        assert "Traceback" not in live.errors()
