"""A data folder with a small generated tree in the official layout of each corpus of a recipe.

Sounds, words and faces are those of ``generated_corpora``, each of its own emotion.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from generated_corpora import (
    RATE,
    audio_frames,
    face,
    sentence,
    voice,
    write_meld,
    write_ravdess,
    write_wav,
)
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS

Random = np.random.Generator
ACTORS = (2, 3, 4, 17, 19)
"""Of RAVDESS: from train, and from both halves of dev (17 and 18, 19 and 20) for a fusion."""


def write_data_folder(root: Path, seed: int = 0) -> Path:
    """Every corpus that a shipped recipe names, and TESS, SAVEE, CREMA-D, images, a manifest."""
    random = np.random.default_rng(seed)
    for corpus, path_of in SPEECH.items():
        for speaker in range(3 if corpus in ("savee", "cremad") else 2):  # of folds there are 3
            for emotion in EMOTIONS:
                if name := path_of(speaker, emotion):
                    write_sound(root / "audio" / corpus / name, spoken(random, emotion))
    for fold in (1, 5):
        noise = random.normal(0, 2000, RATE).astype(np.int16)
        write_sound(root / f"audio/esc10/002 - Rain/{fold}-10000-A.wav", noise)
    write_ravdess(root / "audio/ravdess", ACTORS, 1, {"speech": 1.0, "face": 1.0})
    link(root / "video/ravdess", root / "audio/ravdess")
    write_meld(root / "meld", seed, 3, {"text": 1.0, "speech": 1.0, "face": 1.0})
    # of text there is more, without clips: each half of its dialogues has every emotion
    write_meld(root / "text/meld", seed, 16, {"text": 1.0}, utterances=7, clips=False)
    write_iemocap(root / "iemocap", random)
    write_mosei(root / "mosei", random)
    write_texts(root / "text", random)
    write_fer2013(root / "face/fer2013", random)
    write_images(root / "face/images")
    write_manifest(root / "manifest", random)
    return root


def spoken(random: Random, emotion: str) -> NDArray[np.int16]:
    """Sound of an emotion, by a voice of random pitch."""
    return voice(random, emotion, float(random.uniform(100, 220)))


def _emodb(speaker: int, emotion: str) -> str:
    letters = dict(zip(EMOTIONS, "WEAFNT", strict=False))
    return f"wav/{('03', '08', '09', '10')[speaker]}a01{letters.get(emotion, 'L')}a.wav"


def _nemo(speaker: int, emotion: str) -> str:
    word = {"joy": "happiness", "surprise": "surprised"}.get(emotion, emotion)
    who = ("EB0", "IC0", "KD0", "KS0")[speaker]
    return "" if emotion == "disgust" else f"samples/{who}_{word}_1.wav"


def _urdu(speaker: int, emotion: str) -> str:
    word = {"anger": "Angry", "joy": "Happy", "neutral": "Neutral", "sadness": "Sad"}.get(emotion)
    return f"{word}/SM{speaker + 1}_F1_{word[0]}01.wav" if word else ""


def _emogator(speaker: int, emotion: str) -> str:
    code = dict(zip(EMOTIONS, ("03", "10", "15", "13", "18", "24", "27"), strict=True))[emotion]
    return f"data/mp3/00000{speaker + 1}-{code}-1.mp3"


def _tess(speaker: int, emotion: str) -> str:
    words = ("angry", "disgust", "fear", "happy", "neutral", "sad", "ps")
    word = dict(zip(EMOTIONS, words, strict=True))[emotion]
    who = ("OAF", "YAF")[speaker % 2]
    return f"{who}_{word}/{who}_{('back', 'bar')[speaker // 2]}_{word}.wav"


def _savee(speaker: int, emotion: str) -> str:
    code = dict(zip(EMOTIONS, ("a", "d", "f", "h", "n", "sa", "su"), strict=True))[emotion]
    return f"AudioData/{('DC', 'JE', 'JK', 'KL')[speaker]}/{code}01.wav"


def _cremad(speaker: int, emotion: str) -> str:
    codes = dict(zip(EMOTIONS, ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), strict=False))
    return f"AudioWAV/{1001 + speaker}_DFA_{codes[emotion]}_XX.wav" if emotion in codes else ""


SPEECH: Mapping[str, Callable[[int, str], str]] = {
    "emodb": _emodb,
    "nemo": _nemo,
    "urdu": _urdu,
    "emogator": _emogator,
    "tess": _tess,
    "savee": _savee,
    "cremad": _cremad,
}
"""Path of a recording below the corpus' folder, by speaker (0 to 3) and emotion; "": has none."""


