"""Seeded fuzz of what users hand over: media, images, cards, JSON, manifests, archives.

Whatever the bytes, the answer is a result in order or one ``MmerError`` of one line. In the quick
lane each kind has a fixed number of rounds; marked slow each goes on after them, to
``MMER_FUZZ_S`` seconds in all (default 3). A failure names its seed, with which the round can be
repeated.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import shutil
import struct
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from synthetic_media import pictures, steady, write_media

from mmer.models.bundle import Bundle
from mmer.models.cards.card import KINDS, load_card, weights_dir
from mmer.models.cards.seen import Seen
from mmer.models.encoder import preparation_of
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel
from mmer.models.labels import EMOTIONS
from mmer.models.preparation.frames import Images
from mmer.models.preparation.opening import PREPARATIONS, open_preparation
from mmer.models.preparation.preparation import Utterance
from mmer.models.store.catalogue import VOSK_MODEL
from mmer.models.store.unpack import extract, intact
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import AudioBlock, VideoFrame
from mmer.realtime.pacing import captured_at
from mmer.realtime.sources.media import MediaFile
from mmer.training.datasets.images import read_image
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode
from mmer.training.datasets.registry import read

LONG_S = float(os.environ.get("MMER_FUZZ_S", "3"))
ROUND_S = 10.0
"""Processor time that no round may need: what is damaged must not take for ever either."""

Rounds = Callable[[int], Iterator[random.Random]]


@pytest.fixture(params=["quick", pytest.param("long", marks=pytest.mark.slow)])
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """``rounds(n)``: ``n`` generators of random numbers; in the long lane more, for ``LONG_S``."""

    def make(quick: int) -> Iterator[random.Random]:
        began = time.monotonic()
        for seed in count() if request.param == "long" else range(quick):
            if seed >= quick and time.monotonic() - began > LONG_S:
                return
            started = time.process_time()
            try:
                yield random.Random(seed)
            except GeneratorExit:
                print(f"failed at seed {seed}")
                raise
            assert time.process_time() - started < ROUND_S, f"seed {seed} takes for ever"

    return make


def damaged(content: bytes, rng: random.Random) -> bytes:
    """``content`` after one to four accidents: bits, numbers, holes, repeats, an early end."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        # headers are where the harm is done
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 200))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            number = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32)))
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", number)
        elif kind == 3:
            data[at : at + rng.randint(1, 500)] = b""
        elif kind == 4:
            n = rng.randint(1, 500)
            data[at : at + n] = bytes(n)
        elif kind == 5:
            data[at:at] = data[max(0, at - rng.randint(1, 2000)) : at]
        else:
            del data[max(at, 1) :]
        data = data or bytearray(b"\0")
    return bytes(data)


def one_line(error: MmerError) -> None:
    text = str(error)
    assert text
    assert len(text.splitlines()) == 1, text
    assert len(text) < 2000, text


# --- media ---------------------------------------------------------------------------------------


