import builtins
import math
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock, SessionClock
from mmer.realtime.messages import AudioBlock, Gap, Notice
from mmer.realtime.sources import microphone as module
from mmer.realtime.sources.microphone import InputDevice, Microphone, choose_device, input_devices

DEVICES = [
    {"name": "Speakers", "hostapi": 0, "max_input_channels": 0, "default_samplerate": 48000.0},
    {"name": "USB Audio", "hostapi": 0, "max_input_channels": 2, "default_samplerate": 48000.0},
    {"name": "Webcam USB", "hostapi": 0, "max_input_channels": 1, "default_samplerate": 44100.0},
]


class FakeStream:
    """Stands in for RawInputStream: the test calls ``feed`` as PortAudio's thread would."""

    latency = 0.04
    time = 0.0

    def __init__(self, module, **options):
        accepted = module.accepted
        if accepted is not None and (options["samplerate"], options["channels"]) not in accepted:
            raise module.PortAudioError("Invalid sample rate")
        self.options = options
        self.active = False
        self.closed = False
        module.stream = self

    def start(self):
        self.active = True

    def close(self, ignore_errors=True):
        self.active, self.closed = False, True

    def feed(self, value=0, overflow=False):
        frames = self.options["blocksize"]
        data = np.full((frames, self.options["channels"]), value, np.int16)
        buffer = bytearray(data.tobytes())
        times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=0.0)
        status = SimpleNamespace(input_overflow=overflow)
        self.options["callback"](memoryview(buffer), frames, times, status)
        buffer[:] = bytes(len(buffer))  # PortAudio uses its buffer again


@pytest.fixture
def sounddevice(monkeypatch):
    class PortAudioError(Exception):
        pass

    fake = SimpleNamespace(
        PortAudioError=PortAudioError,
        query_devices=lambda: DEVICES,
        query_hostapis=lambda: [{"name": "ALSA"}],
        default=SimpleNamespace(device=[1, 0]),
        accepted=None,
        stream=None,
        restarts=0,
    )

    def restart():
        fake.restarts += 1

    fake._terminate, fake._initialize = lambda: None, restart
    fake.RawInputStream = lambda **options: FakeStream(fake, **options)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def opened(**options):
    source = Microphone(**options)
    source.open(SessionClock())
    return source


def test_devices_are_the_inputs_with_the_default_marked(sounddevice):
    assert input_devices() == [
        InputDevice(1, "USB Audio", "ALSA", 2, 48000.0, True),
        InputDevice(2, "Webcam USB", "ALSA", 1, 44100.0, False),
    ]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 1), (2, 2), ("2", 2), ("webcam", 2), ("USB Audio", 1), ("usb audio", 1)],
)
def test_a_device_is_chosen_by_default_index_or_name(sounddevice, wanted, index):
    assert choose_device(wanted, input_devices()).index == index


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("usb", "several sound inputs are called 'usb'"),
        ("guitar", "no sound input is called 'guitar'"),
        (0, "no sound input has the index 0"),
        (7, "no sound input has the index 7"),
    ],
)
def test_a_wrong_device_is_refused_with_the_list(sounddevice, wanted, message):
    with pytest.raises(MmerError, match=message) as caught:
        opened(device=wanted)
    assert "1: USB Audio (ALSA); 2: Webcam USB (ALSA)" in str(caught.value)


def test_one_device_under_several_hosts_is_taken_from_the_defaults_host():
    shown = [
        InputDevice(1, "Mic", "MME", 1, 44100.0, False),
        InputDevice(2, "Mic", "WASAPI", 1, 48000.0, False),
        InputDevice(3, "Line", "WASAPI", 1, 48000.0, True),
    ]
    assert choose_device("mic", shown).index == 2


