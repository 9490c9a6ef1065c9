import math
from collections.abc import Iterable

import numpy as np
import pytest
from sounds import blocks, clicks, data_folder, decoded, joined, mixed, noise, silence, tone, voice

from mmer.models.errors import MmerError
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.speech_detector import FRAME, FrameActivity
from mmer.realtime.blocks.vad import Vad, VadConfig, VadState
from mmer.realtime.blocks.webrtc_detector import WebRtcConfig
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Gap,
    Message,
    SpeechState,
    SpeechUpdate,
    Tick,
)

STARTED, ONGOING = SpeechState.STARTED, SpeechState.ONGOING
STOPPING, PAUSED, ENDED = SpeechState.STOPPING, SpeechState.PAUSED, SpeechState.ENDED
FRAME_S = 0.02


def heard(messages: Iterable[Message], config: VadConfig | None = None) -> list[SpeechUpdate]:
    """What the block says of the messages, after a check of what must hold of any updates."""
    updates = [m for m in run(Vad(config), messages) if isinstance(m, SpeechUpdate)]
    decided = 0.0
    last: SpeechUpdate | None = None
    for update in updates:
        assert update.t1 - update.t0 == pytest.approx(len(update.samples) / SAMPLE_RATE)
        assert decided <= update.decided
        assert update.t1 <= update.decided + 1e-9
        assert not update.samples.flags.writeable
        decided = update.decided
        if update.state is STARTED:
            assert last is None or last.state is ENDED
            assert update.utterance == (last.utterance + 1 if last else 1)
            assert last is None or update.t0 >= last.t1
        else:
            assert last is not None
            assert last.state is not ENDED
            assert (update.utterance, update.t0) == (last.utterance, last.t0)
            np.testing.assert_array_equal(update.samples[: len(last.samples)], last.samples)
        last = update
    assert last is None or last.state is ENDED
    return updates


def ends(updates: Iterable[SpeechUpdate]) -> list[SpeechUpdate]:
    return [u for u in updates if u.state is ENDED]


def same(one: list[SpeechUpdate], other: list[SpeechUpdate]) -> None:
    def flat(u: SpeechUpdate) -> tuple[object, ...]:
        return u.utterance, u.state, u.t0, u.t1, u.decided, u.samples.tobytes()

    assert [flat(u) for u in one] == [flat(u) for u in other]


SENTENCE = joined(silence(1), voice(2), silence(1))  # speech from 1 s to 3 s


def test_one_utterance_with_preroll_updates_and_tail() -> None:
    updates = heard(blocks(SENTENCE))
    assert [u.state for u in updates[:2]] == [STARTED, ONGOING]
    assert [u.state for u in updates].count(STARTED) == 1
    (end,) = ends(updates)
    assert end.t0 == pytest.approx(1 - 0.2, abs=0.06)
    assert end.t1 == pytest.approx(3 + 0.06, abs=0.05)
    assert end.decided == pytest.approx(3 + 0.3, abs=0.05)
    np.testing.assert_array_equal(
        end.samples, SENTENCE[round(end.t0 * SAMPLE_RATE) : round(end.t1 * SAMPLE_RATE)]
    )
    assert updates[0].decided < 1.3  # enough voice is known soon after it began


def test_updates_come_once_in_a_period_and_share_one_buffer() -> None:
    updates = heard(blocks(SENTENCE), VadConfig(update_s=0.2))
    during = [u for u in updates if u.state in (STARTED, ONGOING)]
    gaps = np.diff([u.t1 for u in during])
    assert gaps == pytest.approx(np.full(len(gaps), 0.2), abs=0.1)
    assert gaps.min() >= 0.2 - 1e-9
    assert all(np.shares_memory(u.samples, updates[0].samples) for u in updates)


TWO_WORDS = joined(silence(0.5), voice(1), silence(0.2), voice(1), silence(1))


def test_no_update_but_those_of_the_silence_while_it_may_be_over() -> None:
    updates = heard(blocks(TWO_WORDS))
    (end,) = ends(updates)  # the pause is shorter than the hangover
    assert end.t1 == pytest.approx(2.7 + 0.06, abs=0.05)
    assert [u.state for u in updates if 1.54 < u.decided < 1.7] == [STOPPING, PAUSED]


def pauses(updates: Iterable[SpeechUpdate]) -> list[SpeechUpdate]:
    return [u for u in updates if u.state is PAUSED]


