"""Manifests of generated media, evaluated by the shipped weights through the command itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from generated_corpora import write_wav
from moonshine_files import moonshine_files

from mmer.models.labels import EMOTIONS
from mmer.realtime.demo import clip
from mmer.training.commands.evaluate import main
from mmer.training.evaluation.speech import windows

RATE = 16_000
WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, NoTorch())
from mmer.training.evaluation import clip
from mmer.training.commands.evaluate import main
main(["text", "--dataset", "manifest", "--root", sys.argv[1], "--word-error-rate", "0.2"])
main(["face", "--dataset", "manifest", "--root", sys.argv[2], "--offline"])
assert "torch" not in sys.modules
"""


def run(modality: str, root: Path, *options: str) -> dict[str, Any]:
    out = root.with_name("out.json")
    main([modality, "--dataset", "manifest", "--root", str(root), "--json", str(out), *options])
    table: dict[str, Any] = json.loads(out.read_text())
    assert table["n"] == np.sum(table["confusion"])
    return table


def write_manifest(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "items.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def demo_pictures(n: int) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(clip()))
    pictures = [capture.read()[1] for _ in range(n)]
    capture.release()
    return pictures


def test_speech(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    t = np.arange(3 * RATE) / RATE
    sound = 6000 * np.sin(2 * np.pi * 180 * t) * (1 + np.sin(2 * np.pi * 3 * t))
    write_wav(tmp_path / "voice.wav", sound)
    write_wav(tmp_path / "short.wav", sound[:100])
    write_wav(tmp_path / "silent.wav", np.zeros(RATE))
    write_wav(tmp_path / "long.wav", np.tile(sound, 10))
    (tmp_path / "broken.wav").write_bytes(b"not a recording")
    names = ("voice", "short", "silent", "long", "broken")
    rows = [f"{name}.wav,neutral,ann," for name in names]
    table = run(
        "speech",
        write_manifest(tmp_path, "path,label,speaker,end", *rows, "voice.wav,joy,bob,1.5"),
        "--plots",
        str(tmp_path / "plots"),
    )
    assert table["n"] == 5
    assert table["dropped"] == {"cannot be read": 1}
    assert table["unanswered"] == 1
    assert table["resampled_by"] == "item"
    assert table["options"]["seed"] == 0
    assert set(table["weights"]) == {"speech"}
    told = capsys.readouterr()
    assert "broken.wav" in told.err
    assert "uniform answer" in told.err
    assert "items (only 2 speakers)" in told.out
    for name in ("confusion.png", "reliability.png"):
        picture = cv2.imread(str(tmp_path / "plots" / name))
        assert picture.shape[0] > 300
        assert picture.std() > 10


def test_windows_cover_a_long_recording() -> None:
    samples = np.arange(25, dtype=np.int16)
    parts = windows(samples, 10)
    assert [len(part) for part in parts] == [10, 10, 10]
    assert set(np.concatenate(parts)) == set(range(25))
    assert [len(part) for part in windows(samples, 25)] == [25]
    assert [len(part) for part in windows(samples[:0], 25)] == [0]


def test_text(tmp_path: Path) -> None:
    lines = {
        "joy": "I am so happy, this is wonderful, thank you!",
        "anger": "I hate you. Get out, damn it!",
        "sadness": "I miss her so much. I am so sad and alone.",
        "neutral": "The meeting is on Tuesday at nine.",
    }
    rows = [f'"{text}",{label},a' for label, text in lines.items()]
    root = write_manifest(tmp_path, "text,label,dialogue", *rows)
    clean = run("text", root)
    assert clean["n"] == 4
    assert clean["accuracy"] >= 0.5
    assert run("text", root, "--asr-style", "--context", "0")["n"] == 4
    misheard = run("text", root, "--word-error-rate", "0.9")
    assert misheard["options"]["word_error_rate"] == 0.9
    assert misheard == run("text", root, "--word-error-rate", "0.9")


def test_face(tmp_path: Path) -> None:
    (picture,) = demo_pictures(1)
    cv2.imwrite(str(tmp_path / "whole.png"), picture)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(tmp_path / "grey.jpg"), grey)
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((90, 120, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "tiny.png"), np.full((1, 1), 128, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    names = ("whole.png", "grey.jpg", "nobody.png", "tiny.png", "broken.png", "film.mp4")
    (tmp_path / "film.mp4").write_bytes(clip().read_bytes())
    rows = [f"{name},neutral,{'2' if 'mp4' in name else ''}" for name in names]
    root = write_manifest(tmp_path, "path,label,end", *rows)
    table = run("face", root, "--offline")
    assert table["n"] == 5
    assert table["dropped"] == {"cannot be read": 1}
    assert table["no_face"] == 2
    assert table["detector"] == "blazeface (blazeface.onnx)"
    cropped = run("face", root, "--cropped")
    assert cropped["n"] == 5
    assert (cropped["no_face"], cropped["detector"]) == (0, None)


@pytest.mark.slow
def test_clip(tmp_path: Path) -> None:
    moonshine_files()
    known = json.loads(clip().with_suffix(".json").read_text())["sentences"][1:3]
    (tmp_path / "demo.mp4").write_bytes(clip().read_bytes())
    rows = [
        f"demo.mp4,{s['feeling']},{s['text']},{s['t0']:.3f},{s['t1']:.3f}"
        for s in known
        if s["feeling"] in EMOTIONS
    ]
    silent = tmp_path / "silent.mp4"
    writer = cv2.VideoWriter(str(silent), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 480))
    for picture in demo_pictures(10):
        writer.write(picture)
    writer.release()
    (tmp_path / "broken.mp4").write_bytes(b"not a film")
    root = write_manifest(
        tmp_path,
        "path,label,text,start,end",
        *rows,
        "silent.mp4,neutral,,,",
        "broken.mp4,joy,,,",
    )
    table = run("clip", root, "--asr", "moonshine", "--offline")
    assert table["n"] == len(rows) + 1
    assert table["dropped"] == {"cannot be read": 1}
    assert table["unanswered"] == 0
    assert table["parts"]["speech"]["n"] == len(rows)
    assert table["parts"]["text"]["n"] == len(rows)
    assert table["parts"]["face"]["n"] == len(rows) + 1
    assert table["models"]["words"].startswith("moonshine (")
    gold = run("clip", root, "--gold-words", "--modalities", "text", "--offline")
    assert gold["models"]["words"] == "gold"
    assert gold["parts"]["text"]["n"] == len(rows)
    assert gold["unanswered"] == 1
    faces = run("clip", root, "--modalities", "face", "--offline")
    assert (list(faces["parts"]), faces["unanswered"]) == (["face"], 0)
    assert faces == run("clip", root, "--modalities", "face", "--offline", "--workers", "2")
    baseline = ("--modalities", "face", "--offline", "--adapt")
    assert run("clip", root, *baseline) == run("clip", root, *baseline, "--workers", "2")


def test_torch_is_never_needed(tmp_path: Path) -> None:
    root = write_manifest(tmp_path, "text,label", "hello there,neutral", "oh no,fear")
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 48), 128, np.uint8))
    faces = tmp_path / "faces.csv"
    faces.write_text("path,label\na.png,joy\n")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(root), str(faces)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "2 items" in done.stdout