def test_a_name_that_the_defaults_host_cuts_short_is_that_of_the_other_hosts():
    full = "Microphone (Realtek High Definition Audio)"
    shown = [
        InputDevice(0, full[:31], "MME", 2, 44100.0, True),
        InputDevice(5, full, "Windows DirectSound", 2, 44100.0, False),
        InputDevice(9, full, "Windows WASAPI", 2, 48000.0, False),
    ]
    assert choose_device(full, shown).index == 5
    assert choose_device(full, shown, "Windows WASAPI").index == 9  # as it was before it was lost
    with pytest.raises(MmerError, match="several sound inputs are called"):
        choose_device(full, [*shown, InputDevice(6, full, "Windows DirectSound", 2, 1.0, False)])


def test_without_any_microphone_files_are_named_as_what_works(sounddevice, monkeypatch):
    monkeypatch.setattr(sounddevice, "query_devices", lambda: DEVICES[:1])
    with pytest.raises(MmerError, match=r"there is no microphone.*media files work"):
        opened()


def test_without_portaudio_the_package_to_install_is_named(monkeypatch):
    real_import = builtins.__import__

    def failing(name, *args, **kwargs):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(MmerError, match=r"apt-get install libportaudio2.*media files work"):
        opened()


@pytest.mark.parametrize(("device", "has", "asked"), [(1, 2, 2), (2, 1, 1), (1, 32, 2)])
def test_16_khz_and_at_most_two_channels_are_asked_for_first(
    sounddevice, monkeypatch, device, has, asked
):
    there = [d | {"max_input_channels": has} if i == device else d for i, d in enumerate(DEVICES)]
    monkeypatch.setattr(sounddevice, "query_devices", lambda: there)
    source = opened(device=device)
    options = sounddevice.stream.options
    assert (options["samplerate"], options["channels"]) == (16_000, asked)
    assert options["dtype"] == "int16"
    assert options["blocksize"] == 320
    assert options["device"] == device
    assert source.streams == {"audio"}
    assert source.name == f"microphone {DEVICES[device]['name']!r}"
    source.close()
    assert sounddevice.stream.closed


@pytest.mark.parametrize(
    ("accepted", "rate", "channels"),
    [((16_000, 1), 16_000, 1), ((48_000, 1), 48_000, 1), ((48_000, 2), 48_000, 2)],
)
def test_a_device_that_refuses_is_opened_as_it_likes_and_resampled(
    sounddevice, accepted, rate, channels
):
    sounddevice.accepted = {accepted}
    source = opened()
    options = sounddevice.stream.options
    assert (options["samplerate"], options["channels"]) == (rate, channels)
    for _ in range(50):
        sounddevice.stream.feed(1000)
    source.stop()
    samples = np.concatenate([m.samples for m in source.messages()])
    assert len(samples) == pytest.approx(16_000, abs=2)
    assert np.median(samples) == pytest.approx(1000, abs=2)


def sound_of(source):
    messages = list(source.messages())
    sound = np.concatenate([m.samples for m in messages if isinstance(m, AudioBlock)])
    return sound, [m.text for m in messages if isinstance(m, Notice)]


def test_channels_that_cancel_each_other_are_noticed_and_one_is_used(sounddevice):
    clock = ManualClock()
    source = Microphone()
    source.open(clock)
    for i in range(250):
        clock.set(0.02 * (i + 1))
        sounddevice.stream.feed([3000, -3000])
    source.stop()
    sound, notices = sound_of(source)
    text = "the channels of its sound cancel each other: channel 1 is used"
    assert notices == [f"microphone 'USB Audio': {text}"]
    assert len(sound) == pytest.approx(5 * 16_000, abs=2)
    assert np.abs(sound[:3200]).max() <= 1  # until it is certain
    assert np.abs(sound[8000:] - 3000).max() <= 1


def test_one_microphone_in_both_channels_is_as_loud_as_alone(sounddevice):
    source = opened()
    for value in range(-30_000, 30_001, 1000):
        sounddevice.stream.feed([value, value])
    source.stop()
    sound, notices = sound_of(source)
    assert not notices
    np.testing.assert_array_equal(sound, np.repeat(np.arange(-30_000, 30_001, 1000), 320))


def test_a_device_that_refuses_everything_is_told(sounddevice):
    sounddevice.accepted = set()
    with pytest.raises(MmerError, match="cannot be opened: Invalid sample rate"):
        opened()


