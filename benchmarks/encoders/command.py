"""`mmer-bench encoders`: every network on every engine in every precision, one call at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from mmer.benchmarks.encoders.plot import draw_encoders
from mmer.benchmarks.encoders.subjects import GROWN_S, Subject, subjects
from mmer.benchmarks.encoders.timing import Times, time_calls
from mmer.benchmarks.encoders.variants import Variants, make_variants
from mmer.benchmarks.harness.command import (
    OptionalFolder,
    PlotOutputs,
    Say,
    check_ranges,
    some_of,
)
from mmer.benchmarks.report.report import Report, Row, check_folder
from mmer.benchmarks.report.statistics import summarise
from mmer.benchmarks.report.tables import Table
from mmer.models.cards.card import KINDS
from mmer.models.engine import PROVIDERS, Engine, open_engine
from mmer.models.engine.precision import PRECISIONS
from mmer.models.engine.verify import compare
from mmer.models.errors import MmerError

BATCHES: Final = (1, 8)


@dataclass(frozen=True, kw_only=True)
class Encoders(PlotOutputs):
    """Time of one call of each network: by engine, precision, one input and eight at once.

    The speech, text and face networks and the fusion, as they are exported and in float32,
    float16 and int8, on every provider that this machine has; those that it has not are named with
    the reason. One thread, after a warm-up. The preparation of the input (spectrum,
    alignment, tokenizer) is timed apart. The other precisions require the package onnx.
    """

    provider: Annotated[str | None, tyro.conf.arg(metavar="NAMES")] = None
    """Some of cpu, cuda, tensorrt, ort-tensorrt, coreml, directml, with commas between; else all.
    TensorRT builds what it has not built yet, which takes minutes."""
    networks: Annotated[str | None, tyro.conf.arg(metavar="NAMES")] = None
    """Some of speech, text, face, fusion, with commas between; left out: all."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    calls: int = 200
    """Calls that are timed, of each."""

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers to time on; raises MmerError."""
        return some_of("--provider", self.provider, PROVIDERS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Networks to time; raises MmerError."""
        return some_of("--networks", self.networks, KINDS)

    def check(self) -> None:
        super().check()
        some_of("--provider", self.provider, PROVIDERS)
        some_of("--networks", self.networks, KINDS)
        check_ranges(("--calls", self.calls, 10, 100_000))
        check_folder("--weights", self.weights)

    def run(self, say: Say) -> Report:
        found = subjects(self.weights, self.kinds)
        timed: list[Timed] = []
        with tempfile.TemporaryDirectory() as folder:
            for subject in found:
                say(f"{subject.card.modality}: making its precisions")
                variants = make_variants(subject, Path(folder))
                timed += _time_all(subject, variants, self, say)
        prepared = _time_preparations(found, self.calls)
        lines = [[what, *_shown(times)] for _, what, times in prepared]
        before = Table(["preparation", "p50", "p99"], lines, "Before the network, milliseconds")
        rows = [
            *_rows(timed),
            *(_row(key, what, times, {}) for key, what, times in prepared),
        ]
        return Report(
            kind="encoders",
            title=f"mmer-bench encoders: {self.calls} calls each, one thread",
            settings={
                "providers": self.providers,
                "networks": self.kinds,
                "weights": None if self.weights is None else "WEIGHTS",
                "calls": self.calls,
            },
            models={s.card.modality: s.card.file for s in found},
            provider={t.name: t.provider for t in timed if not t.why_not},
            rows=rows,
            draw=lambda path: draw_encoders(rows, path),
            tables=[_table(found, timed), before, *_not_here(timed)],
        )


@dataclass(frozen=True)
class Timed:
    """A network in one precision on one provider: its times by batch, or why there are none."""

    subject: Subject
    precision: str
    shipped: bool
    provider: str
    times: dict[int, Times]
    same_label: float | None = None  # share of inputs labelled as the float32 network does on cpu
    why_not: str = ""

    @property
    def name(self) -> str:
        """What it is called in the JSON."""
        return f"{self.subject.card.modality}.{self.precision}.{self.provider}"


def _time_all(subject: Subject, variants: Variants, settings: Encoders, say: Say) -> list[Timed]:
    reference: Engine | None = None
    if variants.inputs and "fp32" in variants.files:
        reference = open_engine(variants.files["fp32"], "cpu", lengths=subject.lengths)
    out = []
    for precision in PRECISIONS:
        if precision not in variants.files and precision not in variants.missing:
            continue
        for provider in settings.providers:
            what = (subject, precision, precision == variants.shipped, provider)
            say(f"{subject.card.modality} {precision} on {provider}")
            try:
                engine = _open(subject, variants, precision, provider)
            except MmerError as reason:
                out.append(Timed(*what, {}, why_not=str(reason)))
                continue
            same = None
            if reference is not None:
                same = compare(reference, engine, variants.inputs, calls=1).label_agreement
            times = {rows: _time(engine, subject, rows, settings.calls) for rows in BATCHES}
            out.append(Timed(*what, times, same))
    return out


