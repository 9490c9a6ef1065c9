"""What decoding the clip costs by itself: part of every stream, and no recognizer's work."""

from __future__ import annotations

import time

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.realtime.clock import ManualClock
from mmer.realtime.options import Options
from mmer.realtime.sources.media import MediaFile


def decoding_cpu(clip: AnnotatedClip) -> float:
    """Seconds of processor a second of clip, for picture (thinned as live) and sound."""
    source = MediaFile(clip.path, video_fps=Options(source=str(clip.path)).video_fps)
    source.open(ManualClock())
    try:
        began = time.process_time()
        for _ in source.messages():
            pass
        return (time.process_time() - began) / clip.seconds
    finally:
        source.close()
