from collections.abc import Iterable

import numpy as np
import pytest
from moonshine_files import moonshine
from numpy.typing import NDArray
from sounds import blocks, data_folder, decoded, joined, silence, voice

from mmer.realtime.asr.interface import Hypothesis, TimedWord
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.transcriber import Transcriber
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.messages import (
    SAMPLE_RATE,
    Message,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
    Word,
)

STARTED, ONGOING = SpeechState.STARTED, SpeechState.ONGOING
STOPPING, PAUSED, ENDED = SpeechState.STOPPING, SpeechState.PAUSED, SpeechState.ENDED


class Counting:
    """Hears the word "n<first sample>" in every 1000 samples; remembers what it was fed."""

    def __init__(self) -> None:
        self.utterances: list[NDArray[np.int16]] = []
        self.pauses: list[int] = []  # samples of the utterance so far at each
        self.resets = 0
        self._sound = np.empty(0, np.int16)

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self._sound = np.concatenate([self._sound, samples])
        if pause:
            self.pauses.append(len(self._sound))
        return Hypothesis("counting", self._heard().text)

    def finish(self) -> Hypothesis:
        self.utterances.append(self._sound)
        hypothesis = self._heard()
        self._sound = np.empty(0, np.int16)
        return hypothesis

    def reset(self) -> None:
        self.resets += 1
        self._sound = np.empty(0, np.int16)

    def _heard(self) -> Hypothesis:
        starts = range(0, len(self._sound) - 999, 1000)
        words = tuple(TimedWord(f"n{self._sound[i]}", i, i + 1000, 0.5) for i in starts)
        text = " ".join(word.text for word in words)
        return Hypothesis("counting", text, words, 0.5 if words else None)


def update(utterance: int, state: SpeechState, n: int, t0: float = 2.0) -> SpeechUpdate:
    samples = np.arange(n, dtype=np.int16)
    t1 = t0 + n / SAMPLE_RATE
    return SpeechUpdate(utterance, t0, t1, state, samples, t1)


def transcripts(recognizer: Counting, updates: Iterable[Message]) -> list[Transcript]:
    return [m for m in run(Transcriber(recognizer), updates) if isinstance(m, Transcript)]


def test_partials_when_the_text_changes_and_one_final() -> None:
    recognizer = Counting()
    out = transcripts(
        recognizer,
        [
            update(1, STARTED, 500),
            update(1, ONGOING, 1000),
            update(1, ONGOING, 1900),
            update(1, ONGOING, 2000),
            update(1, ENDED, 2500),
        ],
    )
    assert [(t.text, t.partial) for t in out] == [
        ("n0", True),
        ("n0 n1000", True),
        ("n0 n1000", False),
    ]
    assert [(t.t0, t.t1) for t in out] == [(2.0, 2.0 + n / 16000) for n in (1000, 2000, 2500)]
    assert out[-1].asr == "counting"
    assert out[-1].confidence == 0.5
    (fed,) = recognizer.utterances
    np.testing.assert_array_equal(fed, np.arange(2500))  # each sample once


def test_words_carry_capture_times_within_the_utterance() -> None:
    (final,) = transcripts(Counting(), [update(1, ENDED, 2000)])
    assert final.words == (
        Word("n0", 2.0, 2.0625, 0.5),
        Word("n1000", 2.0625, 2.125, 0.5),
    )


def test_missed_updates_do_no_harm() -> None:
    recognizer = Counting()
    out = transcripts(recognizer, [update(1, STARTED, 320), update(1, ENDED, 5000)])
    assert [t.partial for t in out] == [False]
    np.testing.assert_array_equal(recognizer.utterances[0], np.arange(5000))


def test_an_utterance_without_words_has_its_final_too() -> None:
    (final,) = transcripts(Counting(), [update(1, STARTED, 300), update(1, ENDED, 400)])
    assert (final.text, final.partial, final.words, final.confidence) == ("", False, (), None)


def test_an_utterance_whose_end_is_missed_is_finished_by_the_next() -> None:
    recognizer = Counting()
    out = transcripts(
        recognizer,
        [update(1, STARTED, 1000), update(2, STARTED, 400, t0=9.0), update(2, ENDED, 1000, t0=9.0)],
    )
    assert [(t.utterance, t.partial) for t in out] == [(1, True), (1, False), (2, False)]
    assert [t.t0 for t in out] == [2.0, 2.0, 9.0]
    assert [len(u) for u in recognizer.utterances] == [1000, 1000]


def test_the_end_of_the_stream_finishes_what_is_open() -> None:
    out = transcripts(Counting(), [update(1, STARTED, 1000)])
    assert [t.partial for t in out] == [True, False]


def test_what_comes_after_the_end_and_other_messages_are_ignored() -> None:
    out = transcripts(
        Counting(), [Tick(0.0), update(1, ENDED, 1000), update(1, ONGOING, 900), Tick(9.0)]
    )
    assert len(out) == 1


def test_reset_forgets_the_utterance() -> None:
    recognizer = Counting()
    block = Transcriber(recognizer)
    block.push(update(4, STARTED, 1000))
    block.reset()
    assert recognizer.resets == 1
    assert block.flush() == []
    (partial,) = block.push(update(1, STARTED, 1000))
    assert (partial.utterance, partial.text) == (1, "n0")


def test_behind_voice_activity_every_utterance_has_one_final() -> None:
    recognizer = Counting()
    sound = joined(silence(0.5), voice(1), silence(0.5), voice(1.003))
    updates = run(Vad(), blocks(sound))
    out = transcripts(recognizer, updates)
    assert [t.utterance for t in out if not t.partial] == [1, 2]
    ended = [u for u in updates if isinstance(u, SpeechUpdate) and u.state is ENDED]
    for end, fed in zip(ended, recognizer.utterances, strict=True):
        np.testing.assert_array_equal(fed, end.samples)


