"""One function over many inputs: in this process, in several, or on the actors of a Ray cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from mmer.models.errors import MmerError
from mmer.realtime.batch.ray_data import LEAST_CPUS, cluster
from mmer.realtime.batch.run import check_workers
from mmer.realtime.own_process import one_thread_each

X = TypeVar("X")
Y = TypeVar("Y")
Make = Callable[[], Callable[[X], Y]]
"""Makes the function, once in each worker: what is slow to load is loaded there."""


def over_workers(
    make: Make[X, Y], inputs: Sequence[X], workers: int, address: str | None = None
) -> Iterator[Y]:
    """What the function returns for each of ``inputs``, in their order, as it comes.

    With more than one worker, or an ``address`` ("local", or that of a Ray cluster), ``make``,
    inputs and results are pickled; a cluster's machines have mmer, and every file under the same
    path. Raises MmerError where a worker or the cluster dies, and what the function raises.
    """
    check_workers(workers)
    workers = min(workers, len(inputs))
    if address is not None and inputs:
        yield from _on_ray(make, inputs, workers, address)
    elif workers > 1:
        yield from _in_processes(make, inputs, workers)
    elif inputs:
        yield from map(make(), inputs)


def _in_processes(make: Make[X, Y], inputs: Sequence[X], workers: int) -> Iterator[Y]:
    one_thread_each()  # in what is started now: each has a core
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(workers, spawn, _begin, (make,))
    try:
        yield from pool.map(_call, inputs)
    except BrokenProcessPool as error:
        raise MmerError("a worker process died: out of memory, or killed") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_ray(make: Make[X, Y], inputs: Sequence[X], workers: int, address: str) -> Iterator[Y]:
    with cluster(address, max(workers + 1, LEAST_CPUS)) as ray:
        from ray.util import ActorPool

        actor = ray.remote(num_cpus=1)(_Worker)
        pool = ActorPool([actor.remote(make) for _ in range(workers)])
        try:
            yield from pool.map(lambda one, value: one.call.remote(value), inputs)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, MmerError) else error) from error
        except ray.exceptions.RayError as error:
            raise MmerError(f"--ray {address}: a worker died ({type(error).__name__})") from error


class _Worker:
    """The function, made by the first call: what is wrong then is raised like any other error."""

    def __init__(self, make: Make[Any, Any]) -> None:
        self._make = make
        self._function: Callable[[Any], Any] | None = None

    def call(self, value: Any) -> Any:
        if self._function is None:
            self._function = self._make()
        return self._function(value)


_HERE: list[_Worker] = []
"""The one worker of this process, where that is a worker's."""


def _begin(make: Make[Any, Any]) -> None:
    _HERE[:] = [_Worker(make)]


def _call(value: Any) -> Any:
    (worker,) = _HERE
    return worker.call(value)
