"""Display check: can a window be opened, found out without risk to this process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

_INSTEAD: Final = "run it on a desktop, or use --overlay FILE.mp4 to write a video instead"
_PROBE: Final = "import cv2; cv2.namedWindow('mmer'); cv2.waitKey(1); cv2.destroyAllWindows()"


def display_problem(timeout_s: float = 15.0) -> str | None:
    """Why OpenCV cannot open a window here, with what to do; None when it can.

    OpenCV's Qt does not raise but aborts the process when it cannot connect to the display. So the
    environment is checked first, and then another process opens a window.
    """
    named = [os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")]
    if sys.platform not in ("win32", "darwin") and not any(named):
        return f"there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): {_INSTEAD}"
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return f"the display does not answer within {timeout_s:g} s: {_INSTEAD}"
    if probe.returncode == 0:
        return None
    if "not implemented" in probe.stderr:
        return (
            "this OpenCV was built without windows: "
            "pip uninstall opencv-python-headless opencv-contrib-python-headless, "
            "then pip install --force-reinstall 'opencv-contrib-python>=4.10,<5'"
        )
    reason = next((line.strip() for line in probe.stderr.splitlines() if line.strip()), "")
    return f"no window can be opened ({reason or f'status {probe.returncode}'}): {_INSTEAD}"
