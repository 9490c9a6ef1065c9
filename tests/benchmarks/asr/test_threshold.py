"""The threshold study: what each value drops and keeps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sounds
from asr_doubles import CountingModel

from mmer.benchmarks.asr import threshold
from mmer.benchmarks.asr.clips import sounds as recordings
from mmer.benchmarks.asr.threshold import (
    LONG,
    SILENT,
    THRESHOLDS,
    Scored,
    auc,
    live_scores,
    non_speech,
    other_row,
    shipped_row,
    shipped_speech_row,
    sound_score,
    speech_row,
    speech_scores,
    threshold_row,
    unfiltered,
)
from mmer.benchmarks.asr.word_errors import WordErrors
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.errors import MmerError
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import transcribe
from mmer.realtime.asr.moonshine import NO_SPEECH
from mmer.realtime.asr.registry import ENGINES

RIGHT = [Scored(-0.1, errors=WordErrors(hits=6)), Scored(-0.7, errors=WordErrors(hits=4))]
WRONG = [Scored(-0.8, errors=WordErrors(substitutions=3, insertions=1))]
OTHER = {"noise": [Scored(SILENT), Scored(-0.9, "You"), Scored(-0.75, "You"), Scored(-0.5, "So")]}


def test_the_area_counts_pairs() -> None:
    assert auc([Scored(-0.1)], [Scored(-0.5), Scored(SILENT)]) == 1
    assert auc([Scored(-0.5)], [Scored(-0.5)]) == 0.5
    assert auc([Scored(-0.9)], [Scored(-0.5)]) == 0


def test_a_threshold_drops_what_is_below() -> None:
    row = threshold_row(-0.75, {"clean": RIGHT + WRONG}, OTHER)
    assert row.values == {"right_clean": 0.0, "wrong_clean": 1.0, "text_noise": 0.5}
    row = threshold_row(-0.3, {"clean": RIGHT + WRONG}, OTHER)
    assert row.values == {"right_clean": 0.4, "wrong_clean": 1.0, "text_noise": 0.0}
    assert "right words dropped 40.0 %" in row.measured
    assert "default" not in row.what


def test_the_default_is_among_the_thresholds_and_marked() -> None:
    assert NO_SPEECH in THRESHOLDS
    assert "(default)" in threshold_row(NO_SPEECH, {"clean": RIGHT}, OTHER).what


def test_rows_of_speech_and_of_other_sounds() -> None:
    row = speech_row("10 dB", RIGHT + WRONG, OTHER)
    assert (row.key, row.values["n"], row.values["right"]) == ("speech_10_db", 3, 2)
    assert row.values["auc_right"] == pytest.approx(7 / 8)
    assert row.samples["wrong"] == [0, 0, 4]
    row = other_row("ESC-10, live", OTHER["noise"], {"clean": RIGHT})
    assert row.key == "other_esc10_live"
    assert row.note == "4 sounds; most often You (2), no text (1), So (1)"
    assert row.values == {"auc_clean": pytest.approx(7 / 8), "n": 4}


def test_what_the_shipped_model_leaves_stands_beside_the_threshold_alone() -> None:
    row = shipped_row("music", [Scored(SILENT), Scored(-0.3, "So")], OTHER["noise"])
    assert (row.key, row.verdict) == ("shipped_music", "miss")
    assert row.measured == "1 of 2 (50%); by the threshold alone 1"
    assert row.note == "So (1)"
    assert shipped_row("music", [Scored(SILENT)], OTHER["noise"]).verdict == "pass"
    assert shipped_row("ESC-10", [Scored(-0.3, "So")], OTHER["noise"]).verdict == ""


def test_words_of_speech_that_the_shipped_model_drops() -> None:
    alone = [
        Scored(-0.1, "a", WordErrors(hits=6)),
        Scored(-0.7, "b", WordErrors(hits=3, substitutions=1)),
        Scored(-0.4, "c", WordErrors(hits=1, substitutions=3)),
        Scored(SILENT),
    ]
    shipped = [Scored(-0.1, "a"), Scored(SILENT), Scored(SILENT), Scored(SILENT)]
    row = shipped_speech_row("10 dB", shipped, alone)
    assert row.key == "shipped_speech_10_db"
    assert row.measured == "right 40.0 %, wrong 100.0 %; by the threshold alone 30.0, 25.0 %"


def test_scores_are_log_probabilities() -> None:
    model = CountingModel("kids are walking", confidence=math.exp(-0.4))
    clip = Utterance("a", sounds.voice(1.0), text="Kids are talking")
    assert speech_scores(clip, model) == [
        Scored(pytest.approx(-0.4), "kids are walking", WordErrors(hits=2, substitutions=1))
    ]
    assert live_scores(sounds.silence(1.0), model) == []
    assert sound_score(sounds.noise(1.0), model).score == pytest.approx(-0.4)
    assert sound_score(sounds.noise(1.0), CountingModel("")).score == SILENT


def test_sounds_without_speech_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in ("MADE", "MADE_LONG"):
        monkeypatch.setattr(threshold, count, 3)
    kinds = non_speech([sounds.noise(5.0)])
    assert [len(sound) for sound in kinds["ESC-10"]] == [80000, 16000, 32000]
    assert set(kinds) == {"ESC-10", "white noise", "near silence", "music", LONG}
    assert [len(sound) / 16000 for sound in kinds[LONG]] == 2 * [10, 20, 29]


@pytest.mark.data
def test_text_invented_for_rain_is_dropped(data: Path) -> None:
    try:
        kept = unfiltered()
    except MmerError as problem:
        pytest.skip(str(problem))
    rain = recordings(data / "audio" / "esc10", "002*/3-*.opus")[0]
    assert transcribe(rain, kept).text.startswith("You can also use")
    engine = ENGINES["moonshine"]
    final = transcribe(rain, engine.load(engine.find(Store(offline=True))))
    assert (final.text, final.why) == ("", "no speech")
