"""`mmer-bench serve`: a server and its clients on this machine."""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmer.benchmarks.harness.command import Asr, Outputs, Say, check_ranges
from mmer.benchmarks.harness.machine import load_psutil
from mmer.benchmarks.harness.networks import shipped
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.rows import delay_row
from mmer.benchmarks.report.statistics import summarise
from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import Flag
from mmer.realtime.demo import clip
from mmer.realtime.serve.limits import Limits
from mmer.realtime.sinks.extras import load_package

if TYPE_CHECKING:
    from mmer.benchmarks.serve.players import Material, Played

SESSIONS_MS: Final = 350.0
PAGE_MS: Final = 200.0
ABUSED_MS: Final = 1000.0
FLAT_MB: Final = 10.0
ABUSED: Final = 4  # good clients beside the abusive ones
FIRST_S: Final = 2.0
READY_S: Final = 60.0
_SERVE: Final = (sys.executable, "-c", "from mmer.realtime.commands.serve import main; main()")


@dataclass(frozen=True, kw_only=True)
class Serve(Outputs):
    """Delays of a server's sessions, its memory, and what abusive clients cost the good ones.

    The server is a process of its own, for the abuse one of as many sessions as by default;
    clients, and Chromium with --page, run beside it on the same cores. Good clients play the demo's
    face and voice in real time. A delay is from a picture's capture to the arrival of the
    first line that rests on it, on the client's clock.
    """

    sessions: int = 8
    """Sessions at once."""
    seconds: int = 30
    """Length of each run."""
    fps: float = 10.0
    """Pictures a second of each session."""
    asr: Asr = "none"
    """Speech recognizer, as in mmer-live."""
    opened: int = 200
    """Sessions opened and closed, one after the other."""
    abusive: int = 24
    """Abusive clients beside four good ones."""
    fuzzed: int = 20_000
    """Fuzzed messages."""
    page: Flag = False
    """Measure the page too, in Chromium."""
    ray: Flag = False
    """Measure the same sessions on Ray Serve too: two replicas and one with the networks."""
    kills: int = 5
    """With --ray: replicas that get SIGKILL."""
    encoders: int = 1
    """With --ray: replicas that run networks; 0: those that hold the sessions do."""

    def check(self) -> None:
        super().check()
        check_ranges(
            ("--sessions", self.sessions, 1, 64),
            ("--seconds", self.seconds, 3, 3600),
            ("--fps", self.fps, 1, 60),
            ("--opened", self.opened, 0, 100_000),
            ("--abusive", self.abusive, 0, 64),
            ("--fuzzed", self.fuzzed, 0, 10_000_000),
            ("--kills", self.kills, 0, 1000),
            ("--encoders", self.encoders, 0, 64),
        )
        try:
            import starlette  # noqa: F401
        except ImportError as error:
            raise MmerError("mmer-bench serve needs pip install 'mmer-live[serve]'") from error
        if self.ray:
            load_package("ray.serve", "ray", "--ray")
        if self.page:
            from mmer.benchmarks.serve.browser import CHROMIUM

            if not CHROMIUM:
                raise MmerError("--page needs Chromium: sudo apt-get install -y chromium")

    def run(self, say: Say) -> Report:
        from mmer.benchmarks.serve.players import Material, open_and_close

        say("decoding the demo")
        material = Material.of(clip(), self.fps)
        rows: list[Row] = []
        with server(self.asr) as running:
            rows.append(Row("ready_s", "start to address", f"{running.ready_s:.1f} s",
                            values={"s": running.ready_s}))  # fmt: skip
            say(f"{self.sessions} sessions for {self.seconds} s")
            alone, found = sessions_rows(running, material, self.sessions, self.seconds)
            rows += found
            if self.page:
                say(f"the page for {self.seconds} s")
                rows.append(page_row(running.url, self.seconds))
            if self.opened:
                say(f"{self.opened} sessions, one after the other")
                open_and_close(running.url, min(20, self.opened))
                before = running.memory_mb()
                open_and_close(running.url, self.opened)
                rows.append(memory_row(before, running.memory_mb(), self.opened))
            if self.fuzzed:
                say(f"{self.fuzzed} fuzzed messages")
                rows += fuzz_rows(running, material, self.fuzzed, self.seconds)
        if self.abusive:
            say(f"{self.abusive} abusive clients for {self.seconds} s")
            with server(self.asr, Limits.max_sessions) as running:
                rows += abuse_rows(running, material, self.abusive, self.seconds)
        if self.ray:
            rows += self._ray_rows(say, material, alone)
        return Report(
            kind="serve",
            models=shipped(),
            title=f"mmer-bench serve: {self.sessions} sessions, {self.fps:g} pictures a second, "
            f"asr: {self.asr}",
            settings=self.settings(),
            clip={"seconds": round(material.seconds, 1)},
            rows=rows,
        )

    def _ray_rows(self, say: Say, material: Material, alone: Sequence[Played]) -> list[Row]:
        from mmer.benchmarks.serve.ray_rows import added_row, ray_server, resumed_row

        with ray_server(self.asr, replicas=2, encoders=self.encoders) as running:
            say(f"{self.sessions} sessions on Ray for {self.seconds} s")
            on_ray = play(running.url, material, self.sessions, self.seconds)
            rows = [added_row(alone, on_ray)]
            if self.kills:
                say(f"{self.kills} replicas killed")
                rows.append(resumed_row(running, self.kills))
        return rows


