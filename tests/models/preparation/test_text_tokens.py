import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_transformers import write_tiny

from mmer.models.errors import MmerError
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import Utterance
from mmer.models.preparation.text_tokens import TextTokens

CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tokenizers")
    return {
        kind: (write_tiny(kind, folder / kind) / "tokenizer.json").read_text("utf-8")
        for kind in ("bert", "roberta")
    }


def ids(tokens: TextTokens, text: str, *past: str) -> list[int]:
    arrays = tokens(Utterance(text, past))
    assert arrays is not None
    assert arrays[0].dtype == np.int64
    return arrays[0].tolist()


def test_the_utterance_after_the_last_of_the_past(tokenizers: dict[str, str]) -> None:
    alone, two = TextTokens(tokenizers["bert"]), TextTokens(tokenizers["bert"], past=2)
    why, no, dog, happy = (ids(alone, text)[1:-1] for text in ("why", "no", "the dog", "so happy"))
    assert ids(alone, "so happy", "why") == [CLS, *happy, SEP]
    assert ids(two, "so happy") == [CLS, *happy, SEP]
    assert ids(two, "So happy", "the dog", "why", "  ", "no") == [CLS, *why, *no, SEP, *happy, SEP]
    assert ids(two, "so happy", "the dog") == [CLS, *dog, SEP, *happy, SEP]


def test_the_separators_are_the_tokenizers_own(tokenizers: dict[str, str]) -> None:
    assert ids(TextTokens(tokenizers["roberta"], past=1), "no", "a") == [
        0,
        *ids(TextTokens(tokenizers["roberta"]), "a")[1:-1],
        2,
        2,
        *ids(TextTokens(tokenizers["roberta"]), "no")[1:-1],
        2,
    ]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_oldest_goes_first(kind: str, tokenizers: dict[str, str]) -> None:
    whole = ids(TextTokens(tokenizers[kind], past=9), "so happy", "why would you do that")
    for room in range(4, len(whole) + 1):
        cut = ids(TextTokens(tokenizers[kind], room, past=9), "so happy", "why would you do that")
        assert len(cut) <= room
        own = ids(TextTokens(tokenizers[kind]), "so happy")
        kept = min(len(own) - 1, room - 1)
        assert cut[-kept:] == own[-kept:]
    assert cut == whole


def test_without_a_word_there_is_nothing_to_evaluate(tokenizers: dict[str, str]) -> None:
    tokens = TextTokens(tokenizers["bert"], past=3)
    assert tokens(Utterance("  ", ("why",))) is None
    assert tokens(Utterance("")) is None
    assert ids(tokens, "\ud800")  # half a character, as a broken recogniser may send it


def test_settings_and_files(tokenizers: dict[str, str], tmp_path: Path) -> None:
    tokens = TextTokens(tokenizers["bert"], max_tokens=9, past=4)
    settings = tokens.settings()
    with pytest.raises(MmerError, match="is missing"):
        open_preparation(settings, tmp_path)
    for name, content in tokens.files().items():
        (tmp_path / name).write_bytes(content)
    again = open_preparation(settings, tmp_path)
    assert again.settings() == settings
    assert again.files() == tokens.files()
    (tmp_path / settings["tokenizer"]).write_text("{}")
    with pytest.raises(MmerError, match="damaged"):
        open_preparation(settings, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_tokens": 2}, "max_tokens is 2"), ({"past": -1}, "past is -1")],
)
def test_mistakes(options: dict[str, int], message: str, tokenizers: dict[str, str]) -> None:
    with pytest.raises(MmerError, match=message):
        TextTokens(tokenizers["bert"], **options)
    with pytest.raises(MmerError, match="cannot read the tokenizer"):
        TextTokens("{}")


def test_no_torch_on_the_live_path() -> None:
    code = (
        "import sys; from mmer.models.preparation.opening import PREPARATIONS;"
        "from importlib import import_module;"
        "[import_module(p.place.split(':')[0]) for _, p in PREPARATIONS.items()];"
        "print([m for m in ('torch', 'transformers', 'librosa', 'opensmile') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
