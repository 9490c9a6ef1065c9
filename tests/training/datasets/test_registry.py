import subprocess
import sys
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.corpora import CORPORA
from mmer.training.datasets.label_names import LABELS, folded, maps_to_none
from mmer.training.datasets.registry import corpus_names, default_split, read, splits_of

ISSUE = (
    "ravdess emodb tess savee nemo urdu emogator cremad iemocap meld mosei fer2013 images manifest"
)


def test_every_corpus_is_known_by_name() -> None:
    assert set(ISSUE.split()) <= set(corpus_names())
    for name in corpus_names():
        assert default_split(name) in splits_of(name)
        assert "all" in splits_of(name)
        assert CORPORA[name].modalities


def test_official_splits_have_their_names() -> None:
    assert splits_of("meld") == ("train", "dev", "test", "all")
    assert splits_of("mosei") == ("train", "dev", "test", "all")
    assert splits_of("fer2013") == ("train", "public_test", "private_test", "all")
    assert splits_of("iemocap") == (*(f"session{n}" for n in range(1, 6)), "all")
    assert splits_of("emodb") == ("all",)
    assert [default_split(n) for n in ("meld", "fer2013", "ravdess")] == [
        "test",
        "private_test",
        "all",
    ]


def test_an_unknown_name_modality_or_split_is_told(tmp_path: Path) -> None:
    for call in (splits_of, default_split):
        with pytest.raises(MmerError, match=r"no dataset 'x'; known are ravdess, emodb"):
            call("x")
    with pytest.raises(MmerError, match=r"esc10 is noise, without emotions to read; corpora are"):
        read("esc10", tmp_path, "speech")
    with pytest.raises(MmerError, match="emodb is not read for face; it is for speech"):
        read("emodb", tmp_path, "face")
    with pytest.raises(MmerError, match="emodb has no split test; it has all"):
        read("emodb", tmp_path, "speech", "test")


def test_label_names_lead_to_each_emotion_or_to_none() -> None:
    assert {EMOTIONS[n] for n in LABELS.values() if n is not None} == set(EMOTIONS)
    assert all(folded(name) == name for name in LABELS)
    assert [LABELS[n] for n in ("calm", "contempt", "boredom")] == [None] * 3
    assert folded(" Pleasant-Surprise ") == "pleasant_surprise"
    assert maps_to_none("no_agreement") == "no agreement maps to none"


def test_reading_needs_no_torch() -> None:
    code = "import sys, mmer.training.datasets.registry, mmer.training.datasets.media as m; "
    code += "import mmer.training.datasets.likeness; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_page_of_datasets_names_them_all() -> None:
    page = Path(__file__).parents[3] / "training/datasets/README.md"
    if not page.is_file():
        pytest.skip("the tests run without the sources beside them")
    text = page.read_text(encoding="utf-8")
    for name in corpus_names():
        assert f"`{name}`" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for row in rows:
        _, name, modalities, splits, *_ = (cell.strip() for cell in row.split("|"))
        name = name.strip("`")
        if modalities != "all":
            assert set(modalities.split(", ")) == set(CORPORA[name].modalities)
        assert splits.startswith(default_split(name))