def _time_preparations(found: Sequence[Subject], calls: int) -> list[tuple[str, str, Times]]:
    """Key, description and times of each."""
    out = []
    for s in found:
        key = f"{s.card.modality}.preparation"
        if s.prepare is not None:
            out.append((key, s.prepared_by, time_calls(s.prepare, calls)))
        if s.grow is not None:
            what = f"{s.prepared_by}, {GROWN_S:g} s of it new"
            out.append((f"{key}.growing", what, time_calls(s.grow, calls)))
    return out


def _time(engine: Engine, subject: Subject, rows: int, calls: int) -> Times:
    batch: dict[str, Any] = subject.batch(rows)
    return time_calls(lambda: engine.run(batch), calls)


def _open(subject: Subject, variants: Variants, precision: str, provider: str) -> Engine:
    """TensorRT makes its precisions by itself; the others open the file that is in it."""
    if provider == "tensorrt":
        from mmer.models.engine.tensorrt.opening import open_built, open_tensorrt

        if precision == "int8":  # to be calibrated, which `mmer-engine build` does
            return open_built(subject.path, subject.lengths, precision=precision)
        return open_tensorrt(subject.path, subject.lengths, precision=precision)
    if precision in variants.missing:
        raise MmerError(variants.missing[precision])
    return open_engine(variants.files[precision], provider, lengths=subject.lengths)


def _rows(timed: Sequence[Timed]) -> list[Row]:
    rows = []
    for t in timed:
        what = f"{t.subject.card.modality} {t.precision} on {t.provider}"
        if t.why_not:
            rows.append(Row(key=t.name, what=what, measured=f"not here: {t.why_not}"))
        for size, times in t.times.items():
            p50 = summarise(times.call_ms).p50
            more = {"p50_a_row": p50 / size, "same_label": t.same_label}
            rows.append(_row(f"{t.name}.batch{size}", f"{what}, batch {size}", times, more))
    return rows


def _row(key: str, what: str, times: Times, more: Mapping[str, float | None]) -> Row:
    found = summarise(times.call_ms)
    return Row(
        key=key,
        what=what,
        measured=f"p50 {found.p50:.2f}, p99 {found.p99:.2f} ms",
        values={"p50": found.p50, "p99": found.p99, "cpu_ms": times.cpu_ms, **more},
        samples={"call_ms": times.call_ms},
    )


def _table(found: Sequence[Subject], timed: Sequence[Timed]) -> Table:
    lines: list[list[str]] = []
    for t in timed:
        if t.why_not:
            continue
        shipped = f"{t.precision} (shipped)" if t.shipped else t.precision
        one, many = t.times[BATCHES[0]], t.times[BATCHES[1]]
        lines.append(
            [
                f"{t.subject.card.modality}, {shipped}",
                t.provider,
                *_shown(one),
                *_shown(many),
                f"{summarise(many.call_ms).p50 / BATCHES[1]:.2f}",
                "" if t.same_label is None else f"{100 * t.same_label:.0f} %",
            ]
        )
    first, second = (f"batch {size}" for size in BATCHES)
    return Table(
        ["network", "on", f"{first} p50", "p99", f"{second} p50", "p99", "a row", "same label"],
        lines,
        "Milliseconds a call. " + "; ".join(f"{s.card.modality}: {s.what}" for s in found),
        words=2,
    )


def _not_here(timed: Sequence[Timed]) -> list[Table]:
    """A line for each provider and reason, however many networks it hit; no table without any."""
    hit: dict[tuple[str, str], list[str]] = {}
    for t in timed:
        if t.why_not:
            name = f"{t.subject.card.modality} {t.precision}"
            hit.setdefault((t.provider, t.why_not), []).append(name)
    if not hit:
        return []
    whole = len({(t.subject.card.modality, t.precision) for t in timed})
    lines = [
        [on, "all" if len(names) == whole else ", ".join(names), why]
        for (on, why), names in hit.items()
    ]
    return [Table(["not here", "networks", "because"], lines, words=3)]


def _shown(times: Times) -> list[str]:
    found = summarise(times.call_ms)
    return [f"{found.p50:.2f}", f"{found.p99:.2f}"]
