"""Work shared out over processes, its results in order: the same whatever the number of processes.

Nothing stays behind: workers leave Ctrl-C to the parent, and end when it does, also when it is killed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from spanline.common.errors import SpanlineError
from spanline.runtime import num_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
LEAST_ITEMS = 4  # below, starting a process takes longer than it saves
AHEAD = 2  # items a process that are under way or wait for their turn: bounds memory


def num_processes(wanted: int, num_items: int) -> int:
    """Processes for `num_items` items: `wanted`, where 0 means one per core, but none for fewer than LEAST_ITEMS."""
    return max(1, min(wanted or num_cores(), num_items // LEAST_ITEMS))


def in_order(make: Callable[[], Callable[[Item], Result]], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """`make()(item)` for each item, in the items' order. Each process calls `make` once; one process is this one.

    `make`, items and results are pickled. An exception of an item is raised when its turn comes.
    """
    if processes == 1:
        yield from map(make(), items)
        return
    stream = iter(items)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (make,))
    try:
        waiting: deque[Future[Result]] = deque(pool.submit(_work, item) for item in islice(stream, AHEAD * processes))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(_work, item) for item in islice(stream, 1))
            yield result
    except BrokenProcessPool:
        what = "a worker process was killed, perhaps for want of memory"
        raise SpanlineError("runtime.workers", what, f"choose fewer than {processes}") from None
    finally:
        pool.shutdown(cancel_futures=True)


_function: Callable[[Any], Any]


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    global _function
    _function = make()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(item: Any) -> Any:
    return _function(item)
