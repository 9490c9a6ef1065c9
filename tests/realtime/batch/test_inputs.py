"""Inputs of a batch: what is found, and how it is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.batch.inputs import find_items


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name in ("a/one.wav", "a/b/two.MP4", "three.flac", "notes.txt", ".hidden.wav", ".x/y.wav"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return tmp_path / "corpus"


def names(*inputs: object) -> list[str]:
    return [item.name for item in find_items([str(i) for i in inputs])]


def test_a_folder_is_searched_for_media(corpus: Path) -> None:
    assert names(corpus) == ["a/b/two.MP4", "a/one.wav", "three.flac"]


def test_names_depend_on_neither_order_nor_place_nor_how_often(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = names(corpus)
    assert names(corpus / "three.flac", corpus / "a", corpus / "a/one.wav") == expected
    monkeypatch.chdir(corpus)
    assert names(".") == names("a", "three.flac", "./a/../a") == expected
    moved = corpus.rename(corpus.with_name("moved"))
    assert names(moved) == expected


def test_a_single_file_has_its_own_name(corpus: Path) -> None:
    (item,) = find_items([str(corpus / "a/one.wav")])
    assert item.name == "one.wav"
    assert item.size == len("a/one.wav")
    assert item.lines_below(Path("out")) == Path("out/one.wav.jsonl")


def test_a_pattern_goes_down_where_it_says_so(corpus: Path) -> None:
    assert names(corpus / "**/*.wav") == ["one.wav"]
    assert names(corpus / "*") == ["three.flac"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "label,path\njoy,a/one.wav\n,three.flac\nfear,gone.wav\n"),
        ("list.txt", "\ufeffa/one.wav\r\n\r\nthree.flac\r\ngone.wav\r\n"),
    ],
)
def test_a_manifest_lists_files_that_may_be_missing(corpus: Path, name: str, text: str) -> None:
    (corpus / name).write_text(text, encoding="utf-8", newline="")
    found = find_items([str(corpus / name)])
    assert [item.name for item in found] == ["a/one.wav", "gone.wav", "three.flac"]
    assert [item.size for item in found] == [9, 0, 10]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("gone.wav", "does not exist"),
        ("*.ogg", "matches no file"),
        ("http://camera/talk.mp4", "is an address"),
        (".x", "there is no recording"),
        ("bare.csv", "no column path"),
        ("empty.txt", "lists no file"),
        ("latin.txt", "not UTF-8"),
        ("long.csv", "cannot read the manifest .*: field larger"),
        ("nul.csv", "NUL character"),
        ("nul.txt", "NUL character"),
    ],
)
def test_what_names_nothing_is_refused(corpus: Path, given: str, reason: str) -> None:
    (corpus / ".x/y.wav").unlink()
    (corpus / "bare.csv").write_text("label\njoy\n")
    (corpus / "empty.txt").write_text("\n \n")
    (corpus / "latin.txt").write_bytes(b"M\xe4dchen.wav\n")
    (corpus / "long.csv").write_text(f"path\n{'a' * 200_000}.wav\n")
    for name in ("nul.csv", "nul.txt"):
        (corpus / name).write_text("path\na\0.wav\n")
    with pytest.raises(MmerError, match=reason):
        find_items([given if "://" in given else str(corpus / given)])


def test_a_folder_that_cannot_be_read_is_no_empty_one(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refusing(path: str) -> Any:
        if os.path.basename(path) == "b":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(MmerError, match=r"cannot read the folder .*a/b: Permission denied"):
        find_items([str(corpus)])


def test_no_input_says_what_there_could_be() -> None:
    with pytest.raises(MmerError, match="folders, patterns or a manifest"):
        find_items([])