class Running:
    """A server process."""

    def __init__(self, process: subprocess.Popen[str], url: str, ready_s: float) -> None:
        self.url, self.ready_s = url, ready_s
        self._process = process

    def memory_mb(self) -> float:
        """Resident memory."""
        return float(load_psutil().Process(self._process.pid).memory_info().rss) / 2**20

    def cpu_s(self) -> float:
        """Processor time so far."""
        times = load_psutil().Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def alive_row(self, what: str, key: str = "alive") -> Row:
        """Whether it still answers."""
        try:
            with urllib.request.urlopen(f"{self.url.split('?')[0]}healthz", timeout=10) as answer:
                alive = answer.status == 200
        except OSError:
            alive = False
        return Row(key, f"the server answers {what}", "yes" if alive else "no", "yes", alive)


@contextmanager
def server(asr: str, sessions: int = 64) -> Iterator[Running]:
    """A server of so many sessions, a process of its own; raises MmerError if it does not start."""
    arguments = ["--port", "0", "--token", secrets.token_hex(12), "--offline", "--asr", asr]
    began = time.monotonic()
    process = subprocess.Popen(
        [*_SERVE, *arguments, "--max-sessions", str(sessions)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise MmerError("mmer-serve did not start: its message is above")
        yield Running(process, url, time.monotonic() - began)
        process.send_signal(signal.SIGINT)
        process.wait(READY_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def play(url: str, material: Material, count: int, seconds: float) -> list[Played]:
    """What ``count`` good clients saw."""
    from mmer.benchmarks.serve.players import Player

    players = [Player(url, material, seconds, 0.37 * k) for k in range(count)]
    for player in players:
        player.start()
    return [player.join() for player in players]


def sessions_rows(
    running: Running, material: Material, count: int, seconds: float
) -> tuple[list[Played], list[Row]]:
    """What ``count`` sessions saw: delays, losses and cost."""
    before = running.cpu_s()
    played = play(running.url, material, count, seconds)
    # of what all of them played: they begin one after the other, and the last lines come later
    cpu = (running.cpu_s() - before) / seconds
    what = f"capture to line, {count} sessions"
    return played, [
        _delays("capture_to_line", what, played, SESSIONS_MS),
        _lost("lost", f"sessions that lost a line or broke off, of {count}", played),
        Row(
            "cpu", "processor time of the server", f"{cpu:.2f} CPU s/s", values={"cpu_s_per_s": cpu}
        ),
    ]


def fuzz_rows(running: Running, material: Material, count: int, seconds: float) -> list[Row]:
    """What sessions of a good client, one after the other, notice of fuzzed ones beside them."""
    from mmer.benchmarks.serve.players import fuzz

    with ThreadPoolExecutor(1) as pool:
        fuzzing = pool.submit(fuzz, running.url, count, seed=29)
        played = play(running.url, material, 1, seconds)
        while not fuzzing.done():
            played += play(running.url, material, 1, seconds)
        took = fuzzing.result()
    beside = f"sessions beside {count} fuzzed messages that lost a line or broke off"
    return [
        _lost("fuzzed_lost", f"{beside}, of {len(played)}", played),
        running.alive_row(f"after {count} fuzzed messages in {took} sessions", "fuzzed"),
    ]


def abuse_rows(running: Running, material: Material, abusive: int, seconds: float) -> list[Row]:
    """Delays of good clients beside abusive ones."""
    from mmer.benchmarks.serve.players import Abuse

    playing = ThreadPoolExecutor(1)
    good = playing.submit(play, running.url, material, ABUSED, seconds)
    time.sleep(FIRST_S)  # whoever has the token may take every place: the good ones have theirs
    abuse = Abuse(running.url, abusive)
    try:
        played = good.result()
    finally:
        abuse.stop()
    what = f"capture to line, {ABUSED} good clients beside {abusive} abusive ones"
    row = _delays("abused", what, played, ABUSED_MS)
    lost = _lost(
        "abused_lost", f"of these, those that lost a line or broke off, of {ABUSED}", played
    )
    return [row, lost, running.alive_row(f"after {abuse.turns} turns of abuse")]


def _delays(key: str, what: str, played: Sequence[Played], most_ms: float) -> Row:
    delays = [ms for p in played for ms in p.delays_ms]
    row = delay_row(key, what, delays, target=f"p95 at most {most_ms:.0f} ms")
    return row.evaluated(bool(delays) and summarise(delays).p95 <= most_ms)


def _lost(key: str, what: str, played: Sequence[Played]) -> Row:
    lost = [p for p in played if p.lost]
    dropped = sum(p.dropped_pictures for p in played)
    notes = list(dict.fromkeys(p.error for p in lost if p.error))
    notes.append(f"{dropped} pictures were not sent for want of credit")
    return Row(
        key, what, str(len(lost)), "none", not lost, "; ".join(notes), {"lost": len(lost)}
    )  # fmt: skip


def memory_row(before_mb: float, after_mb: float, count: int) -> Row:
    """Growth of the server over ``count`` sessions."""
    grown = after_mb - before_mb
    return Row(
        "memory",
        f"memory of the server over {count} sessions opened and closed",
        f"{before_mb:.0f} to {after_mb:.0f} MB",
        f"at most {FLAT_MB:.0f} MB more",
        grown <= FLAT_MB,
        values={"grown_mb": grown},
    )


def page_row(url: str, seconds: float) -> Row:
    """Capture to screen, as the page itself measures it over its last 200 lines."""
    from mmer.benchmarks.serve.browser import Browser, fake_devices

    with tempfile.TemporaryDirectory(prefix="mmer-page-") as folder:
        flags = fake_devices(clip(), Path(folder))
        with Browser(Path(folder), *flags) as browser:
            browser.open(url)
            browser.click("#start")
            browser.wait_for("/p95/.test(document.querySelector('#latency').textContent)", 60)
            time.sleep(seconds)
            text = browser.text("#latency")
    found = re.search(r"p50 (\d+) ms, p95 (\d+) ms", text)
    p50, p95 = (float(ms) for ms in found.groups()) if found else (float("nan"),) * 2
    return Row(
        "page",
        "capture to screen, one page in Chromium",
        text,
        f"p95 at most {PAGE_MS:.0f} ms",
        p95 <= PAGE_MS,
        values={"p50": p50, "p95": p95},
    )
