"""Would int8 pay on this processor? The voice's and the face's networks, quantized and measured.

``python -m mmer.training.studies.int8 [--data DATA] [--output FOLDER]`` quantizes both by ONNX
Runtime's static quantization, calibrated on training items, and asks them and the shipped ones for
the development items: RAVDESS actors 17-20 and FER+'s public test. Nothing is shipped by it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tyro

from mmer.models.card import load_card, weights_dir
from mmer.models.engine import Engine, open_engine
from mmer.models.engine.precision import Inputs, int8, load
from mmer.models.engine.verify import TIE, Comparison, compare
from mmer.models.errors import MmerError
from mmer.models.logmel import SAMPLE_RATE, LogMel
from mmer.models.machine import cpu_name
from mmer.training.datasets.data_folder import data_dir
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode, trim
from mmer.training.datasets.registry import read

CALIBRATED_BY: Final = 300
CALLS: Final = 300
SEED: Final = 0


@dataclass(frozen=True)
class Row:
    """One network: how its int8 twin compares, and what both get right (0..1) of ``n`` items."""

    network: str
    n: int
    right: float
    right_int8: float
    found: Comparison

    def to_markdown(self) -> str:
        """A line of the table."""
        before, after = self.found.reference_ms[0], self.found.candidate_ms[0]
        return (
            f"| {self.network} | {self.n} | {before:.2f} | {after:.2f} | {after / before:.2f} | "
            f"{100 * self.found.label_agreement:.1f} | {100 * self.found.clear_agreement:.1f} | "
            f"{100 * self.right:.1f} | {100 * self.right_int8:.1f} |"
        )


def voices(items: Sequence[Item]) -> list[Inputs]:
    """Features of whole recordings, their last max_s, as the shipped voice reads them."""
    card = load_card(weights_dir() / "speech.json")
    bank, longest = LogMel(**card.setting("logmel")), round(card.number("max_s") * SAMPLE_RATE)
    sounds = [trim(decode(item.path)) for item in items if item.path is not None]
    return [{"features": bank(sound[-longest:])[None]} for sound in sounds]


def faces(items: Sequence[Item]) -> list[Inputs]:
    """Grey crops as the shipped face reads them."""
    crops = [item.pixels for item in items if item.pixels is not None]
    return [{"image": crop.astype(np.float32)[None, None]} for crop in crops]


def study(data: Path) -> list[Row]:
    """Both networks; raises MmerError where a corpus or the ``onnx`` package is missing."""
    ravdess, fer = data / "audio" / "ravdess", data / "face" / "fer2013"
    return [
        _row(
            "speech",
            read("ravdess", ravdess, "speech", "train").items,
            read("ravdess", ravdess, "speech", "dev").items,
            voices,
        ),
        _row(
            "face",
            read("fer2013", fer, "face", "train").items,
            read("fer2013", fer, "face", "public_test").items,
            faces,
        ),
    ]


def _row(
    name: str,
    train: Sequence[Item],
    held: Sequence[Item],
    inputs_of: Callable[[Sequence[Item]], list[Inputs]],
) -> Row:
    chosen = np.random.default_rng(SEED).permutation(len(train))[:CALIBRATED_BY]
    path = weights_dir() / f"{name}.onnx"
    inputs, labels = inputs_of(held), np.array([item.label for item in held])
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder) / path.name
        network = int8(load(path), inputs_of([train[k] for k in chosen]), symmetric=False)
        quantized.write_bytes(network.SerializeToString())
        shipped, other = open_engine(path, "cpu"), open_engine(quantized, "cpu")
        right, right_int8 = (float((_labels(e, inputs) == labels).mean()) for e in (shipped, other))
        return Row(name, len(held), right, right_int8, compare(shipped, other, inputs, CALLS))


def _labels(engine: Engine, inputs: Sequence[Inputs]) -> np.ndarray:
    return np.array([engine.run(each)["logits"][0].argmax() for each in inputs])


def render(rows: Sequence[Row]) -> str:
    """The table in Markdown, and what it was measured on."""
    return "\n".join(
        [
            "| network | n | fp32, ms | int8, ms | ratio | same label, % | same clear label, % | "
            "right, % | right in int8, % |",
            "|---|---|---|---|---|---|---|---|---|",
            *(row.to_markdown() for row in rows),
            "",
            f"Medians of {CALLS} calls of one item, in turns, on one thread of {cpu_name()}; "
            f"calibrated on {CALIBRATED_BY} training items. Clear: the two likeliest labels are at "
            f"least {TIE} apart.",
            "`python -m mmer.training.studies.int8`",
        ]
    )


@dataclass(frozen=True)
class Arguments:
    """Quantize the voice's and the face's networks, and measure what it saves and costs."""

    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    output: Path | None = None
    """Folder for int8.md."""


def main() -> None:
    """Print the table; a user's mistake is told in one line, with exit status 2."""
    arguments = tyro.cli(Arguments, prog="python -m mmer.training.studies.int8")
    try:
        if arguments.output is not None and not arguments.output.is_dir():
            raise MmerError(f"the folder {arguments.output} does not exist: make it first")
        page = render(study(data_dir(arguments.data)))
        print(page)
        if arguments.output is not None:
            (arguments.output / "int8.md").write_text(page + "\n", encoding="utf-8")
    except MmerError as error:
        print(f"int8: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("int8: stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
