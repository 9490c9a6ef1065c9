"""Still of the demo with its results: ``python -m mmer.realtime.demo.make_picture``.

Writes the README's picture, ``realtime/demo/overlay.jpg``: the frame at ``SECOND`` of what
``mmer-live --demo --pace max --overlay FILE`` draws.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.own_process import MMER_LIVE

SECOND: Final = 8.0


def make_picture(path: Path, second: float = SECOND) -> None:
    """Draw the demo's frame at ``second`` into ``path`` (.jpg or .png).

    Raises:
        MmerError: the clip could not be drawn, or is shorter.
    """
    import cv2

    with TemporaryDirectory() as folder:
        video = Path(folder) / "overlay.mp4"
        options = ("--demo", "--pace", "max", "--overlay", str(video), "--quiet")
        if subprocess.run([*MMER_LIVE, *options]).returncode:
            raise MmerError("mmer-live --demo --overlay failed; its message is above")
        reader = cv2.VideoCapture(str(video))
        reader.set(cv2.CAP_PROP_POS_MSEC, 1000 * second)
        found, image = reader.read()
        reader.release()
    if not found or not cv2.imwrite(str(path), image):
        raise MmerError(f"no frame at {second:g} s, or {path} cannot be written")


if __name__ == "__main__":
    make_picture(Path(__file__).with_name("overlay.jpg"))
