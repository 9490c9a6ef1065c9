"""Media source: a file or address in any container, both streams on one timeline."""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import Gap, Notice, Stream
from mmer.realtime.pacing import Captured, captured_at
from mmer.realtime.sources.address import is_url, resolved, shown
from mmer.realtime.sources.frame_size import LARGEST_PX, limit
from mmer.realtime.sources.jumps import Jumps
from mmer.realtime.sources.pipe import PIPES_CAN_WAIT, Pipe
from mmer.realtime.sources.reader import Reader, choose_streams, open_container, pixel_aspect
from mmer.realtime.sources.released import Released
from mmer.realtime.sources.resample import is_rate
from mmer.realtime.sources.riff import cut_short
from mmer.realtime.sources.source import Source
from mmer.realtime.sources.tracks import AudioTrack, VideoTrack, in_order

if TYPE_CHECKING:
    import av

BOTH: Final[frozenset[Stream]] = frozenset({"audio", "video"})
_WORDS: Final[dict[Stream, str]] = {"audio": "sound", "video": "picture"}
_TRUSTED_LENGTH: Final = {"mov", "matroska", "avi", "flac"}  # others estimate it
_FROM_0: Final = {"matroska", "nut"}  # their duration counts from 0, not from the first frame
_SHORT_S: Final = 0.5  # an end this much before the declared one is reported
_PRIME_S: Final = 5.0
_CLOSE_S: Final = 1.0  # how long a read is waited for


