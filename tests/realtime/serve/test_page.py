"""Page in a real browser: Chromium without a screen, with a talking face for a camera."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig

from mmer.benchmarks.serve.browser import CHROMIUM, Browser, fake_devices
from mmer.realtime.demo import clip
from mmer.realtime.serve.limits import Limits

PAGE = Path(__file__).resolve().parents[3] / "realtime/serve/page"
LABEL = "/anger|disgust|fear|joy|neutral|sadness|surprise/"
STATE = "document.querySelector('#state').dataset.state"
NO_CHROMIUM = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
NO_NODE = pytest.mark.skipif(not shutil.which("node"), reason="needs node")


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return fake_devices(clip(), tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def quiet_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One that has neither camera nor microphone."""
    flags = ["--use-fake-ui-for-media-stream"]
    with Browser(tmp_path_factory.mktemp("quiet"), *flags) as made:
        yield made


# The newest socket and devices for the tests; sockets go nowhere while ``away``.
HOOKS = """
var socket = null, media = null, away = false, onstarting = () => {};
window.WebSocket = class extends WebSocket {
  constructor(address) {
    super(away ? address.replace("stream", "nowhere") : address);
    socket = this;
  }
  send(data) {
    super.send(data);
    if (String(data).includes('"start"')) onstarting();
  }
};
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (media = await open(wanted));
"""
LISTENS = f"{STATE} === 'listening' || {STATE} === 'speaking'"
UNPLUG = """
for (const track of media.getKINDTracks()) {
  track.stop();
  track.dispatchEvent(new Event("ended"));
}
"""
CHOOSE = """
(() => {
  const mics = document.querySelector("#mics");
  mics.value = [...mics.options].at(N).value;
  mics.onchange();
  return mics.value;
})()
"""


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One with several cameras and microphones, which `allow` allows."""
    with Browser(tmp_path_factory.mktemp("playing"), "--use-fake-device-for-media-stream") as made:
        made.call("Page.addScriptToEvaluateOnNewDocument", source=HOOKS)
        yield made


def allow(browser: Browser, rig: Rig, *, camera: bool = True, microphone: bool = True) -> None:
    for name, allowed in (("camera", camera), ("microphone", microphone)):
        browser.call(
            "Browser.setPermission",
            permission={"name": name},
            setting="granted" if allowed else "denied",
            origin=f"http://127.0.0.1:{rig.port}",
        )


def received(rig: Rig) -> dict[str, float]:
    """Messages that clients sent, by kind."""
    text = rig.service.metrics_text().decode()
    found = re.findall(r'mmer_received_total\{kind="(\w+)"\} (\S+)', text)
    return {kind: float(count) for kind, count in found}


def test_the_page_is_small_and_names_no_foreign_address() -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[\w-]+\.\w", re.sub(r"^\s*//.*", "", text, flags=re.M))


def test_the_notice_and_the_consent_are_there_before_any_script_runs() -> None:
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert page.index("A system that estimates emotion is running") < page.index("<main>")
    assert "I agree: start camera and microphone" in page


LOOPS = """
globalThis.document = { createElement: () => ({}) };
const { Capture } = await import(process.argv[1]);
let waiting = [];
const video = { videoWidth: 0, requestVideoFrameCallback: (step) => waiting.push(step) };
const capture = new Capture(video, { ready: () => false });
for (let session = 0; session < 3; session++) {
  capture.media = { getTracks: () => [] };
  capture.hasVideo = true;
  capture.watch();
  for (let frame = 0; frame < 2; frame++) {
    const steps = waiting;
    waiting = [];
    for (const step of steps) step(0, {});
  }
  console.log(waiting.length);
  capture.stop();
}
"""


BROKEN_OFF = """
const made = {};
const element = () => ({ replaceChildren() {} });
globalThis.document = {
  getElementById: (id) => (made[id] ??= element()),
  addEventListener() {},
};
let request;
globalThis.XMLHttpRequest = class {
  upload = {};
  status = 200;
  responseText = "";
  constructor() { request = this; }
  abort() {}
  open() {}
  send() {}
};
const { setUpFiles } = await import(process.argv[1]);
setUpFiles("/v1/recognize", "");
for (const lines of [[], [{ type: "notice", level: "error", t: 1, text: "it takes too long" }]]) {
  made.file.onchange({ target: { files: [{ name: "a.mp4" }] } });
  request.responseText = lines.map((line) => JSON.stringify(line) + "\\n").join("");
  request.onprogress();
  request.onerror();
  console.log(made.filestate.textContent);
}
"""


# A clock, its timers and sockets that do what the script says; then a stream on them.
FAKES = """
let now = 0;
let number = 0;
const timers = new Map();
function later(step, ms, every) {
  timers.set(++number, { step, every, at: now + ms / 1000 });
  return number;
}
Object.defineProperty(globalThis, "performance", { value: { now: () => 1000 * now } });
globalThis.setTimeout = (step, ms) => later(step, ms, 0);
globalThis.setInterval = (step, ms) => later(step, ms, ms / 1000);
globalThis.clearTimeout = globalThis.clearInterval = (id) => timers.delete(id);
function pass(s) {
  for (const until = now + s; ; ) {
    const [due] = [...timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at);
    if (!due) return (now = until);
    const [id, { step, every, at }] = due;
    now = Math.max(now, at);
    if (every) timers.set(id, { step, every, at: now + every });
    else timers.delete(id);
    step();
  }
}
let answers = true;
const sockets = [];
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 0;
  bufferedAmount = 0;
  constructor() { sockets.push(this); }
  close(code) { this.closed = code ?? "without a code"; this.readyState = 3; }
  say(message) { this.onmessage({ data: JSON.stringify(message) }); }
  send(text) {
    const { type, t, resume } = typeof text === "string" ? JSON.parse(text) : {};
    if (type === "start") this.say({ type: "started", resume: "key", resumed: resume === "key" });
    if (type === "ping" && answers) this.say({ type: "pong", t, session_t: t });
  }
  begin() { this.readyState = 1; this.onopen(); }
};
const { Stream } = await import(process.argv[1]);
let states = [];
const stream = new Stream("ws://server", "", { state: (name) => states.push(name) });
function tell(...found) {
  console.log(states.join(), ...found);
  states = [];
}
stream.start(() => ({}));
"""
DEAD = """
sockets[0].begin();
pass(60);
tell(sockets.length);
answers = false;
pass(4);
tell(sockets.length);
pass(5);
tell(sockets.length, sockets[0].closed);
pass(12);  // this one is not even opened
tell(sockets.length, sockets[1].closed);
answers = true;
sockets[2].begin();
tell();
pass(60);
stream.stop();
pass(10);
tell(sockets.length, sockets[2].closed, timers.size);
"""
LATE = """
sockets[0].begin();
for (const asleep of [6, 60, 3600]) {
  answers = false;
  pass(1);
  now += asleep;
  pass(0.1);
  answers = true;
  sockets[0].say({ type: "warning" });
  pass(10);
}
tell(sockets.length);
"""
FULL = """
sockets[0].begin();
for (const bytes of [0, 300_000, 1_100_000]) {
  sockets[0].bufferedAmount = bytes;
  const kinds = ["video", "audio"];
  tell(bytes, ...kinds.map((kind) => stream.send(kind, new ArrayBuffer(8), now)));
}
"""
EARLY = """
stream.stop();
tell(sockets[0].closed);
stream.start(() => ({}));
sockets[1].readyState = 1; // and its start is on the way
stream.stop();
tell(sockets[1].closed, timers.size);
"""


def in_node(script: str, module: str, folder: Path) -> list[str]:
    """Lines that ``script`` prints, which imports ``module`` of the page."""
    (folder / "package.json").write_text('{"type": "module"}')
    for path in PAGE.glob("*.js"):
        shutil.copy(path, folder)
    command = ("node", "--input-type=module", "-e", script, str(folder / module))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.splitlines()


@NO_NODE
def test_a_camera_that_is_started_again_has_one_loop(tmp_path: Path) -> None:
    assert in_node(LOOPS, "capture.js", tmp_path) == ["1", "1", "1"]


@NO_NODE
def test_an_answer_that_breaks_off_is_shown_with_the_reason(tmp_path: Path) -> None:
    found = in_node(BROKEN_OFF, "files.js", tmp_path)
    assert found == ["the connection broke off", "it takes too long"]


@NO_NODE
@pytest.mark.parametrize(
    ("script", "found"),
    [
        pytest.param(
            DEAD,
            [
                "connecting,listening 1",
                " 1",
                "lost,lost 2 without a code",
                "lost,lost 3 without a code",
                "resumed",
                "finishing,idle 3 1000 0",
            ],
            id="dead",
        ),
        pytest.param(LATE, ["connecting,listening 1"], id="late"),
        pytest.param(
            FULL,
            ["connecting,listening 0 true true", " 300000 false true", " 1100000 false false"],
            id="full",
        ),
        pytest.param(EARLY, ["connecting,idle 1000", "connecting,idle 1000 0"], id="early"),
    ],
)
def test_a_connection_that_is_dead_late_full_or_not_there_yet(
    script: str, found: list[str], tmp_path: Path
) -> None:
    assert in_node(FAKES + script, "stream.js", tmp_path) == found


def cut(rig: Rig) -> None:
    """Break the page's stream off, as a cable that is pulled does."""
    (client,) = [
        client
        for client, connection in rig.serving.connections.open.items()
        if type(connection.transport.get_protocol()).__name__ == "Stream"
    ]
    rig.loop.call_soon_threadsafe(rig.serving.connections.abort, {"client": client})


