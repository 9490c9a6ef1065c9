"""Registry of the outputs: one entry makes another."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmer
from mmer.realtime.commands import live
from mmer.realtime.sinks.registry import OUTPUTS, Output, parse_output
from mmer.realtime.sinks.sink import SessionInfo


class Tape:
    """A throw-away output that writes what happened to a file."""

    def __init__(self, address: str) -> None:
        self._path = Path(address)
        self._lines: list[str] = []

    def open(self, info: SessionInfo) -> None:
        self._lines.append(f"open {info.source['kind']}")

    def write(self, event: mmer.Message, now: float | None) -> None:
        if isinstance(event, mmer.EmotionEstimate):
            self._lines.append(f"{event.t:.2f} {event.label}")

    def close(self, end: mmer.SessionEnd | None) -> None:
        assert end is not None
        self._path.write_text("\n".join([*self._lines, f"end {end.emotions}"]))


@pytest.fixture
def with_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUTPUTS, "_entries", dict(OUTPUTS.items()))  # taken back afterwards
    OUTPUTS.add("tape", Output(f"{__name__}:Tape", "a tape"))


def test_an_entry_more_makes_an_output_that_can_be_chosen(
    with_tape: None, brief_clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "session.tape"
    options = "--modalities face --pace max --offline --quiet"
    with pytest.raises(SystemExit) as stopped:
        live.main([str(brief_clip), *options.split(), "--output", f"tape:{path}"])
    assert stopped.value.code == 0
    first, *estimates, last = path.read_text().splitlines()
    assert first == "open file"
    assert last == f"end {len(estimates)}"
    assert len(estimates) > 4


def test_what_is_no_entry_is_a_file_of_json_lines(with_tape: None) -> None:
    assert parse_output("tape:x:y") == ("tape", "x:y")
    for target in ("-", "out.jsonl", "C:/out.jsonl", "tap:x", "./tape:x"):
        assert parse_output(target) == ("jsonl", target)
    assert parse_output("jsonl:out") == ("jsonl", "out")