class MediaFile(Source):
    """A media file, or an address that FFmpeg can play (http, rtsp, ...).

    Second 0 is the earliest first frame of the file's sound and video, whichever of them is
    ``wanted``, or ``zero_s`` of the file's own count; their offset is
    kept. Sound comes as 16 kHz mono in blocks of ``block_s`` (the last may be shorter), frames
    upright in BGR, at most ``video_fps`` a second (None = all); those of more than ``largest_px``
    pixels are not decoded.
    Messages come as fast as they are decoded, in order of availability: a block when its last
    sample is over, a frame at its time. A stream that the file lacks is a ``Gap`` to infinity.

    A local file is opened once a stream, so that no interleaving, however coarse, fills memory;
    an address or a pipe is read once.
    """

    live = False
    streams: frozenset[Stream] = frozenset()
    duration_s: float | None = None

    def __init__(
        self,
        path: str | Path,
        video_fps: float | None = 20.0,
        block_s: float = 0.02,
        wanted: frozenset[Stream] = BOTH,
        zero_s: float | None = None,
        largest_px: int = LARGEST_PX,
    ) -> None:
        self._address = resolved(str(path))
        self._url = is_url(self._address)
        self.name = shown(self._address) if self._url else Path(self._address).name
        self._wanted = wanted
        self._tracks: dict[Stream, Any] = {
            "audio": AudioTrack(block_s),
            "video": VideoTrack(video_fps, largest_px),
        }
        self._containers: list[av.container.InputContainer] = []
        self._readers: list[Reader] = []
        self._pipe = False
        self._opened_pipe: Pipe | None = None
        self._given_zero = zero_s
        self._largest_px = largest_px
        self._zero = 0.0
        self._declared: float | None = None
        self._before: list[Captured] = []  # what is known before the first frame
        self._damaged = False
        self._stopped = threading.Event()
        self._released = Released(self._release, _CLOSE_S)

    def open(self, clock: Clock) -> None:
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    def _open(self) -> None:
        once = self._url
        if not self._url:
            self._check_path()
            once = self._pipe = not Path(self._address).is_file()  # cannot be read twice
        container = self._open_container()
        found = choose_streams(container)
        if not found:
            raise MmerError(
                f"{self.name} has neither sound nor picture ({_contents(container)}); "
                "give a file with speech or a face"
            )
        wanted = {kind: i for kind, i in found.items() if kind in self._wanted}
        if not wanted:
            raise MmerError(
                f"{self.name} has no {_listed(self._wanted)}, which is all that was asked for; "
                f"it has {_WORDS[next(iter(found))]}"
            )
        errors = self._prime(container, found, once)
        if "video" in self.streams:
            video = container.streams[found["video"]]
            self._tracks["video"].pixel_aspect = pixel_aspect(video)
        for kind in sorted(self._wanted - self.streams):
            if kind not in found:
                cause = f"no {_WORDS[kind]} in the source"
            else:
                cause = f"no {_WORDS[kind]} could be decoded"
                why = f" ({errors[kind]})" if errors.get(kind) else ""
                what = f"its {_WORDS[kind]} cannot be decoded{why}"
                self._before.append(self._notice(0.0, what))
            self._before.append(Gap(kind, 0.0, math.inf, cause))

    def _check_path(self) -> None:
        path = Path(self._address)
        try:
            exists, is_file = path.exists(), path.is_file()
            size = path.stat().st_size if is_file else None
        except (OSError, ValueError) as error:  # name too long, a NUL in it, no permission
            raise MmerError(f"{self.name!r} cannot be opened: {error}") from error
        if not exists:
            raise MmerError(f"no such file: {self._address}")
        if path.is_dir():
            raise MmerError(f"{self._address} is a directory; give a media file in it")
        if size == 0:
            raise MmerError(f"{self._address} is empty (0 bytes); expected a media file")
        # absolute, so that FFmpeg takes no colon in the name for a protocol
        self._address = str(path.absolute())

    def _open_container(self) -> av.container.InputContainer:
        import av

        try:
            if self._pipe and PIPES_CAN_WAIT:
                self._opened_pipe = Pipe(self._address, self._stopped)
            container = open_container(
                self._opened_pipe or self._address, self._url, self._largest_px
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MmerError(self._why_unreadable(error)) from error
        self._containers.append(container)
        return container

    def _why_unreadable(self, error: Exception) -> str:
        reason = getattr(error, "strerror", None) or str(error)
        if self._url:
            return f"cannot open {self.name}: {reason}; check the address and the network"
        if isinstance(error, PermissionError):
            return f"{self.name} may not be read: {reason}; check its permissions"
        advice = "expected audio or video such as mp4, mkv, wav or mp3"
        if self._pipe:  # what it held has been read
            return f"{self.name} gives no media that can be read ({reason}); {advice}"
        try:
            with open(self._address, "rb") as file:
                head = file.read(4096)
        except OSError as cannot:
            return f"{self.name} cannot be read: {cannot.strerror}"
        if head[4:8] in (b"ftyp", b"mdat", b"moov", b"free", b"wide"):
            return (
                f"{self.name} was cut short: its index (moov) is missing or damaged, without "
                "which nothing can be decoded; copy or record it again"
            )
        if _is_text(head):
            return f"{self.name} is a text file; {advice}"
        return f"{self.name} is no media file that can be read ({reason}); {advice}"

    def _prime(
        self, container: av.container.InputContainer, found: dict[Stream, int], once: bool
    ) -> dict[Stream, str]:
        """Decode each stream's first frame, which sets second 0, and keep the wanted readers.

        Returns what was wrong with a stream.
        """
        if once:
            readers = [Reader(container, found, self._largest_px)]
        else:
            opened = [container, *(self._open_container() for _ in range(len(found) - 1))]
            pairs = zip(opened, found.items(), strict=True)
            readers = [Reader(c, {kind: index}, self._largest_px) for c, (kind, index) in pairs]
        first: dict[Stream, float] = {}
        errors: dict[Stream, str] = {}
        for reader in readers:
            reader.prime(_PRIME_S)
            first |= reader.first
            errors |= reader.errors
        self.streams = frozenset(first) & self._wanted
        if not self.streams:
            what = "nothing" if not first else f"no {_listed(self._wanted)}"
            why = next((r.error for r in readers if r.error), "no frames")
            smaller = ", in smaller frames" if limit(self._largest_px) in why else ""
            raise MmerError(
                f"{what} in {self.name} can be decoded ({why}): it was cut short or damaged; "
                f"copy or record it again{smaller}"
            )
        self._zero = min(first.values()) if self._given_zero is None else self._given_zero
        if self._given_zero is not None and "audio" in first:
            self._tracks["audio"].begin(max(0.0, first["audio"] - self._zero))
        self._readers = [r for r in readers if self.streams & set(r.first)]
        for reader in self._readers:
            reader.keep(self.streams)
        if container.duration:
            self.duration_s = max(0.0, _end(container) - self._zero)
        self._declared = self._declared_end(container, found)
        return errors

    def _declared_end(
        self, container: av.container.InputContainer, found: dict[Stream, int]
    ) -> float | None:
        """When the wanted streams end by the container's word; None if it only guesses."""
        if not _TRUSTED_LENGTH & _formats(container) or _is_estimate(container):
            return None
        ends = []
        for kind in self.streams:
            stream = container.streams[found[kind]]
            if not stream.duration or not stream.time_base:
                # Matroska has one length for all
                return self.duration_s if self.streams == set(found) else None
            ends.append(((stream.start_time or 0) + stream.duration) * float(stream.time_base))
        return max(ends) - self._zero

    def messages(self) -> Iterator[Captured]:
        yield from self._before
        end = 0.0
        jumps = Jumps(self.name)
        merged = heapq.merge(*(self._converted(r) for r in self._readers), key=captured_at)
        while (message := self._next(merged)) is not None:
            end = max(end, captured_at(message))
            yield from jumps.bounded(message)
        if self._damaged or self._stopped.is_set():
            return
        if self._declared is not None and end + _SHORT_S < self._declared:
            what = f"it ends at {end:.1f} of {self._declared:.1f} s, cut short"
            yield self._notice(end - jumps.shift_s, what)
        elif not self._url and cut_short(self._address):
            what = f"it ends at {end:.1f} s, cut short by its own header"
            yield self._notice(end - jumps.shift_s, what)

    def _next(self, messages: Iterator[Captured]) -> Captured | None:
        """The next message; None at the end and once stopped."""
        with self._released.reading():
            return None if self._stopped.is_set() else next(messages, None)

    def _converted(self, reader: Reader) -> Iterator[Captured]:
        return in_order(self._convert(reader), set(reader.first) & self.streams)

    def _convert(self, reader: Reader) -> Iterator[tuple[Stream, Captured]]:
        import av

        unconverted: set[Stream] = set()
        for kind, raw, item in reader:
            if self._stopped.is_set():
                return
            if kind not in self.streams:
                continue
            if isinstance(item, str):
                self._damaged = True
                what = f"its {_WORDS[kind]} {item}"
                yield kind, self._notice(self._tracks[kind].end, what)
                continue
            try:
                for message in self._tracks[kind].push(max(0.0, raw - self._zero), item):
                    yield kind, message
            except (av.FFmpegError, ValueError) as error:  # a frame that cannot be converted
                if kind not in unconverted:
                    self._damaged = True
                    unconverted.add(kind)
                    what = f"its {_WORDS[kind]} cannot be decoded here ({error})"
                    yield kind, self._notice(self._tracks[kind].end, what)
            for text in self._tracks[kind].reports():
                end = self._tracks[kind].end
                yield kind, Notice(end, "warning", "source", f"{self.name}: {text}")
        for kind in sorted(set(reader.first) & self.streams):
            track = self._tracks[kind]
            for message in track.finish():
                yield kind, message
            if self.duration_s is not None and track.end + _SHORT_S < self.duration_s:
                yield kind, Gap(kind, track.end, math.inf, f"the {_WORDS[kind]} has ended")

    def _notice(self, t: float, what: str) -> Notice:
        return Notice(t, "warning", "source", f"{self.name}: {what}; what can be decoded is used")

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._released.close()

    def _release(self) -> None:
        self._readers = []
        while self._containers:
            self._containers.pop().close()
        if self._opened_pipe is not None:
            self._opened_pipe.close()


def _formats(container: av.container.InputContainer) -> set[str]:
    return set(container.format.name.split(","))


def _end(container: av.container.InputContainer) -> float:
    """End of a file whose duration is known, in seconds of its own count."""
    start, duration = (container.start_time or 0) / 1e6, (container.duration or 0) / 1e6
    from_0 = _FROM_0 & _formats(container) and not _is_estimate(container)
    # writers that count from the first frame are told apart where nothing else makes sense
    return duration if from_0 and duration > start else start + duration


def _is_estimate(container: av.container.InputContainer) -> bool:
    """Whether the duration is FFmpeg's guess by the bit rate: of Matroska, written to a pipe.

    Matroska has one duration for all streams, so FFmpeg knows a stream's only by guessing.
    """
    return "matroska" in _formats(container) and any(
        s.duration is not None and s.start_time is not None for s in container.streams
    )


def _listed(kinds: frozenset[Stream]) -> str:
    return " and ".join(_WORDS[kind] for kind in sorted(kinds))


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "replace")
    return sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text)


def _contents(container: av.container.InputContainer) -> str:
    kinds = []
    for s in container.streams:
        unknown = s.type in _WORDS and not s.codec_context
        rate = getattr(s.codec_context, "sample_rate", 0) if s.type == "audio" else 0
        odd = "" if is_rate(rate) else f" at {rate} Hz"
        kinds.append(f"{s.type} of an unknown kind" if unknown else f"{s.type}{odd}")
    return "it holds: " + ", ".join(kinds) if kinds else "it holds no streams"
