import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from mmer.realtime.mailbox import REMEMBERED, Closed, Delivery, Mailbox
from mmer.realtime.messages import (
    EmotionEstimate,
    Missing,
    SpeechState,
    SpeechUpdate,
    Transcript,
)


def partial(utterance: int, text: str) -> Transcript:
    return Transcript(utterance, 0.0, 1.0, text, partial=True, asr="test")


def final(utterance: int, text: str) -> Transcript:
    return Transcript(utterance, 0.0, 1.0, text, partial=False, asr="test")


def estimate(t: float, utterance: int | None, kind: str) -> EmotionEstimate:
    return EmotionEstimate(
        t=t,
        window=(t - 1.0, t),
        label=None,
        probs=None,
        confidence=None,
        modalities={},
        why={},
        final=kind == "final",
        provisional=kind == "provisional",
        utterance=utterance,
    )


def drain(box: Mailbox) -> list:
    out = []
    while True:
        try:
            out.append(box.get(timeout_s=1.0))
        except Closed:
            return out


def test_lossless_keeps_everything_in_order() -> None:
    box: Mailbox[int] = Mailbox("audio", Delivery.LOSSLESS, capacity=10)
    for i in range(10):
        box.put(i)
    box.close()
    assert drain(box) == list(range(10))
    assert box.dropped == 0


def test_lossless_makes_the_sender_wait_for_room() -> None:
    box: Mailbox[int] = Mailbox("audio", Delivery.LOSSLESS, capacity=2)

    def send() -> None:
        for i in range(50):
            box.put(i)
        box.close()

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.05)
    assert len(box) == 2
    assert drain(box) == list(range(50))
    sender.join(1.0)
    assert not sender.is_alive()


def test_latest_replaces_and_counts() -> None:
    box: Mailbox[str] = Mailbox("video", Delivery.LATEST)
    for name in "abc":
        box.put(name)
    assert len(box) == 1
    assert box.get() == "c"
    assert box.dropped == 2


def test_partials_are_replaced_and_finals_are_not() -> None:
    box: Mailbox[Transcript] = Mailbox("text", Delivery.LATEST_PARTIAL)
    for message in (
        partial(1, "a"),
        partial(1, "a b"),
        final(1, "a b c"),
        partial(2, "d"),
        partial(2, "d e"),
    ):
        box.put(message)
    box.close()
    assert [(m.utterance, m.text, m.partial) for m in drain(box)] == [
        (1, "a b c", False),
        (2, "d e", True),
    ]
    assert box.dropped == 3


def test_the_oldest_is_given_back_when_there_is_no_room() -> None:
    box: Mailbox[Transcript] = Mailbox("text", Delivery.GIVE_BACK, capacity=3)
    messages = [final(1, "a"), partial(2, "b"), partial(2, "b c"), final(3, "d")]
    assert [box.put(m) for m in messages] == [None] * 4
    assert box.put(final(4, "e")) is messages[0]
    assert box.put(final(5, "f")) is messages[2]
    box.close()
    assert box.put(final(6, "g")) is None
    assert [m.utterance for m in drain(box)] == [3, 4, 5]
    assert set(box.given_back) == {1}  # the partial one of utterance 2 is no answer
    assert box.dropped == 3


def test_what_a_receiver_that_hangs_gives_back_for_hours_is_not_all_remembered() -> None:
    box: Mailbox[Transcript] = Mailbox("text", Delivery.GIVE_BACK, capacity=2)
    for n in range(3 * REMEMBERED):
        box.put(final(n, "a"))
    assert list(box.given_back) == list(range(2 * REMEMBERED - 2, 3 * REMEMBERED - 2))


def test_one_modality_never_replaces_another() -> None:
    box: Mailbox[Missing] = Mailbox("output", Delivery.LATEST_PARTIAL)
    for modality in ("speech", "text", "speech"):
        box.put(Missing(modality, 0.0, 1.0, "why", partial=True, utterance=1))
    box.close()
    assert [m.modality for m in drain(box)] == ["text", "speech"]  # as they came, the old one gone
    assert box.dropped == 1


def test_waiting_estimates_keep_the_order_of_time_and_answers_of_utterances() -> None:
    box: Mailbox[EmotionEstimate] = Mailbox("output", Delivery.LATEST_PARTIAL)
    times = [
        (5.0, None, "running"),
        (5.25, 1, "running"),
        (5.5, 1, "provisional"),
        (5.6, 1, "running"),
        (5.75, 1, "final"),
        (7.0, None, "running"),
        (7.25, 2, "running"),
        (7.5, 2, "provisional"),
        (7.75, 2, "provisional"),
        (9.0, None, "running"),
    ]
    for t, utterance, kind in times:
        box.put(estimate(t, utterance, kind))
    box.close()
    left = [(m.t, m.subject[0]) for m in drain(box)]
    assert left == [(5.5, "provisional"), (5.75, "final"), (7.75, "provisional"), (9.0, "running")]


def test_each_person_has_running_estimates() -> None:
    box: Mailbox[EmotionEstimate] = Mailbox("output", Delivery.LATEST_PARTIAL)
    for t, person in ((1.0, 1), (1.0, 2), (2.0, 1)):
        box.put(replace(estimate(t, None, "running"), person=person))
    box.close()
    assert [(m.t, m.person) for m in drain(box)] == [(1.0, 2), (2.0, 1)]


