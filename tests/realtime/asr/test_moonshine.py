"""Moonshine: decoding by doubles of its networks, then the real ones on synthetic speech."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
import pytest
from moonshine_double import FIRST_WORD, Decoder, Encoder, double, pieces, write_vocabulary
from moonshine_files import SENTENCE, moonshine, moonshine_files, spoken
from numpy.typing import NDArray
from sounds import joined, noise, silence, tone, voice

from mmer.benchmarks.asr.clips import music
from mmer.models.errors import MmerError
from mmer.realtime.asr import moonshine as module
from mmer.realtime.asr.interface import Hypothesis, transcribe
from mmer.realtime.asr.moonshine import (
    NO_SPEECH,
    Decoded,
    MoonshineModel,
    MoonshineStream,
    cut_loop,
    similarity,
    split_at_quiet,
)
from mmer.realtime.asr.moonshine_vocabulary import END, Vocabulary

RATE = 16_000
Doubles = tuple[MoonshineModel, Encoder, Decoder]


def sound(seconds: float) -> NDArray[np.int16]:
    return np.full(round(seconds * RATE), 7, np.int16)


def words(count: int) -> str:
    return " ".join(f"w{FIRST_WORD + k}" for k in range(count))


def fed(stream: MoonshineStream, samples: NDArray[np.int16], size: int) -> list[Hypothesis]:
    return [stream.accept(samples[k : k + size]) for k in range(0, len(samples), size)]


@pytest.fixture
def doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doubles:
    """One word in each half second of sound."""
    return double(tmp_path, monkeypatch)


# Decoding


def test_greedy_decoding_token_by_token(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    decoded = model.decode(sound(2))
    assert decoded.tokens == tuple(range(FIRST_WORD, FIRST_WORD + 4))
    assert decoded.mean_log_prob == pytest.approx(0, abs=1e-6)
    assert encoder.lengths == [2 * RATE]
    assert decoder.rows == [1] * 5  # START, then each word to the next, the last to END


def test_how_sure_it_is_is_the_mean_over_the_tokens_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, decoder = double(tmp_path, monkeypatch)
    plain = Decoder.run

    def unsure(self: Decoder, inputs: dict[str, NDArray]) -> dict[str, NDArray]:
        out = plain(self, inputs)
        other = out["logits"].argmax() + 1
        out["logits"][0, -1, other] = 20  # as likely as what is chosen: half each
        return out

    monkeypatch.setattr(Decoder, "run", unsure)
    decoded = model.decode(sound(1))
    assert len(decoder.rows) == 3
    assert decoded.mean_log_prob == pytest.approx(math.log(0.5), abs=1e-4)


@pytest.mark.parametrize("agrees", range(5))
def test_a_draft_is_checked_in_one_call_and_kept_as_far_as_it_is_right(
    doubles: Doubles, agrees: int
) -> None:
    model, _, decoder = doubles
    right = list(range(FIRST_WORD, FIRST_WORD + 4))
    for wrong in ([], [5], [5, 6, 7]):
        decoder.rows.clear()
        decoded = model.decode(sound(2), right[:agrees] + wrong)
        assert decoded.tokens == tuple(right)
        assert decoder.rows[0] == 1 + agrees + len(wrong)
        assert decoder.rows[1:] == [1] * (4 - agrees)


def test_a_draft_longer_than_the_transcript_ends_with_it(doubles: Doubles) -> None:
    model, _, decoder = doubles
    decoded = model.decode(sound(1), list(range(FIRST_WORD, FIRST_WORD + 9)))
    assert decoded.tokens == (FIRST_WORD, FIRST_WORD + 1)
    assert len(decoder.rows) == 1


def count_up(tokens: Sequence[int], samples: int) -> int:
    return 3 + len(tokens) % 100


@pytest.mark.parametrize("seconds", [0.25, 1, 3.3])
def test_a_decoder_without_an_end_is_stopped_by_the_budget_whatever_the_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    model, _, decoder = double(tmp_path, monkeypatch, count_up)
    most = round(seconds * module.TOKENS_PER_S) + module.SPARE_TOKENS
    whole = model.decode(sound(seconds)).tokens
    assert whole == tuple(range(3, 3 + most))
    assert len(decoder.rows) == most
    for length in (1, most - 1, most, most + 1, 2 * most):
        draft = [3 + k % 100 for k in range(length)]
        assert model.decode(sound(seconds), draft).tokens == whole


def test_a_decoder_in_a_loop_says_its_phrase_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(tokens: Sequence[int], samples: int) -> int:
        said = len(tokens)
        return 10 + said if said < 2 else 20 + (said - 2) % 3

    model, _, _ = double(tmp_path, monkeypatch, loop)
    assert model.decode(sound(4)).tokens == (10, 11, 20, 21, 22)
    assert transcribe(sound(4), model).text == "w10 w11 w20 w21 w22"


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([], 0),
        ([1], 1),
        ([1, 1], 2),
        ([1, 1, 1], 1),
        ([5, 1, 1, 1, 1], 2),
        ([1, 2, 1, 2], 4),
        ([1, 2, 1, 2, 1, 2], 2),
        ([9, 1, 2, 1, 2, 1, 2, 1], 3),  # cut amid the phrase
        ([9, 1, 2, 3, 4, 1, 2, 3, 4, 1], 5),  # long phrases twice are a loop
        ([9, 1, 2, 3, 4, 1, 2, 3], 8),
        ([1, 1, 1, 2], 4),  # a loop that was left is a text
        ([1, 2, 3, 4, 5, 6], 6),
    ],
)
def test_of_a_loop_at_the_end_the_phrase_is_kept_once(tokens: list[int], kept: int) -> None:
    assert list(cut_loop(tokens)) == tokens[:kept]


def test_sound_without_a_word_is_not_decoded(doubles: Doubles) -> None:
    model, encoder, _ = doubles
    for samples in (silence(0), silence(3), sound(0.1), sound(0.2499)):
        assert model.decode(samples) == Decoded((), 0.0)
        hypothesis = transcribe(samples, model)
        assert hypothesis.text == ""
        assert hypothesis.why == ("no speech" if len(samples) else "")
    assert encoder.lengths == []
    model.decode(sound(0.25))
    assert encoder.lengths == [RATE // 4]


# Transcripts


def test_a_transcript_has_its_style_and_confidence(doubles: Doubles) -> None:
    model, _, _ = doubles
    assert model.hypothesis(Decoded((10, 11), -0.1)) == Hypothesis(
        "moonshine", "w10 w11", confidence=math.exp(-0.1), style="asr"
    )


@pytest.mark.parametrize(
    ("tokens", "log_prob"),
    [
        ((10, 11), NO_SPEECH - 0.01),  # unsure
        ((20,), -0.05),
        ((21, 22, 23), -0.05),
        ((24, 10, 24), -0.05),
        ((25,), -0.05),
        ((), -0.05),
    ],
)
def test_what_it_invents_for_other_sounds_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: tuple[int, ...], log_prob: float
) -> None:
    special = {"t20": "▁You", "t21": "▁Thank", "t22": "▁you", "t23": "▁for watching!"}
    model, _, _ = double(tmp_path, monkeypatch, **special, t24="▁♪", t25="▁...", t26=".")
    assert model.hypothesis(Decoded(tokens, log_prob)) == Hypothesis(
        "moonshine", style="asr", why="no speech"
    )
    for text, others in {"You.": (20, 26), "Thank you.": (21, 22, 26)}.items():
        assert model.hypothesis(Decoded(others, -0.05)).text == text


def test_without_a_threshold_the_decoder_alone_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    special = {"t20": "▁You", "t24": "▁♪", "t25": "▁..."}
    model, encoder, decoder = double(tmp_path, monkeypatch, no_speech=None, **special)
    for tokens, text in {(20,): "You", (24, 10, 24): "♪ w10 ♪", (10,): "w10"}.items():
        assert model.hypothesis(Decoded(tokens, NO_SPEECH - 1)).text == text
    assert model.hypothesis(Decoded((25,), -0.05)).why == "no speech"  # no word
    decoder.logit = lambda samples: 6  # unsure
    decoder.answer = lambda tokens, samples: END if tokens else FIRST_WORD
    assert transcribe(sound(1), model).text == "w10"
    assert encoder.lengths == [RATE]  # no second try
    assert transcribe(sound(0.1), model).text == "w10"
    assert transcribe(silence(1), model).why == "no speech"


@pytest.mark.parametrize(("threshold", "calls"), [(-2.0, 2), (NO_SPEECH, 1)])
def test_the_models_own_threshold_decides_on_a_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: float, calls: int
) -> None:
    model, encoder, decoder = double(tmp_path, monkeypatch, no_speech=threshold)
    decoder.logit = lambda samples: 4  # a log-probability of -1.2
    decoder.answer = lambda tokens, samples: END if tokens else FIRST_WORD
    transcribe(sound(1), model)
    assert len(encoder.lengths) == calls


# Streams


def test_the_final_is_the_same_in_any_block_size(doubles: Doubles) -> None:
    model, _, _ = doubles
    for size in (16, 160, 1600, 7777, 10 * RATE):
        stream = model.stream()
        fed(stream, sound(4), size)
        assert stream.finish() == Hypothesis(
            "moonshine", words(8), confidence=pytest.approx(1), style="asr"
        )


def test_partials_come_after_half_a_second_and_then_after_a_tenth_of_the_whole(
    doubles: Doubles,
) -> None:
    model, encoder, _ = doubles
    stream = model.stream()
    texts = [h.text for h in fed(stream, sound(20), 320)]
    assert texts[23] == ""
    assert texts[24] == "w10"  # 0.5 s
    decodes = encoder.lengths
    assert decodes[0] == RATE // 2
    for before, size in pairwise(decodes):
        assert size - before >= max(0.5 * RATE, 0.1 * size)
        assert size - before < max(0.5 * RATE, 0.1 * size) + 640  # as soon as may be
    assert len(decodes) <= 25
    stream.finish()
    assert sum(decodes) < 10 * 20 * RATE  # of 20 s, at most ten times as much


def test_small_blocks_cost_no_more_than_large_ones(doubles: Doubles) -> None:
    model, encoder, _ = doubles
    counts = []
    for size in (16, 160, 1600):
        encoder.lengths.clear()
        fed(model.stream(), sound(6), size)
        counts.append(len(encoder.lengths))
    assert max(counts) == counts[0] <= 12
    assert min(counts) >= 10


def test_a_drafts_words_are_not_decoded_again(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    stream = model.stream()
    fed(stream, sound(5), 1600)
    assert len(encoder.lengths) == 10
    # a word more each time: one call checks the draft and says it, a second says END
    assert len(decoder.rows) == 2 * len(encoder.lengths)


def test_a_pause_is_decoded_and_the_end_takes_that_over(doubles: Doubles) -> None:
    model, encoder, _ = doubles
    stream = model.stream()
    stream.accept(sound(0.4))
    assert encoder.lengths == []
    at_pause = stream.accept(sound(0.3), pause=True)
    assert at_pause.text == "w10"
    assert encoder.lengths == [round(0.7 * RATE)]
    stream.accept(sound(0), pause=True)  # ENDED brings nothing new
    assert stream.finish() == at_pause
    assert len(encoder.lengths) == 1


def test_speech_after_a_pause_is_decoded_with_it(doubles: Doubles) -> None:
    model, encoder, _ = doubles
    stream = model.stream()
    stream.accept(sound(0.7), pause=True)
    assert stream.accept(sound(0.4)).text == "w10"
    assert stream.finish().text == "w10 w11"
    assert encoder.lengths == [round(0.7 * RATE), round(1.1 * RATE)]


def test_the_final_is_decoded_without_the_drafts_of_the_partials(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    stream = model.stream()
    fed(stream, sound(2), 1600)
    decoder.rows.clear()
    before = len(encoder.lengths)
    assert stream.finish().text == words(4)
    assert decoder.rows == [1] * 5
    assert encoder.lengths[before:] == [2 * RATE]
    # the first partial has no draft: where nothing follows, it is the final one
    decoder.rows.clear()
    stream.accept(sound(1))
    stream.finish()
    assert decoder.rows == [1] * 3


LONGER = round(0.35 * RATE)
"""Samples of silence around the sound of a second try."""


def test_an_unsure_final_takes_the_more_probable_transcript_of_two(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: 6.5 if samples == RATE else 20  # unsure, not doubtful
    decoder.answer = lambda tokens, samples: END if tokens else FIRST_WORD + (samples > RATE)
    assert transcribe(sound(1), model).text == "w11"
    assert encoder.lengths == [RATE, RATE + LONGER]


def test_the_first_transcript_is_the_draft_of_the_second_try(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: 6
    decoder.answer = lambda tokens, samples: END if len(tokens) == 4 else FIRST_WORD + len(tokens)
    assert transcribe(sound(2), model).text == words(4)
    assert len(encoder.lengths) == 2
    assert decoder.rows == [1] * 5 + [5]  # one call, which finds the draft right


def test_a_longer_transcript_is_not_taken_for_its_mean_alone(doubles: Doubles) -> None:
    model, _, decoder = doubles
    decoder.logit = lambda samples: 6.5 if samples == RATE else 6.8  # 1 against 4 words, surer
    decoder.answer = lambda tokens, samples: (
        END if len(tokens) >= (1 if samples == RATE else 4) else FIRST_WORD + len(tokens)
    )
    assert transcribe(sound(1), model).text == "w10"


@pytest.mark.parametrize(("logit", "text", "calls"), [(20, "w10", 1), (6.5, "w10", 2), (4, "", 1)])
def test_unsure_speech_alone_gets_a_second_try(
    doubles: Doubles, logit: float, text: str, calls: int
) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: logit
    decoder.answer = lambda tokens, samples: END if tokens else FIRST_WORD + (samples > RATE)
    assert transcribe(sound(1), model).text == text  # the other is no surer
    assert len(encoder.lengths) == calls


@pytest.mark.parametrize(
    ("logit", "again", "text"),
    [(6, "four", "four"), (6, "foe", "four"), (6, "rain", ""), (6, "♪", ""), (6.5, "rain", "four")],
)
def test_a_doubtful_text_is_one_where_silence_around_the_sound_leaves_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logit: float, again: str, text: str
) -> None:
    model, _, decoder = double(tmp_path, monkeypatch, t30="▁four", t31=f"▁{again}")
    decoder.logit = lambda samples: logit
    decoder.answer = lambda tokens, samples: END if tokens else 30 + (samples > RATE)
    found = transcribe(sound(1), model)
    assert (found.text, found.why) == (text, "" if text else "no speech")
    stream = model.stream()  # late, it has no second try
    stream.ask_first(wanted=lambda: True, late=lambda: True)
    stream.accept(sound(1), pause=True)
    assert stream.finish().text == "four"


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ("Dogs are sitting.", "dogs, are SITTING", 1.0),
        ("It's you", "Its you", 1.0),
        ("Anx,", "Thanks.", 2 * 2 / 9),  # "an"
        ("Thank you.", "Thank", 2 * 5 / 13),
        ("Oh.", "\N{BEAMED EIGHTH NOTES}", 0.0),
        ("", "", 0.0),
    ],
)
def test_the_similarity_of_two_texts_is_that_of_their_letters(a: str, b: str, share: float) -> None:
    assert similarity(a, b) == similarity(b, a) == pytest.approx(share)


def test_a_partial_that_is_not_wanted_is_left_out_or_left_off(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    stream = model.stream()
    answers = iter([False, True, True, False])  # before one; before the next, and by token
    stream.ask_first(wanted=lambda: next(answers), late=lambda: False)
    assert stream.accept(sound(2)).text == ""
    assert not encoder.lengths
    assert stream.accept(sound(1)).text == ""
    assert len(decoder.rows) == 1  # of four or more
    assert stream.finish().text == transcribe(sound(3), model).text != ""


def test_a_late_final_gets_no_second_try(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: 6
    stream = model.stream()
    late = True
    stream.ask_first(wanted=lambda: True, late=lambda: late)
    stream.accept(sound(1), pause=True)
    stream.finish()
    assert len(encoder.lengths) == 1
    late = False
    stream.accept(sound(1), pause=True)
    stream.finish()
    assert len(encoder.lengths) == 3


def test_partials_are_decoded_once(doubles: Doubles) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: 6
    stream = model.stream()
    stream.accept(sound(1))
    assert encoder.lengths == [RATE]
    stream.finish()
    assert encoder.lengths[1:] == [RATE, RATE + LONGER]


@pytest.mark.parametrize(("logit", "calls"), [(20, 1), (6.5, 1), (6, 2), (4, 1)])
def test_long_sound_full_of_words_gets_a_second_try_where_it_is_doubtful(
    doubles: Doubles, logit: float, calls: int
) -> None:
    model, encoder, decoder = doubles
    decoder.logit = lambda samples: logit
    assert transcribe(sound(9), model).text == ("" if logit == 4 else words(18))
    assert len(encoder.lengths) == calls


@pytest.mark.parametrize(("seconds", "calls"), [(3, 1), (4, 1), (9, 2)])
@pytest.mark.parametrize("alike", [False, True])
def test_a_few_words_for_long_sound_must_be_confirmed_however_sure_they_are(
    doubles: Doubles, seconds: int, calls: int, alike: bool
) -> None:
    model, encoder, decoder = doubles
    size = seconds * RATE
    decoder.answer = lambda tokens, samples: (
        END if len(tokens) == 2 else (10 if alike or samples == size else 77) + len(tokens)
    )
    found = transcribe(sound(seconds), model)
    assert len(encoder.lengths) == calls
    assert found.text == ("w10 w11" if alike or calls == 1 else "")


@pytest.mark.parametrize("alike", [False, True])
def test_a_few_words_for_long_sound_are_no_partial_text_and_not_final_unconfirmed(
    doubles: Doubles, alike: bool
) -> None:
    model, encoder, decoder = doubles
    decoder.answer = lambda tokens, samples: (
        END if len(tokens) == 2 else (10 if alike or samples == 9 * RATE else 77) + len(tokens)
    )
    stream = model.stream()
    assert stream.accept(sound(9)).text == ""  # sure, and decoded without a draft
    assert stream.finish().text == ("w10 w11" if alike else "")
    assert encoder.lengths == [9 * RATE, 9 * RATE, 9 * RATE + LONGER]


def test_the_tokens_of_a_loop_after_its_first_time_do_not_make_it_surer(doubles: Doubles) -> None:
    model, _, decoder = doubles
    decoder.answer = lambda tokens, samples: 10 + len(tokens) % 5
    decoder.logit = lambda samples: 4 if len(decoder.rows) <= 5 else 20
    decoded = model.decode(sound(3))
    assert decoded.tokens == (10, 11, 12, 13, 14)
    assert decoded.mean_log_prob < NO_SPEECH
    assert model.hypothesis(decoded).text == ""


def test_each_utterance_begins_anew(doubles: Doubles) -> None:
    model, encoder, _ = doubles
    stream = model.stream()
    stream.accept(sound(2))
    assert stream.finish().text == words(4)
    assert stream.finish() == Hypothesis("moonshine", style="asr")
    stream.accept(sound(1))
    stream.reset()
    assert stream.finish().text == ""
    assert stream.accept(sound(0.5)).text == "w10"
    assert encoder.lengths[-1] == RATE // 2


def test_the_callers_arrays_may_be_views_that_overlap(doubles: Doubles) -> None:
    model, _, _ = doubles
    whole = sound(3)
    whole.flags.writeable = False
    stream = model.stream()
    fed(stream, whole, 4000)
    assert stream.finish().text == words(6)


@pytest.mark.parametrize("seconds", [29.9, 30, 30.1, 70, 100])
def test_long_sound_is_decoded_in_pieces(doubles: Doubles, seconds: float) -> None:
    model, encoder, _ = doubles
    hypothesis = transcribe(sound(seconds), model)
    pieces_ = encoder.lengths
    assert sum(pieces_) == round(seconds * RATE)
    assert all(20 * RATE <= n <= 30 * RATE for n in pieces_[:-1])
    assert pieces_[-1] <= 30 * RATE
    assert len(hypothesis.text.split()) == sum(n // 8000 for n in pieces_)
    assert hypothesis.confidence == pytest.approx(1)


def test_pieces_without_speech_leave_no_trace(doubles: Doubles) -> None:
    model, _, _ = doubles
    hypothesis = transcribe(joined(silence(40), sound(1)), model)
    # the first pieces are digital silence, the last holds the sound
    assert hypothesis.text.startswith("w10")
    assert hypothesis.why == ""
    assert transcribe(silence(40), model) == Hypothesis("moonshine", style="asr", why="no speech")


def test_sound_is_cut_where_it_is_quietest() -> None:
    whole = joined(noise(25, -20), noise(0.1, -60), noise(25, -20))
    parts = split_at_quiet(whole, 30 * RATE)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert [len(part) / RATE for part in parts] == pytest.approx([25.05, 25.05], abs=0.05)
    (one,) = split_at_quiet(whole[: 30 * RATE], 30 * RATE)
    np.testing.assert_array_equal(one, whole[: 30 * RATE])


# Files


def test_networks_of_another_kind_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double(tmp_path, monkeypatch)
    encoder, decoder = tmp_path / "encoder.ort", tmp_path / "decoder.ort"
    with pytest.raises(MmerError, match="not Moonshine's encoder and decoder") as caught:
        MoonshineModel(decoder, encoder, tmp_path / "tokenizer.bin")
    assert "\n" not in str(caught.value)


def test_a_vocabulary(tmp_path: Path) -> None:
    long = "▁" + "x" * 200
    made = pieces(t20="▁Hello", t21=",", t22="▁world", t23=long)
    made[24], made[25] = "é".encode()[:1], "é".encode()[1:]
    vocabulary = Vocabulary.load(write_vocabulary(tmp_path / "v.bin", made))
    assert vocabulary.text([20, 21, 22]) == "Hello, world"
    assert vocabulary.text([23]) == "x" * 200
    assert vocabulary.text([20, 24, 25]) == "Helloé"  # bytes of one character
    assert vocabulary.text([20, 24]) == "Hello"  # and half of it
    assert vocabulary.text([0, 1, END, 32_700]) == ""


@pytest.mark.parametrize("harm", ["cut", "cut piece", "short", "other", "empty", "gone", "folder"])
def test_a_vocabulary_that_is_none_is_one_line(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "tokenizer.bin"
    made = pieces()
    if harm == "other":
        made[END] = b"[SEP]"
    write_vocabulary(path, made[:1000] if harm == "short" else made)
    data = path.read_bytes()
    if harm == "cut":
        path.write_bytes(data[:-1])
    elif harm == "cut piece":
        path.write_bytes(data + b"\x80")
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm in ("gone", "folder"):
        path.unlink()
    if harm == "folder":
        path.mkdir()
    with pytest.raises(MmerError, match=r"tokenizer\.bin") as caught:
        Vocabulary.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("which", [0, 1])
def test_a_network_cut_short_is_one_line(tmp_path: Path, which: int) -> None:
    files = list(moonshine_files())
    cut = tmp_path / files[which].name
    cut.write_bytes(files[which].read_bytes()[:100_000])
    files[which] = cut
    with pytest.raises(MmerError, match=cut.name) as caught:
        MoonshineModel(*files)
    assert "\n" not in str(caught.value)


# The real networks


def test_a_sentence_with_case_and_punctuation() -> None:
    hypothesis = transcribe(spoken(), moonshine())
    assert hypothesis.text == SENTENCE
    assert (hypothesis.asr, hypothesis.style, hypothesis.why) == ("moonshine", "asr", "")
    assert hypothesis.confidence is not None
    assert 0.8 < hypothesis.confidence <= 1
    assert hypothesis.words == ()
    assert moonshine().description.startswith("moonshine (")


@pytest.mark.slow
def test_a_sentence_is_the_same_in_any_block_size() -> None:
    whole = transcribe(spoken(), moonshine())
    for size in (160, 1600, 12_345):
        stream = moonshine().stream()
        partials = fed(stream, spoken(), size)
        assert partials[-1].text.startswith("Where have you been?")
        assert stream.finish() == whole  # to the last digit of the confidence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["awb", "kal16", "rms"])
def test_a_draft_hardly_changes_a_word(name: str) -> None:
    """8 bits are scaled by all tokens of a call, so where two words are as likely it may."""
    model, samples = moonshine(), spoken("I can't believe you did that! It was so much fun.", name)
    whole = model.decode(samples)
    expected = model.hypothesis(whole).text.split()
    drafts = [model.decode(samples[: round(s * RATE)]).tokens for s in (0.5, 1.0, 2.0)]
    for draft in (*drafts, whole.tokens[:1], whole.tokens):
        again = model.decode(samples, draft)
        assert again.mean_log_prob == pytest.approx(whole.mean_log_prob, abs=0.05)
        found = model.hypothesis(again).text.split()
        assert sum(a != b for a, b in zip_longest(expected, found)) <= 1


@pytest.mark.parametrize("text", ["You.", "No.", "Sorry.", "Thank you."])
def test_short_words_are_no_inventions(text: str) -> None:
    padded = joined(noise(0.2, -70), spoken(text), noise(0.1, -70))
    found = transcribe(padded, moonshine()).text
    assert found.rstrip(".,!?").lower() == text.rstrip(".").lower()


def chord(seconds: float, level_db: float = -20) -> NDArray[np.int16]:
    parts = [tone(seconds, hz, level_db - 5).astype(np.int32) for hz in (261.6, 329.6, 392.0)]
    return np.clip(sum(parts), -32768, 32767).astype(np.int16)


def plucked(seconds: float) -> NDArray[np.int16]:
    fade = np.exp(-(np.arange(round(seconds * RATE)) / RATE % 0.5) / 0.15)
    return (chord(seconds, -12) * fade).astype(np.int16)


@pytest.mark.slow
@pytest.mark.parametrize(
    "samples",
    [
        *(noise(s, level) for s in (0.3, 1, 4) for level in (-90, -60, -30, -10)),
        *(make(s) for make in (chord, plucked) for s in (0.5, 1, 3)),
        tone(1.0, 1000),
        silence(2),
        np.full(RATE, 1000, np.int16),  # a constant voltage
        np.tile(np.array([32767, -32768], np.int16), RATE // 2),
    ],
)
def test_no_text_is_invented_where_there_is_no_speech(samples: NDArray[np.int16]) -> None:
    assert transcribe(samples, moonshine()) == Hypothesis("moonshine", style="asr", why="no speech")


def test_music_of_which_the_decoder_is_half_sure_is_no_speech() -> None:
    """Once "Thank you.", "Mm." and a sentence twice over."""
    pieces = music(20, seed=2)
    for k in (6, 8, 19):
        assert moonshine().decode(pieces[k]).mean_log_prob > NO_SPEECH
        found = transcribe(pieces[k], moonshine())
        assert (found.text, found.why) == ("", "no speech")


@pytest.mark.parametrize("size", [1, 160, 1600, 3999])
def test_a_moment_of_sound_is_no_speech(size: int) -> None:
    for samples in (spoken()[8000 : 8000 + size], noise(size / RATE)):
        assert transcribe(samples, moonshine()).why == "no speech"


STORY = (
    "The morning train was late again, so we walked to the office in the rain. My sister called "
    "from Boston and told me about her new kitchen. Nobody had expected the storm to last until "
    "Friday. There were apples, cheese and bread on the table, but the milk had gone bad. He "
    "opened the letter slowly and read every line twice. In the summer we swim in the lake behind "
    "the old mill. The doctor said that my knee will need some weeks to heal. I would rather stay "
    "at home and finish this book. "
)


def bare_words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c in "' ").split()


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
def test_speech_without_a_pause_for_a_long_time(times: int) -> None:
    """25 s, decoded as one, and 77 s, in pieces."""
    one = spoken(STORY)
    hypothesis = transcribe(np.tile(one, times), moonshine())
    found, said = Counter(bare_words(hypothesis.text)), Counter(bare_words(STORY))
    said = Counter({word: n * times for word, n in said.items()})
    assert (found & said).total() >= 0.85 * said.total()
    assert (found - said).total() <= 0.2 * said.total()
    assert hypothesis.confidence is not None


@pytest.mark.slow
def test_a_voice_that_says_no_word_does_no_harm() -> None:
    stream = moonshine().stream()
    fed(stream, voice(8), 1600)
    final = stream.finish()
    assert final.why == "no speech" or final.confidence is not None
    assert len(final.text.split()) < 24


@pytest.mark.slow
def test_streams_of_one_model_in_two_threads_do_not_disturb_each_other() -> None:
    texts = [SENTENCE, "I can't believe you did that! It was so much fun."]
    sounds = [spoken(text) for text in texts]

    def run(samples: NDArray[np.int16]) -> list[Hypothesis]:
        stream = moonshine().stream()
        out: list[Hypothesis] = []
        for _ in range(2):
            out += fed(stream, samples, 1600)
            out.append(stream.finish())
        return out

    alone = [run(samples) for samples in sounds]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, sounds))
    assert together == alone
    assert alone[0][-1].text == SENTENCE
