"""The virtual devices themselves: a played tone is recorded, pictures come in at their rate."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rig import MjpegCamera, VirtualMicrophone, write_wav

pytestmark = pytest.mark.live

RECORDER = """
import json, sys
import numpy as np
import sounddevice as sd

sound = sd.rec(3 * 16000, samplerate=16000, channels=1, dtype="int16", blocking=True)[:, 0]
np.save(sys.argv[1], sound)
print(json.dumps(sd.query_devices(kind="input")["name"]))
"""


def test_a_child_process_records_the_tone_that_is_played(
    microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    pytest.importorskip("sounddevice")
    tone, out = tmp_path / "tone.wav", tmp_path / "heard.npy"
    seconds = np.arange(8 * 16_000) / 16_000
    write_wav(tone, np.rint(8000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16))
    player = microphone.play(tone)
    done = subprocess.run(
        [sys.executable, "-c", RECORDER, str(out)],
        env=microphone.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == "default"
    assert player.poll() is None or player.returncode == 0
    heard = np.load(out)[16_000:].astype(float)  # the beginning may be from before the tone
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * 16_000 / len(heard) == pytest.approx(440, abs=2)
    assert np.abs(heard).max() == pytest.approx(8000, rel=0.1)


def test_the_camera_is_read_at_its_rate_until_it_goes_dead() -> None:
    import cv2

    pictures = [np.full((120, 160, 3), level, np.uint8) for level in (0, 80, 160, 240)]
    with MjpegCamera(pictures, fps=20) as camera:
        capture = cv2.VideoCapture(
            camera.url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_READ_TIMEOUT_MSEC, 500]
        )
        assert capture.isOpened()
        levels = []
        for _ in range(40):  # the first ones come in a bunch, from OpenCV's probing
            ok, _picture = capture.read()
            assert ok
        began = time.monotonic()
        for _ in range(40):
            ok, picture = capture.read()
            assert ok
            levels.append(int(picture.mean()))
        assert time.monotonic() - began == pytest.approx(2.0, rel=0.3)
        assert {round(level / 80) for level in levels} == {0, 1, 2, 3}
        camera.stop_frames()
        while capture.read()[0]:
            pass  # what was on its way
        assert not capture.grab()
        capture.release()


def test_nothing_is_left_behind_after_a_failure() -> None:
    microphone = VirtualMicrophone()

    def fail() -> None:
        with microphone as made:
            assert Path(made.env["HOME"]).is_dir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert microphone._daemon is not None
    assert microphone._daemon.poll() is not None
    assert not Path(microphone.env["HOME"]).exists()