def test_a_pause_is_reported_once_with_the_sound_that_the_end_will_have() -> None:
    updates = heard(blocks(TWO_WORDS))
    first, second = pauses(updates)
    assert first.t1 == pytest.approx(1.5 + 0.06, abs=0.05)
    assert first.decided == pytest.approx(1.5 + 0.14, abs=0.05)
    for pause in (first, second):
        assert pause.partial
        # the last frame of speech, and what is kept after it
        assert pause.decided - pause.t1 == pytest.approx(0.14 - 0.06)
    stopping, before, end = updates[-3:]
    assert before is second
    assert (stopping.state, end.state) == (STOPPING, ENDED)
    for other in (stopping, end):
        assert (other.t0, other.t1) == (second.t0, second.t1)
        np.testing.assert_array_equal(other.samples, second.samples)
    assert stopping.partial
    assert second.decided - stopping.decided == pytest.approx(0.14 - 0.06)
    assert end.decided - second.decided == pytest.approx(0.3 - 0.14)


@pytest.mark.parametrize(("early_s", "count"), [(0.06, 2), (0.12, 1), (0.14, 0), (1.0, 0)])
def test_recognition_begins_before_a_pause_where_that_is_sooner(early_s: float, count: int) -> None:
    sound = joined(silence(0.5), voice(1), silence(0.1), voice(1), silence(1))
    updates = heard(blocks(sound), VadConfig(early_s=early_s))
    assert [u.state for u in updates].count(STOPPING) == count
    assert len(pauses(updates)) == len(ends(updates)) == 1


@pytest.mark.parametrize(("gap_s", "count"), [(0.06, 1), (0.1, 1), (0.2, 2), (0.24, 2)])
def test_only_pauses_that_are_long_enough_are_reported(gap_s: float, count: int) -> None:
    sound = joined(silence(0.5), voice(1), silence(gap_s), voice(1), silence(1))
    updates = heard(blocks(sound))
    assert len(ends(updates)) == 1
    assert len(pauses(updates)) == count


def test_pauses_leave_the_period_of_the_updates_alone() -> None:
    config = VadConfig(pause_s=1.0)  # never before the end
    without = heard(blocks(TWO_WORDS), config)
    updates = heard(blocks(TWO_WORDS))
    assert pauses(updates)
    assert not pauses(without)
    same([u for u in updates if u.state is not PAUSED], without)


@pytest.mark.parametrize(("hangover_s", "count"), [(0.1, 0), (0.12, 0), (0.14, 0), (0.16, 1)])
def test_no_pause_is_reported_where_the_end_comes_as_soon(hangover_s: float, count: int) -> None:
    updates = heard(blocks(SENTENCE), VadConfig(hangover_s=hangover_s))
    assert len(pauses(updates)) == count
    assert len(ends(updates)) == 1


def test_no_pause_at_the_end_of_the_stream_or_at_a_gap() -> None:
    sound = joined(silence(0.5), voice(1), silence(0.1))
    assert not pauses(heard(blocks(sound)))
    assert not pauses(heard([*blocks(sound), Gap("audio", 1.6, 3.0, "overflow")]))


def test_an_utterance_that_was_split_is_not_paused_before_it_is_announced() -> None:
    config = VadConfig(longest_s=2.0)
    for seconds in (1.98, 2.0, 2.02, 2.04, 2.1):
        updates = heard(blocks(joined(voice(seconds), silence(1))), config)
        announced = {u.utterance for u in updates if u.state is STARTED}
        assert {u.utterance for u in pauses(updates)} <= announced
        assert announced == {u.utterance for u in ends(updates)}


def test_a_pause_parts_two_utterances() -> None:
    updates = heard(blocks(joined(voice(1), silence(0.5), voice(1), silence(1))))
    first, second = ends(updates)
    assert (first.utterance, second.utterance) == (1, 2)
    assert first.t1 <= second.t0
    assert second.t0 == pytest.approx(1.5 - 0.2, abs=0.06)


def test_the_preroll_never_repeats_sound_of_the_utterance_before() -> None:
    config = VadConfig(preroll_s=0.5)
    sound = joined(silence(1), voice(1), silence(0.36), voice(1), silence(1))
    first, second = ends(heard(blocks(sound), config))
    assert second.t0 == pytest.approx(first.t1)


@pytest.mark.parametrize("size", [1, 7, 160, 319, 321, 1024, 10**6, (1, 500, 33)])
def test_the_cut_into_blocks_changes_nothing(size: int) -> None:
    words = joined(silence(0.3), voice(0.7), silence(0.2), voice(0.5), silence(0.4))
    sound = joined(words, voice(0.5), voice(0.013))
    assert len(sound) % 320
    updates = heard(blocks(sound, size))
    same(updates, heard(blocks(sound, 320)))
    assert len(pauses(updates)) == 2


