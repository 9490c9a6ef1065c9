"""Captions with the label of each utterance: WebVTT and SubRip, by webvtt-py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer.realtime.exports.run import Run, Utterance
from mmer.realtime.sinks.text import one_line


def write_vtt(run: Run, path: Path) -> None:
    """WebVTT: one cue an utterance, "[joy] I am so happy"."""
    _write(_captions(run, markup=True), path, "vtt")


def write_srt(run: Run, path: Path) -> None:
    """SubRip: the same captions."""
    _write(_captions(run, markup=False), path, "srt")


def _write(captions: Any, path: Path, form: str) -> None:
    # its save() adds a suffix to the name, and asks the locale for the encoding
    with path.open("w", encoding="utf-8") as file:
        captions.write(file, form)


def caption_text(utterance: Utterance) -> str:
    """Label and words of an utterance, "[joy] I am so happy"; what is absent is left out."""
    label = f"[{utterance.label}]" if utterance.label else ""
    return f"{label} {one_line(utterance.text)}".strip()


def _captions(run: Run, markup: bool) -> Any:
    import webvtt

    made = webvtt.WebVTT(header_comments=[f"mmer policy: {run.policy}"])
    for utterance in run.utterances():
        text = caption_text(utterance)
        if markup:
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        else:  # SubRip has no way to write these: they would end the caption or begin a tag
            text = text.replace("-->", "->").replace("<", "(").replace(">", ")")
        if text:
            made.captions.append(
                webvtt.Caption(_stamp(utterance.t0), _stamp(utterance.t1), text, str(utterance.id))
            )
    return made


def _stamp(seconds: float) -> str:
    """WebVTT time stamp, HH:MM:SS.mmm."""
    minutes, ms = divmod(max(round(seconds * 1000), 0), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}"
