import http.server
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from synthetic_media import pictures, steady, write_media

from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import Gap, Notice, VideoFrame
from mmer.realtime.sources import camera as module
from mmer.realtime.sources.camera import Camera, CameraDevice, cameras


class MjpegServer:
    """An IP camera on loopback: a grey level that rises by 5 a frame, ``frames`` long."""

    def __init__(self, frames=10_000, then="close", fps=40.0):
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for i in range(frames):
                        served.sent.append(time.monotonic())
                        self.wfile.write(served.part(i))
                        if served.over.wait(1 / fps):
                            return
                    if then == "stall":
                        served.over.wait(30)
                except OSError:
                    pass  # the viewer has gone

        self.over = threading.Event()
        self.sent = []  # the monotonic time at which each frame was written
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/video.mjpg"

    @staticmethod
    def part(i):
        image = np.full((48, 64, 3), 5 * i % 250, np.uint8)
        jpeg = cv2.imencode(".jpg", image)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        return head.encode() + jpeg + b"\r\n"

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def opened(device, **options):
    source = Camera(device, **options)
    source.open(SessionClock())
    return source


def refusal(device):
    with pytest.raises(MmerError) as caught:
        opened(device)
    return str(caught.value)


def test_an_address_gives_frames_stamped_as_they_come():
    with MjpegServer() as server:
        began = time.monotonic()
        source = opened(server.url)
        opening = time.monotonic() - began
        assert source.live
        assert source.streams == {"video"}
        assert source.duration_s is None
        frames, came = [], []
        for message in source.messages():
            came.append(time.monotonic() - began)
            frames.append(message)
            if len(frames) == 25:
                source.stop()
        source.close()
        source.close()
    assert all(isinstance(f, VideoFrame) for f in frames)
    assert all(f.image.shape == (48, 64, 3) and f.image.dtype == np.uint8 for f in frames)
    assert all(f.image.flags.c_contiguous for f in frames)
    times = [f.t for f in frames]
    assert times == sorted(times)
    # second 0 lies between ``began`` and the end of the opening; a busy machine may hand frames
    # over in bursts, but none is stamped before it was sent or after it was there
    for frame, arrived in zip(frames, came, strict=True):
        sent = server.sent[round(float(frame.image.mean()) / 5)] - began
        assert sent - opening <= frame.t <= arrived
    levels = [round(float(f.image.mean())) for f in frames]
    assert levels == pytest.approx(list(range(levels[0], levels[0] + 125, 5)), abs=2)


def test_a_camera_that_stops_is_told_with_a_gap_without_end():
    with MjpegServer(frames=20) as server:
        source = opened(server.url)
        *frames, notice, gap = source.messages()
        source.close()
    assert len(frames) >= 15
    assert isinstance(notice, Notice)
    assert (notice.level, notice.about) == ("error", "camera")
    assert "stopped giving frames" in notice.text
    assert gap == Gap("video", frames[-1].t, math.inf, "camera stopped")


def test_a_camera_that_falls_silent_is_told_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(module, "_READ_TIMEOUT_S", 0.5)
    with MjpegServer(frames=20, then="stall") as server:
        source = opened(server.url)
        began = time.monotonic()
        *frames, notice, gap = source.messages()
        took = time.monotonic() - began
        source.close()
    assert 0.5 < took < 3.0
    assert notice.level == "error"
    assert (gap.t0, gap.t1) == (frames[-1].t, math.inf)


def test_stop_from_another_thread_ends_it_without_a_complaint(monkeypatch):
    monkeypatch.setattr(module, "_READ_TIMEOUT_S", 1.0)
    with MjpegServer(frames=10, then="stall") as server:
        source = opened(server.url)
        threading.Timer(0.5, source.stop).start()
        messages = list(source.messages())
        source.close()
    assert messages
    assert all(isinstance(m, VideoFrame) for m in messages)


def test_a_file_stands_in_for_a_camera_at_its_own_rate(tmp_path):
    path = write_media(tmp_path / "v.mp4", frames=pictures(steady(1.0, 30), size=(64, 48)))
    source = opened(str(path))
    *frames, _, gap = source.messages()
    source.close()
    assert len(frames) == 29  # the first was looked at when it was opened
    assert frames[-1].t - frames[0].t > 28 / 30 - 0.2
    assert np.median(np.diff([m.t for m in frames])) == pytest.approx(1 / 30, abs=0.02)
    assert gap.cause == "camera stopped"


def test_what_cannot_be_opened_is_refused_in_words(tmp_path):
    assert "no such camera: /dev/video97" in refusal("/dev/video97")
    assert "no such camera, file or address: webcam" in refusal("webcam")
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    assert "cannot be opened" in refusal(str(text))
    for wanted in ("/dev/video97", "webcam", str(text)):
        assert "mmer-live --list-devices" in refusal(wanted)