def test_speech_open_at_the_end_of_the_stream_is_ended_with_its_last_sample() -> None:
    sound = joined(silence(0.5), voice(1.007))
    (end,) = ends(heard(blocks(sound)))
    assert end.t1 == pytest.approx(len(sound) / SAMPLE_RATE)
    assert end.decided == pytest.approx(end.t1)
    np.testing.assert_array_equal(end.samples, sound[-len(end.samples) :])


def test_a_start_that_is_complete_only_with_the_unfinished_frame() -> None:
    whole = joined(silence(0.2), voice(1))
    started = next(u for u in heard(blocks(whole)) if u.state is STARTED)
    until = round(started.decided * SAMPLE_RATE) - 10
    (end,) = ends(heard(blocks(whole[:until])))
    assert end.t1 == pytest.approx(until / SAMPLE_RATE)
    assert heard(blocks(whole[: until - 320])) == []


def test_blips_and_silence_give_nothing() -> None:
    assert heard([]) == []
    assert heard(blocks(silence(3))) == []
    assert heard(blocks(joined(silence(1), voice(0.06), silence(1)))) == []
    assert heard(blocks(np.zeros(5, np.int16))) == []


def test_the_longest_utterance_is_split_without_loss() -> None:
    config = VadConfig(longest_s=2.0)
    sound = voice(5)
    parts = ends(heard(blocks(joined(sound, silence(1))), config))
    assert len(parts) == 3
    assert [u.t1 - u.t0 for u in parts[:2]] == pytest.approx([2.0, 2.0])
    assert parts[0].t1 == parts[1].t0
    assert parts[1].t1 == parts[2].t0
    all_of_it = np.concatenate([u.samples for u in parts])
    np.testing.assert_array_equal(all_of_it[: len(sound)], sound)


def test_twenty_seconds_of_speech_are_one_utterance() -> None:
    first, *rest = ends(heard(blocks(joined(voice(21), silence(1)), 1600)))
    assert first.t1 - first.t0 == pytest.approx(20)
    assert [u.t1 for u in rest] == pytest.approx([21.06], abs=0.05)


def test_a_split_at_the_very_end_of_speech_leaves_no_crumb() -> None:
    config = VadConfig(longest_s=2.0)
    (end,) = ends(heard(blocks(joined(voice(2.0), silence(1))), config))
    assert end.t1 == pytest.approx(2, abs=0.05)


def test_a_long_gap_ends_the_utterance_and_time_goes_on_after_it() -> None:
    sound = voice(1)
    gap = Gap("audio", 1.0, 3.0, "overflow")
    vad = Vad()
    for block in blocks(sound):
        vad.push(block)
    (end,) = vad.push(gap)
    assert (end.state, end.t1, end.decided) == (ENDED, 1.0, 1.0)
    _, second = ends(heard([*blocks(sound), gap, *blocks(sound, t0=3.0)]))
    assert second.t0 == 3.0
    assert second.t1 == 4.0


def test_a_source_without_sound_from_now_on() -> None:
    gap = Gap("audio", 1.0, math.inf, "the track ends")
    (end,) = ends(heard([*blocks(voice(1)), gap]))
    assert end.t1 == 1.0


def test_a_short_gap_is_filled_with_silence_so_that_times_stay_right() -> None:
    sound = voice(2)
    before, after = sound[:16000], sound[17600:]  # a tenth of a second is lost
    gap = Gap("audio", 1.0, 1.1, "overflow")
    (end,) = ends(heard([*blocks(before), gap, *blocks(after, t0=1.1)]))
    assert (end.t0, end.t1) == (0.0, pytest.approx(2.0))
    assert not end.samples[16000:17600].any()
    np.testing.assert_array_equal(end.samples[17600:], after)


def test_an_unannounced_jump_in_time_is_a_gap() -> None:
    sound = voice(1)
    short = [*blocks(sound), *blocks(sound, t0=1.1)]
    same(heard(short), heard([*short[:50], Gap("audio", 1.0, 1.1, "lost"), *short[50:]]))
    assert [u.t0 for u in ends(heard([*blocks(sound), *blocks(sound, t0=5.0)]))] == [0.0, 5.0]
    assert len(ends(heard([*blocks(sound), *blocks(sound, t0=1.015)]))) == 1  # mere jitter


def test_sound_dated_back_is_not_heard_twice() -> None:
    sound = voice(2)
    (end,) = ends(heard([*blocks(sound[:16000]), *blocks(sound[14400:], 1600, t0=0.9)]))
    np.testing.assert_array_equal(end.samples, sound)


def test_gaps_of_pictures_and_other_messages_are_ignored() -> None:
    vad = Vad()
    for block in blocks(voice(1)):
        vad.push(block)
    assert vad.push(Gap("video", 0.0, math.inf, "no picture")) == []
    assert vad.push(Tick(1.0)) == []
    assert vad.state is VadState.SPEAKING


