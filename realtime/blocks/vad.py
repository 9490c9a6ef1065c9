"""Voice activity detection: sound in, utterances (``SpeechUpdate``) out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.patience import Patience
from mmer.realtime.blocks.speech_detector import FRAME, FRAME_S, SpeechDetector
from mmer.realtime.blocks.webrtc_detector import WebRtcDetector
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap, Message, SpeechState, SpeechUpdate

START_WINDOW: Final = 2  # the voiced frames of a start may lie within twice their time


@dataclass(frozen=True)
class VadConfig:
    """When an utterance begins and ends. All times are rounded to frames of 20 ms.

    Voiced frames start an utterance, speech carries it on, for ``unvoiced_s`` at most.
    """

    start_s: float = 0.1  # voiced time that makes an utterance; anything shorter is a blip
    preroll_s: float = 0.2  # sound taken from before the first voiced frame
    hangover_s: float = 0.3  # pause that ends an utterance; of ``adaptive``, to begin with
    adaptive: bool = False  # it follows the speaker's pauses and the noise (``Patience``)
    early_s: float = 0.06  # silence after which recognition of a possible end begins
    pause_s: float = 0.14  # pause that is reported, as the utterance's possible end
    unvoiced_s: float = 0.6  # speech without voice that an utterance may hold at a stretch
    tail_s: float = 0.06  # sound kept after the last frame of speech
    longest_s: float = 20.0  # a longer utterance is split
    update_s: float = 0.1  # period of the ONGOING updates

    def __post_init__(self) -> None:
        for name in ("start_s", "hangover_s", "update_s"):
            if getattr(self, name) < FRAME_S:
                raise MmerError(f"voice activity: {name} must be at least {FRAME_S} s")
        if not 0 <= self.tail_s <= self.hangover_s:
            raise MmerError("voice activity: tail_s must lie between 0 and hangover_s")
        for name in ("early_s", "pause_s"):
            if getattr(self, name) < self.tail_s:
                raise MmerError(f"voice activity: {name} must be at least tail_s")
        if self.preroll_s < 0:
            raise MmerError("voice activity: preroll_s must not be negative")
        if self.longest_s < START_WINDOW * self.start_s + self.preroll_s + self.hangover_s:
            raise MmerError(
                "voice activity: longest_s is shorter than start, pre-roll and hangover"
            )


class VadState(Enum):
    """State between silence and speech."""

    QUIET = "quiet"
    STARTING = "starting"  # a voice, not yet for long enough
    SPEAKING = "speaking"
    STOPPING = "stopping"  # a pause, not yet for long enough


class Vad(Block):
    """AudioBlock, Gap -> SpeechUpdate.

    What comes out depends on the sound and its times alone, not on how it was cut into blocks.
    ``samples`` of an utterance's updates are read-only views of one buffer whose beginning never
    changes, and ENDED holds all that any earlier update held. Lost sound shorter than the hangover
    is filled with zeros, a longer loss ends the utterance.

    Args:
        config: times.
        detector: of speech in 20 ms frames; default: ``WebRtcDetector``.
    """

    _speech_end: int  # samples of the utterance up to the last frame of speech
    _reported: int
    _noise_before: float | None  # when the utterance began

    def __init__(
        self, config: VadConfig | None = None, detector: SpeechDetector | None = None
    ) -> None:
        self.config = config or VadConfig()
        self._detector = WebRtcDetector() if detector is None else detector
        self._start = _frames(self.config.start_s)
        self._hangover = _frames(self.config.hangover_s) * FRAME
        self._patience = Patience(self.config.hangover_s) if self.config.adaptive else None
        self._early = _frames(self.config.early_s) * FRAME
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
        self.reset()

    def reset(self) -> None:
        """Forget the stream; utterances count from 1 again."""
        self._detector.reset()
        if self._patience is not None:
            self._patience.reset()
        self._utterance = 0
        self._begin(None)

    def push(self, message: Message) -> Sequence[SpeechUpdate]:
        if isinstance(message, AudioBlock):
            return self._take(message)
        if isinstance(message, Gap) and message.stream == "audio":
            long = message.t1 - message.t0 > self.config.hangover_s
            return self._break(None) if long else []  # a short one shows in the next block's time
        return []

    def flush(self) -> Sequence[SpeechUpdate]:
        return self._break(None)

    def _begin(self, origin: float | None) -> None:
        """Sound begins at ``origin`` with nothing before it; None: at the next block's time."""
        self._forget(origin)
        self._detector.interrupt()

    def cut(self) -> None:
        """As after a gap, without the detector, which has failed."""
        self._forget(None)

    def _forget(self, origin: float | None) -> None:
        self._origin = origin
        self._done = 0  # samples processed since the origin
        self._ended_at: int | None = None  # of them, at the end of the last utterance's speech
        self._rest = np.empty(0, np.int16)  # sound that does not fill a frame yet
        self._past.clear()
        self.state = VadState.QUIET

    def _break(self, origin: float | None) -> list[SpeechUpdate]:
        """The sound stops here: process the unfinished frame, end what is open, begin anew."""
        out = self._frame(self._rest) if len(self._rest) else []
        if self.state in (VadState.SPEAKING, VadState.STOPPING):
            out += self._end()
        self._begin(origin)
        return out

    def _take(self, block: AudioBlock) -> list[SpeechUpdate]:
        out: list[SpeechUpdate] = []
        samples = np.asarray(block.samples, dtype=np.int16)
        if self._origin is None:
            self._origin = block.t0
        late_s = block.t0 - self._time(self._done + len(self._rest))
        if abs(late_s) > self.config.hangover_s:
            out += self._break(block.t0)
        elif late_s > FRAME_S:
            lost = np.zeros(round(late_s * SAMPLE_RATE), np.int16)
            samples = np.concatenate([lost, samples])
        elif late_s < -FRAME_S:  # overlaps the sound before: one moment, one sound
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
        """Process one frame (the last of the sound may be short): change state, report."""
        full = np.zeros(FRAME, np.int16)
        full[: len(frame)] = frame
        speech, voiced = self._detector.detect(full)
        self._done += len(frame)
        if self.state in (VadState.QUIET, VadState.STARTING):
            return self._wait(frame, voiced)
        self._append(frame)
        out: list[SpeechUpdate] = []
        if voiced:
            self._voice_end = self._size
        if speech and self._size - self._voice_end <= self._unvoiced:
            if self.state is VadState.STOPPING:
                self._went_on(self._size - len(frame) - self._speech_end)
            self.state = VadState.SPEAKING
            self._speech_end = self._size
            out = self._report()
        else:
            if self.state is VadState.SPEAKING and self._patience is not None:
                self._hangover = _frames(self._patience.wait_s(self._noise_dbfs())) * FRAME
            self.state = VadState.STOPPING
            silence = self._size - self._speech_end
            if silence in (self._early, self._pause) and silence < self._hangover:
                out = self._stop(silence)
        if self._size - self._speech_end >= self._hangover:
            return out + self._end()
        if self._size + FRAME > self._longest:
            goes_on = self.state is VadState.SPEAKING
            out += self._end()
            if goes_on:
                self._open()
        return out

    def _wait(self, frame: NDArray[np.int16], voiced: bool) -> list[SpeechUpdate]:
        """No utterance is open: store the frame and check whether there is enough voice."""
        self._past.append((frame, voiced))
        window = [v for _, v in self._past][-START_WINDOW * self._start :]
        self.state = VadState.STARTING if any(window) else VadState.QUIET
        if sum(window) < self._start:
            return []
        first = len(self._past) - len(window) + window.index(True)
        if self._ended_at is not None:
            since = len(self._past) - first  # frames since the first voiced one
            self._went_on(self._done - since * FRAME - self._ended_at)
        sound = np.concatenate([f for f, _ in self._past][max(0, first - self._preroll) :])
        self._open(already=len(sound))
        self._append(sound)
        self._speech_end = self._voice_end = self._size
        return self._report()

    def _noise_dbfs(self) -> float | None:
        """Level of the background: speech that fills the detector's window is none of it."""
        now, before = self._detector.noise_dbfs, self._noise_before
        return now if now is None or before is None else min(now, before)

    def _went_on(self, pause: int) -> None:
        """Speech goes on after a pause of so many samples."""
        if self._patience is not None:
            self._patience.went_on(pause / SAMPLE_RATE)

    def _open(self, already: int = 0) -> None:
        """An utterance begins ``already`` samples ago; its first report announces it."""
        self.state = VadState.SPEAKING
        self._buffer = np.empty(self._longest, np.int16)
        self._noise_before = None if self._patience is None else self._detector.noise_dbfs
        self._first = self._done - already
        self._size = 0  # samples in the buffer
        self._speech_end = 0  # of them, up to the last frame of speech
        self._voice_end = 0  # of them, up to the last voiced frame
        self._reported = 0  # of them, in the newest STARTED or ONGOING

    def _append(self, frame: NDArray[np.int16]) -> None:
        self._buffer[self._size : self._size + len(frame)] = frame
        self._size += len(frame)

    def _report(self) -> list[SpeechUpdate]:
        """STARTED at first, then ONGOING once in a period."""
        first = self._reported == 0
        if not first and self._size - self._reported < self._update:
            return []
        self._utterance += first
        self._reported = self._size
        return [self._make(SpeechState.STARTED if first else SpeechState.ONGOING, self._size)]

    def _stop(self, silence: int) -> list[SpeechUpdate]:
        """A possible end: with the sound that ENDED will hold if no more speech comes."""
        if not self._reported:
            return []
        state = SpeechState.PAUSED if silence == self._pause else SpeechState.STOPPING
        return [self._make(state, self._speech_end + self._tail)]

    def _end(self) -> list[SpeechUpdate]:
        """The utterance ends a little after its last speech; the rest is past again."""
        self.state = VadState.QUIET
        self._past.clear()
        self._ended_at = self._first + self._speech_end
        size = min(self._size, self._speech_end + self._tail)
        for i in range(size, self._size, FRAME):
            self._past.append((self._buffer[i : min(i + FRAME, self._size)], False))
        # After a split there may have come nothing more.
        return [self._make(SpeechState.ENDED, size)] if self._reported else []

    def _make(self, state: SpeechState, size: int) -> SpeechUpdate:
        samples = self._buffer[:size]
        samples.flags.writeable = False
        return SpeechUpdate(
            utterance=self._utterance,
            t0=self._time(self._first),
            t1=self._time(self._first + size),
            state=state,
            samples=samples,
            decided=self._time(self._done),
        )


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)