@NO_CHROMIUM
@pytest.mark.live
def test_a_talking_face_is_evaluated_resumed_and_outlives_the_server(
    devices: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("moonshine_voice", reason="transcripts need Moonshine's files")
    with Browser(tmp_path, *devices) as browser:
        browser.screen(1280, 1000)
        with Rig(defaults={"asr": "moonshine"}) as rig:
            port = rig.port
            browser.open(rig.url)
            assert "estimates emotion" in browser.text("#notice")
            assert browser.evaluate(STATE) == "idle"
            browser.click("#start")
            browser.wait_for(f"{LABEL}.test(document.querySelector('#label').textContent)")
            browser.wait_for(
                "/[a-z]/.test(document.querySelector('#transcript .tag:not(.provisional)')"
                "?.textContent ?? '')"
            )
            browser.wait_for("!document.querySelector('#transcript li').matches('.partial')")
            said = browser.text("#transcript li:first-child span:last-child").lower()
            assert "train leaves at nine in the morning" in said
            browser.wait_for("/p50 \\d+ ms/.test(document.querySelector('#latency').textContent)")
            box = "[...document.querySelector('#box').getContext('2d').getImageData(0,0,640,480)"
            browser.wait_for(f"{box}.data].some(Boolean)")
            rows = browser.evaluate("[...document.querySelectorAll('#modalities td')].length")
            assert rows == 6
            wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            for width, height, phone in ((1280, 1000, False), (390, 844, True)):
                browser.screen(width, height, phone=phone)
                assert browser.evaluate(wide)
            (session,) = rig.service.sessions.values()
            cut(rig)
            browser.wait_for(f"{STATE} === 'resumed'")
            assert list(rig.service.sessions.values()) == [session]
        assert browser.wait_for(f"{STATE} === 'lost'")
        with Rig(port=port) as again:
            browser.wait_for(f"{STATE} === 'listening' || {STATE} === 'speaking'")
            browser.wait_for(f"{LABEL}.test(document.querySelector('#label').textContent)")
            browser.click("#stop")
            browser.wait_for(f"{STATE} === 'idle'")
            assert not browser.evaluate("document.querySelector('#save').disabled")
            again.wait_for_sessions(0)
        foreign = [url for url in browser.requests if f"//127.0.0.1:{port}/" not in url]
        assert [url for url in foreign if not url.startswith(("blob:", "about:", "data:"))] == []
        problems = [text for text in browser.console if "WebSocket" not in text]
        assert problems == []


@NO_CHROMIUM
@pytest.mark.slow
def test_without_a_device_the_page_says_what_to_do(quiet_browser: Browser, rig: Rig) -> None:
    quiet_browser.open(rig.url)
    quiet_browser.click("#start")
    quiet_browser.wait_for("!document.querySelector('#problem').hidden")
    assert "no microphone and no camera" in quiet_browser.text("#problem")
    assert not quiet_browser.evaluate("document.querySelector('#start').hidden")


@NO_CHROMIUM
@pytest.mark.slow
def test_what_is_denied_is_told_and_the_other_device_is_used(playing: Browser, rig: Rig) -> None:
    playing.open(rig.url)
    for camera, microphone, kinds, told in (
        (True, False, ["video"], "No microphone: the browser may not use it."),
        (False, True, ["audio"], "No camera: the browser may not use it."),
    ):
        allow(playing, rig, camera=camera, microphone=microphone)
        playing.click("#start")
        playing.wait_for(LISTENS)
        assert playing.evaluate("media.getTracks().map((track) => track.kind)") == kinds
        assert playing.text("#missing").startswith(told)
        playing.click("#stop")
        playing.wait_for(f"{STATE} === 'idle'")
    allow(playing, rig, camera=False, microphone=False)
    playing.click("#start")
    playing.wait_for(f"{STATE} === 'failed'")
    assert "may not use the camera and the microphone" in playing.text("#problem")
    assert not playing.evaluate("document.querySelector('#start').hidden")


@NO_CHROMIUM
@pytest.mark.slow
def test_a_session_goes_on_with_the_device_that_is_left(playing: Browser, rig: Rig) -> None:
    allow(playing, rig)
    playing.open(rig.url)
    playing.click("#start")
    playing.wait_for(LISTENS)
    assert playing.text("#missing") == ""
    playing.wait_for("document.querySelector('#rate').textContent > 0")
    (session,) = rig.service.sessions.values()
    playing.evaluate(UNPLUG.replace("KIND", "Audio"))
    assert playing.text("#missing").startswith("The microphone was unplugged")
    counted = received(rig)
    until = time.monotonic() + 5
    while received(rig)["video"] < counted["video"] + 5:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert received(rig)["audio"] <= counted["audio"] + 2  # on the way
    assert list(rig.service.sessions.values()) == [session]
    playing.evaluate(UNPLUG.replace("KIND", "Video"))
    assert "The camera was unplugged" in playing.text("#missing")
    playing.wait_for(f"{STATE} === 'idle'")
    rig.wait_for_sessions(0)


@NO_CHROMIUM
@pytest.mark.slow
def test_stop_ends_devices_and_session_whatever_the_connection_does(
    playing: Browser, rig: Rig
) -> None:
    allow(playing, rig)
    playing.open(rig.url)
    live = "media.getTracks().some((track) => track.readyState === 'live')"
    playing.evaluate("onstarting = () => document.querySelector('#stop').click()")
    playing.click("#start")
    playing.wait_for("media && socket?.readyState === WebSocket.CLOSED")
    assert playing.evaluate(f"{STATE} === 'idle' && !({live})")
    rig.wait_for_sessions(0)
    playing.evaluate("onstarting = () => {}")
    playing.click("#start")
    playing.wait_for(LISTENS)
    rig.wait_for_sessions(1)
    playing.evaluate("socket.send = () => {}")  # what is sent gets lost
    playing.click("#stop")
    assert playing.evaluate(f"{STATE} === 'finishing' && !({live})")
    playing.click("#stop")
    assert playing.evaluate(STATE) == "idle"
    rig.wait_for_sessions(0)


@NO_CHROMIUM
@pytest.mark.slow
def test_a_device_may_be_chosen_at_any_time(playing: Browser, rig: Rig) -> None:
    allow(playing, rig)
    playing.open(rig.url)
    playing.click("#start")
    playing.wait_for(f"{LISTENS} && document.querySelectorAll('#mics option').length > 3")
    chosen = "media.getAudioTracks()[0].getSettings().deviceId"
    playing.evaluate("away = true; socket.close()")
    playing.wait_for(f"{STATE} === 'lost'")
    mic = playing.evaluate(CHOOSE.replace("N", "-1"))
    playing.evaluate("away = false")
    playing.wait_for(f"{LISTENS} && {chosen} === {mic!r}")
    playing.evaluate(CHOOSE.replace("N", "-1"))
    mic = playing.evaluate(CHOOSE.replace("N", "-2"))  # while the first is being opened
    playing.wait_for(f"{LISTENS} && {chosen} === {mic!r}")
    playing.evaluate(CHOOSE.replace("N", "-1"))
    playing.click("#stop")
    assert playing.evaluate(STATE) == "idle"
    rig.wait_for_sessions(1)  # the one whose connection was lost waits for its client


@NO_CHROMIUM
@pytest.mark.slow
def test_the_page_works_where_site_data_is_blocked(playing: Browser, rig: Rig) -> None:
    allow(playing, rig)
    script = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    blocked = playing.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    playing.open(rig.url)
    playing.call("Page.removeScriptToEvaluateOnNewDocument", **blocked)
    playing.click("#start")
    playing.wait_for(LISTENS)
    assert playing.evaluate("/watch=[0-9a-f]{32}$/.test(document.querySelector('#overlay').href)")
    playing.open("about:blank")


@NO_CHROMIUM
@pytest.mark.slow
def test_texts_and_files_work_without_any_device(quiet_browser: Browser, rig: Rig) -> None:
    browser = quiet_browser
    browser.open(rig.url)
    browser.evaluate("document.querySelector('#text').value = 'I am so happy to see you!'")
    browser.evaluate("document.querySelector('#typing').requestSubmit()")
    browser.wait_for("!!document.querySelector('#transcript .tag')")
    assert browser.text("#transcript .tag") == "joy"
    document = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(clip())])
    browser.wait_for("document.querySelector('#filestate').textContent.includes('utterances')", 60)
    assert browser.evaluate("document.querySelectorAll('#found li').length") >= 5
    assert browser.evaluate("document.querySelector('#progress').value") == 1
    wrong = Path(__file__)
    for _ in range(2):  # the same file may be chosen again
        browser.evaluate("document.querySelector('#filestate').textContent = ''")
        browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(wrong)])
        browser.wait_for("document.querySelector('#filestate').textContent.includes('text file')")


@NO_CHROMIUM
@pytest.mark.slow
def test_a_wrong_token_is_told(quiet_browser: Browser) -> None:
    with Rig(Limits(), token="another-token") as rig:
        quiet_browser.open(f"http://127.0.0.1:{rig.port}/?token={TOKEN}")
        assert "mmer-serve printed" in quiet_browser.text("body")
