"""Folders of recordings: where one can be made, exported and deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_recorder import recorded

from mmer.models.errors import MmerError
from mmer.realtime.commands import live_command
from mmer.realtime.recordings import LINES, check_folder


def test_the_folder_above_a_recording_is_made_with_it(tmp_path: Path) -> None:
    check_folder(tmp_path / "runs" / "p07")
    assert list(tmp_path.iterdir()) == []
    recorded(tmp_path / "runs" / "p07", [])
    assert (tmp_path / "runs" / "p07" / LINES).is_file()


@pytest.mark.parametrize(
    ("place", "says"),
    [("no/where/p07", "there is no folder .*/no; create it"), ("file/p07", "file is a file")],
)
def test_of_other_places_nothing_is_made(tmp_path: Path, place: str, says: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MmerError, match=f"--record .*: .*{says}"):
        check_folder(tmp_path / place)


def test_a_recording_is_exported_by_its_folder(tmp_path: Path) -> None:
    recorded(tmp_path / "p03", [])
    assert live_command.run(["export", str(tmp_path / "p03"), str(tmp_path / "x.csv")]) == 0
    assert (tmp_path / "x.csv").is_file()
    with pytest.raises(MmerError, match="cannot read"):
        live_command.run(["export", str(tmp_path), str(tmp_path / "x.csv")])


def test_expire_says_where_nothing_was_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live_command.run(["expire", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"mmer-live: nothing in {tmp_path} is past its --keep-days\n")
    recorded(tmp_path / "p03", [], keep_days=0.0)
    with pytest.raises(MmerError, match=r"is a recording itself.*: mmer-live expire"):
        live_command.run(["expire", str(tmp_path / "p03")])
    assert json.loads((tmp_path / "p03" / LINES).read_text().splitlines()[0])["recording"]
    assert live_command.run(["expire", str(tmp_path)]) == 0
    assert capsys.readouterr() == (f"deleted {tmp_path / 'p03'}\n", "")
