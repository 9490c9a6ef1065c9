"""The documented counts of the corpora, where they are on disk."""

import os
from collections import Counter
from pathlib import Path

import pytest

from mmer.models.labels import EMOTIONS
from mmer.training.datasets.media import decode, sound_files
from mmer.training.datasets.registry import read

pytestmark = pytest.mark.data

# corpus, folder, modality, split: counts in the order of EMOTIONS, and what is left out
DOCUMENTED = {
    ("ravdess", "audio/ravdess", "speech", "all"): ([158, 158, 158, 158, 79, 158, 158], 158),
    ("ravdess", "audio/ravdess", "speech", "dev"): ([32, 32, 32, 32, 16, 32, 32], 32),
    ("ravdess", "video/ravdess", "clip", "all"): ([0, 0, 0, 0, 3, 0, 1], 0),
    ("ravdess", "video/ravdess_actor01_frames", "clip", "all"): ([6, 6, 6, 6, 3, 6, 6], 0),
    ("ravdess", "face/ravdess_actor01", "face", "all"): ([30, 30, 30, 30, 15, 30, 30], 0),
    ("emodb", "audio/emodb", "speech", "all"): ([127, 46, 69, 71, 79, 62, 0], 81),
    ("nemo", "audio/nemo", "speech", "all"): ([749, 0, 736, 749, 809, 769, 669], 0),
    ("urdu", "audio/urdu", "speech", "all"): ([100, 0, 0, 100, 100, 100, 0], 0),
    ("emogator", "audio/emogator", "speech", "all"): ([198, 198, 198, 396, 198, 198, 396], 0),
    ("grid", "video/grid", "speech", "all"): ([0, 0, 0, 0, 8, 0, 0], 0),
    ("meld", "text/meld", "text", "train"): ([1109, 271, 268, 1743, 4710, 683, 1205], 0),
    ("meld", "text/meld", "text", "dev"): ([153, 22, 40, 163, 470, 111, 150], 0),
    ("emorynlp", "text/emorynlp", "text", "train"): ([700, 0, 861, 1508, 2240, 435, 0], 1071),
    ("emorynlp", "text/emorynlp", "text", "dev"): ([78, 0, 98, 156, 286, 41, 0], 112),
    ("dailydialog", "text", "text", "train"): ([246, 106, 36, 3813, 8000, 237, 416], 0),
    ("dailydialog", "text", "text", "dev"): ([77, 6, 11, 656, 6930, 75, 96], 0),
    # of the documented 39,555 six are a masked name alone; one of 4,946
    ("goemotions", "text", "text", "train"): ([4293, 497, 541, 15216, 12818, 2326, 3858], 3861),
    ("goemotions", "text", "text", "dev"): ([555, 61, 72, 1941, 1591, 266, 459], 481),
    ("carer", "text/carer", "text", "train"): ([2159, 0, 1937, 6666, 0, 4666, 572], 0),
    ("carer", "text/carer", "text", "dev"): ([275, 0, 212, 882, 0, 550, 81], 0),
    ("tweeteval", "text", "text", "train"): ([1400, 0, 0, 1002, 0, 855, 0], 0),
    ("tweeteval", "text", "text", "dev"): ([160, 0, 0, 125, 0, 89, 0], 0),
    ("isear", "text/isear", "text", "all"): ([1096, 1096, 1095, 1094, 0, 1096, 0], 2189),
    ("fer2013", "face", "face", "train"): ([2099, 119, 532, 7287, 8739, 3013, 3149], 3620),
    ("fer2013", "face", "face", "public_test"): ([287, 24, 62, 865, 1182, 351, 415], 393),
    ("muxspace", "face/muxspace", "face", "all"): ([252, 208, 21, 330, 330, 267, 367], 9),
    ("yalefaces", "face/yalefaces", "face", "all"): ([0, 0, 0, 15, 15, 14, 15], 30),
}


@pytest.fixture
def data() -> Path:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    return Path(os.environ["MMER_DATA"])


@pytest.mark.parametrize(("corpus", "folder", "modality", "split"), DOCUMENTED)
def test_counts_are_the_documented_ones(
    corpus: str, folder: str, modality: str, split: str, data: Path
) -> None:
    reading = read(corpus, data / folder, modality, split)
    counts, left_out = DOCUMENTED[corpus, folder, modality, split]
    found = Counter(item.label for item in reading.items)
    assert [found[n] for n in range(len(EMOTIONS))] == counts
    assert reading.dropped.total() == left_out
    assert "file name not understood" not in reading.dropped
    assert len({item.key for item in reading.items}) == len(reading.items)


def test_a_recording_of_each_corpus_is_decoded(data: Path) -> None:
    for corpus in ("ravdess", "emodb", "nemo", "urdu", "emogator"):
        path = read(corpus, data / "audio" / corpus, "speech").items[0].path
        assert path is not None
        assert len(decode(path)) > 8000
    assert len(sound_files(data / "audio/esc10", "esc10")) == 50


def test_speakers_of_the_development_fold_are_four(data: Path) -> None:
    root = data / "audio/ravdess"
    groups = {s: {i.speaker_group for i in read("ravdess", root, "speech", s).items} for s in SIDES}
    assert groups["dev"] == {f"ravdess/{n}" for n in (17, 18, 19, 20)}
    assert groups["train"] == {f"ravdess/{n:02d}" for n in range(2, 17)}


SIDES = ("train", "dev")
