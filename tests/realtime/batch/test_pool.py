"""The real pool: equal bytes whatever the workers, and after every way to be killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from synthetic_media import tone, write_wav

from mmer.realtime.batch.inputs import Item
from mmer.realtime.batch.pool import run_pool
from mmer.realtime.batch.recognition import BatchOptions, BatchRecognizer
from mmer.realtime.commands import live

pytestmark = pytest.mark.slow
pytest.importorskip("pyarrow", reason="needs the extra export")

COMMAND = (sys.executable, "-c", "from mmer.realtime.commands.batch import main; main()")
OPTIONS = ("--asr", "none", "--modalities", "speech", "--offline", "--workers", "2")
SPEECH = BatchOptions(modalities=("speech",), asr="none", offline=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, brief_clip: Path) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for k in range(6):
        write_wav(folder / f"{k}.wav", tone(1.0 + k, 16_000, hz=150 + 40 * k))
    (folder / "deep").mkdir()
    (folder / "deep" / "short.mp4").write_bytes(brief_clip.read_bytes())
    (folder / "bad.wav").write_text("no sound\n")
    return folder


def start(corpus: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, str(corpus), "--output", str(out), *OPTIONS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    process = start(corpus, out)
    said, complained = process.communicate(timeout=200)
    assert process.returncode == 1
    assert said.startswith("7 of 8 recordings recognized")
    assert complained == (
        "mmer-batch: bad.wav: bad.wav is a text file; "
        "expected audio or video such as mp4, mkv, wav or mp3\n"
    )
    return content(out)


def one_more(out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until another recording is done."""
    until = time.monotonic() + 120
    before = len(list(out.rglob("*.jsonl")))
    while len(list(out.rglob("*.jsonl"))) == before and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_at_random_moments_it_ends_with_the_very_bytes(
    corpus: Path, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """More moments: `mmer-bench batch`."""
    rng = random.Random(20)
    out = tmp_path / "out"
    for deed in ("parent", "group", "interrupt"):
        process = start(corpus, out)
        one_more(out, process)
        time.sleep(rng.uniform(0.0, 0.05))
        if deed == "parent":  # its workers notice by themselves
            process.kill()
        elif deed == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGINT)
            _, complained = process.communicate(timeout=60)
            if process.returncode != 1:  # it may have been finished already
                assert process.returncode == 130
                assert complained.endswith(
                    "mmer-batch: stopped; the same command goes on from here\n"
                )
                assert not list(out.rglob(".*.part"))
        process.communicate(timeout=60)
    process = start(corpus, out)
    process.communicate(timeout=200)
    assert process.returncode == 1
    assert content(out) == undisturbed


def test_a_worker_that_is_killed_costs_nothing(corpus: Path, tmp_path: Path) -> None:
    """Its recording is tried again; the bytes are those of one recognizer in this process."""
    psutil = pytest.importorskip("psutil", reason="needs the extra eval")
    items = [Item(f"{k}.wav", str(corpus / f"{k}.wav")) for k in range(6)]
    done: list[tuple[str, str | None]] = []

    def note(item: Item, reason: str | None) -> None:
        done.append((item.name, reason))
        if len(done) == 1:
            workers = [p for p in psutil.Process().children() if "spawn_main" in str(p.cmdline())]
            workers[0].kill()

    run_pool(items, SPEECH, tmp_path, 2, note)
    assert sorted(done) == [(item.name, None) for item in items]
    recognizer = BatchRecognizer(SPEECH)
    for item in items:
        expected = b"".join(recognizer.lines(item))
        assert item.lines_below(tmp_path).read_bytes() == expected


def test_a_recording_on_which_every_process_dies_is_a_row(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "deadly.py"  # pickled by name, so the workers import it
    module.write_text(
        "import os\n"
        "from mmer.realtime.batch.inputs import Item\n"
        "class Deadly(Item):\n"
        "    def lines_below(self, folder):\n"
        "        os._exit(9)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from deadly import Deadly  # type: ignore[import-not-found]

    items: Sequence[Item] = [
        Item("0.wav", str(corpus / "0.wav")),
        Deadly("1.wav", str(corpus / "1.wav")),
        Item("2.wav", str(corpus / "2.wav")),
    ]
    done: dict[str, str | None] = {}
    run_pool(
        items, SPEECH, tmp_path / "out", 2, lambda item, reason: done.update({item.name: reason})
    )
    assert done == {
        "0.wav": None,
        "1.wav": "the process that decoded it died, twice",
        "2.wav": None,
    }


def test_lines_are_those_of_mmer_live_but_for_the_name(brief_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        live.main([str(brief_clip), "--pace", "max", "--asr", "none", "--offline", "--quiet",
                   "--output", str(tmp_path / "live.jsonl")])  # fmt: skip
    assert not stopped.value.code
    recognizer = BatchRecognizer(BatchOptions(asr="none", offline=True))
    item = Item("deep/name.mp4", str(brief_clip))
    first, *rest = recognizer.lines(item)
    expected, *others = (tmp_path / "live.jsonl").read_bytes().splitlines(keepends=True)
    assert rest == others
    assert first.replace(b"deep/name.mp4", str(brief_clip).encode()) == expected
    assert [first, *rest] == list(recognizer.lines(item))  # nothing is kept from file to file