def test_sound_is_copied_stamped_and_drained_after_stop(sounddevice):
    source = opened()
    got = []
    reader = threading.Thread(target=lambda: got.extend(source.messages()))
    reader.start()
    for value in range(1, 31):
        sounddevice.stream.feed(value)
        time.sleep(0.005)
    source.stop()
    source.stop()
    sounddevice.stream.feed(99)  # after the stop: not ours any more
    reader.join(3)
    assert not reader.is_alive()
    assert all(isinstance(m, AudioBlock) for m in got)
    assert [int(m.samples[0]) for m in got] == list(range(1, 31))
    assert all(b.t0 >= 0.0 for b in got)


def test_input_overflow_is_a_stamped_gap(sounddevice):
    source = opened()
    for i in range(40):
        sounddevice.stream.feed(1, overflow=i == 20)
    source.stop()
    gaps = [m for m in source.messages() if isinstance(m, Gap)]
    assert [(g.stream, g.cause) for g in gaps] == [("audio", "input overflow")]
    assert gaps[0].t1 >= gaps[0].t0


def test_a_full_ring_drops_never_waits_and_says_so(sounddevice):
    source = opened(ring_s=0.4)  # 20 buffers
    for _ in range(30):
        sounddevice.stream.feed(1)
    messages = source.messages()
    first = [next(messages) for _ in range(10)]
    assert all(isinstance(m, AudioBlock) for m in first)
    for _ in range(10):
        sounddevice.stream.feed(2)
    source.stop()
    rest = list(messages)
    (gap,) = [m for m in rest if isinstance(m, Gap)]
    assert "ring was full" in gap.cause
    after = rest[rest.index(gap) + 1 :]
    assert after
    assert all(m.samples[0] == 2 for m in after)


@pytest.mark.parametrize("dies", ["silent", "aborted", "never starts"])
def test_a_device_that_dies_is_told_and_ends_it(sounddevice, monkeypatch, dies):
    monkeypatch.setattr(module, "_DEAD_S", 0.3)
    monkeypatch.setattr(module, "_START_S", 0.4)
    source = opened()
    if dies != "never starts":
        for _ in range(15):
            sounddevice.stream.feed(1)
    if dies == "aborted":
        sounddevice.stream.active = False
    *blocks, notice, gap = source.messages()
    assert len(blocks) == (0 if dies == "never starts" else 15)
    assert isinstance(notice, Notice)
    assert (notice.level, notice.about) == ("error", "microphone")
    assert ("never started" in notice.text) == (dies == "never starts")
    assert gap == Gap("audio", blocks[-1].t1 if blocks else 0.0, math.inf, "the microphone stopped")


def test_close_without_open_is_harmless():
    source = Microphone()
    source.stop()
    source.close()


class Unplugged:
    """A microphone in a thread that collects its messages; the fake device can go and return."""

    def __init__(self, sounddevice, monkeypatch, **options):
        monkeypatch.setattr(module, "_DEAD_S", 0.2)
        self.fake = sounddevice
        self.source = opened(**options)
        self.got = []

    def collect(self):
        for message in self.source.messages():
            self.got.append(message)

    def __enter__(self):
        self.thread = threading.Thread(target=self.collect)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.source.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.source.close()

    def feed(self, n, value=1):
        for _ in range(n):
            self.fake.stream.feed(value)
            time.sleep(0.02)

    def wait(self, kind, timeout_s=5.0):
        until = time.monotonic() + timeout_s
        while not any(isinstance(m, kind) for m in self.got):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_microphone_that_was_unplugged_is_opened_again_by_its_name(sounddevice, monkeypatch):
    with Unplugged(sounddevice, monkeypatch, device=2, patience_s=math.inf) as played:
        first = sounddevice.stream
        played.feed(15)
        first.active = False
        monkeypatch.setattr(sounddevice, "query_devices", lambda: DEVICES[:2])
        played.wait(Gap)
        time.sleep(0.5)
        assert sounddevice.stream is first
        # back, with another index
        monkeypatch.setattr(sounddevice, "query_devices", lambda: [*DEVICES[:2], *DEVICES[1:]])
        returned = time.monotonic()
        while sounddevice.stream is first:
            time.sleep(0.01)
        played.feed(20, value=2)
        assert time.monotonic() - returned < 3.0
    got = played.got
    notices = [m for m in got if isinstance(m, Notice)]
    assert [(n.level, n.about) for n in notices] == [
        ("error", "microphone"),
        ("info", "microphone"),
    ]
    assert "waiting for it" in notices[0].text
    assert "is back" in notices[1].text
    endless, gap = [m for m in got if isinstance(m, Gap)]
    before = [m for m in got[: got.index(endless)] if isinstance(m, AudioBlock)]
    after = [m for m in got[got.index(gap) :] if isinstance(m, AudioBlock)]
    assert endless == Gap("audio", before[-1].t1, math.inf, "the microphone stopped")
    assert (gap.t0, gap.t1) == (before[-1].t1, after[0].t0)
    assert gap.t1 - gap.t0 > 0.5
    assert all(m.samples[0] == 2 for m in after)
    assert sounddevice.stream.options["device"] == 3
    assert sounddevice.restarts >= 2
    assert sounddevice.stream.closed