def test_the_age_is_that_of_the_oldest_news() -> None:
    now = 0.0
    box: Mailbox[Transcript] = Mailbox("text", Delivery.LATEST_PARTIAL, seconds=lambda: now)
    box.put(partial(1, "a"))
    now = 1.0
    box.put(final(2, "b"))
    now = 3.0
    box.put(partial(1, "a b"))  # behind the final, and with the age of what it replaced
    assert box.age_s() == 3.0


def test_a_begin_that_is_given_back_leaves_the_end_to_the_receiver() -> None:
    box: Mailbox[SpeechUpdate] = Mailbox("speech", Delivery.GIVE_BACK, capacity=1)
    for n, state in ((1, SpeechState.STARTED), (1, SpeechState.ENDED), (2, SpeechState.STARTED)):
        box.put(SpeechUpdate(n, 0.0, 1.0, state, np.zeros(1, np.int16), 1.0))
        assert set(box.given_back) == ({1} if n == 2 else set())


def test_an_update_never_replaces_the_start_of_its_utterance() -> None:
    def update(state: SpeechState, n: int) -> SpeechUpdate:
        return SpeechUpdate(1, 0.0, n / 16000, state, np.zeros(n, np.int16), n / 16000)

    box: Mailbox[SpeechUpdate] = Mailbox("words", Delivery.LATEST_PARTIAL)
    box.put(update(SpeechState.STARTED, 100))
    box.put(update(SpeechState.ONGOING, 200))
    box.put(update(SpeechState.ONGOING, 300))
    box.put(update(SpeechState.ENDED, 400))
    box.close()
    assert [(m.state.value, len(m.samples)) for m in drain(box)] == [
        ("started", 100),
        ("ended", 400),
    ]


def test_those_who_wait_longest_come_first() -> None:
    """Of six faces the network answers one a round: each has its turn."""
    box: Mailbox[Missing] = Mailbox("face", Delivery.LATEST_OF_EACH)
    taken = []
    for t in range(12):
        for track in range(6):
            box.put(Missing("face", t, t, "why", partial=True, track=track))
        taken.append(box.get())
    assert [m.track for m in taken if m is not None] == [*range(6), *range(6)]
    assert taken[-1] is not None
    assert taken[-1].t1 == 11  # the newest of it


def test_a_change_that_nobody_has_read_is_one_in_what_replaces_it() -> None:
    box: Mailbox[Transcript] = Mailbox("output", Delivery.LATEST_PARTIAL)
    again = replace(partial(1, "a b"), pause=True, unchanged=True)
    box.put(partial(1, "a b"))
    box.put(again)
    assert box.get() == replace(again, unchanged=False)
    box.put(again)
    box.put(again)
    assert box.get() == again  # the reader has had the text


def test_get_times_out_with_none_and_ends_with_closed() -> None:
    box: Mailbox[int] = Mailbox("x", Delivery.LOSSLESS)
    assert box.get(timeout_s=0.01) is None
    box.close()
    with pytest.raises(Closed):
        box.get(timeout_s=0.01)


def test_abandon_frees_a_waiting_sender() -> None:
    box: Mailbox[int] = Mailbox("x", Delivery.LOSSLESS, capacity=1)
    box.put(1)
    sender = threading.Thread(target=box.put, args=(2,))
    sender.start()
    box.abandon()
    sender.join(1.0)
    assert not sender.is_alive()
    with pytest.raises(Closed):
        box.get()


def test_age_is_that_of_the_oldest_waiting_message() -> None:
    now = [0.0]
    box: Mailbox[int] = Mailbox("x", Delivery.LOSSLESS, seconds=lambda: now[0])
    assert box.age_s() == 0.0
    box.put(1)
    now[0] = 2.0
    box.put(2)
    assert box.age_s() == 2.0
    box.get()
    assert box.age_s() == 0.0


def test_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Mailbox("x", Delivery.LOSSLESS, capacity=0)


def test_it_tells_how_long_the_message_last_taken_had_waited() -> None:
    now = [0.0]
    box: Mailbox[int] = Mailbox("audio", Delivery.LOSSLESS, seconds=lambda: now[0])
    box.put(1)
    now[0] = 2.0
    box.put(2)
    now[0] = 3.0
    assert [(box.get(), box.waited_s), (box.get(), box.waited_s)] == [(1, 3.0), (2, 1.0)]


def test_where_the_oldest_gives_way_no_sender_waits_and_each_is_counted() -> None:
    box: Mailbox[int] = Mailbox("record", Delivery.OLDEST_GIVES_WAY, capacity=3)
    for number in range(5):
        assert box.put(number) is None
    assert [box.get(), box.get(), box.get()] == [2, 3, 4]
    assert box.dropped == 2


def test_where_the_oldest_gives_way_a_lower_capacity_makes_no_sender_wait() -> None:
    box: Mailbox[int] = Mailbox("record", Delivery.OLDEST_GIVES_WAY, capacity=5)
    for number in range(5):
        box.put(number)
    box.capacity = 2
    sender = threading.Thread(target=box.put, args=(5,), daemon=True)
    sender.start()
    sender.join(5.0)
    assert not sender.is_alive()
    assert [box.get(), box.get()] == [4, 5]
    assert box.dropped == 4