CLIPS: dict[str, tuple[str, str, str]] = {
    "a.wav": ("pcm_s16le", "s16", ""),
    "a.flac": ("flac", "s16", ""),
    "a.mp3": ("libmp3lame", "fltp", ""),
    "a.opus": ("libopus", "flt", ""),
    "a.mp4": ("aac", "fltp", "mpeg4"),
    "a.mkv": ("pcm_s16le", "s16", "mpeg4"),
    "a.mov": ("aac", "fltp", "libx264"),
    "a.avi": ("pcm_s16le", "s16", "mpeg4"),
    "a.ts": ("aac", "fltp", "mpeg4"),
}
"""Codec and format of the sound, and codec of the video."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    noise = np.random.default_rng(0).normal(size=(1, 24_000)) * 0.1
    made = {}
    for name, (codec, form, video) in CLIPS.items():
        frames = pictures(steady(0.5, 10)) if video else ()
        shown = {"frames": frames, "picture_codec": video}
        path = write_media(folder / name, noise, sound_codec=codec, sound_format=form, **shown)
        made[name] = path.read_bytes()
    return made


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_media(tmp_path: Path, clips: dict[str, bytes], rounds: Rounds) -> None:
    handles = open_files()
    for rng in rounds(120):
        name = rng.choice(sorted(clips))
        path = tmp_path / name
        path.write_bytes(damaged(clips[name], rng))
        source = MediaFile(path)
        last, samples = 0.0, 0
        try:
            source.open(ManualClock())
            for message in source.messages():
                at = captured_at(message)
                assert at >= last
                last = at
                if isinstance(message, AudioBlock):
                    samples += len(message.samples)
                    assert message.samples.dtype == np.int16
                elif isinstance(message, VideoFrame):
                    assert message.image.dtype == np.uint8
        except MmerError as error:
            one_line(error)
        finally:
            source.close()
        assert samples < 600 * 16_000, "half a second has become ten minutes"
        try:
            assert decode(path).dtype == np.int16
        except MmerError as error:
            one_line(error)
    assert open_files() <= handles + 2


@pytest.mark.skipif(
    tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 12),
    reason="the decoders of this OpenCV crash on some damaged images",
)
def test_images(tmp_path: Path, rounds: Rounds) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    kinds = ("png", "jpg", "bmp", "tif", "webp", "gif", "ppm", "jp2", "avif", "ras")
    whole = {kind: cv2.imencode(f".{kind}", image)[1].tobytes() for kind in kinds}
    for rng in rounds(150):
        kind = rng.choice(kinds)
        path = tmp_path / f"a.{kind}"
        path.write_bytes(damaged(whole[kind], rng))
        try:
            assert read_image(Item("images", "a", 0, path=path)).ndim == 3
        except MmerError as error:
            one_line(error)


# --- JSON ----------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ODD = (
    *(None, True, False, 0, -1, 1, 0.5, 1e308, -1e308, 2**62, -(2**62), 10**30),
    *(float("nan"), float("inf"), 10, 1000, 1_000_000, "", " ", "joy"),
    *("../x", "/etc/passwd", "a\0b", "\ud800", "x" * 5000),
    *([], {}, [[]], [1], ["a"], {"a": 1}, {"kind": "waveform"}, deep(50)),
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every table or list in ``value`` with each of its keys."""
    keys: Any = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


def odd_table(table: Any, rng: random.Random) -> Any:
    """``table`` with one to three values replaced, left out, renamed or doubled."""
    table = copy.deepcopy(table)
    for _ in range(rng.randint(1, 3)):
        found = list(places(table))
        if not found:
            return table
        holder, key = rng.choice(found)
        how = rng.randrange(8)
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        elif how == 2 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD))
    return table


def odd_text(table: Any, rng: random.Random) -> bytes:
    """An odd table as JSON; one in five with its bytes damaged."""
    text = json.dumps(odd_table(table, rng)).encode()
    return damaged(text, rng) if rng.random() < 0.2 else text


RAW: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "speech": lambda model: (
        np.random.default_rng(0).integers(-900, 900, 16_000).astype(np.int16),
    ),
    "text": lambda model: ("what a day", ("oh no",)),
    "face": lambda model: (np.full((model.size, model.size, 3), 90, np.uint8),),
}


def opened(folder: Path, kind: str) -> None:
    """Open the model of ``kind`` in ``folder`` as a session does, and let it answer."""
    bundle = Bundle(folder)
    if kind == "fusion":
        FusionModel.load(folder)
    else:
        model = bundle.load_encoder(kind, "cpu")
        prediction = model.predict(*RAW[kind](model))
        assert prediction.log_probs.shape == (len(EMOTIONS),)
    bundle.why_not("text")


def test_cards(tmp_path: Path, rounds: Rounds) -> None:
    tables = {}
    for kind in KINDS:
        card = load_card(weights_dir() / f"{kind}.json")
        tables[kind] = json.loads((weights_dir() / f"{kind}.json").read_text(encoding="utf-8"))
        shutil.copy(weights_dir() / card.file, tmp_path / card.file)
    shutil.copy(weights_dir() / "text-tokenizer.json", tmp_path / "text-tokenizer.json")
    for rng in rounds(40):
        kind = rng.choice(KINDS)
        path = tmp_path / f"{kind}.json"
        path.write_bytes(odd_text(tables[kind], rng))
        try:
            opened(tmp_path, kind)
        except MmerError as error:
            one_line(error)
        path.unlink()


