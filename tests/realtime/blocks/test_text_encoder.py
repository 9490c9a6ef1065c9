from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.text_encoder import TextEncoder, TextEncoderConfig
from mmer.realtime.messages import Evidence, Missing, Tick, Transcript


@dataclass
class Answer:
    log_probs: np.ndarray
    embedding: np.ndarray | None = None
    usable: float = 1.0


@dataclass
class FakeModel:
    read: list[str] = field(default_factory=list)
    past: list[tuple[str, ...]] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)

    def predict(self, text: str, past: Sequence[str] = (), style: str = "written") -> Answer:
        self.read.append(text)
        self.past.append(tuple(past))
        self.styles.append(style)
        return Answer(np.log(np.full(7, 1 / 7, dtype=np.float32)))


def said(
    text: str, partial=True, number=1, t0=1.0, t1=2.0, asr="vosk", confidence=None, **more
) -> Transcript:
    return Transcript(number, t0, t1, text, partial, asr, confidence=confidence, **more)


def test_each_new_partial_is_evaluated_and_the_same_words_are_not():
    model = FakeModel()
    out = run(
        TextEncoder(model),
        [
            said(""),
            said("i am"),
            said(" I  am ", t1=2.5),
            said("I am so  happy", t1=3.0),
            said("i am so happy", partial=False, t1=3.2),
        ],
    )
    assert [(e.t0, e.t1, e.partial) for e in out] == [
        (1.0, 2.0, True),
        (1.0, 3.0, True),
        (1.0, 3.2, False),
    ]
    assert all(e.modality == "text" and e.utterance == 1 for e in out)
    assert model.read == ["i am", "I am so happy"]  # the final takes over the last answer


def test_a_pause_is_answered_always_and_the_same_words_evaluated_once():
    model = FakeModel()
    at_pause = said("i am happy", t1=2.5, pause=True, unchanged=True)
    messages = [said("I am happy"), at_pause, said("I am happy", partial=False, t1=2.5)]
    out = run(TextEncoder(model), messages)
    assert [(e.t1, e.partial) for e in out] == [(2.0, True), (2.5, True), (2.5, False)]
    assert model.read == ["I am happy"]
    (missing,) = run(TextEncoder(model), [said("", why="no speech", pause=True, unchanged=True)])
    assert (type(missing), missing.why, missing.partial) == (Missing, "no speech", True)


def test_an_empty_final_is_missing_even_after_words():
    out = run(TextEncoder(FakeModel()), [said("hm"), said("", partial=False)])
    assert [type(m) for m in out] == [Evidence, Missing]
    assert (out[1].why, out[1].partial, out[1].utterance) == ("no words", False, 1)


def test_the_style_of_the_transcript_is_passed_on():
    model = FakeModel()
    block = TextEncoder(model)
    block.push(said("i am so", style="bare"))
    block.push(said("I am so happy.", partial=False, style="asr"))
    block.push(said("Me too!", partial=False, number=2, style="written"))
    assert model.styles == ["bare", "asr", "written"]
    assert model.past[-1] == ("I am so happy.",)


def test_the_same_words_in_another_style_are_evaluated_anew():
    """Of two passes the partial is bare and the final, which may be the same words, is not."""
    model = FakeModel()
    run(
        TextEncoder(model),
        [
            said("thank you", style="bare"),
            said("Thank you", pause=True, unchanged=True, style="asr"),
            said("Thank you", partial=False, style="asr"),
        ],
    )
    assert model.styles == ["bare", "asr"]


@pytest.mark.parametrize("partial", [True, False])
def test_the_engines_reason_is_why_the_text_is_missing(partial):
    silent = said("", partial=partial, style="asr", why="no speech")
    out = run(TextEncoder(FakeModel()), [said("hm", asr="moonshine"), silent])
    assert (type(out[-1]), out[-1].why, out[-1].partial) == (Missing, "no speech", partial)
    assert (out[-1].t0, out[-1].t1, out[-1].utterance) == (1.0, 2.0, 1)


def test_words_that_are_withdrawn_are_missing_for_now():
    out = run(TextEncoder(FakeModel()), [said("hm"), said(""), said("")])
    assert [(type(m), m.partial) for m in out] == [(Evidence, True), (Missing, True)]


def test_one_final_for_each_utterance():
    model = FakeModel()
    transcripts = [
        said("well", partial=False, number=1),
        said("well", partial=False, number=1),
        said("late partial", number=1),
        said("well", partial=False, number=2),
        said("", partial=False, number=3),
    ]
    out = run(TextEncoder(model), transcripts)
    assert [(m.utterance, type(m)) for m in out] == [(1, Evidence), (2, Evidence), (3, Missing)]
    assert model.read == ["well", "well"]


def test_no_confidence_at_all_is_missing():
    (out,) = run(TextEncoder(FakeModel()), [said("a b c d", partial=False, confidence=0.0)])
    assert (type(out), out.why) == (Missing, "unsure words")


def test_reset_forgets_and_other_messages_pass():
    block = TextEncoder(FakeModel())
    assert block.push(Tick(0.0)) == ()
    block.push(said("x", partial=False))
    block.reset()
    assert len(block.push(said("x", partial=False))) == 1


def test_final_words_are_the_past_of_what_follows_and_partial_ones_are_not():
    model = FakeModel()
    run(
        TextEncoder(model),
        [
            said("you", number=1),
            said("You won", partial=False, number=1),
            said("no", number=2, t0=3.0, t1=3.5),
            said("no way", partial=False, number=2, t0=3.0, t1=4.0),
            said("", partial=False, number=3, t0=5.0, t1=5.5),
            said("unsure", partial=False, number=4, t0=6.0, t1=6.5, confidence=0.0),
            said("yes", partial=False, number=5, t0=7.0, t1=8.0),
        ],
    )
    assert model.read == ["you", "You won", "no", "no way", "yes"]
    assert model.past == [(), (), ("You won",), ("You won",), ("You won", "no way")]


def test_the_past_is_forgotten_after_its_time_and_at_a_reset():
    model = FakeModel()
    block = TextEncoder(model, TextEncoderConfig(past_s=10.0))
    block.push(said("a", partial=False, number=1, t0=0.0, t1=1.0))
    block.push(said("b", partial=False, number=2, t0=5.0, t1=6.0))
    block.push(said("c", partial=False, number=3, t0=11.5, t1=12.0))
    block.reset()
    block.push(said("d", partial=False, number=4, t0=13.0, t1=14.0))
    assert model.past == [(), ("a",), ("b",), ()]


def test_no_past_is_none_where_one_utterance_meets_the_next():
    model = FakeModel()
    block = TextEncoder(model, TextEncoderConfig(past_s=0.0))
    block.push(said("a", partial=False, number=1, t0=0.0, t1=20.0))
    block.push(said("b", partial=False, number=2, t0=20.0, t1=21.0))
    assert model.past == [(), ()]


def test_wrong_settings_are_refused():
    with pytest.raises(MmerError, match="trust"):
        TextEncoderConfig(trust=1.2)
    with pytest.raises(MmerError, match="full_words"):
        TextEncoderConfig(full_words=0)
    with pytest.raises(MmerError, match="past_s"):
        TextEncoderConfig(past_s=-1.0)


def test_words_that_the_model_cannot_use_are_missing():
    class Blank(FakeModel):
        def predict(self, text: str, past: Sequence[str] = (), style: str = "written") -> Answer:
            return Answer(np.log(np.full(7, 1 / 7, np.float32)), usable=0.0)

    (out,) = run(TextEncoder(Blank()), [said("...", partial=False)])
    assert (type(out), out.why) == (Missing, "no words")
