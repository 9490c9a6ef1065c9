"""Batching engine: concurrent calls from many threads run together."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmer.models.engine.engine import Engine


class BatchingEngine:
    """An engine whose callers, from any number of threads, share its runs.

    A call that finds the engine free runs at once: no call waits for company. Those that come
    meanwhile wait, and the next run takes all of them whose arrays agree in all but the first axis,
    up to ``most_rows`` rows together. What a call gets may differ from what it would have got alone
    by the rounding of another batch size. Where a run of several fails, each is run alone: one with
    bad arrays costs the others nothing but time.
    """

    def __init__(self, engine: Engine, most_rows: int = 8) -> None:
        self._engine = engine
        self._most_rows = most_rows
        self.provider = engine.provider
        self.inputs = engine.inputs
        self.outputs = engine.outputs
        self.runs = 0
        self.rows = 0  # in all runs together
        self._waiting: list[_Call] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out; the first axis of each is the batch.

        Raises what the engine raises for these arrays.
        """
        call = _Call(inputs)
        with self._list:
            self._waiting.append(call)
        with self._turn:
            if not call.done:
                self._run(self._take(call))
        if call.error is not None:
            raise call.error
        return call.outputs

    def _run(self, calls: Sequence[_Call]) -> None:
        self.runs += 1
        self.rows += sum(c.rows for c in calls)
        try:
            outputs = run_joined(self._engine, [c.inputs for c in calls])
        except Exception as error:  # noqa: BLE001  raised by the caller
            if len(calls) > 1:
                for c in calls:
                    self._run([c])
                return
            calls[0].error = error
        else:
            for c, found in zip(calls, outputs, strict=True):
                c.outputs = found
        for c in calls:
            c.done = True

    def _take(self, call: _Call) -> list[_Call]:
        """``call`` and those that waited with it and fit, off the list."""
        calls, rows = [call], call.rows
        with self._list:
            for other in self._waiting:
                if other is call or other.shape != call.shape:
                    continue
                if rows + other.rows <= self._most_rows:
                    calls.append(other)
                    rows += other.rows
            self._waiting = [c for c in self._waiting if c not in calls]
        return calls


def run_joined(
    engine: Engine, calls: Sequence[Mapping[str, np.ndarray]]
) -> list[dict[str, np.ndarray]]:
    """One run for all ``calls``, whose arrays agree in all but the first axis; outputs of each."""
    joined = {name: np.concatenate([call[name] for call in calls]) for name in calls[0]}
    ends = np.cumsum([len(next(iter(call.values()))) for call in calls])[:-1]
    made: list[dict[str, np.ndarray]] = [{} for _ in calls]
    for name, array in engine.run(joined).items():
        for outputs, part in zip(made, np.split(array, ends), strict=True):
            outputs[name] = part
    return made


@dataclass(eq=False)
class _Call:
    inputs: Mapping[str, np.ndarray]
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    error: Exception | None = None
    done: bool = False

    def __post_init__(self) -> None:
        first = next(iter(self.inputs.values()))
        self.rows = len(first)
        self.shape = {name: (a.shape[1:], a.dtype) for name, a in self.inputs.items()}