def test_preparations(tmp_path: Path, rounds: Rounds) -> None:
    whole = {
        kind: PREPARATIONS.load(kind)().settings()
        for kind in (
            *("waveform", "mfcc", "log-mel", "log-mel-segment"),
            *("whisper-log-mel", "frames", "faces"),
        )
    }
    noise = np.random.default_rng(0).integers(-5000, 5000, 24_000).astype(np.int16)
    for rng in rounds(150):
        settings = odd_table(whole[rng.choice(sorted(whole))], rng)
        try:
            preparation = open_preparation(settings, tmp_path)
            lengths = preparation.lengths()
            frames = isinstance(preparation, Images)
            arrays = preparation(np.full((3, 64, 48, 3), 90, np.uint8) if frames else noise)
        except MmerError as error:
            one_line(error)
        else:
            for array in arrays or ():
                assert array.size < 100_000_000
                assert np.isfinite(array).all()
            assert lengths is None or lengths.least >= 1


def test_tokenizers(tmp_path: Path, rounds: Rounds) -> None:
    whole = json.loads((weights_dir() / "text-tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = list(whole["model"]["vocab"].items())[:300]  # or nearly all accidents hit it
    whole["model"]["vocab"] = dict(vocabulary)
    card = load_card(weights_dir() / "text.json")
    settings = preparation_of(card, weights_dir()).settings() | {"tokenizer": "odd.json"}
    for rng in rounds(300):
        content = odd_text(whole, rng)
        (tmp_path / "odd.json").write_bytes(content)
        settings["tokenizer_sha256"] = hashlib.sha256(content).hexdigest()
        try:
            arrays = open_preparation(settings, tmp_path)(
                Utterance("what a day", ("oh \u6f22", "no"))
            )
        except MmerError as error:
            one_line(error)
        else:
            assert arrays is None or all(array.dtype == np.int64 for array in arrays)


def test_networks(tmp_path: Path, rounds: Rounds) -> None:
    table = json.loads((weights_dir() / "fusion.json").read_text(encoding="utf-8"))
    whole = (weights_dir() / table["file"]).read_bytes()
    for rng in rounds(60):
        content = damaged(whole, rng)
        (tmp_path / table["file"]).write_bytes(content)
        table["sha256"] = hashlib.sha256(content).hexdigest()
        (tmp_path / "fusion.json").write_text(json.dumps(table))
        try:
            FusionModel.load(tmp_path)
        except MmerError as error:
            one_line(error)


# --- manifests and archives ----------------------------------------------------------------------

MANIFEST = (
    "label,path,text,speaker,start,end,split,dialogue\n"
    "joy,a.wav,well done,ann,0,0.5,train,1\n"
    "anger,a.wav,go away,bob,0.1,0.4,dev,1\n"
    ",a.wav,nothing,ann,,,train,2\n"
)
FIELDS = (
    "joy",
    "Joy",
    "",
    "a.wav",
    "../a.wav",
    "nan",
    "inf",
    "-1",
    "1e999",
    '"',
    "\0",
    "é",
    "x" * 5000,
    "x" * 200_000,
)


def odd_manifest(rng: random.Random) -> bytes:
    rows = [line.split(",") for line in MANIFEST.splitlines()]
    for _ in range(rng.randint(1, 4)):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(FIELDS)
        if rng.random() < 0.2:
            row.pop()
    text = "\n".join(",".join(row) for row in rows).encode()
    return damaged(text, rng) if rng.random() < 0.3 else text


def test_manifests(tmp_path: Path, rounds: Rounds) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    for rng in rounds(200):
        path = tmp_path / "manifest.csv"
        path.write_bytes(odd_manifest(rng))
        try:
            for item in read("manifest", path, rng.choice(("speech", "text", "face"))).items:
                assert 0 <= item.label < len(EMOTIONS)
        except MmerError as error:
            one_line(error)


def test_archives(tmp_path: Path, rounds: Rounds) -> None:
    archive = tmp_path / f"{VOSK_MODEL.folder}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in VOSK_MODEL.needs:
            file.writestr(f"{VOSK_MODEL.folder}/{name}", b"model" * 20)
    whole = archive.read_bytes()
    seen = tmp_path / "a.seen.npz"
    Seen(frozenset({"meld/train/1"}), np.arange(50, dtype=np.uint64)).save(seen)
    fingerprint = seen.read_bytes()
    for number, rng in enumerate(rounds(150)):
        archive.write_bytes(damaged(whole, rng))
        into = tmp_path / str(number)
        into.mkdir()
        try:
            assert intact(VOSK_MODEL, extract(VOSK_MODEL, archive, into))
        except MmerError as error:
            one_line(error)
        shutil.rmtree(into)
        seen.write_bytes(damaged(fingerprint, rng))
        try:
            Seen.load(seen)
        except MmerError as error:
            one_line(error)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([archive.name, seen.name])