@pytest.mark.parametrize("level_db", [-10, -20, -40])
def test_noise_clicks_and_tones_are_not_speech(level_db: float) -> None:
    assert heard(blocks(noise(8, level_db), 1600)) == []
    assert heard(blocks(clicks(8, level_db=level_db), 1600)) == []
    steady = ends(heard(blocks(tone(8, level_db=level_db), 1600)))
    assert not [u for u in steady if u.t1 > 3]  # a whistle is let go of


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0])
def test_speech_in_noise_is_found_and_its_end_too(snr_db: float) -> None:
    speech = joined(silence(2), voice(2, -25), silence(2))
    (end,) = ends(heard(blocks(mixed(speech, noise(6, -25 - snr_db)))))
    assert end.t0 == pytest.approx(2 - 0.2, abs=0.15)
    assert end.t1 == pytest.approx(4 + 0.06, abs=0.1)
    assert end.decided < 4 + 0.4


def test_the_four_states_in_turn() -> None:
    vad = Vad()
    states = []
    for block in blocks(SENTENCE):
        vad.push(block)
        if not states or vad.state is not states[-1]:
            states.append(vad.state)
    assert states[:3] == [VadState.QUIET, VadState.STARTING, VadState.SPEAKING]
    assert states[-2:] == [VadState.STOPPING, VadState.QUIET]


def test_reset_makes_it_as_new() -> None:
    vad = Vad()
    for block in blocks(joined(noise(3), voice(1))):
        vad.push(block)
    vad.reset()
    again = [m for m in run(vad, blocks(SENTENCE)) if isinstance(m, SpeechUpdate)]
    same(again, heard(blocks(SENTENCE)))


def test_the_callers_array_may_change_afterwards() -> None:
    vad = Vad()
    scratch = np.zeros(100, np.int16)  # no whole number of frames: something is kept each time
    out: list[Message] = []
    for block in blocks(SENTENCE, 100):
        scratch[: len(block.samples)] = block.samples
        out += vad.push(AudioBlock(block.t0, scratch[: len(block.samples)]))
        scratch[:] = 12345
    out += vad.flush()
    same([m for m in out if isinstance(m, SpeechUpdate)], heard(blocks(SENTENCE)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hangover_s": 0.0}, "hangover_s"),
        ({"tail_s": 0.5}, "tail_s"),
        ({"longest_s": 0.5}, "longest_s"),
        ({"preroll_s": -1.0}, "preroll_s"),
        ({"pause_s": 0.04}, "pause_s"),
    ],
)
def test_senseless_settings_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(MmerError, match=says):
        VadConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(MmerError, match="mode"):
        WebRtcConfig(mode=4)


class EveryThird:
    """A detector of its own: two frames of voice, then one of silence."""

    def __init__(self) -> None:
        self.reset()

    def detect(self, frame: np.ndarray) -> FrameActivity:
        assert (frame.shape, frame.dtype) == ((FRAME,), np.int16)
        self.frames += 1
        return FrameActivity(self.frames % 3 > 0, self.frames % 3 > 0)

    def interrupt(self) -> None:
        self.interrupted += 1

    def reset(self) -> None:
        self.frames = self.interrupted = 0


def test_another_detector_is_one_small_class() -> None:
    detector = EveryThird()
    updates = run(Vad(detector=detector), blocks(np.zeros(16000, np.int16)))
    (end,) = ends([u for u in updates if isinstance(u, SpeechUpdate)])
    assert (end.t0, end.t1) == (0.0, 1.0)
    assert detector.frames == 50
    assert detector.interrupted == 2  # at the start and at the end


def loud_span(sound: np.ndarray) -> tuple[float, float]:
    """From the first to the last moment within 20 dB of the loudest, rumble aside, in seconds."""
    sound = np.diff(sound.astype(np.float64))
    level = np.sqrt(np.mean(sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    loud = np.flatnonzero(level > 0.1 * level.max())
    return loud[0] / 100, (loud[-1] + 1) / 100


@pytest.mark.data
@pytest.mark.parametrize("folder", ["grid", "ravdess"])
def test_real_speech_is_covered(folder: str) -> None:
    clips = sorted((data_folder() / "video" / folder).glob("*.mp4"))
    assert clips
    for clip in clips:
        sound = decoded(clip)
        utterances = ends(heard(blocks(sound, 512)))
        assert utterances, clip.name
        t0, t1 = loud_span(sound)
        covered = sum(max(0.0, min(t1, u.t1) - max(t0, u.t0)) for u in utterances)
        assert covered > 0.8 * (t1 - t0), clip.name
