"""A batch's folder: whole files, rows for every recording, the same after any interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from run_lines import run_lines

from mmer.models.errors import MmerError
from mmer.realtime.batch.inputs import Item
from mmer.realtime.batch.pool import Done
from mmer.realtime.batch.recognition import BatchOptions, BatchRecognizer, Stopped, Unreadable
from mmer.realtime.batch.run import local, run_batch
from mmer.realtime.batch.writing import locked, settle, write_lines
from mmer.realtime.commands import batch, batch_command

FACTS = {"options": {}, "models": {"speech": "speech.onnx"}}


class Engine:
    """Writes the same three utterances for every recording, without any network.

    ``broken`` is what cannot be read; after ``most`` recordings Ctrl-C is pressed.
    """

    def __init__(self, broken: str = "", most: int = 1000, reverse: bool = False) -> None:
        self.broken, self.most, self.reverse = broken, most, reverse
        self.seen: list[str] = []

    def __call__(
        self, items: Sequence[Item], options: BatchOptions, folder: Path, done: Done
    ) -> None:
        settle(folder, json.dumps({**FACTS, "options": vars(options)}))
        for item in sorted(items, reverse=self.reverse):
            if len(self.seen) == self.most:
                (folder / f".{item.name}.jsonl.host.1.part").write_bytes(b'{"v":1,"type"')
                raise KeyboardInterrupt
            self.seen.append(item.name)
            if item.name == self.broken:
                done(item, "no media file")
                continue
            text = "".join(json.dumps(line) + "\n" for line in run_lines())
            write_lines(item.lines_below(folder), [text.encode()])
            done(item, None)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(5):
        (folder / f"{k}.wav").write_bytes(b"x" * (k + 1))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a finished batch but the lock."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def run(corpus: Path, out: Path, engine: Engine) -> dict[str, str]:
    return run_batch([str(corpus)], out, BatchOptions(), engine).errors


def test_every_recording_has_its_rows(corpus: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    errors = run(corpus, tmp_path / "out", Engine(broken="3.wav"))
    assert errors == {"3.wav": "no media file"}
    files, estimates, utterances = (
        parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        for name in ("files", "estimates", "utterances")
    )
    assert [row["file"] for row in files] == [f"{k}.wav" for k in range(5)]
    assert files[3]["error"] == "no media file"
    assert files[3]["estimates"] is None
    assert files[4] == {
        "file": "4.wav", "error": None, "duration_s": 10.0, "estimates": 9, "utterances": 3,
    }  # fmt: skip
    assert len(estimates) == 4 * 9
    assert next(u["text"] for u in utterances if u["file"] == "2.wav") == "I am so happy"
    metadata = parquet.read_schema(tmp_path / "out/estimates.parquet").metadata
    assert json.loads(metadata[b"mmer"])["models"] == FACTS["models"]


@pytest.mark.parametrize("most", [0, 1, 4, 5])
def test_what_was_interrupted_ends_with_the_very_bytes_of_an_undisturbed_batch(
    corpus: Path, tmp_path: Path, most: int
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    run(corpus, tmp_path / "whole", Engine(broken="3.wav", reverse=True))
    first, second = Engine(broken="3.wav", most=most), Engine(broken="3.wav")
    if most < 5:
        with pytest.raises(KeyboardInterrupt):
            run(corpus, tmp_path / "out", first)
        assert not (tmp_path / "out/files.parquet").exists()
    run(corpus, tmp_path / "out", second)
    assert sorted({*first.seen, *second.seen}) == [f"{k}.wav" for k in range(5)]
    assert set(first.seen) & set(second.seen) <= {"3.wav"}  # tried again: it may be mended
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.parametrize("table", [1, 2, 3])
@pytest.mark.parametrize("call", ["__init__", "write_batch", "close"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_table_that_cannot_be_opened_or_written_leaves_nothing_of_itself(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: int,
    call: str,
    error: BaseException,
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    out = tmp_path / "out"
    done = getattr(parquet.ParquetWriter, call)
    calls = []

    def failing(*arguments: Any, **options: Any) -> None:
        done(*arguments, **options)
        calls.append(call)
        if len(calls) == table:
            raise error

    monkeypatch.setattr(parquet.ParquetWriter, call, failing)
    with pytest.raises((MmerError, KeyboardInterrupt)) as caught:
        run(corpus, out, Engine())
    assert "\n" not in str(caught.value)
    assert not [name for name in content(out) if ".part" in name]
    assert not (out / "files.parquet").exists()


def test_a_folder_of_other_options_or_models_is_refused(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    out = tmp_path / "out"
    run(corpus, out, Engine())
    with pytest.raises(MmerError, match=r"results with asr auto, now it is none"):
        run_batch([str(corpus)], out, BatchOptions(asr="none"), Engine())
    facts = json.loads((out / "batch.json").read_text())
    with pytest.raises(MmerError, match="models"):
        settle(out, json.dumps({**facts, "models": {"speech": "other.onnx"}}))
    for other in (None, 7):
        of_another_version = {**facts, "options": {**facts["options"], "other": other}}
        (out / "batch.json").write_text(json.dumps(of_another_version))
        with pytest.raises(MmerError, match=f"results with other {other}, now it is absent"):
            run(corpus, out, Engine())
    for damaged in (b"{", b'{"options": 5}'):
        (out / "batch.json").write_bytes(damaged)
        with pytest.raises(MmerError, match="damaged"):
            run(corpus, out, Engine())


def test_two_batches_do_not_write_into_one_folder(tmp_path: Path) -> None:
    refused = pytest.raises(MmerError, match="another mmer-batch")
    with locked(tmp_path), refused, locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    def lines():
        yield b"one\n"
        raise Unreadable("cut")

    with pytest.raises(Unreadable):
        write_lines(tmp_path / "deep/a.jsonl", lines())
    assert not list((tmp_path / "deep").iterdir())
    (tmp_path / "in_the_way").write_text("x")
    with pytest.raises(MmerError, match="cannot write"):
        write_lines(tmp_path / "in_the_way/a.jsonl", [b"one\n"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["."], "--output DIR"),
        (["gone.wav", "--output", "."], "gone.wav does not exist"),
        ([".", "--output", "no/where"], "there is no folder"),
        ([".", "--output", ".", "--workers", "0"], "--workers is 0"),
        ([".", "--output", ".", "--asr", "parrot"], "--asr 'parrot' is unknown"),
        ([".", "--output", ".", "--modalities", "text", "--asr", "none"], "nothing"),
    ],
)
def test_mistakes_are_one_line(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(corpus)
    monkeypatch.setattr("mmer.realtime.batch.run.load_package", lambda *names: None)
    with pytest.raises(SystemExit) as stopped:
        batch.main(arguments)
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err
    assert not list(corpus.glob("*.jsonl"))


def test_help_tells_options_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        batch.main(["--help"])
    assert not stopped.value.code
    out = capsys.readouterr().out
    for word in ("INPUT", "--output", "--workers", "--ray", "--asr", "130"):
        assert word in out


def test_more_workers_than_a_machine_can_have_are_refused() -> None:
    with pytest.raises(MmerError, match="--workers is 5000"):
        local(5000)


def test_a_recording_that_cannot_be_read_says_why_and_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("hello\n")
    recognizer = BatchRecognizer(BatchOptions(modalities=("speech",), asr="none", offline=True))
    for name, reason in (("bad.wav", "is a text file"), ("gone.wav", "gone.wav")):
        with pytest.raises(Unreadable, match=reason):
            list(recognizer.lines(Item(name, str(tmp_path / name))))


def test_lines_stop_when_the_batch_does(short_clip: Path) -> None:
    recognizer = BatchRecognizer(BatchOptions(modalities=("speech",), asr="none", offline=True))
    lines = recognizer.lines(Item("short.mp4", str(short_clip)), lambda: True)
    assert b'"name":"short.mp4"' in next(lines)
    with pytest.raises(Stopped):
        next(lines)


@pytest.mark.parametrize(("asked", "refused"), [("text-only", True), ("open", False), ("", False)])
def test_a_policy_that_it_would_not_follow_is_refused(
    asked: str, refused: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MMER_POLICY", asked)
    with pytest.raises(MmerError) as wrong:
        batch_command.run([str(tmp_path / "none.wav"), "--output", str(tmp_path / "out")])
    assert ("MMER_POLICY is 'text-only'" in str(wrong.value)) == refused