def test_a_pause_is_passed_on_and_has_a_partial_text_always() -> None:
    recognizer = Counting()
    sizes = ((STARTED, 900), (PAUSED, 1100), (ONGOING, 2000), (PAUSED, 2100), (ENDED, 2100))
    out = transcripts(recognizer, [update(1, state, n) for state, n in sizes])
    assert recognizer.pauses == [1100, 2100, 2100]
    ends = [(t.text, round((t.t1 - 2.0) * SAMPLE_RATE)) for t in out]
    assert ends == [("n0", 1100), ("n0 n1000", 2000), ("n0 n1000", 2100), ("n0 n1000", 2100)]
    assert [(t.partial, t.pause, t.unchanged) for t in out] == [
        (True, True, False),
        (True, False, False),
        (True, True, True),
        (False, False, False),
    ]
    (fed,) = recognizer.utterances
    np.testing.assert_array_equal(fed, np.arange(2100))


def test_a_silence_too_short_for_a_pause_is_passed_on_for_its_text() -> None:
    recognizer = Counting()
    sizes = ((STARTED, 900), (STOPPING, 1100), (PAUSED, 1100), (ENDED, 1100))
    out = transcripts(recognizer, [update(1, state, n) for state, n in sizes])
    assert recognizer.pauses == [1100, 1100, 1100]
    assert [(t.text, t.partial, t.pause, t.unchanged) for t in out] == [
        ("n0", True, False, False),
        ("n0", True, True, True),
        ("n0", False, False, False),
    ]
    (fed,) = recognizer.utterances
    np.testing.assert_array_equal(fed, np.arange(1100))


def test_where_transcripts_are_late_only_a_pause_is_decoded_as_one() -> None:
    recognizer = Counting()
    block = Transcriber(recognizer)
    block.ask_first(wanted=lambda: True, late=lambda: True)
    for state in (STARTED, STOPPING, PAUSED):
        block.push(update(1, state, 1100))
    assert recognizer.pauses == [1100]


def test_an_end_whose_pause_was_left_out_is_decoded_once_and_as_one() -> None:
    recognizer = Counting()
    transcripts(recognizer, [update(1, STARTED, 900), update(1, ENDED, 8000)])
    assert recognizer.pauses == [8000]


def test_style_reason_and_engine_come_with_the_text() -> None:
    class Fixed(Counting):
        def finish(self) -> Hypothesis:
            return Hypothesis("fixed", style="asr", why="no speech")

    (final,) = transcripts(Fixed(), [update(1, ENDED, 500)])
    assert (final.asr, final.style, final.why) == ("fixed", "asr", "no speech")
    (final,) = transcripts(Counting(), [update(1, ENDED, 1000)])
    assert (final.asr, final.style, final.why) == ("counting", "bare", "")


def test_an_end_with_less_sound_than_an_update_before_it() -> None:
    recognizer = Counting()
    updates = [update(1, STARTED, 3000), update(1, ENDED, 1500), update(2, ENDED, 1000, t0=9.0)]
    out = [t for t in transcripts(recognizer, updates) if not t.partial]
    assert [(t.t0, t.t1) for t in out] == [(2.0, 2.0 + 1500 / 16000), (9.0, 9.0625)]
    assert all(t.t0 <= w.t0 <= w.t1 <= t.t1 for t in out for w in t.words)
    assert [len(u) for u in recognizer.utterances] == [3000, 1000]  # the next begins anew


def test_the_decode_at_a_pause_is_the_final_one_where_nothing_follows() -> None:
    sound = joined(silence(0.5), voice(1), silence(0.2), voice(0.8), silence(1))
    updates = [u for u in run(Vad(), blocks(sound)) if isinstance(u, SpeechUpdate)]
    (end,) = [u for u in updates if u.state is ENDED]
    recognizer = Counting()
    transcripts(recognizer, updates)
    # each when it may be one, and when it is, and the end
    first, again, second, third, last = recognizer.pauses
    assert first == again < second == third == last == len(end.samples)


DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GRID: dict[str, dict[str, str]] = {
    "command": {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    "colour": {"b": "blue", "g": "green", "r": "red", "w": "white"},
    "preposition": {"a": "at", "b": "by", "i": "in", "w": "with"},
    "digit": dict(zip("z123456789", DIGITS, strict=True)),
    "adverb": {"a": "again", "n": "now", "p": "please", "s": "soon"},
}


RIGHT_OF_40 = 25


def grid_sentence(name: str) -> set[str]:
    """The words that a GRID clip's name spells, its letter left out: "bbaf2n"."""
    letters = name[:3] + name[4:]
    return {words[x] for words, x in zip(GRID.values(), letters, strict=True)}


@pytest.mark.data
@pytest.mark.slow
def test_most_words_of_real_speech_are_right() -> None:
    right = said = 0
    for clip in sorted((data_folder() / "video" / "grid").glob("*.mp4")):
        updates = run(Vad(), blocks(decoded(clip), 512))
        out = run(Transcriber(moonshine().stream()), updates)
        finals = [m for m in out if isinstance(m, Transcript) and not m.partial]
        assert {t.style for t in finals} == {"asr"}
        truth = grid_sentence(clip.stem.split("_")[-1])
        right += len(truth & {w.strip(".,?!").lower() for t in finals for w in t.text.split()})
        said += len(truth)
    assert said == 40
    assert right >= RIGHT_OF_40  # terse commands are hard for it