def write_sound(path: Path, sound: NDArray[np.int16]) -> None:
    """WAV or MP3, by the name; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".wav":
        write_wav(path, sound)
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        for frame in audio_frames(sound):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_iemocap(root: Path, random: Random) -> None:
    """Five sessions of a dialogue each, in which a woman and a man say seven utterances."""
    codes = dict(zip(EMOTIONS, ("ang", "dis", "fea", "hap", "neu", "sad", "sur"), strict=True))
    for session in range(1, 6):
        folder = root / f"IEMOCAP_full_release/Session{session}"
        dialogue = f"Ses0{session}F_impro01"
        labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        texts = []
        for k, emotion in enumerate((*EMOTIONS, "other")):
            name, end = f"{dialogue}_{'FM'[k % 2]}{k:03d}", 2.0 * k + 1.5
            code = codes.get(emotion, "fru")
            labels += [f"[{2 * k:.4f} - {end:.4f}]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]", ""]
            words = sentence(random, emotion if emotion in codes else "anger")
            texts.append(f"{name} [{2 * k:08.4f}-{end:08.4f}]: {words}")
            if emotion in codes:
                sound = folder / f"sentences/wav/{dialogue}/{name}.wav"
                write_sound(sound, spoken(random, emotion))
        _write(folder / f"dialog/EmoEvaluation/{dialogue}.txt", labels)
        _write(folder / f"dialog/transcriptions/{dialogue}.txt", texts)


def write_mosei(root: Path, random: Random) -> None:
    """Six videos of seven clips, two a fold: transcripts, the annotators' scores, the folds."""
    six = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
    videos = [f"video{k}" for k in range(6)]
    scores = ['"HITId","Input.VIDEO_ID","Input.CLIP",' + ",".join(f'"Answer.{s}"' for s in six)]
    for video in videos:
        lines = []
        for k, emotion in enumerate(EMOTIONS):
            lines.append(f"{video}___{k}___{k}.0___{k + 1}.0___{sentence(random, emotion)}")
            own = "happiness" if emotion == "joy" else emotion
            scores.append(f'"a","{video}","{k}",' + ",".join(str(2 * (s == own)) for s in six))
        _write(root / f"CMU_MOSEI/Transcript/Segmented/Combined/{video}.txt", lines)
        whole = np.concatenate([spoken(random, emotion) for emotion in EMOTIONS])
        write_sound(root / f"CMU_MOSEI/Audio/Full/WAV_16000/{video}.wav", whole)
    _write(root / "CMU_MOSEI/Labels/5000_batch_raw.csv", scores)
    folds = zip(("train", "valid", "test"), (videos[:2], videos[2:4], videos[4:]), strict=True)
    _write(root / "cmu_mosei_std_folds.py", [f"standard_{fold}_fold = {v}" for fold, v in folds])


def write_texts(root: Path, random: Random) -> None:
    """EmoryNLP and DailyDialog in dialogues of two, GoEmotions in comments: 14 texts each."""
    for corpus in ("emorynlp", "dailydialog", "goemotions"):
        column = "labels7" if corpus == "goemotions" else "label7"
        path = root / corpus / "train.tsv.gz"
        path.parent.mkdir(parents=True)
        with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter="\t")
            rows.writerow(("dialogue", "text", column))
            for k in range(14):
                emotion = EMOTIONS[k % 7]
                rows.writerow((f"{corpus}-{k // 2}", sentence(random, emotion), emotion))


def write_fer2013(root: Path, random: Random) -> None:
    """``fer2013.csv`` and FER+'s ``fer2013new.csv``: a bright bar whose place is the emotion."""
    # FER2013's codes, and the columns of FER+'s votes
    codes = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    votes = ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear")
    pixels, plus = [["emotion", "pixels", "Usage"]], []
    plus.append(["Usage", "Image name", "neutral", "happiness", *votes[2:], "contempt"])
    plus[0] += ["unknown", "NF"]
    usages = ["Training"] * 42 + ["PublicTest"] * 84 + ["PrivateTest"] * 7
    for k, usage in enumerate(usages):
        emotion = EMOTIONS[k % 7]
        image = random.integers(0, 256, (6, 6)).astype(np.uint8)
        image = cv2.resize(image, (48, 48), interpolation=cv2.INTER_NEAREST)
        image[6 * (k % 7) : 6 * (k % 7) + 6] = 255
        pixels.append([str(codes.index(emotion)), " ".join(map(str, image.ravel())), usage])
        counts = [9 * (v == emotion) for v in votes]
        plus.append([usage, f"fer{k:07d}.png", *map(str, counts), "0", "1", "0"])
    for name, rows in (("fer2013.csv", pixels), ("fer2013new.csv", plus)):
        _write(root / name, [",".join(row) for row in rows])


def write_images(root: Path) -> None:
    """Pictures of the face in folders of labels, three a label in train and in dev."""
    for split in ("train", "dev"):
        for emotion in EMOTIONS:
            folder = root / split / emotion
            folder.mkdir(parents=True)
            for k in range(3):
                image = np.clip(face(emotion) * (0.8 + 0.1 * k), 0, 255).astype(np.uint8)
                assert cv2.imwrite(str(folder / f"{k}.png"), image)


def write_manifest(root: Path, random: Random) -> None:
    """``manifest.csv`` of 14 recordings with words in train and 7 in dev, a speaker each split."""
    lines = ["path,label,text,speaker,split"]
    for k in range(21):
        emotion, split = EMOTIONS[k % 7], "train" if k < 14 else "dev"
        write_sound(root / f"sounds/{k}.wav", spoken(random, emotion))
        words = sentence(random, emotion)
        lines.append(f"sounds/{k}.wav,{emotion},{words},of {split},{split}")
    _write(root / "manifest.csv", lines)


def link(path: Path, target: Path) -> None:
    """A link, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
