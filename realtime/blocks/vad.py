"""Finds utterances: sound in, ``SpeechUpdate`` out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.noise_floor import NoiseFloor, NoiseFloorConfig
from mmer.realtime.blocks.periodicity import Periodicity
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap, Message, SpeechState, SpeechUpdate

FRAME: Final = 320  # samples: 20 ms, one of the lengths that webrtcvad takes
FRAME_S: Final = FRAME / SAMPLE_RATE
START_WINDOW: Final = 2  # the voiced frames of a start may lie within twice their time


@dataclass(frozen=True)
class VoiceConfig:
    """When an utterance begins and ends. All times are rounded to frames of 20 ms.

    A frame is *speech* when webrtcvad says so and its highest bands stand ``margin_db`` above
    the noise floor; it is *voiced* when it is periodic besides. Voice starts an utterance, speech
    carries it on, for ``unvoiced_s`` at most.
    """

    mode: int = 2  # webrtcvad's aggressiveness, 0..3
    margin_db: float = 7.0  # steady noise stays below 6.5
    periodicity: float = 0.6  # normalized autocorrelation 0..1
    start_s: float = 0.1  # voiced time that makes an utterance; anything shorter is a blip
    preroll_s: float = 0.2  # sound taken from before the first voiced frame
    hangover_s: float = 0.3  # pause that ends an utterance
    pause_s: float = 0.14  # pause that is reported, as the utterance's possible end
    unvoiced_s: float = 0.6  # speech without voice that an utterance may hold at a stretch
    tail_s: float = 0.06  # sound kept after the last frame of speech
    longest_s: float = 20.0  # a longer utterance is split
    update_s: float = 0.1  # period of the ONGOING updates
    floor: NoiseFloorConfig = field(default_factory=NoiseFloorConfig)

    def __post_init__(self) -> None:
        """Refuse values that make no sense together."""
        if self.mode not in (0, 1, 2, 3):
            raise MmerError(f"voice activity: mode must be 0, 1, 2 or 3, not {self.mode!r}")
        for name in ("start_s", "hangover_s", "update_s"):
            if getattr(self, name) < FRAME_S:
                raise MmerError(f"voice activity: {name} must be at least {FRAME_S} s")
        if not 0 <= self.tail_s <= self.hangover_s:
            raise MmerError("voice activity: tail_s must lie between 0 and hangover_s")
        if self.pause_s < self.tail_s:
            raise MmerError("voice activity: pause_s must be at least tail_s")
        if self.preroll_s < 0:
            raise MmerError("voice activity: preroll_s must not be negative")
        if self.longest_s < START_WINDOW * self.start_s + self.preroll_s + self.hangover_s:
            raise MmerError(
                "voice activity: longest_s is shorter than start, pre-roll and hangover"
            )


class VoiceState(Enum):
    """Where the detector stands."""

    QUIET = "quiet"
    STARTING = "starting"  # heard a voice, not yet for long enough
    SPEAKING = "speaking"
    STOPPING = "stopping"  # heard a pause, not yet for long enough


class VoiceActivity:
    """AudioBlock and Gap in, SpeechUpdate out; other messages are ignored.

    What comes out depends on the sound and its times alone, not on how it was cut into blocks.
    ``samples`` of an utterance's updates are read-only views of one buffer whose beginning never
    changes, and ENDED holds all that any earlier update held. Lost sound shorter than the hangover
    is filled with zeros, a longer loss ends the utterance.
    """

    def __init__(self, config: VoiceConfig | None = None) -> None:
        self.config = config or VoiceConfig()
        self._start = _frames(self.config.start_s)
        self._hangover = _frames(self.config.hangover_s) * FRAME
        self._pause = _frames(self.config.pause_s) * FRAME
        self._tail = _frames(self.config.tail_s) * FRAME
        self._unvoiced = _frames(self.config.unvoiced_s) * FRAME
        self._longest = _frames(self.config.longest_s) * FRAME
        self._update = _frames(self.config.update_s) * FRAME
        self._preroll = _frames(self.config.preroll_s)
        # Pre-roll and the frames in which the voiced ones of a start are counted.
        self._past: deque[tuple[NDArray[np.int16], bool]] = deque(
            maxlen=self._preroll + START_WINDOW * self._start
        )
        self._floor = NoiseFloor(FRAME, self.config.floor)
        self._periodicity = Periodicity(2 * FRAME)
        self.reset()

    def reset(self) -> None:
        """Forget the stream; utterances count from 1 again."""
        self._vad = _new_vad(self.config.mode)
        self._floor.reset()
        self._utterance = 0
        self._begin(None)

    def push(self, message: Message) -> Sequence[SpeechUpdate]:
        """Take sound or a gap; return the updates that follow from it."""
        if isinstance(message, AudioBlock):
            return self._take(message)
        if isinstance(message, Gap) and message.stream == "audio":
            long = message.t1 - message.t0 > self.config.hangover_s
            return self._break(None) if long else []  # a short one shows in the next block's time
        return []

    def flush(self) -> Sequence[SpeechUpdate]:
        """The stream has ended: end the open utterance."""
        return self._break(None)

    def _begin(self, origin: float | None) -> None:
        """Sound begins at ``origin`` with nothing before it; None: at the next block's time."""
        self._origin = origin
        self._heard = 0  # samples judged since the origin
        self._rest = np.empty(0, np.int16)  # sound that does not fill a frame yet
        self._last = np.zeros(FRAME, np.int16)  # the frame before
        self._past.clear()
        self.state = VoiceState.QUIET

    def _break(self, origin: float | None) -> list[SpeechUpdate]:
        """The sound stops here: judge the unfinished frame, end what is open, begin anew."""
        out = self._frame(self._rest) if len(self._rest) else []
        if self.state in (VoiceState.SPEAKING, VoiceState.STOPPING):
            out += self._end()
        self._begin(origin)
        return out

    def _take(self, block: AudioBlock) -> list[SpeechUpdate]:
        out: list[SpeechUpdate] = []
        samples = np.asarray(block.samples, dtype=np.int16)
        if self._origin is None:
            self._origin = block.t0
        late_s = block.t0 - self._time(self._heard + len(self._rest))
        if abs(late_s) > self.config.hangover_s:
            out += self._break(block.t0)
        elif late_s > FRAME_S:
            lost = np.zeros(round(late_s * SAMPLE_RATE), np.int16)
            samples = np.concatenate([lost, samples])
        elif late_s < -FRAME_S:  # dated back into what was heard already: one moment, one sound
            samples = samples[round(-late_s * SAMPLE_RATE) :]
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) - len(sound) % FRAME
        for i in range(0, whole, FRAME):
            out += self._frame(sound[i : i + FRAME])
        self._rest = sound[whole:]
        return out

    def _time(self, sample: int) -> float:
        """Capture time of a sample counted from the origin."""
        return (self._origin or 0.0) + sample / SAMPLE_RATE

    def _frame(self, frame: NDArray[np.int16]) -> list[SpeechUpdate]:
        """Judge one frame (the last of the sound may be short) and move between the states."""
        speech, voiced = self._judge(frame)
        self._heard += len(frame)
        if self.state in (VoiceState.QUIET, VoiceState.STARTING):
            return self._wait(frame, voiced)
        self._append(frame)
        out: list[SpeechUpdate] = []
        if voiced:
            self._voice_end = self._size
        if speech and self._size - self._voice_end <= self._unvoiced:
            self.state = VoiceState.SPEAKING
            self._speech_end = self._size
            out = self._report()
        else:
            self.state = VoiceState.STOPPING
            if self._size - self._speech_end == self._pause < self._hangover:
                out = self._report_pause()
        if self._size - self._speech_end >= self._hangover:
            return out + self._end()
        if self._size + FRAME > self._longest:
            goes_on = self.state is VoiceState.SPEAKING
            out += self._end()
            if goes_on:
                self._open()
        return out

    def _judge(self, frame: NDArray[np.int16]) -> tuple[bool, bool]:
        """Whether the frame is speech, and whether it is voiced (see ``VoiceConfig``)."""
        full = np.zeros(FRAME, np.int16)
        full[: len(frame)] = frame
        stands_out = self._floor.excess_db(full) >= self.config.margin_db
        # webrtcvad adapts, so it must hear every frame.
        speech = self._vad.is_speech(full.tobytes(), SAMPLE_RATE) and stands_out
        both = np.concatenate([self._last, full])
        self._last = full
        return speech, speech and self._periodicity(both) > self.config.periodicity

    def _wait(self, frame: NDArray[np.int16], voiced: bool) -> list[SpeechUpdate]:
        """No utterance is open: remember the frame and see whether there is enough voice."""
        self._past.append((frame, voiced))
        window = [v for _, v in self._past][-START_WINDOW * self._start :]
        self.state = VoiceState.STARTING if any(window) else VoiceState.QUIET
        if sum(window) < self._start:
            return []
        first = len(self._past) - len(window) + window.index(True)
        sound = np.concatenate([f for f, _ in self._past][max(0, first - self._preroll) :])
        self._open(already=len(sound))
        self._append(sound)
        self._speech_end = self._voice_end = self._size
        return self._report()

    def _open(self, already: int = 0) -> None:
        """An utterance begins ``already`` samples ago; its first report announces it."""
        self.state = VoiceState.SPEAKING
        self._buffer = np.empty(self._longest, np.int16)
        self._first = self._heard - already
        self._size = 0  # samples in the buffer
        self._speech_end = 0  # of them, up to the last frame of speech
        self._voice_end = 0  # of them, up to the last voiced frame
        self._reported = 0  # of them, in the newest STARTED or ONGOING

    def _append(self, frame: NDArray[np.int16]) -> None:
        self._buffer[self._size : self._size + len(frame)] = frame
        self._size += len(frame)

    def _report(self) -> list[SpeechUpdate]:
        """STARTED at first, then ONGOING once in a period."""
        if self._reported == 0:
            self._utterance += 1
            self._reported = self._size
            return [self._say(SpeechState.STARTED, self._size)]
        if self._size - self._reported >= self._update:
            self._reported = self._size
            return [self._say(SpeechState.ONGOING, self._size)]
        return []

    def _report_pause(self) -> list[SpeechUpdate]:
        """PAUSED with the sound that ENDED will hold if no more speech comes."""
        if self._reported == 0:
            return []
        return [self._say(SpeechState.PAUSED, self._speech_end + self._tail)]

    def _end(self) -> list[SpeechUpdate]:
        """The utterance ends a little after its last speech; the rest is past again."""
        self.state = VoiceState.QUIET
        self._past.clear()
        size = min(self._size, self._speech_end + self._tail)
        for i in range(size, self._size, FRAME):
            self._past.append((self._buffer[i : min(i + FRAME, self._size)], False))
        # After a split there may have come nothing more.
        return [self._say(SpeechState.ENDED, size)] if self._reported else []

    def _say(self, state: SpeechState, size: int) -> SpeechUpdate:
        samples = self._buffer[:size]
        samples.flags.writeable = False
        return SpeechUpdate(
            utterance=self._utterance,
            t0=self._time(self._first),
            t1=self._time(self._first + size),
            state=state,
            samples=samples,
            decided=self._time(self._heard),
        )


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)


def _new_vad(mode: int) -> Any:
    try:
        import webrtcvad
    except ImportError as error:
        raise MmerError("voice activity needs webrtcvad: pip install webrtcvad-wheels") from error
    return webrtcvad.Vad(mode)