def test_a_microphone_that_does_not_return_in_time_ends(sounddevice, monkeypatch):
    with Unplugged(sounddevice, monkeypatch, patience_s=1.0) as played:
        played.feed(15)
        monkeypatch.setattr(sounddevice, "query_devices", lambda: DEVICES[:1])
        sounddevice.stream.active = False
        began = time.monotonic()
        played.thread.join(5)
        assert 0.9 < time.monotonic() - began < 3.0
    assert sum(isinstance(m, Notice) for m in played.got) == 1


def test_a_microphone_that_opens_and_gives_nothing_is_reported_once(sounddevice, monkeypatch):
    monkeypatch.setattr(module, "_START_S", 0.3)
    with Unplugged(sounddevice, monkeypatch, patience_s=2.5) as played:
        played.feed(15)
        sounddevice.stream.active = False
        played.thread.join(6)
        assert sounddevice.restarts >= 2
    assert sum(isinstance(m, Notice) for m in played.got) == 1
    assert sum(isinstance(m, Gap) for m in played.got) == 1


def test_a_muted_microphone_is_reported_within_3_s_and_once(sounddevice, monkeypatch):
    clock = ManualClock()
    source = Microphone(ring_s=20.0)
    source.open(clock)
    for i in range(500):
        clock.set(0.02 * (i + 1))
        sounddevice.stream.feed(0 if i >= 100 else 5)
    source.stop()
    messages = list(source.messages())
    (notice,) = [m for m in messages if isinstance(m, Notice)]
    assert (notice.level, notice.about) == ("warning", "microphone")
    assert "nothing but zeros" in notice.text
    heard = [m for m in messages[: messages.index(notice)] if isinstance(m, AudioBlock)]
    assert 2.0 < heard[-1].t1 - 2.0 < 3.0


def test_a_dropped_microphone_is_closed_and_its_callback_keeps_nothing_alive(sounddevice):
    source = opened()
    stream, gone = sounddevice.stream, weakref.ref(source)
    del source
    assert gone() is None
    assert stream.closed
    stream.feed(1)


def test_a_microphone_closed_while_it_opens_stays_closed(sounddevice, monkeypatch):
    source = Microphone()
    start = FakeStream.start

    def closed_meanwhile(stream):
        start(stream)
        source.stop()

    monkeypatch.setattr(FakeStream, "start", closed_meanwhile)
    source.open(SessionClock())
    assert sounddevice.stream.closed


def test_sound_that_comes_while_the_clock_starts_anew_has_no_time_of_before(sounddevice):
    class Restarting(ManualClock):
        def now(self):  # the session begins between two readings of the clock
            before, self.starts = super().now(), 2
            return before

    microphone = Microphone()
    microphone.open(Restarting(7.0))
    sounddevice.stream.feed(1)
    assert microphone._ring.buffers.get_nowait().starts == 1  # so it is passed over
    microphone.close()
