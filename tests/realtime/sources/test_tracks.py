import numpy as np
import pytest

from mmer.realtime.messages import AudioBlock, VideoFrame
from mmer.realtime.pacing import captured_at
from mmer.realtime.sources.address import is_url, shown
from mmer.realtime.sources.tracks import in_order


def sound(t1):
    return "audio", AudioBlock(t1 - 0.02, np.zeros(320, np.int16))


def picture(t):
    return "video", VideoFrame(t, np.zeros((1, 1, 3), np.uint8))


def test_streams_of_one_demuxer_come_in_one_order():
    # as a container interleaves them: half a second of one, then of the other
    mixed = []
    for chunk in range(4):
        mixed += [picture(chunk * 0.5 + i / 10) for i in range(5)]
        mixed += [sound(chunk * 0.5 + (i + 1) / 50) for i in range(25)]
    times = [captured_at(m) for m in in_order(mixed, {"audio", "video"})]
    assert len(times) == len(mixed)
    assert times == sorted(times)


def test_a_silent_stream_holds_the_other_no_longer_than_the_patience():
    given = 0

    def endless():
        nonlocal given
        for i in range(1000):
            given += 1
            yield picture(i / 10)

    messages = in_order(endless(), {"audio", "video"}, patience_s=1.0)
    assert [next(messages).t, next(messages).t] == [0.0, 0.1]
    assert given == pytest.approx(12, abs=1)  # read 1.1 s of pictures to give that of 0.1 s


def test_a_stream_alone_is_never_held():
    messages = in_order(iter([picture(0.0), picture(0.1)]), {"video"})
    assert next(messages).t == 0.0


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://host/a.mp4", True),
        ("RTSP://host/1", True),
        ("clip.mp4", False),
        ("C:\\clip.mp4", False),
        ("http:clip.wav", False),
    ],
)
def test_addresses_are_told_from_files(text, url):
    assert is_url(text) == url


def test_passwords_are_not_shown():
    assert shown("rtsp://me:secret@host:554/1") == "rtsp://host:554/1"
    assert shown("http://host/a@b.mp4") == "http://host/a@b.mp4"