def test_an_address_that_does_not_answer_is_refused_without_its_password():
    message = refusal("http://me:secret@127.0.0.1:9/video")
    assert "http://127.0.0.1:9/video" in message
    assert "secret" not in message
    assert "network" in message


def test_an_index_without_a_camera_is_refused():
    if Path("/dev/video63").exists():
        pytest.skip("there is a camera 63 here")
    assert "camera 63 cannot be opened" in refusal(63)
    assert "camera 63 cannot be opened" in refusal("63")


def test_opencv_keeps_quiet():
    # in a process of its own: OpenCV reads its log level once, when it first opens a video
    code = """
from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.sources.camera import Camera
for device in (63, "http://127.0.0.1:9/video"):
    try:
        Camera(device).open(SessionClock())
    except MmerError:
        print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\nrefused\n", "")


def test_a_pipeline_needs_an_opencv_with_gstreamer(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:                   NO")
    message = refusal("v4l2src ! videoconvert ! appsink")
    assert "without GStreamer" in message
    asked = []

    class Capture:
        def __init__(self, *args):
            asked.append(args)

        def isOpened(self):
            return True

        def grab(self):
            return True

        def release(self):
            pass

    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GStreamer:        YES (1.20.3)")
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    opened("v4l2src ! videoconvert ! appsink").close()
    assert asked == [("v4l2src ! videoconvert ! appsink", cv2.CAP_GSTREAMER)]


def test_a_local_camera_is_asked_for_size_rate_and_a_short_buffer(monkeypatch):
    asked = {}

    class Capture:
        def __init__(self, *args):
            self.left = 3

        def isOpened(self):
            return True

        def set(self, key, value):
            asked[key] = value

        def grab(self):
            self.left -= 1
            return self.left >= 0

        def retrieve(self):
            return True, np.full((4, 6), 7, np.uint8)  # an infrared camera: grey

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    source = opened(0, size=(320, 240), fps=15.0)
    assert asked == {
        cv2.CAP_PROP_FRAME_WIDTH: 320,
        cv2.CAP_PROP_FRAME_HEIGHT: 240,
        cv2.CAP_PROP_FPS: 15.0,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }
    frames = [m for m in source.messages() if isinstance(m, VideoFrame)]
    assert [f.image.shape for f in frames] == [(4, 6, 3)] * 2
    source.close()


def test_linux_cameras_are_listed_by_node_and_name(tmp_path, monkeypatch):
    for node, index, name in [
        ("video10", 0, "Back"),
        ("video2", 0, "Front"),
        ("video3", 1, "Front"),
    ]:
        (tmp_path / node).mkdir()
        (tmp_path / node / "index").write_text(f"{index}\n")
        (tmp_path / node / "name").write_text(f"{name}\n")
    monkeypatch.setattr(module, "_V4L", tmp_path)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    assert cameras() == [CameraDevice("/dev/video2", "Front"), CameraDevice("/dev/video10", "Back")]


def test_a_driver_that_hangs_does_not_hold_up_the_close(monkeypatch):
    monkeypatch.setattr(module, "_CLOSE_S", 0.2)
    freed, read, released = threading.Event(), threading.Event(), threading.Event()

    class Hung:
        def __init__(self, *args):
            self.grabs = 0

        def isOpened(self):
            return True

        def set(self, *args):
            return True

        def grab(self):
            self.grabs += 1
            if self.grabs > 1:
                read.set()
                freed.wait(10.0)
            return True

        def retrieve(self):
            return True, np.zeros((4, 4, 3), np.uint8)

        def release(self):
            released.set()

    monkeypatch.setattr(cv2, "VideoCapture", Hung)
    source = opened(0)
    reader = threading.Thread(target=list, args=(source.messages(),), daemon=True)
    reader.start()
    assert read.wait(5.0)
    closing = threading.Thread(target=source.close, daemon=True)
    closing.start()
    closing.join(5.0)
    assert not closing.is_alive()
    assert not released.is_set()  # not under the reader
    freed.set()
    assert released.wait(5.0)


def test_close_without_open_is_harmless():
    source = Camera()
    source.stop()
    source.close()


@pytest.mark.skipif(os.name != "posix", reason="paths as on Linux")
def test_the_name_is_for_people():
    assert Camera(0).name == Camera("0").name == "camera 0"
    assert Camera("rtsp://u:p@host/1").name == "camera 'rtsp://host/1'"


class Script:
    """Stands in for cv2.VideoCapture: frames by a script that all openings share.

    A step is a grey level, "bad" (a frame that cannot be decoded), "none" (no frame), or "gone"
    (no frame, and the camera cannot be opened) for as long as the script says.
    """

    steps: ClassVar[list] = []

    def __init__(self, *args):
        self.step = None

    def isOpened(self):
        if self.steps and self.steps[0] == "gone":
            self.steps.pop(0)
            return False
        return True

    def set(self, key, value):
        pass

    def grab(self):
        time.sleep(0.01)
        if self.steps and self.steps[0] == "gone":
            return False
        self.step = self.steps.pop(0) if self.steps else "none"
        return self.step != "none"

    def retrieve(self):
        if self.step == "bad":
            return False, None
        return True, np.full((16, 16, 3), self.step, np.uint8)

    def release(self):
        pass


def scripted(monkeypatch, steps, until, **options):
    """Messages of a camera that plays the script, up to ``until`` frames."""
    monkeypatch.setattr(Script, "steps", list(steps))
    monkeypatch.setattr(cv2, "VideoCapture", Script)
    monkeypatch.setattr(module, "_SKIP_S", 0.3)
    source = opened(0, **options)
    messages = []
    for message in source.messages():
        messages.append(message)
        if sum(isinstance(m, VideoFrame) for m in messages) == until:
            source.stop()
    source.close()
    return messages


def test_single_frames_that_cannot_be_decoded_are_skipped(monkeypatch):
    steps = [0, 1, "bad", 2, "none", 3, "bad", "bad", 4]
    messages = scripted(monkeypatch, steps, 4)
    assert all(isinstance(m, VideoFrame) for m in messages)
    assert [int(m.image[0, 0, 0]) for m in messages] == [1, 2, 3, 4]


def test_a_camera_that_was_unplugged_is_opened_again(monkeypatch):
    steps = [0, 1, 2, *["gone"] * 3, 8, 9, 10]
    began = time.monotonic()
    messages = scripted(monkeypatch, steps, 4, patience_s=math.inf)
    assert time.monotonic() - began < 4.0
    kinds = [type(m) for m in messages]
    assert kinds == [VideoFrame, VideoFrame, Notice, Gap, Notice, Gap, VideoFrame, VideoFrame]
    lost, endless, back, gap = messages[2:6]
    assert (lost.level, back.level) == ("error", "info")
    assert "waiting for it" in lost.text
    assert "is back" in back.text
    assert endless == Gap("video", messages[1].t, math.inf, "camera stopped")
    assert (gap.t0, gap.t1) == (messages[1].t, messages[6].t)


def test_a_camera_that_does_not_return_in_time_ends(monkeypatch):
    began = time.monotonic()
    messages = scripted(monkeypatch, [0, 1, *["gone"] * 100], 10, patience_s=1.0)
    assert 0.9 < time.monotonic() - began < 3.5
    assert [type(m) for m in messages] == [VideoFrame, Notice, Gap]


def test_a_picture_that_stands_still_is_reported_once(monkeypatch):
    messages = scripted(monkeypatch, [0, 1, 2, *[7] * 400], 350)
    (notice,) = [m for m in messages if isinstance(m, Notice)]
    assert (notice.level, notice.about) == ("warning", "camera")
    assert "stands still" in notice.text
    shown = [m.t for m in messages if isinstance(m, VideoFrame)]
    assert 2.4 < notice.t - shown[2] < 3.0


@pytest.mark.parametrize("how", ["cut", "noise", "empty"])
def test_one_broken_jpeg_does_not_end_an_address(how, monkeypatch):
    part = MjpegServer.part

    def broken(i):
        whole = part(i)
        if i != 10:
            return whole
        at = whole.index(b"\r\n\r\n") + 4
        body = {"cut": whole[at : at + 200], "noise": os.urandom(300), "empty": b""}[how]
        return whole[:at].replace(str(len(whole) - at - 2).encode(), str(len(body)).encode()) + (
            body + b"\r\n"
        )

    monkeypatch.setattr(MjpegServer, "part", staticmethod(broken))
    with MjpegServer() as server:
        source = opened(server.url, patience_s=math.inf)
        messages = []
        for message in source.messages():
            messages.append(message)
            if len(messages) == 40:
                source.stop()
        source.close()
    assert all(isinstance(message, VideoFrame) for message in messages[:40])


def test_an_address_that_is_back_is_used_again():
    with MjpegServer(frames=20) as server:  # ends after 20 frames, and answers again
        source = opened(server.url, patience_s=math.inf)
        messages = []
        for message in source.messages():
            messages.append(message)
            if sum(isinstance(m, VideoFrame) for m in messages) == 30:
                source.stop()
        source.close()
    kinds = [type(m) for m in messages if not isinstance(m, VideoFrame)]
    assert kinds == [Notice, Gap, Notice, Gap]


def test_a_camera_of_frames_that_are_too_large_is_refused(tmp_path, monkeypatch):
    path = write_media(tmp_path / "v.mp4", frames=pictures(steady(1.0, 25)))
    opened(str(path)).close()
    monkeypatch.setattr(module, "LARGEST_PX", 64 * 48 - 1)
    assert "64x48 is more than" in refusal(str(path))
