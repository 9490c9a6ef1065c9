"""Exports, read back by the programs' own libraries."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from run_lines import TEXTS, emotion_line, run_lines, session_line, utterance_line, write_lines

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.commands import live
from mmer.realtime.exports.registry import FORMATS, export
from mmer.realtime.exports.run import Run
from mmer.realtime.exports.segments import TIERS, segments
from mmer.realtime.exports.tables import ESTIMATES, UTTERANCES, write_csv

NS = "{http://www.w3.org/2009/10/emotionml}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(write_lines(tmp_path / "run.jsonl", run_lines()))


@pytest.fixture
def live_run(tmp_path: Path) -> Run:
    return Run(write_lines(tmp_path / "live.jsonl", run_lines(live=True)))


# --- reading a run -------------------------------------------------------------------------------


def test_a_run_has_its_estimates_and_utterances(run: Run) -> None:
    estimates = list(run.estimates())
    assert [e.label for e in estimates] == [
        None, "joy", "joy", "sadness", "fear", "joy", "joy", "fear", None,
    ]  # fmt: skip
    assert estimates[1].probs is not None
    assert estimates[1].probs[EMOTIONS.index("joy")] == 0.7
    first, second, third = run.utterances()
    assert (first.text, first.label, first.asr_confidence) == (TEXTS[0], "joy", 0.93)
    assert (second.text, second.label, second.t0, second.t1) == (TEXTS[1], "fear", 1.9, 4.0)
    assert (third.text, third.label, third.probs) == ("", None, None)
    assert run.damaged == 0


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.97])
def test_a_run_that_was_cut_anywhere_is_read_as_far_as_it_goes(run: Run, keep: float) -> None:
    data = run.path.read_bytes()
    run.path.write_bytes(data[: int(len(data) * keep)])
    cut = Run(run.path)
    whole = sum(b'"emotion"' in line for line in run.path.read_bytes().splitlines(True)[:-1])
    assert len(list(cut.estimates())) in (whole, whole + 1)
    assert cut.damaged == 0


def test_damaged_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    lines = run_lines()
    lines.insert(3, {**emotion_line(0.6, "joy"), "window": "soon"})
    lines.insert(3, {**emotion_line(0.6, "joy"), "t": float("nan")})
    path = write_lines(tmp_path / "run.jsonl", lines)
    path.write_bytes(path.read_bytes().replace(b'{"v": 1, "type": "health"', b"\0\0\0 health"))
    run = Run(path)
    assert len(list(run.estimates())) == 9
    assert run.damaged == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "joy\x01\ud800"},
        {"label": ["joy"]},
        {"t": 1e300},
        {"window": [0, 10**400]},
        {"utterance": 10**30, "final": True},
        {"utterance": "1", "final": True},
        {"utterance": 1.5, "final": True},
    ],
)
def test_what_no_format_holds_is_a_damaged_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    lines = run_lines()
    lines.insert(3, {**emotion_line(0.6, "joy"), **wrong})
    run = Run(write_lines(tmp_path / "run.jsonl", lines))
    assert len(list(run.estimates())) == 9
    assert run.damaged == 1


@pytest.mark.parametrize("name", ["a\n\n --> b\x01", ["open"], None])
def test_a_policy_that_there_is_not_is_refused_with_its_name(tmp_path: Path, name: Any) -> None:
    first, *rest = run_lines()
    path = write_lines(tmp_path / "run.jsonl", [{**first, "policy": name}, *rest])
    with pytest.raises(MmerError, match=r"has the policy .*; there are open"):
        export(Run(path), tmp_path / "run.xml")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_several_runs_is_refused(tmp_path: Path) -> None:
    again = write_lines(tmp_path / "again.jsonl", [*run_lines(), *run_lines()])
    assert len(list(Run(again).estimates())) == 18  # log rotation writes the same line again
    two = write_lines(tmp_path / "two.jsonl", [*run_lines(), *run_lines(live=True)])
    with pytest.raises(MmerError, match="several runs"):
        list(Run(two).estimates())


@pytest.mark.parametrize(
    "text", ["", "no JSON\n", '{"v":1,"type":"emotion"}\n', "[]\n", "[" * 9999]
)
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(MmerError, match="no run"):
        Run(tmp_path / "x.jsonl")


def test_segments_have_no_overlap_and_no_label_where_there_is_none(run: Run) -> None:
    made = segments(run)
    assert tuple(made) == TIERS
    for tier in made.values():
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(tier))
        assert all(s.start_ms < s.end_ms and s.text for s in tier)
    assert [(s.start_ms, s.end_ms, s.text) for s in made["emotion"]] == [
        (500, 1000, "joy"),  # two estimates
        (1000, 1500, "sadness"),  # the next one is late: two hops
        (2250, 2500, "joy"),
    ]
    assert [(s.start_ms, s.end_ms) for s in made["transcript"]] == [(500, 2000), (2000, 4000)]
    assert [s.text for s in made["speech"]] == ["neutral", "sadness"]


# --- formats -------------------------------------------------------------------------------------


def test_elan(run: Run, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="needs the extra export")
    export(run, tmp_path / "run.eaf")
    eaf = elan.Eaf(str(tmp_path / "run.eaf"))
    assert tuple(eaf.get_tier_names()) == TIERS
    assert [a[:3] for a in sorted(eaf.get_annotation_data_for_tier("transcript"))] == [
        (500, 2000, TEXTS[0]),
        (2000, 4000, TEXTS[1]),
    ]
    (media,) = eaf.get_linked_files()
    assert media["MEDIA_URL"] == "file:///media/a%20talk.mp4"
    assert media["MIME_TYPE"] == "video/mp4"


def test_praat(run: Run, tmp_path: Path) -> None:
    praat = pytest.importorskip("pympi.Praat", reason="needs the extra export")
    export(run, tmp_path / "run.TextGrid")
    grid = praat.TextGrid(str(tmp_path / "run.TextGrid"))
    assert tuple(name for _, name in grid.get_tier_name_num()) == TIERS
    transcript = grid.get_tier("transcript")
    assert [i for i in transcript.get_intervals(sort=True) if i[2]] == [
        (0.5, 2.0, TEXTS[0]),
        (2.0, 4.0, TEXTS[1]),
    ]


@pytest.mark.parametrize("suffix", ["vtt", "srt"])
def test_captions(run: Run, tmp_path: Path, suffix: str) -> None:
    webvtt = pytest.importorskip("webvtt", reason="needs the extra export")
    path = tmp_path / f"run.{suffix}"
    export(run, path)
    read = webvtt.read(str(path)) if suffix == "vtt" else webvtt.from_srt(str(path))
    assert [(c.start, c.end) for c in read] == [
        ("00:00:00.500", "00:00:02.000"),
        ("00:00:01.900", "00:00:04.000"),
    ]
    assert read[0].text == "[joy] I am so happy"
    assert read[1].text.startswith('[fear] he said "stop" &')
    assert path.read_text().count("-->") == 2


def test_csv(run: Run, tmp_path: Path) -> None:
    export(run, tmp_path / "run.csv")
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(ESTIMATES)
    assert [row["label"] for row in rows] == [e.label or "" for e in run.estimates()]
    assert rows[2]["speech_label"] == "neutral"
    with (tmp_path / "run.utterances.csv").open(newline="", encoding="utf-8") as file:
        utterances = list(csv.DictReader(file))
    assert list(utterances[0]) == list(UTTERANCES)
    assert [u["text"] for u in utterances] == list(TEXTS)
    assert float(utterances[1]["fear"]) == 0.7


def test_csv_by_pandas(run: Run, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    export(run, tmp_path / "run.csv")
    table = pandas.read_csv(tmp_path / "run.csv")
    assert table["joy"].count() == 7
    assert table["final"].sum() == 3
    assert pandas.read_csv(tmp_path / "run.utterances.csv")["text"][1] == TEXTS[1]


def test_parquet(run: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra export")
    export(run, tmp_path / "run.parquet")
    table = parquet.read_table(tmp_path / "run.parquet")
    assert table.column_names == list(ESTIMATES)
    assert table["t"].to_pylist() == [e.t for e in run.estimates()]
    assert table["label"].to_pylist() == [e.label for e in run.estimates()]
    assert json.loads(table.schema.metadata[b"mmer"])["source"]["duration_s"] == 10.0
    utterances = parquet.read_table(tmp_path / "run.utterances.parquet").to_pylist()
    assert [u["text"] for u in utterances] == list(TEXTS)
    assert utterances[2]["label"] is None


def check_emotionml(root: ElementTree.Element) -> list[ElementTree.Element]:
    """The rules of W3C's schema and of the recommendation's text that concern what is used here."""
    assert (root.tag, root.get("version")) == (f"{NS}emotionml", "1.0")
    assert {child.tag for child in root} <= {f"{NS}{n}" for n in ("vocabulary", "emotion", "info")}
    vocabularies = {v.get("id"): v for v in root.iter(f"{NS}vocabulary")}
    emotions = list(root.iter(f"{NS}emotion"))
    ids = [*vocabularies, *(e.get("id") for e in emotions)]
    assert len(ids) == len(set(ids))  # xsd:ID
    assert all(name and not name[0].isdigit() for name in ids)
    for vocabulary in vocabularies.values():
        assert vocabulary.get("type") in ("category", "dimension", "appraisal", "action-tendency")
        items = [item.get("name") for item in vocabulary]
        assert items
        assert len(items) == len(set(items))
    for emotion in emotions:
        allowed = {"id", "start", "end", "duration", "time-ref-uri", "offset-to-start"}
        assert set(emotion.attrib) <= allowed | {"expressed-through"}
        for name in ("start", "end", "duration"):  # xsd:nonNegativeInteger
            assert emotion.get(name, "0").isdigit()
        int(emotion.get("offset-to-start", "0"))
        if "start" in emotion.attrib:  # absolute and relative times exclude each other
            assert not {"time-ref-uri", "offset-to-start"} & set(emotion.attrib)
            assert int(emotion.attrib["end"]) >= int(emotion.attrib["start"])
        through = set(emotion.get("expressed-through", "voice").split())
        assert through <= {"face", "voice", "text"}
        tags = [child.tag for child in emotion]
        described = ("category", "dimension", "reference", "info")
        assert set(tags) <= {f"{NS}{n}" for n in described}
        assert tags.count(f"{NS}info") <= 1
        categories = emotion.findall(f"{NS}category")
        assert categories  # at least one description of the emotion
        names = [c.get("name") for c in categories]
        assert len(names) == len(set(names))
        declared = vocabularies[root.attrib["category-set"].removeprefix("#")]
        assert declared.get("type") == "category"
        assert set(names) <= {item.get("name") for item in declared}
        for category in categories:
            for name in ("value", "confidence"):
                assert 0.0 <= float(category.get(name, "0")) <= 1.0
        dimensions = emotion.findall(f"{NS}dimension")
        declared = vocabularies[root.attrib["dimension-set"].removeprefix("#")]
        assert declared.get("type") == "dimension"
        assert [d.get("name") for d in dimensions] == [item.get("name") for item in declared]
        assert all(0.0 <= float(d.attrib["value"]) <= 1.0 for d in dimensions)
        for info in emotion.findall(f"{NS}info"):
            assert not any(child.tag.startswith(NS) for child in info)
        for reference in emotion.findall(f"{NS}reference"):
            assert reference.get("uri")
            assert " " not in reference.attrib["uri"]
    return emotions


def test_emotionml_of_a_file(run: Run, tmp_path: Path) -> None:
    export(run, tmp_path / "run.xml")
    emotions = check_emotionml(ElementTree.parse(tmp_path / "run.xml").getroot())
    assert len(emotions) == 6  # those with a label
    final = emotions[3]
    assert (final.get("offset-to-start"), final.get("duration")) == ("500", "1500")
    assert final.get("expressed-through") == "voice text"
    (words,) = final.iter("{urn:mmer:transcript}transcript")
    assert words.text == TEXTS[0]
    joy = next(c for c in final.iter(f"{NS}category") if c.get("name") == "joy")
    assert (joy.get("value"), joy.get("confidence")) == ("0.7000", "0.7000")
    valence = next(d for d in final.iter(f"{NS}dimension") if d.get("name") == "valence")
    assert float(valence.attrib["value"]) == pytest.approx((1 + 0.433) / 2, abs=1e-3)


def test_emotionml_of_a_live_session_has_utc(live_run: Run, tmp_path: Path) -> None:
    export(live_run, tmp_path / "run.xml")
    emotions = check_emotionml(ElementTree.parse(tmp_path / "run.xml").getroot())
    began = datetime.fromisoformat("2026-11-21T12:00:00.250+00:00").timestamp() * 1000
    assert emotions[3].get("start") == str(round(began + 500))


# --- the command ---------------------------------------------------------------------------------


def test_the_command_writes_every_format_and_the_same_bytes_again(run: Run, tmp_path: Path) -> None:
    for name in ("pympi", "webvtt", "pyarrow"):
        pytest.importorskip(name, reason="needs the extra export")
    files = [tmp_path / f"run{suffix}" for suffix in FORMATS]
    written = []
    for _ in range(2):
        with pytest.raises(SystemExit) as stopped:
            live.main(["export", str(run.path), *map(str, files)])
        assert stopped.value.code == 0
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.docx", "must end in .eaf"),
        ("missing/run.csv", "no folder"),
        ("run.jsonl", "must end in"),
        ("folder.csv", "it is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SystemExit) as stopped:
        live.main(["export", str(run.path), str(tmp_path / "good.csv"), str(tmp_path / name)])
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("mmer-live: cannot")
    assert text in err
    assert err.count("\n") == 1
    assert not (tmp_path / "good.csv").exists()


def people_run(path: Path, people: str, persons: list[int]) -> Path:
    """A run in which each of ``persons`` has an estimate at every hop."""
    first = session_line()
    first["config"]["people"] = people
    lines = [{**emotion_line(t, "joy"), "person": n} for t in (0.5, 0.75) for n in persons]
    return write_lines(path, [first, *lines])


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_run_that_mixes_people_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    if package := FORMATS[suffix].package:
        pytest.importorskip(package, reason="needs the extra export")
    lines = people_run(tmp_path / "run.jsonl", "all", [1, 2])
    with pytest.raises(SystemExit) as stopped:
        live.main(["export", str(lines), str(tmp_path / f"run{suffix}")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"mmer-live: cannot export {lines}: it has several people (--people all), whom no format "
        "tells apart; leave one person's emotion lines in it, or use --people speaking\n"
    )
    with pytest.raises(MmerError, match="it has several people"):
        export(Run(lines), tmp_path / f"run{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]


@pytest.mark.parametrize(("people", "persons"), [("speaking", [1, 2]), ("all", [2]), ("all", [])])
def test_a_run_of_one_person_at_a_time_is_exported(
    tmp_path: Path, people: str, persons: list[int]
) -> None:
    lines = people_run(tmp_path / "run.jsonl", people, persons)
    export(Run(lines), tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text().count("\n") == 1 + 2 * len(persons)


def test_a_missing_package_names_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pympi", None)
    with pytest.raises(MmerError, match=r"pip install 'mmer-live\[export\]'"):
        export(run, tmp_path / "run.eaf")


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.csv").write_text("old")

    def full(run: Run, path: Path) -> None:
        write_csv(run, path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmer.realtime.exports.tables.write_csv", full)
    with pytest.raises(MmerError, match="No space left"):
        export(run, tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.csv", "run.jsonl"]


def test_words_with_control_characters_and_lone_surrogates(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra export")
    lines = [session_line(), utterance_line(1, 0.0, 1.0, "a\x00b\x0bc\ud800 \N{SNOWMAN}")]
    run = Run(write_lines(tmp_path / "run.jsonl", [*lines, emotion_line(1.2, "joy", (0, 1), 1)]))
    for suffix in FORMATS:
        export(run, tmp_path / f"run{suffix}")
    root = ElementTree.parse(tmp_path / "run.xml").getroot()
    assert next(root.iter("{urn:mmer:transcript}transcript")).text == "ab c \N{SNOWMAN}"
