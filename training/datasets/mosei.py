"""Reader of CMU-MOSEI (Zadeh et al. 2018) as distributed: raw files and the SDK's labels.

Below the root, wherever they lie:

    Transcript/Segmented/Combined/VIDEO.txt   lines VIDEO___CLIP___START___END___TEXT
    Labels/*.csv                              the annotators' scores: Input.VIDEO_ID, Input.CLIP,
                                              Answer.happiness and so on; their mean counts
    CMU_MOSEI_Labels.csd                      the same from the SDK, instead (needs h5py)
    cmu_mosei_std_folds.py                    the SDK's lists of videos: train, valid (dev), test
    Audio/Full/WAV_16000/VIDEO.wav            for speech, cut by the transcript's times
    Videos/Segmented/Combined/VIDEO_CLIP.mp4  for face and clip, or Videos/Full/Combined/VIDEO.mp4

Six emotions are scored 0 to 3 each. The label is the strongest; all zero is neutral; two or more
equally strong are left out. ``past`` are the earlier clips of the video. Speakers are not named.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.files import media_files, need_folder, read_table, read_text, walk
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.texts import pasts, tidy

SPLITS: Final = ("train", "dev", "test")
FOLDS: Final = "cmu_mosei_std_folds.py"
_FOLD_NAMES: Final = {"train": "train", "valid": "dev", "test": "test"}
_CSD: Final = "CMU_MOSEI_Labels.csd"
# in the order of the SDK's label vectors, after the sentiment
SIX: Final = ("joy", "sadness", "anger", "surprise", "disgust", "fear")
_ANSWERS: Final = tuple(
    f"Answer.{name}" for name in ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
)
Scores = NDArray[np.float64]


class _Clip(NamedTuple):
    video: str
    number: str
    start_s: float
    end_s: float
    text: str


def read_mosei(root: Path, modality: str, split: str) -> Reading:
    """Clips by video, in the order of the transcript.

    Raises:
        MmerError: transcripts, labels, the split's list or all media are missing, or one of them
            is not understood.
    """
    files = walk(need_folder(root, "mosei"))
    folds = _folds(files)
    if split != "all" and not folds:
        raise MmerError(
            f"no {FOLDS} below {root}: it is in the CMU-MultimodalSDK and has the split"
        )
    clips = _clips(files, root)
    scores = _scores(files, root, clips)
    media = _Media(files, modality)
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for clip, past in zip(clips, pasts((c.video, c.text) for c in clips), strict=True):
        fold = folds.get(clip.video, "")
        if split not in ("all", fold):
            continue
        label = _label(scores.get((clip.video, clip.number)))
        place = media.find(clip)
        if isinstance(label, str):
            dropped[label] += 1
        elif modality == "text" and not clip.text:
            dropped["no words"] += 1
        elif modality != "text" and place is None:
            dropped["no clip"] += 1
        else:
            path, start_s, end_s = place or (None, None, None)
            items.append(
                Item(
                    "mosei",
                    f"{clip.video}_{clip.number}",
                    label,
                    fold,
                    dialogue=clip.video,
                    path=path,
                    start_s=start_s,
                    end_s=end_s,
                    text=clip.text,
                    past=past,
                )
            )
    if not items and dropped["no clip"]:
        raise MmerError(
            f"no recordings of mosei below {root} for {modality}: expected "
            "Audio/Full/WAV_16000/VIDEO.wav or Videos/Segmented/Combined/VIDEO_CLIP.mp4"
        )
    return Reading(items, dropped)


def _label(scores: Scores | None) -> int | str:
    """Index into EMOTIONS, or why there is none."""
    if scores is None:
        return "no label"
    top = scores.max()
    if top <= 0:
        return EMOTIONS.index("neutral")
    if (scores == top).sum() > 1:
        return "two emotions equally strong"
    return EMOTIONS.index(SIX[int(scores.argmax())])


def _clips(files: list[Path], root: Path) -> list[_Clip]:
    folder = ("Transcript", "Segmented", "Combined")
    transcripts = [f for f in files if f.parts[-4:-1] == folder and f.suffix == ".txt"]
    if not transcripts:
        raise MmerError(f"no {'/'.join(folder)}/VIDEO.txt below {root}: expected mosei's raw files")
    clips = []
    for path in transcripts:
        for line, content in enumerate(read_text(path).splitlines(), start=1):
            if not content.strip():
                continue
            parts = content.split("___", 4)
            try:
                video, number, start, end, text = parts
                clips.append(_Clip(video, number, max(0.0, float(start)), float(end), tidy(text)))
            except ValueError as error:
                raise MmerError(
                    f"{path}, line {line}: expected VIDEO___CLIP___START___END___TEXT"
                ) from error
    return clips


def _folds(files: list[Path]) -> dict[str, str]:
    """The split of each video that is in one; empty without the list."""
    path = next((f for f in files if f.name == FOLDS), None)
    if path is None:
        return {}
    folds: dict[str, str] = {}
    try:
        for statement in ast.parse(read_text(path)).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                fold = statement.targets[0].id.removeprefix("standard_").removesuffix("_fold")
                if fold in _FOLD_NAMES:
                    videos = ast.literal_eval(statement.value)
                    folds |= dict.fromkeys(map(str, videos), _FOLD_NAMES[fold])
    except (SyntaxError, ValueError) as error:
        raise MmerError(f"{path} is not understood: {error}") from error
    return folds


def _scores(files: list[Path], root: Path, clips: list[_Clip]) -> Mapping[tuple[str, str], Scores]:
    """The six scores of each labelled clip, by video and number."""
    if csd := next((f for f in files if f.name == _CSD), None):
        return _packed_scores(csd, clips)
    tables = [f for f in files if f.parent.name == "Labels" and f.suffix.lower() == ".csv"]
    sums: defaultdict[tuple[str, str], list[Scores]] = defaultdict(list)
    for path in tables:
        if "Answer.happiness" not in read_text(path).partition("\n")[0]:
            continue  # the makers' other questions
        for line, row in read_table(path, ("Input.VIDEO_ID", "Input.CLIP", *_ANSWERS)):
            values = [row[name.lower()] for name in _ANSWERS]
            try:
                answer = np.array([float(v or 0) for v in values])
            except ValueError as error:
                raise MmerError(f"{path}, line {line}: a score is not a number") from error
            sums[row["input.video_id"], row["input.clip"]].append(answer)
    if not sums:
        raise MmerError(f"no {_CSD} and no Labels/*.csv with {_ANSWERS[0]} below {root}")
    return {clip: np.mean(answers, axis=0) for clip, answers in sums.items()}


def _packed_scores(path: Path, clips: list[_Clip]) -> dict[tuple[str, str], Scores]:
    """From the SDK's computational sequence: vectors and times by video."""
    try:
        import h5py
    except ImportError as error:
        raise MmerError(f"{path} needs h5py: pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            data = next(iter(file.values()))["data"]
            vectors = {
                video: (
                    np.reshape(group["intervals"], (-1, 2)),
                    np.reshape(group["features"], (-1, 7)),
                )
                for video, group in data.items()
            }
    except (OSError, KeyError, ValueError, TypeError, StopIteration) as error:
        raise MmerError(f"{path} is not understood: {error}") from error
    scores = {}
    for clip in clips:
        if clip.video in vectors:
            times, features = vectors[clip.video]
            apart = np.abs(np.maximum(times, 0.0) - (clip.start_s, clip.end_s)).max(axis=1)
            rows = np.flatnonzero(apart < 0.01)
            if len(rows):
                scores[clip.video, clip.number] = features[rows[0], 1:].astype(float)
    return scores


class _Media:
    """Recordings of clips, or of whole videos from which clips are cut."""

    def __init__(self, files: list[Path], modality: str) -> None:
        found = media_files(files, modality)
        self._paths = {("Segmented" in f.parts, f.stem): f for f in found}  # sounds, the later, win

    def find(self, clip: _Clip) -> tuple[Path, float | None, float | None] | None:
        if whole := self._paths.get((True, f"{clip.video}_{clip.number}")):
            return whole, None, None
        if video := self._paths.get((False, clip.video)):
            return video, clip.start_s, clip.end_s
        return None
