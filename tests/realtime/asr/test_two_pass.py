"""Two passes: partials of an online engine, pauses and finals of a better one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sounds import blocks, joined, silence, voice

from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.asr.two_pass import TwoPassModel, TwoPassStream
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.transcriber import Transcriber
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.messages import SpeechState, SpeechUpdate, Transcript


class Stream:
    """Says its name and how many samples it has had; ``calls`` holds what it was given."""

    def __init__(self, name: str, style: str) -> None:
        self.name, self.style = name, style
        self.sound = np.empty(0, np.int16)
        self.calls: list[tuple[int, bool]] = []
        self.utterances: list[NDArray[np.int16]] = []
        self.resets = 0

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self.calls.append((len(samples), pause))
        self.sound = np.concatenate([self.sound, samples])
        return self._said()

    def finish(self) -> Hypothesis:
        said = self._said()
        self.utterances.append(self.sound)
        self.sound = np.empty(0, np.int16)
        return said

    def reset(self) -> None:
        self.resets += 1
        self.sound = np.empty(0, np.int16)

    def _said(self) -> Hypothesis:
        return Hypothesis(self.name, f"{self.name} {len(self.sound)}", style=self.style)  # type: ignore[arg-type]


class Model:
    def __init__(self, name: str, style: str, trust: float) -> None:
        self.name, self.style, self.trust = name, style, trust
        self.description = f"{name} (tiny)"
        self.streams: list[Stream] = []

    def stream(self) -> Stream:
        self.streams.append(Stream(self.name, self.style))
        return self.streams[-1]


@pytest.fixture
def engines() -> tuple[Model, Model]:
    return Model("online", "bare", 0.5), Model("whole", "asr", 0.9)


def opened(engines: tuple[Model, Model]) -> tuple[TwoPassStream, Stream, Stream]:
    stream = TwoPassModel(*engines).stream()
    return stream, engines[0].streams[-1], engines[1].streams[-1]


def sound(count: int, start: int = 0) -> NDArray[np.int16]:
    return np.arange(start, start + count, dtype=np.int16)


def test_it_is_named_and_trusted_as_the_engine_of_the_final(engines: tuple[Model, Model]) -> None:
    model = TwoPassModel(*engines)
    assert (model.name, model.trust) == ("whole", 0.9)
    assert model.description == "whole (tiny), partials by online (tiny)"


def test_partials_of_the_first_and_the_final_of_the_second(engines: tuple[Model, Model]) -> None:
    stream, first, second = opened(engines)
    assert stream.accept(sound(100)).text == "online 100"
    partial = stream.accept(sound(50, 100))
    assert (partial.asr, partial.text, partial.style) == ("online", "online 150", "bare")
    assert second.calls == []
    final = stream.finish()
    assert (final.asr, final.text, final.style) == ("whole", "whole 150", "asr")
    for engine in (first, second):
        np.testing.assert_array_equal(engine.utterances[0], sound(150))


def test_a_pause_is_of_the_second_which_has_each_sample_once(engines: tuple[Model, Model]) -> None:
    stream, first, second = opened(engines)
    stream.accept(sound(100))
    at_pause = stream.accept(sound(30, 100), pause=True)
    assert at_pause.text == "whole 130"
    assert second.calls == [(130, True)]
    assert stream.accept(sound(20, 130)).text == "online 150"
    stream.accept(sound(0, 150), pause=True)
    assert stream.finish().text == "whole 150"
    assert second.calls == [(130, True), (20, True), (0, True)]
    np.testing.assert_array_equal(second.utterances[0], sound(150))
    np.testing.assert_array_equal(first.utterances[0], sound(150))


def test_each_utterance_begins_anew_and_a_reset_drops_it(engines: tuple[Model, Model]) -> None:
    stream, first, second = opened(engines)
    stream.accept(sound(100))
    stream.finish()
    stream.accept(sound(40))
    stream.reset()
    assert (first.resets, second.resets) == (1, 1)
    stream.accept(sound(10))
    assert stream.finish().text == "whole 10"
    assert [len(u) for u in second.utterances] == [100, 10]
    assert stream.finish().text == "whole 0"  # nothing was said


def test_a_reset_that_the_first_engine_fails_drops_the_utterance_of_the_second(
    engines: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead() -> None:
        raise RuntimeError("dead")

    stream, first, second = opened(engines)
    stream.accept(sound(100), pause=True)
    stream.accept(sound(50, 100))
    with monkeypatch.context() as patch:
        patch.setattr(first, "reset", dead)
        with pytest.raises(RuntimeError, match="dead"):
            stream.reset()
    stream.accept(sound(10))
    assert stream.finish().text == "whole 10"
    np.testing.assert_array_equal(second.utterances[-1], sound(10))


def test_streams_have_engines_of_their_own(engines: tuple[Model, Model]) -> None:
    model = TwoPassModel(*engines)
    one, other = model.stream(), model.stream()
    one.accept(sound(10))
    other.accept(sound(20))
    assert (one.finish().text, other.finish().text) == ("whole 10", "whole 20")


def test_in_the_block_both_engines_hear_all_of_every_utterance(
    engines: tuple[Model, Model],
) -> None:
    utterances = joined(silence(0.5), voice(1), silence(0.2), voice(0.5), silence(0.6), voice(1))
    updates = [m for m in run(Vad(), blocks(utterances)) if isinstance(m, SpeechUpdate)]
    stream, first, second = opened(engines)
    out = [m for m in run(Transcriber(stream), updates) if isinstance(m, Transcript)]
    assert [(t.utterance, t.asr) for t in out if not t.partial] == [(1, "whole"), (2, "whole")]
    assert {t.asr for t in out if t.partial} == {"online", "whole"}
    ended = [u for u in updates if u.state is SpeechState.ENDED]
    for engine in (first, second):
        for update, fed in zip(ended, engine.utterances, strict=True):
            np.testing.assert_array_equal(fed, update.samples)
